"""The service is killed under load and stays away; on its return the books must be what the telephones saw.

    python -m tests.faults.long_rows.service_down --seconds 600 --rate 5

Callers and phones are sipp, and their message logs are the oracle, call by call: who rang when, who was connected to a
person, when the call ended and who said BYE. The books are what the service stored. Listeners take calls all the time:
while the service is away they end their writing-up on the telephone, as an independent manager account does for them
here. Ends with one line; exit code 1 when anything differs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy import func, select

from service.calls.model import Call
from service.cases.model import Contact
from tests.integration.live.line import LiveLine, Page
from tests.support.second_witness import differences
from tests.support.sip_log import SipMessage
from tests.support.sipp import Caller, Phone
from tests.support.wait import until
from tests.support.witness import Witness

#: seconds that callers stay if nobody hangs up on them, and which share of them
HABITS: Final = ((30.0, 0.6), (12.0, 0.2), (2.0, 0.2))
LISTENERS: Final = 20
TALK_SECONDS: Final = 8.0
#: callers come for so long before the kill, and after the service may come back
BEFORE_SECONDS, AFTER_SECONDS = 10.0, 15.0
#: the goal: from the service's first line of work until the books hold all that was missed
RESYNC_SECONDS: Final = 5.0
#: two clocks' readings of one moment, on a busy machine
_MOMENT: Final = 3.0
#: who waits longest is offered a listener as they give up, again and again: a phone's answer and a goodbye may cross
_AT_THE_DOOR: Final = 3.0
_CALL_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NUMBER: Final = re.compile(r"<sip:(\+\d+)@")


@dataclass(slots=True)
class Heard:
    """One call as its caller and the listener's phone had it. Epoch seconds."""

    number: str
    rang_at: float
    answered: bool = False  #: by the line
    ended_at: float | None = None
    by_caller: bool = False


@dataclass(slots=True)
class Report:
    """`findings`: what differs, by call."""

    calls: int = 0
    answered: int = 0
    missed: int = 0  #: calls that began and ended while the service was away
    live_at_kill: int = 0
    live_at_return: int = 0
    away_seconds: float = 0.0
    ready_seconds: float = 0.0  #: from the start of the process until it says that it is ready
    books_seconds: float = 0.0  #: from then until the books hold every call that had ended
    board_seconds: float = 0.0  #: from then until the board shows the calls that live
    findings: list[str] = field(default_factory=list)

    def line(self) -> str:
        """The last line of the run."""
        return (
            f"service down: {self.calls} calls ({self.missed} wholly within {self.away_seconds:.0f} s, {self.answered} "
            f"answered; {self.live_at_kill} live at the kill, {self.live_at_return} at the return), "
            f"{len(self.findings)} differ from the telephones' logs; ready after {self.ready_seconds:.1f} s, the books "
            f"{self.books_seconds:.1f} s and the board {self.board_seconds:.1f} s after the service's start"
        )


# --- the run ----------------------------------------------------------------------------------------------------------


def run(folder: Path, seconds: float, rate: float) -> Report:
    """Play it. `seconds`: how long the service is away."""
    report = Report()
    with LiveLine(folder, listeners=LISTENERS) as line, contextlib.ExitStack() as stack:
        phone = _people(line)
        stack.enter_context(_freed(line))
        supervisor = line.page("supervisor")
        callers = _callers(line, rate, BEFORE_SECONDS + seconds + AFTER_SECONDS)
        time.sleep(BEFORE_SECONDS)
        report.live_at_kill = len(Steps(line).live())
        supervisor.close_live()
        line.kill_service()
        began = time.time()
        time.sleep(seconds)
        report.away_seconds = time.time() - began
        _return(line, report)
        until(lambda: all(caller.process.poll() is not None for caller in callers), "every caller has gone", 180)
        heard = _heard(callers)
        until(lambda: len(_records(line)) >= len(heard), "every call has an ended record", 30, every=0.5)
        report.calls = len(heard)
        report.missed = sum(began < call.rang_at and (call.ended_at or 0) < began + seconds for call in heard)
        report.findings = _compare(line, heard, _talked(phone), report)
        _, differ = differences(line)
        report.findings += [f"{found.call_id}: queue_log: {found.kind}" for found in differ if not found.kind.benign]
    return report


