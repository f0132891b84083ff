"""Row h: what the service costs Asterisk. The calls that one core of it carries, with the service attached and without.

A rate that is raised until calls fail would measure sipp here: it shares a core with the service. So Asterisk has a
core of its own, sipp and the service share the other, callers come at one rate, and Asterisk's processor time for each
call is what is compared: its reciprocal is what one core can carry. With and without take turns.

A call is as the line has it, the welcome included; then caller and listener are together for a moment and nobody sends
audio: a conversation's media, which the service never touches, would hide its cost. Every call is answered, the service
keeps its session, and each call has its record in the end: a service that lost track would cost nothing, too.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy import func, select

from service.calls.model import Call
from tests.bench import crowd, processes
from tests.bench.row import Bench, Row, did_not_run, interleaved
from tests.integration.live.line import LiveLine
from tests.support.sipp import Phone
from tests.support.wait import until
from tests.support.witness import Witness

GOAL: Final = 0.95
_GOAL: Final = f">= {GOAL} of the calls/s without the service"
_NAME: Final = "PBX overhead: calls that one core of Asterisk carries"
_CALLS_PER_SECOND: Final = 20
#: a telephone that lets go within a second has talked to nobody, and the caller would be kept
_TALK_SECONDS: Final = 2.5
_WITH: Final = "with"
_WITHOUT: Final = "without"
_ORDER: Final = (_WITHOUT, _WITH)


def measure(bench: Bench) -> Sequence[Row]:
    """One row."""
    folder = bench.folder / "overhead"
    folder.mkdir()
    calls = bench.size.overhead_calls
    bench.say(f"{_NAME}: {calls} calls a round")
    with ExitStack() as stack:
        core = stack.enter_context(_cores_apart())
        line = stack.enter_context(LiveLine(folder, listeners=1))
        _keep_to(line.pbx.running.pid, core)
        line.kill_service()
        ids, phone = crowd.join(line, calls, folder, talk=_TALK_SECONDS)
        line.pbx.add_manager("bench", "bench-secret", "read =\nwrite = all\n")
        with Witness(line.pbx.ports.ami, "bench", "bench-secret") as witness:
            crowd.serve(witness, list(ids.values()))
        service: list[float] = []
        rounds = (bench.size.rounds + 1) // 2
        turns = {name: partial(_round, line, phone, list(ids.values()), name == _WITH, service) for name in _ORDER}
        rates = interleaved(rounds, turns)
        total = rounds * len(turns) * calls
        _attach(line, wanted=True)  # what came while it was away is in the journal
        until(lambda: _records(line) == total, f"all {total} calls are in the books", 60)
    return [_row(rates, total, service)]


def _row(rates: Mapping[str, float], calls: int, service: Sequence[float]) -> Row:
    """`rates`: calls for a second of Asterisk's core. `service`: seconds of a core it took for a call, by round."""
    if not all(rates.values()):
        return did_not_run(_NAME, _GOAL, "calls were too few to take any of Asterisk's time")
    ratio = rates[_WITH] / rates[_WITHOUT]
    per_call = {name: 1000 / rate for name, rate in rates.items()}
    return Row(
        name=_NAME,
        value=rates[_WITH],
        unit="calls/CPU s",
        peer="the same Asterisk, nobody attached",
        peer_value=rates[_WITHOUT],
        ratio=ratio,
        goal=_GOAL,
        holds=ratio >= GOAL,
        n=calls,
        note=(
            f"Asterisk on a core of its own, {_CALLS_PER_SECOND} calls/s, rounds in turns, medians: "
            f"{per_call[_WITH]:.2f} ms of its core for a call with the service, {per_call[_WITHOUT]:.2f} ms without; "
            f"the welcome is heard, the conversation is without audio; the service itself took "
            f"{1000 * statistics.median(service):.1f} ms of the other core for a call; {processes.load()}"
        ),
    )


# --- a round --------------------------------------------------------------------------------------------------------


def _round(line: LiveLine, phone: Phone, accounts: Sequence[int], attached: bool, service: list[float]) -> float:
    """As many calls as listeners, each answered; how many of them a second of Asterisk's core carries."""
    _attach(line, wanted=attached)
    _free(line, accounts)
    until(lambda: bool(_login(line)) == attached, "the service is logged in, or is not", every=0.2)
    login = _login(line)
    asterisk, ours = line.pbx.running.pid, line.service.pid if line.service and attached else 0
    answered = _answered(phone)
    before, before_ours = processes.cpu_seconds(asterisk), processes.cpu_seconds(ours) if ours else 0.0
    caller = line.caller(calls=len(accounts), rate=_CALLS_PER_SECOND, stay=60)
    until(lambda: caller.process.poll() is not None, "every caller has gone", 60 + len(accounts), every=0.1)
    used = processes.cpu_seconds(asterisk) - before
    if ours:
        service.append((processes.cpu_seconds(ours) - before_ours) / len(accounts))
    if _login(line) != login:
        raise RuntimeError("the service lost its session meanwhile")
    taken = _answered(phone) - answered
    if taken < len(accounts):
        raise RuntimeError(f"{taken} of {len(accounts)} calls were answered")
    return len(accounts) / used if used else 0.0


def _login(line: LiveLine) -> str:
    """The service's login at the manager interface, and since when, as Asterisk lists it; empty for none."""
    shown = [row.split() for row in line.pbx.console("manager show connected").splitlines()]
    return next((" ".join(row[:3]) for row in shown if row and row[0] == "service"), "")


def _attach(line: LiveLine, *, wanted: bool) -> None:
    """The service is there, or nobody is logged in at the manager interface."""
    running = line.service is not None and line.service.poll() is None
    if wanted and not running:
        line.start_service()
    elif running and not wanted:
        line.kill_service()


def _free(line: LiveLine, accounts: Sequence[int]) -> None:
    """Nobody writes up any more. By a login of the bench's own, which is gone when the round begins."""
    with Witness(line.pbx.ports.ami, "bench", "bench-secret") as witness:
        for account in accounts:
            witness.ask("QueuePause", Interface=f"PJSIP/l{account}", Paused="false")


def _answered(phone: Phone) -> int:
    return len({message.call for message in phone.all_seen("INVITE", status=200, ours=True)})


def _records(line: LiveLine) -> int:
    """Calls whose end is stored."""
    found: int = line.query(
        lambda session: session.scalar(select(func.count()).select_from(Call).where(Call.ended_at.is_not(None)))
    )
    return found


# --- the machine ----------------------------------------------------------------------------------------------------


@contextmanager
def _cores_apart() -> Iterator[int | None]:
    """The core that is Asterisk's; we and all that we start keep to the others. None where there is one core only."""
    ours = os.sched_getaffinity(0)
    if len(ours) < 2:
        yield None
        return
    core = max(ours)
    os.sched_setaffinity(0, ours - {core})
    try:
        yield core
    finally:
        os.sched_setaffinity(0, ours)


def _keep_to(pid: int, core: int | None) -> None:
    """All threads of a process, and those that they will start."""
    if core is not None:
        for task in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {core})
