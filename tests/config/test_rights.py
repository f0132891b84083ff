"""The table of rights for people who read is what the code declares."""

from __future__ import annotations

from pathlib import Path

from service.app import ROUTE_TABLES
from service.http.rights import rendered

TABLE = Path(__file__).parents[2] / "docs" / "rights.md"


def test_the_table_of_rights_is_current() -> None:
    assert TABLE.read_text(encoding="utf-8") == rendered(ROUTE_TABLES), (
        "write it anew: python -m service.cli.describe rights > docs/rights.md"
    )