def _people(line: LiveLine) -> Phone:
    names = [f"listener{n}" for n in range(1, LISTENERS + 1)]
    phone = line.phone(*names, expires=3600, talk=TALK_SECONDS)
    for name in names:
        Page(line.http_port, name, line.passwords[name]).must("POST", "/listener/sign-in", {})
    return phone


@contextlib.contextmanager
def _freed(line: LiveLine) -> Iterator[None]:
    """Every listener ends their writing-up soon, without the service."""
    line.pbx.add_manager("freer", "freer")
    over = threading.Event()

    def work() -> None:
        with Witness(line.pbx.ports.ami, "freer", "freer") as ami:
            while not over.wait(1.0):
                for account in line.ids.values():
                    ami.ask("QueuePause", Interface=f"PJSIP/l{account}", Paused="false")
                ami.events.clear()
                ami.heard.clear()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _callers(line: LiveLine, rate: float, seconds: float) -> list[Caller]:
    numbers = iter(f"+3363998{n:04d}" for n in range(10_000))
    callers = []
    for stay, share in HABITS:
        count = max(1, round(rate * share * seconds))
        chosen = [next(numbers) for _ in range(count)]
        callers.append(line.caller(numbers=chosen, rate=rate * share, stay=stay))
    return callers


def _return(line: LiveLine, report: Report) -> None:
    """Start the service, and wait until the books and the board have caught up. Both are watched at once."""
    steps = Steps(line)
    report.live_at_return = len(steps.live())
    over = set(steps.ended)
    began = time.monotonic()
    watching = threading.Thread(target=_watch_the_board, args=(line, steps, report, began))
    line.start_service()
    report.ready_seconds = time.monotonic() - began
    watching.start()
    until(lambda: over <= _records(line), "the books hold every call that was missed", 300, every=0.5)
    report.books_seconds = time.monotonic() - began
    watching.join()
    assert report.board_seconds, "the board shows the calls that live"


def _watch_the_board(line: LiveLine, steps: Steps, report: Report, began: float) -> None:
    supervisor = line.page("supervisor")

    def is_right() -> bool:
        before = steps.live()
        shown = {call["call_id"] for call in supervisor.all("call")}
        after = steps.live()
        return before & after <= shown <= before | after

    until(is_right, "the board shows the calls that live", 60, every=0.1)
    report.board_seconds = time.monotonic() - began


# --- the witnesses ----------------------------------------------------------------------------------------------------


class Steps:
    """Which calls live and which have ended, by the journal's steps, read on without the product's code."""

    def __init__(self, line: LiveLine) -> None:
        self._path = line.pbx.layout.journal
        self._offset = 0
        self.begun: set[str] = set()
        self.ended: set[str] = set()

    def live(self) -> set[str]:
        """Now."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        for text in whole.splitlines():
            entry = json.loads(text)
            if entry["userdeftype"] == "STEP":
                words = json.loads(entry["eventextra"])["extra"].split()
                self.begun.add(words[0])
                if "ended" in words[1:4]:
                    self.ended.add(words[0])
        return self.begun - self.ended


def _heard(callers: Sequence[Caller]) -> list[Heard]:
    """By the callers' own logs alone."""
    return [_one(messages) for caller in callers for messages in _by_call(caller.messages()).values()]


def _talked(phone: Phone) -> dict[str, float]:
    """Call id → when a listener's phone first talked for it, by the phone's own log."""
    legs: dict[str, str] = {}
    talked: dict[str, float] = {}
    for message in phone.messages():
        if message.method == "INVITE" and not message.ours and (found := _CALL_ID.search(message.header("From"))):
            legs[message.call] = found.group()
        elif message.method == "ACK" and message.call in legs:
            talked.setdefault(legs[message.call], message.at)
    return talked


def _by_call(messages: Sequence[SipMessage]) -> dict[str, list[SipMessage]]:
    found: dict[str, list[SipMessage]] = {}
    for message in messages:
        found.setdefault(message.call, []).append(message)
    return found


