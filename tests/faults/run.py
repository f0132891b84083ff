"""One run: callers come, faults are drawn while enough calls live, and afterwards everything is audited."""

from __future__ import annotations

import itertools
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.faults.auditor import Audit, Finding, Kind, audit_writes
from tests.faults.injector import Injector, NotAsExpected
from tests.faults.line import FaultLine
from tests.faults.reading import leaks_of, read_books
from tests.faults.tools.disk import SmallDisk
from tests.faults.tools.effect import FaultWithoutEffect
from tests.support.wait import until

#: a fault is drawn while at least so many calls live
LIVE: Final = 20
#: of the audio of the conversation that runs through all faults
HEARD: Final = 0.85
#: for the database of a part, and the notes of all its calls
_DISK_MEGABYTES: Final = 256
#: for so many calls to live, at the beginning and after each fault
_FILLED_SECONDS: Final = 120.0
#: from the end of one look to the next fault, drawn: so that faults meet calls at any instant
_PAUSE_SECONDS: Final = (0.2, 2.5)
#: what was heard or locked out is in the books this soon after the last call
_BOOKS_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for. `rate`: calls a second. `calls`: at least so many."""

    calls: int
    faults: int
    seed: int
    rate: float = 1.2
    listeners: int = 21
    live: int = LIVE
    only: tuple[str, ...] = ()


@dataclass(slots=True)
class Drawn:
    """A fault that was injected. Instants: epoch seconds. `board`: seconds until the board was right; None: it was not.

    `took_effect`: False where the fault itself shows that nothing was broken: it counts for nothing.
    """

    nth: int
    name: str
    live: int
    injected_at: float
    undone_at: float = 0.0
    board: float | None = None
    took_effect: bool = True
    heard: float | None = None  #: share of the audio of the running conversation


@dataclass(slots=True)
class Result:
    """What a run found."""

    plan: Plan
    calls: int = 0
    drawn: list[Drawn] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    cut_by_faults: int = 0  #: calls that a fault which cuts calls ended, each marked so in the books
    notes: list[str] = field(default_factory=list)


def schedule(faults: Sequence[Injector], seed: int) -> Iterator[Injector]:
    """Without end: each fault once in a drawn order, then again in another."""
    draw = random.Random(seed)  # noqa: S311  what was drawn must be drawn again
    while True:
        yield from draw.sample(list(faults), len(faults))


def run(
    plan: Plan, faults: Sequence[Injector], folder: Path, say: Callable[[str], None], *, mounts: bool = False
) -> Result:
    """The whole of it. `faults`: those that may be drawn, none for a run without any. `mounts`: we may mount."""
    result = Result(plan)
    with ExitStack() as stack:
        disk = stack.enter_context(SmallDisk(folder / "db", megabytes=_DISK_MEGABYTES)) if mounts else None
        line = stack.enter_context(FaultLine(folder, listeners=plan.listeners, seed=plan.seed, say=say, disk=disk))
        line.callers.begin(plan.rate)
        for nth, fault in enumerate(itertools.islice(schedule(faults, plan.seed), plan.faults) if faults else (), 1):
            result.drawn.append(_one(line, plan, nth, fault, result.findings))
        until(
            lambda: line.callers.started() >= plan.calls,
            "every caller has come",
            plan.calls / plan.rate * 2 + 60,
            every=1,
        )
        say("nobody new comes")
        line.callers.stop_coming()
        line.callers.wait_until_gone()
        _audit(line, result)
        if disk is not None:  # what is mounted is gone with us
            shutil.copytree(disk.place, folder / "db-left", dirs_exist_ok=True)
    return result


def _one(line: FaultLine, plan: Plan, nth: int, fault: Injector, findings: list[Finding]) -> Drawn:
    """Inject, hold, undo, look."""
    time.sleep(line.random.uniform(*_PAUSE_SECONDS))
    live = until(lambda: _enough(line, plan.live), f"{plan.live} calls live", _FILLED_SECONDS, every=0.5)
    drawn = Drawn(nth, fault.name, live, time.time())
    mark = line.conversation.mark()
    try:
        try:
            fault.inject(line)
            time.sleep(fault.seconds)
        finally:
            fault.undo(line)
    except NotAsExpected as error:
        findings.append(Finding(Kind.FAULT, f"{fault.name}: {error}", time.time(), fault=fault.name))
    except FaultWithoutEffect as error:
        drawn.took_effect = False
        line.say(f"{fault.name}: {error}")
    except AssertionError as error:  # a wait of its own was in vain
        findings.append(Finding(Kind.FAULT, f"{fault.name}: {error}", time.time(), fault=fault.name))
    drawn.undone_at = time.time()
    if line.service_died():
        findings.append(
            Finding(Kind.FAULT, f"{fault.name}: the service ended by itself", time.time(), fault=fault.name)
        )
    if not line.pbx_deaths:
        drawn.heard = line.conversation.heard_since(mark)
        if drawn.heard is not None and drawn.heard < HEARD:
            what = f"{fault.name}: the running conversation was heard for {drawn.heard:.0%} of the time"
            findings.append(Finding(Kind.AUDIO, what, time.time(), fault=fault.name))
    try:
        drawn.board = line.wait_until_board_is_right(fault.settle_seconds)
        board = f"board right after {drawn.board:.1f} s"
    except AssertionError as error:
        board = "BOARD NOT RIGHT"
        findings.append(Finding(Kind.BOARD, f"{error}: {line.board_difference()}", time.time(), fault=fault.name))
    line.say(f"{nth}/{plan.faults} {fault.name}: {drawn.live} calls live, {board}")
    return drawn


def _enough(line: FaultLine, wanted: int) -> int:
    live = len(line.asterisk_calls())
    return live if live >= wanted else 0


def _audit(line: FaultLine, result: Result) -> None:
    stories, legs = line.callers.stories(), line.phones.legs()
    result.calls = len(stories)
    books = read_books(line, len(stories), _BOOKS_SECONDS)
    troubles = Counter(f"{why} ({who})" for who, those in _sipps(line) for why in those)
    result.notes += [f"sipp gave up by itself, {count} times: {why}" for why, count in troubles.items()]
    audit = Audit(stories, legs, books, line.frozen, line.pbx_deaths)
    result.findings += audit.findings()
    if delays := audit.delays():
        what = "callers were being told their place while a listener was offered to somebody behind them: up to"
        result.notes.append(f"{len(delays)} {what} {delays[-1]:.1f} s")
    result.cut_by_faults = sum(record.ended_by == "fault" for record in books.records)
    result.findings += audit_writes(line.people.ledger, books, time.time())
    result.notes.append(f"{line.people.ledger.acknowledged} acknowledged writes")
    result.notes.append(f"results: {books.counted()}")
    result.findings += [Finding(Kind.LEAK, text, time.time()) for text in leaks_of(line)]
    result.findings = [_near(finding, result.drawn) for finding in result.findings]


def _sipps(line: FaultLine) -> tuple[tuple[str, list[str]], ...]:
    return ("callers", line.callers.troubles()), ("telephones", line.phones.troubles())


def _near(finding: Finding, drawn: Sequence[Drawn]) -> Finding:
    """Which fault a finding belongs to: the last that had begun when it happened, if that was lately."""
    before = [fault for fault in drawn if fault.injected_at <= finding.at + 1]
    if finding.fault or not before:
        return finding
    last = before[-1]
    since = finding.at - last.undone_at
    return Finding(
        finding.kind,
        finding.what,
        finding.at,
        finding.call_id,
        finding.sip_call,
        f"{last.nth} {last.name}" + (f" (+{since:.0f} s)" if since > 0 else ""),
    )
