"""After a crash of the service the board is Asterisk's own view again. How fast with 600 calls, `make bench` tells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.bench import recovery
from tests.bench.row import TINY, Bench


def test_a_service_that_starts_under_live_calls_shows_what_asterisk_has(tmp_path: Path) -> None:
    size = replace(TINY, live_calls=24, rounds=2)
    rows = recovery.measure(Bench(size=size, folder=tmp_path, say=print))
    assert [row.value is not None for row in rows] == [True, True], [row.note for row in rows]