def _one(messages: Sequence[SipMessage]) -> Heard:
    invite = next(message for message in messages if message.method == "INVITE" and message.ours)
    found = _NUMBER.search(invite.header("From"))
    assert found is not None
    call = Heard(found[1], invite.at)
    call.answered = any(message.status == 200 and message.method == "INVITE" for message in messages)
    bye = next((message for message in messages if message.method == "BYE" and not message.status), None)
    if bye is not None:
        call.ended_at, call.by_caller = bye.at, bye.ours
    return call


def _records(line: LiveLine) -> set[str]:
    """Calls that have ended in the books."""

    async def read(session: Any) -> set[str]:
        return set(await session.scalars(select(Call.call_id).where(Call.ended_at.is_not(None))))

    found: set[str] = line.query(read)
    return found


# --- the comparison ---------------------------------------------------------------------------------------------------


def _compare(line: LiveLine, heard: Sequence[Heard], talked: dict[str, float], report: Report) -> list[str]:
    keyring = line.keyring()

    async def read(session: Any) -> list[Call]:
        return list(await session.scalars(select(Call)))

    records: list[Call] = line.query(read)
    by_index: dict[str | None, list[Call]] = {}
    for record in records:
        by_index.setdefault(record.number_index, []).append(record)
    findings = [] if len(records) == len(heard) else [f"{len(records)} records of {len(heard)} calls"]
    for call in heard:
        found = by_index.get(keyring.blind_index(call.number), [])
        if len(found) != 1:
            findings.append(f"…{call.number[-4:]}: {len(found)} records")
            continue
        findings += [
            f"…{call.number[-4:]}: {what}" for what in _differences(call, found[0], talked.get(found[0].call_id))
        ]
    report.answered = sum(record.answered_at is not None for record in records)
    contacts: int = line.query(lambda session: session.scalar(select(func.count()).select_from(Contact)))
    if contacts != report.answered:
        findings.append(f"{contacts} contacts of {report.answered} answered calls")
    return findings


def _differences(call: Heard, record: Call, talked: float | None) -> Iterator[str]:
    if abs(record.arrived_at.timestamp() + 0.5 - call.rang_at) > _MOMENT:
        yield f"rang at {call.rang_at:.1f}, arrived at {record.arrived_at.timestamp():.1f}"
    if record.ended_at is None or call.ended_at is None:
        yield f"no end: caller {call.ended_at}, books {record.ended_at}"
    elif abs(record.ended_at.timestamp() - call.ended_at) > _MOMENT:
        yield f"ended at {call.ended_at:.1f}, in the books at {record.ended_at.timestamp():.1f}"
    by = record.ended_by.value if record.ended_by is not None else "nobody"
    if by != ("caller" if call.by_caller else "listener"):
        yield f"ended by {'the caller' if call.by_caller else 'the line'}, in the books by {by}"
    if talked is not None and call.by_caller and abs((call.ended_at or 0.0) - talked) < _AT_THE_DOOR:
        return  # they hung up as the phone was answered: whether they were connected first is Asterisk's to say
    if (talked is None) != (record.answered_at is None):
        yield f"talked from {talked}, in the books answered at {record.answered_at}"
    elif talked is not None and record.answered_at and abs(record.answered_at.timestamp() - talked) > _MOMENT:
        yield f"talked from {talked:.1f}, in the books from {record.answered_at.timestamp():.1f}"


def main() -> int:
    """As a command."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.long_rows.service_down", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long the service is away")
    parser.add_argument("--rate", type=float, default=5.0, help="calls a second")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ecoute-down-") as folder:
        report = run(Path(folder), chosen.seconds, chosen.rate)
    kinds = Counter(finding.partition(": ")[2].split(",")[0][:20] for finding in report.findings)
    for finding in report.findings[:20]:
        sys.stdout.write(f"  {finding}\n")
    if len(report.findings) > 20:
        sys.stdout.write(f"  and more: {dict(kinds)}\n")
    sys.stdout.write(report.line() + "\n")
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
