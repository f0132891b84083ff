"""Writes a migration from the difference between the models and the chain: for those who change a model.

python -m service.store.generate "cases get a priority"     # next revision, against the chain's head
python -m service.store.generate --first                    # revision 0001 anew, before the first release only
"""

from __future__ import annotations

import argparse
import asyncio
import re
import tempfile
from pathlib import Path
from typing import Any, Final, Literal

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.autogenerate.api import AutogenContext
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import BigInteger, Connection, Enum
from sqlalchemy.types import TypeDecorator

from service.store.base import SealedBytes, UtcDateTime
from service.store.engine import Store
from service.store.tables import metadata
from service.store.upgrade import MIGRATIONS, config

_FILE: Final = '''"""{message}."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = {down}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make it so."""
    {upgrade}


def downgrade() -> None:
    """Take it back."""
    {downgrade}
'''


def _render_type(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    """Column types as plain SQLAlchemy ones: a migration must not change when the code's types do."""
    if kind != "type":
        return False
    if isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if isinstance(item, SealedBytes):
        return "sa.LargeBinary()"
    if isinstance(item, Enum):
        return f"sa.String(length={item.length})"
    if type(item) is BigInteger and "sqlite" in item._variant_mapping:
        return 'sa.BigInteger().with_variant(sa.Integer(), "sqlite")'
    if isinstance(item, TypeDecorator):
        raise TypeError(f"say how {type(item).__name__} is written in a migration")
    return False


def _differences(connection: Connection) -> tuple[str, str]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "render_as_batch": False})
    script = produce_migrations(context, metadata())
    assert script.upgrade_ops is not None  # noqa: S101 produce_migrations always fills both
    assert script.downgrade_ops is not None  # noqa: S101
    return (
        _indented(render_python_code(script.upgrade_ops, render_item=_render_type)),
        _indented(render_python_code(script.downgrade_ops, render_item=_render_type)),
    )


def _indented(code: str) -> str:
    lines = [line for line in code.splitlines() if "commands auto generated" not in line and "end Alembic" not in line]
    return "\n".join(lines).strip() or "pass"


async def _generate(message: str, *, first: bool) -> Path:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite+aiosqlite:///{folder}/schema.db")
        try:
            if not first:
                await store.upgrade()
            async with store.engine.connect() as connection:
                upgrade, downgrade = await connection.run_sync(_differences)
                scripts = await connection.run_sync(lambda sync: ScriptDirectory.from_config(config(sync)))
        finally:
            await store.close()
    head = None if first else scripts.get_current_head()
    revision = f"{int(head or 0) + 1:04}"
    slug = "first" if first else re.sub(r"[^a-z0-9]+", "_", message.lower()).strip("_")[:40]
    file = MIGRATIONS / "versions" / f"{revision}_{slug}.py"
    down = f'"{head}"' if head else "None"
    text = _FILE.format(message=message, revision=revision, down=down, upgrade=upgrade, downgrade=downgrade)
    file.write_text(text, encoding="utf-8")
    return file


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Write a migration from what changed in the models.")
    parser.add_argument("message", nargs="?", default="The tables of the first release")
    parser.add_argument("--first", action="store_true", help="write revision 0001 anew")
    arguments = parser.parse_args()
    file = asyncio.run(_generate(arguments.message, first=arguments.first))
    print(f"{file}\nnow run: ruff format {file}")


if __name__ == "__main__":
    main()
