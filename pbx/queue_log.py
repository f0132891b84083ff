"""Asterisk's queue_log: the second witness of what happened in the queues, to hold the books against.

The journal leads: it knows every call, microseconds, and who ended what. queue_log is written by another part of
Asterisk (app_queue itself), in seconds, for calls in queues alone. Its fields, and what is in them, are here alone:

    epoch|channel's uniqueid|queue|member's name|EVENT|data…

https://docs.asterisk.org/Configuration/Applications/Queue-Logs/ and app_queue.c of Asterisk 22. Nothing in it is
personal: where a number would stand (ENTERQUEUE) the dialplan has put the call's id, and members are named `l12`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pbx import journal_file
from pbx.journal_file import FaultKind, KeptLog, Line, Note, Position, ignore

#: Up to the year 5138, as parse.LAST_INSTANT. Python itself refuses to read a number of thousands of digits.
_AT: Final = re.compile(r"[0-9]{1,11}")
_INSTANT: Final = re.compile(rb"(?m)^(\d{1,11})\|")
_CALL_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
#: The PBX's own restart: whoever was in a queue is in none any more.
_RESTART: Final = "QUEUESTART"

#: A visit of a queue ended without a conversation. Asterisk counts each of them as abandoned in its own statistics (and
#: sends QueueCallerAbandon); queue_log tells them apart.
LEFT: Final = frozenset({"ABANDON", "EXITWITHTIMEOUT", "WITHDRAW", "EXITEMPTY", "EXITWITHKEY", "SYSCOMPAT", "FULL"})
#: A conversation ended, or was handed on.
COMPLETED: Final = frozenset(
    {"COMPLETECALLER", "COMPLETEAGENT", "TRANSFER", "BLINDTRANSFER", "ATTENDEDTRANSFER", "AGENTDUMP"}
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line. `at`: epoch seconds, whole. `uniqueid`: the caller's channel, or `NONE`, `MANAGER`, `REALTIME`."""

    at: int
    uniqueid: str
    queue: str
    member: str
    what: str
    data: tuple[str, ...] = ()


def of(path: Path) -> KeptLog:
    """The queue_log that Asterisk writes to `path`."""
    return KeptLog(path, _INSTANT)


def read(
    path: Path, position: Position, limit_bytes: int = 1 << 20, *, pbx: str = "", note: Note = ignore
) -> tuple[list[Entry], Position]:
    """The entries written since `position`, as `journal.read` does it. Asterisk renames the file when it rotates it."""
    lines, after = journal_file.read(of(path), position, limit_bytes, note)
    entries = (parse_line(line, pbx, note) for line in lines)
    return [entry for entry in entries if entry is not None], after


def parse_line(line: Line, pbx: str = "", note: Note = ignore) -> Entry | None:
    """None for what is no line of a queue_log, or another Asterisk's."""
    try:
        at, uniqueid, queue, member, what, *data = line.data.decode().split("|")
    except UnicodeDecodeError:
        note(line.fault(FaultKind.NOT_TEXT))
        return None
    except ValueError:
        note(line.fault(FaultKind.OTHER_SHAPE))
        return None
    if not _AT.fullmatch(at):
        note(line.fault(FaultKind.NO_INSTANT))
        return None
    if pbx and "-" in uniqueid and uniqueid.rpartition("-")[0] != pbx:
        note(line.fault(FaultKind.OTHER_PBX))
        return None
    return Entry(int(at), uniqueid, queue, member, what, tuple(data))


# --- what it says of each call ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Seen:
    """What queue_log says of one call. Counters are by queue, but for `left`: by event."""

    call_id: str
    first_at: int
    last_at: int
    entered: Counter[str] = field(default_factory=Counter)
    connected: Counter[tuple[str, str]] = field(default_factory=Counter)  #: by queue and member's name
    completed: int = 0
    never_talked: int = 0  #: conversations of less than a second, as app_queue counts them
    left: Counter[str] = field(default_factory=Counter)
    waits_in: str = ""  #: the queue in which the caller still waits; empty for none
    talks: int = 0  #: conversations without an end
    restarted: bool = False  #: the PBX started anew while the caller was in a queue, or in a conversation

    def take(self, entry: Entry) -> None:
        """The next entry about this call."""
        self.last_at = max(self.last_at, entry.at)
        if entry.what == "ENTERQUEUE":
            self.entered[entry.queue] += 1
            self.waits_in = entry.queue
        elif entry.what == "CONNECT":
            self.connected[entry.queue, entry.member.rpartition("/")[2]] += 1
            self.waits_in, self.talks = "", self.talks + 1
        elif entry.what in COMPLETED:
            self.completed += 1
            self.talks = max(0, self.talks - 1)
            self.never_talked += entry.what.startswith("COMPLETE") and entry.data[1:2] == ("0",)
        elif entry.what in LEFT:
            self.left[entry.what] += 1
            self.waits_in = ""


class QueueLogTally:
    """Entries, in the order in which they were read, become what is said of each call. Pure.

    `seen`: by call id. A channel is bound to its call by its first ENTERQUEUE; what is said of it before (a log that is
    read from its middle) is left out.
    """

    def __init__(self) -> None:
        self.seen: dict[str, Seen] = {}
        self._calls: dict[str, str] = {}  #: uniqueid → call id

    def feed(self, entries: Iterable[Entry]) -> set[str]:
        """Ids of the calls that are spoken of."""
        touched: set[str] = set()
        for entry in entries:
            if entry.what == _RESTART:
                self._restarted()
                continue
            call_id = self._call_of(entry)
            if call_id:
                seen = self.seen.setdefault(call_id, Seen(call_id, entry.at, entry.at))
                seen.take(entry)
                touched.add(call_id)
        return touched

    def _call_of(self, entry: Entry) -> str:
        if entry.what == "ENTERQUEUE" and len(entry.data) > 1 and _CALL_ID.fullmatch(entry.data[1]):
            self._calls[entry.uniqueid] = entry.data[1]
        return self._calls.get(entry.uniqueid, "")

    def _restarted(self) -> None:
        for seen in self.seen.values():
            if seen.waits_in or seen.talks:
                seen.restarted, seen.waits_in, seen.talks = True, "", 0

    def forget(self, call_id: str) -> None:
        """It was compared."""
        self.seen.pop(call_id, None)
        for uniqueid in [uniqueid for uniqueid, call in self._calls.items() if call == call_id]:
            del self._calls[uniqueid]
