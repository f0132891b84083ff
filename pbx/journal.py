"""The PBX's journal (CEL as JSON lines): what began and ended while nobody listened.

The dialplan writes each step and each ring into it with the words of the manager interface, so the same tracker
makes the same facts with the same keys of it. Asterisk writes a line at once; a part of one is left for the next
reading, until it is whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import msgspec

from pbx import journal_file
from pbx.calls import CallTracker, LiveCall
from pbx.channels import interface_of
from pbx.events import BridgeEntered, BridgeLeft, CallStep, Event, LegGone, RingBegan
from pbx.facts import CallFact
from pbx.journal_file import FaultKind, KeptLog, Line, Note, Position, Redaction, ignore
from pbx.parse import LAST_INSTANT
from pbx.steady import JUMP

__all__ = ["JournalReplay", "Position", "parse_line", "purge", "read"]

#: Asterisk's own words for a time, in seconds.
_INSTANT = re.compile(rb'"eventtime":\s*"(\d{1,11})(?:\.(\d{1,9}))?"')
#: A line begins so; a second beginning within one is what follows a half line.
_BEGINS = b'{"eventtime":'


def of(path: Path) -> KeptLog:
    """The journal that Asterisk writes to `path`."""
    return KeptLog(path, _INSTANT)


def read(
    path: Path, position: Position, limit_bytes: int = 1 << 20, *, pbx: str = "", note: Note = ignore
) -> tuple[list[Event], Position]:
    """The events written since `position`, from at most `limit_bytes` (but one whole line at least).

    Call it again until the position stays (`journal_file.read` says what becomes of rotated files). `pbx`: lines of an
    Asterisk with another name are not ours. `note`: told of everything that could not be used. Raises OSError.
    """
    lines, after = journal_file.read(of(path), position, limit_bytes, note)
    events = (_event(line, pbx, note) for line in lines)
    return [event for event in events if event is not None], after


def end(path: Path) -> Position | None:
    """Where the journal ends now; None while there is none. Raises OSError."""
    return journal_file.end(of(path))


# --- what was read needs no caller any more -------------------------------------------------------------------------

#: a caller's number in the step `entered`, encrypted under a key that lies on the PBX (dialplan/guard.conf)
_TOKEN = Redaction(
    re.compile(rb" entered ([0-9A-Za-z]+\.[0-9A-Za-z]+\.[0-9A-Za-z+/=\\]+) "),
    b"purged",
)


def purge(path: Path, done: Position, until: Position, limit_bytes: int = 1 << 20) -> Position:
    """Overwrite the callers' tokens of at most `limit_bytes` between `done` and `until`; up to where it is done now.

    Call it again until the position stays. A token becomes `purged…`: it opens as unreadable. Raises OSError.
    """
    return journal_file.redact(of(path), done, until, limit_bytes, _TOKEN)


# --- one line ---------------------------------------------------------------------------------------------------------


class _Line(msgspec.Struct, frozen=True, gc=False):
    """A line of the journal; Asterisk writes the names of the fields in small letters."""

    eventtime: str
    eventtype: str
    accountcode: str = ""
    uniqueid: str = ""
    linkedid: str = ""
    channame: str = ""
    eventextra: str = ""


class _Extra(msgspec.Struct, frozen=True, gc=False):
    extra: str = ""
    hangupcause: int = 0
    bridge_id: str = ""


_Make = Callable[[_Line, float, _Extra], Event]
_line = msgspec.json.Decoder(_Line)
_extra = msgspec.json.Decoder(_Extra)


def parse_line(line: bytes) -> Event | None:
    """A line as an event; None for what the tracker does not need, and for a line that cannot be read."""
    return _event(Line("", 0, line), "", ignore)


def _event(line: Line, pbx: str, note: Note) -> Event | None:
    """A line that begins within another is what was written after a half one."""
    second = line.data.rfind(_BEGINS)
    if second > 0:
        note(line.fault(FaultKind.HALF))
        line = Line(line.file, line.offset, line.data[second:])
    try:
        found = _line.decode(line.data)
    except UnicodeDecodeError:
        note(line.fault(FaultKind.NOT_TEXT))
    except msgspec.ValidationError:
        note(line.fault(FaultKind.OTHER_SHAPE))
    except msgspec.DecodeError:
        note(line.fault(FaultKind.NOT_JSON))
    else:
        make = _EVENTS.get(found.eventtype)
        if make is not None:
            return _made(line, found, make, pbx, note)
    return None


def _made(line: Line, found: _Line, make: _Make, pbx: str, note: Note) -> Event | None:
    try:
        at = float(found.eventtime)
    except ValueError:
        at = -1.0
    if not 0.0 <= at < LAST_INSTANT:
        note(line.fault(FaultKind.NO_INSTANT))
        return None
    if pbx and found.uniqueid.rpartition("-")[0] != pbx:
        note(line.fault(FaultKind.OTHER_PBX))
        return None
    try:
        return make(found, at, _extra.decode(found.eventextra) if found.eventextra else _Extra())
    except (msgspec.DecodeError, ValueError):
        note(line.fault(FaultKind.NO_STEP))
        return None


def _step(line: _Line, at: float, extra: _Extra) -> Event:
    call_id, number, what, *detail = extra.extra.split(" ", 3)
    n, _, set_by = number.partition("@")
    return CallStep(
        at=at,
        call_id=call_id,
        n=int(n),
        set_by=int(set_by or 0),
        what=what,
        detail=detail[0] if detail else "",
        channel=line.channame,
        uniqueid=line.uniqueid,
    )


def _ring(line: _Line, at: float, extra: _Extra) -> Event:
    call_id, _, queue = extra.extra.partition(" ")
    return RingBegan(
        at=at,
        call_id=call_id,
        queue=queue.strip(),
        interface=interface_of(line.channame),
        channel=line.channame,
        uniqueid=line.uniqueid,
    )


def _bridge_enter(line: _Line, at: float, extra: _Extra) -> Event:
    return BridgeEntered(
        at=at,
        call_id=line.accountcode,
        channel=line.channame,
        uniqueid=line.uniqueid,
        linkedid=line.linkedid,
        bridge=extra.bridge_id,
    )


def _bridge_exit(line: _Line, at: float, extra: _Extra) -> Event:
    return BridgeLeft(
        at=at,
        call_id=line.accountcode,
        channel=line.channame,
        uniqueid=line.uniqueid,
        linkedid=line.linkedid,
        bridge=extra.bridge_id,
    )


def _hangup(line: _Line, at: float, extra: _Extra) -> Event:
    return LegGone(
        at=at,
        call_id=line.accountcode,
        channel=line.channame,
        uniqueid=line.uniqueid,
        linkedid=line.linkedid,
        cause=extra.hangupcause,
    )


_EVENTS: dict[str, _Make] = {
    "STEP": _step,
    "RING": _ring,
    "BRIDGE_ENTER": _bridge_enter,
    "BRIDGE_EXIT": _bridge_exit,
    "HANGUP": _hangup,
}


class JournalReplay:
    """The same tracker as live, fed from the journal: facts with the same keys."""

    def __init__(self, pbx: str) -> None:
        self.pbx = pbx
        self._calls = CallTracker(pbx)
        self._set_by = 0  #: as the last step said
        self._set_back = 0.0  #: beyond that, as the lines themselves show
        self._newest = 0.0
        self._handlers: dict[type[Event], Callable[[Any], list[CallFact]]] = {
            CallStep: self._calls.step,
            RingBegan: self._calls.ring,
            BridgeEntered: self._calls.bridge,
            BridgeLeft: self._calls.left,
            LegGone: self._calls.gone,
        }

    def expect(self, call_id: str, last_at: float) -> None:
        """A call from before what will be fed, last heard of at `last_at`: believed live until its end is read."""
        self._calls.expect(call_id, last_at)

    def feed(self, events: Iterable[Event]) -> list[CallFact]:
        """Facts of `events`, which must be fed in the order in which they were read."""
        facts: list[CallFact] = []
        for event in events:
            handler = self._handlers.get(type(event))
            if handler is not None:
                facts += handler(self._steadied(event))
        return facts

    def _steadied(self, event: Event) -> Event:
        """With its instant on the steady clock, as live: what the PBX's clock was set by is taken off.

        Lines are written in order. A clock that is set back shows in them by itself; one that is set forward shows only
        when the service was there to say so. When no call lives, steady time may begin anew.
        """
        if not self._calls.calls:
            self._set_back = self._newest = 0.0
        if isinstance(event, CallStep) and event.set_by != self._set_by:
            self._set_by, self._set_back, self._newest = event.set_by, 0.0, 0.0
        at = event.at - self._set_by - self._set_back
        if at < self._newest - JUMP:
            self._set_back -= self._newest - at
            at = self._newest
        self._newest = max(self._newest, at)
        return event if at == event.at else msgspec.structs.replace(event, at=at)

    @property
    def calls(self) -> dict[str, LiveCall]:
        """The calls that are open, by id, as far as the journal tells."""
        return self._calls.calls

    def call_of(self, uniqueid: str) -> str:
        """The call to which a channel belongs; empty where none is known."""
        return self._calls.company.call_of(uniqueid)

    @property
    def open_calls(self) -> frozenset[str]:
        """Ids of the calls that were expected or began in what was fed, and did not end in it."""
        return frozenset(self._calls.calls)

    def presume_ended(self, live: Collection[str]) -> list[CallFact]:
        """After all was fed: calls that stop in the journal without an end and are not in `live` ended by fault."""
        return self._calls.presume_ended(live)
