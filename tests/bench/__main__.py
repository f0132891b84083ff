"""python -m tests.bench [--only WORD]… [--tiny] [--folder PATH]: measure, print the table, write var/bench.json."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tests.bench.processes import ROOT
from tests.bench.row import TINY, Bench, Measure, Row, Size, did_not_run
from tests.support.pbx import end_forgotten

#: word for --only → the row's file, and its goal where the row cannot run
ROWS: Final = {
    "parse": ("parse_dispatch", ">= 1.5 x panoramisk's stock dispatch"),
    "pipeline": ("pipeline", ">= 1 x panoramisk and cacofonisk, then 2 x"),
    "popup": ("popup", "p99 <= 50 ms"),
    "overhead": ("pbx_overhead", ">= 0.95 of the calls/s without the service"),
    "lookup": ("lookup", "median within 1.2 x, by index alone"),
    "live": ("live_view", "p99 <= 100 ms, flat memory"),
    "recovery": ("recovery", "<= 1 s"),
    "idle": ("idle", "reported"),
}
#: rows of the table that nothing measures yet: they are in every whole run, and do not hold
NOT_YET: Final = {
    "observatory table over 1,000,000 calls": ("<= 1 s", "there is no observatory yet"),
}
OUT: Final = ROOT / "var" / "bench.json"
#: figures that mean nothing do not come among those that do
OUT_TINY: Final = OUT.with_name("bench-tiny.json")
_console = Console(stderr=True, highlight=False)


def say(line: str) -> None:
    """Progress."""
    _console.print(f"{time.strftime('%H:%M:%S')} {line}", markup=False, soft_wrap=True)


def measured(word: str, bench: Bench) -> Sequence[Row]:
    """The rows of one file; an error becomes a row that says so."""
    module, goal = ROWS[word]
    began = time.monotonic()
    try:
        measure: Measure = importlib.import_module(f"tests.bench.{module}").measure
        return measure(bench)
    except Exception as error:  # the table must show that this row has no figure
        traceback.print_exc()
        return [did_not_run(word, goal, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")]
    finally:
        end_forgotten()  # of a row that failed half-way: while its folder is still there to find it by
        say(f"{word}: {time.monotonic() - began:.0f} s")


def show(rows: Sequence[Row]) -> None:
    """The table, on standard output."""
    table = Table("row", "value", "unit", "peer", "ratio", "goal", "holds", "n")
    for row in rows:
        found = row.as_json()
        peer = "" if row.peer is None else f"{row.peer}: {found['peer_value']}"
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        value = "–" if row.value is None else str(found["value"])
        table.add_row(row.name, value, row.unit, peer, ratio, row.goal, "yes" if row.holds else "NO", str(row.n))
    console = Console(width=160, highlight=False)
    console.print(table)
    for row in rows:
        console.print(f"{row.name}: {row.note}", markup=False, soft_wrap=True)


def written(file: Path) -> list[dict[str, Any]]:
    """The rows that an earlier run wrote; none where there was no such run, or it was broken off while it wrote."""
    try:
        rows: list[dict[str, Any]] = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return []
    return rows


def together(
    before: Sequence[dict[str, Any]], now: Sequence[dict[str, Any]], words: Sequence[str]
) -> list[dict[str, Any]]:
    """What was measured now in the place of the same row from before; the others stay.

    `words`: asked for now. A row that could not run is named by its word.
    """
    anew = {row["name"]: row for row in now}
    kept = [anew.pop(row["name"], row) for row in before if row["name"] in anew or row["name"] not in words]
    return [*kept, *anew.values()]


def main(arguments: Sequence[str] | None = None) -> int:
    """0 whether goals were reached or not: the table tells. 2 for a wrong word."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("--only", action="append", choices=sorted(ROWS), help="this row alone; repeat for several")
    parser.add_argument("--tiny", action="store_true", help="shows that the code runs; the figures mean nothing")
    parser.add_argument("--out", type=Path, help=f"where the figures are written; default: {OUT.name}")
    asked = parser.parse_args(arguments)
    out: Path = asked.out or (OUT_TINY if asked.tiny else OUT)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="ecoute-bench-") as folder:
        bench = Bench(size=TINY if asked.tiny else Size(), folder=Path(folder), say=say)
        for word in asked.only or ROWS:
            rows += measured(word, bench)
    if not asked.only:
        rows += [did_not_run(name, goal, why) for name, (goal, why) in NOT_YET.items()]
    found = [row.as_json() for row in rows]
    if asked.only:
        found = together(written(out), found, asked.only)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    show(rows)
    say(f"written to {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
