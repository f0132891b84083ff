"""The PBX's journal (CEL as JSON lines): what began and ended while nobody listened.

The dialplan writes each step and each ring into it with the words of the manager interface, so the same tracker
makes the same facts with the same keys of it. Asterisk writes a line at once; a part of one is left for the next
reading, until it is whole.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from pbx.calls import CallTracker, LiveCall
from pbx.channels import interface_of
from pbx.events import BridgeEntered, BridgeLeft, CallStep, Event, LegGone, RingBegan
from pbx.facts import CallFact
from pbx.parse import LAST_INSTANT

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Position:
    """How far a journal was read: `inode` of the file and `offset` in it, so that a rotation is noticed."""

    inode: int = 0
    offset: int = 0


def read(path: Path, position: Position, limit_bytes: int = 1 << 20) -> tuple[list[Event], Position]:
    """The events written since `position`, from at most `limit_bytes` (but one whole line at least).

    Call it again until the position stays. A file that was rotated away is read to its end first, when it still lies
    beside the new one under a name that begins with the journal's; a new file is read from its beginning. No journal
    yet: no events.
    """
    rotated = _rotated(path, position)
    if rotated is not None:
        events, offset = _read_file(rotated, position.offset, limit_bytes)
        if offset > position.offset:
            return events, Position(position.inode, offset)
    try:
        inode = path.stat().st_ino
    except FileNotFoundError:
        return [], position
    start = position.offset if inode == position.inode else 0
    events, offset = _read_file(path, start, limit_bytes)
    return events, Position(inode, offset)


def _rotated(path: Path, position: Position) -> Path | None:
    """The file of `position` under its new name."""
    if not position.inode or not path.parent.is_dir():
        return None
    with os.scandir(path.parent) as entries:
        for entry in entries:
            if entry.name != path.name and entry.name.startswith(path.name) and entry.inode() == position.inode:
                return Path(entry.path)
    return None


def _read_file(path: Path, offset: int, limit_bytes: int) -> tuple[list[Event], int]:
    with path.open("rb") as journal:
        if os.fstat(journal.fileno()).st_size < offset:
            offset = 0  # emptied in place
        journal.seek(offset)
        data = _whole_lines(journal, limit_bytes)
    events = (parse_line(line) for line in data.splitlines())
    return [event for event in events if event is not None], offset + len(data)


def _whole_lines(journal: BinaryIO, limit_bytes: int) -> bytes:
    """At most `limit_bytes`, cut after the last line end; a single line longer than that is read whole."""
    data = journal.read(limit_bytes)
    end = data.rfind(b"\n") + 1
    if not end and len(data) == limit_bytes:
        data += journal.readline()
        end = len(data) if data.endswith(b"\n") else 0
    return data[:end]


# --- what was read needs no caller any more -------------------------------------------------------------------------

#: a caller's number in the step `entered`, encrypted under a key that lies on the PBX (dialplan/guard.conf)
_TOKEN = re.compile(rb" entered ([0-9A-Za-z]+\.[0-9A-Za-z]+\.[0-9A-Za-z+/=\\]+) ")
_PURGED = b"purged"


def purge(path: Path, done: Position, until: Position, limit_bytes: int = 1 << 20) -> Position:
    """Overwrite the callers' tokens of at most `limit_bytes` between `done` and `until`; up to where it is done now.

    Call it again until the position stays. In place: every line keeps its place and length, and Asterisk, which opens
    the file anew for each line, goes on. On the disk before this returns. A token becomes `purged…`: it opens as
    unreadable. When `until` lies in another file than `done`, all of the former was read, if it is still there.
    """
    if done.inode and done.inode != until.inode:
        former = _rotated(path, done)
        if former is not None:
            offset = _purge_file(former, done.offset, former.stat().st_size, limit_bytes)
            if offset > done.offset:
                return Position(done.inode, offset)
        done = Position(until.inode, 0)
    if not done.inode:
        done = Position(until.inode, 0)
    found = path if path.exists() and path.stat().st_ino == until.inode else _rotated(path, until)
    if found is None:
        return until
    return Position(until.inode, _purge_file(found, done.offset, until.offset, limit_bytes))


def _purge_file(path: Path, start: int, end: int, limit_bytes: int) -> int:
    """Up to the last line end before `end`: how far it came."""
    with path.open("r+b") as file:
        if os.fstat(file.fileno()).st_size < start:
            start = 0  # emptied in place
        file.seek(start)
        data = file.read(min(end - start, limit_bytes)) if end > start else b""
        if len(data) == limit_bytes and b"\n" not in data:
            data += file.readline()
        whole = data[: data.rfind(b"\n") + 1]
        found = list(_TOKEN.finditer(whole))
        for token in found:
            file.seek(start + token.start(1))
            file.write(_PURGED.ljust(len(token[1]), b"-")[: len(token[1])])
        if found:
            file.flush()
            os.fsync(file.fileno())
    return start + len(whole)


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


_line = msgspec.json.Decoder(_Line)
_extra = msgspec.json.Decoder(_Extra)


def parse_line(line: bytes) -> Event | None:
    """A line as an event; None for what the tracker does not need, and for a line that cannot be read."""
    try:
        found = _line.decode(line)
        make = _EVENTS.get(found.eventtype)
        if make is None:
            return None
        extra = _extra.decode(found.eventextra) if found.eventextra else _Extra()
        at = float(found.eventtime)
        return make(found, at, extra) if 0.0 <= at < LAST_INSTANT else None
    except (msgspec.DecodeError, ValueError):
        # Nothing of the line is logged: it may be anything.
        log.error("a line of the journal could not be read")  # noqa: TRY400
        return None


def _step(line: _Line, at: float, extra: _Extra) -> Event:
    call_id, n, what, *detail = extra.extra.split(" ", 3)
    return CallStep(
        at=at,
        call_id=call_id,
        n=int(n),
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


_EVENTS: dict[str, Callable[[_Line, float, _Extra], Event | None]] = {
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
                facts += handler(event)
        return facts

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
