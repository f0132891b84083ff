"""python -m tests.faults --calls N --faults M --seed S: break the line M times while callers talk, and count.

Ends with `N calls, M faults, L lost, C cut, D duplicates, upper bound U %`; writes var/faults.json, or for a part
var/faults/SEED-I-of-K.json.
0 when nothing was found, 1 when something was, 2 for a wrong word.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from tests.faults import report as reports
from tests.faults.faults import all_faults
from tests.faults.injector import Injector, Need
from tests.faults.run import LIVE, Plan, run
from tests.faults.tools.namespaces import own_namespaces

ROOT: Final = Path(__file__).resolve().parents[2]
OUT: Final = ROOT / "var" / "faults.json"
PARTS: Final = ROOT / "var" / "faults"


def say(line: str) -> None:
    """Progress."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stderr.flush()


def arguments() -> argparse.ArgumentParser:
    """What is understood."""
    parser = argparse.ArgumentParser(prog="make faults N=… M=… SEED=… ARGS=…", description=__doc__)
    parser.add_argument("--calls", type=int, default=200, help="at least so many callers")
    parser.add_argument("--faults", type=int, default=20, help="so many faults")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", default=[], help="this fault alone; repeat for several")
    parser.add_argument("--part", default="1/1", metavar="I/K", help="the Ith of K parts: its share, its own seed")
    parser.add_argument("--sum", nargs="+", type=Path, metavar="FILE", help="add up the reports of parts")
    parser.add_argument("--rate", type=float, default=1.2, help="calls a second")
    parser.add_argument("--live", type=int, default=LIVE, help="a fault waits until so many calls live")
    parser.add_argument("--out", type=Path, help="where the report is written")
    parser.add_argument("--folder", type=Path, help="keep every file of the run here")
    return parser


def share(whole: int, part: int, parts: int) -> int:
    """Of `whole`, so that all parts together make it up."""
    return whole * part // parts - whole * (part - 1) // parts


def seed_of(seed: int, part: int, parts: int) -> int:
    """A part's own: the same part of the same run draws the same again."""
    return seed if parts == 1 else seed * 1000 + part


def chosen(only: Sequence[str], there: frozenset[Need]) -> tuple[list[Injector], list[str]]:
    """Those that may be drawn, and the names of those left out. ValueError for a name that is not known."""
    known = {fault.name: fault for fault in all_faults()}
    if unknown := set(only) - known.keys():
        raise ValueError(f"no such fault: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    wanted = [known[name] for name in only] if only else [f for f in known.values() if not f.cuts_calls]
    able = [fault for fault in wanted if fault.needs <= there]
    return able, [fault.name for fault in wanted if fault not in able]


@contextlib.contextmanager
def _surroundings() -> Iterator[frozenset[Need]]:
    """A network and mounts of the run's own, where the machine allows them; what there is of what faults need."""
    if os.geteuid() != 0:
        yield frozenset[Need]()
        return
    with contextlib.ExitStack() as stack:
        there = {Need.ROOT}
        try:
            stack.enter_context(own_namespaces(network=True, mounts=True))
            there |= {Need.NAMESPACE, Need.MOUNT}
        except OSError as error:
            say(f"no network and mounts of its own: {error}")
        yield frozenset(there)


def finish(report: dict[str, Any], out: Path) -> int:
    """Write, print, judge."""
    reports.write(report, out)
    for line in reports.table(report):
        sys.stdout.write(line + "\n")
    sys.stdout.write(reports.last_line(report) + "\n")
    return 1 if report["findings"] or not reports.effective(report) else 0


def main(given: Sequence[str] | None = None) -> int:
    """The command."""
    parser = arguments()
    asked = parser.parse_args(given)
    try:
        part, parts = map(int, asked.part.split("/"))
        if asked.sum:
            return finish(reports.added([reports.read(file) for file in asked.sum]), asked.out or OUT)
        chosen(asked.only, frozenset())
    except ValueError as error:
        parser.error(str(error))
    plan = Plan(
        calls=share(asked.calls, part, parts),
        faults=share(asked.faults, part, parts),
        seed=seed_of(asked.seed, part, parts),
        rate=asked.rate,
        live=asked.live,
        only=tuple(asked.only),
    )
    default = OUT if parts == 1 else PARTS / f"{asked.seed}-{part}-of-{parts}.json"
    with contextlib.ExitStack() as stack:
        there = stack.enter_context(_surroundings())
        faults, left_out = chosen(asked.only, there)
        if left_out:
            say(f"left out, for want of what they need: {', '.join(left_out)}")
        folder = asked.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ecoute-faults-")))
        result = run(plan, faults, folder, say, mounts=Need.MOUNT in there)
        result.left_out = left_out
    return finish(reports.report_of(result), asked.out or default)


if __name__ == "__main__":
    sys.exit(main())
