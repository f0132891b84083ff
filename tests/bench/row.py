"""A row of the table, and how its figures are made: peers take turns, and medians are compared."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`value` and `peer_value`: medians of the same run, in `unit`; `ratio`: how much better ours is than the peer's.

    `holds`: the goal was reached; a row that could not run has no value, says why in `note`, and does not hold.
    """

    name: str
    value: float | None
    unit: str
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None
    goal: str
    holds: bool
    n: int
    note: str

    def as_json(self) -> dict[str, Any]:
        """As `var/bench.json` has it; figures with four digits."""
        return {name: _short(value) if isinstance(value, float) else value for name, value in asdict(self).items()}


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def did_not_run(name: str, goal: str, why: str) -> Row:
    """A row is never left out: it says why there is no figure."""
    return Row(name=name, value=None, unit="", goal=goal, holds=False, n=0, note=f"could not run: {why}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured. `full` is the whole table; `tiny` only shows that a row's code runs."""

    rounds: int = 5
    calls: int = 300
    listeners: int = 60
    cases: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    lookups: int = 1_000
    sockets: int = 1_000
    changes_per_second: int = 50
    seconds: float = 60.0
    live_calls: int = 600
    popups: int = 200
    phones: int = 98
    idle_listeners: int = 600
    overhead_calls: int = 150


TINY = Size(
    rounds=1,
    calls=3,
    listeners=2,
    cases=(10, 100),
    lookups=20,
    sockets=5,
    changes_per_second=20,
    seconds=1.5,
    live_calls=6,
    popups=2,
    phones=2,
    idle_listeners=3,
    overhead_calls=3,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What every row gets: how much to measure, and a folder of its own run. `say`: one line of progress."""

    size: Size
    folder: Path
    say: Callable[[str], None]


#: A row's file gives this: it measures, and gives one row or several.
Measure = Callable[[Bench], Sequence[Row]]


def interleaved(rounds: int, contestants: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """The median of each, measured in turns so that what the machine does besides meets all of them alike."""
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    names = list(contestants)
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            taken[name].append(contestants[name]())
    return {name: statistics.median(values) for name, values in taken.items()}


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of them do not exceed; of few values the next greater one."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
