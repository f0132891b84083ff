"""A line's directory and its commands, for tests of what an administrator does on SQLite."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from service.audit import queries
from service.audit.chain import verify
from service.audit.model import Action
from service.store.engine import Store
from service.store.secrets import open_keys


class Line:
    """A line's directory, and its commands."""

    def __init__(self, place: Path) -> None:
        self.place, self.data = place, place / "var"
        self.data.mkdir()
        (place / "ecoute.toml").write_text(f'[store]\ndata_dir = "{self.data}"\n')
        self.url = f"sqlite+aiosqlite:///{self.data / 'ecoute.db'}"

    async def made(self) -> str:
        """Its master key's short name."""
        store = Store(self.url)
        try:
            return (await open_keys(store, self.data)).known[0]
        finally:
            await store.close()

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "service.cli.main", *words],
            cwd=self.place,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    async def trail(self) -> list[tuple[int | None, Action, str, str]]:
        """Who did what to which, by a chain that holds."""
        store = Store(self.url)
        try:
            assert (await verify(store, await open_keys(store, self.data))).whole
            async with store.reading() as session:
                found = await queries.entries(session)
        finally:
            await store.close()
        return [(one.account_id, one.action, one.subject, one.subject_id) for one in found]
