"""Reading a PBX's journal after a gap: the same facts with the same keys, so that nothing is stored twice.

The PBX writes a line of its journal a moment after it tells the same (later when its machine is busy): what a reading
may have come too early for is read again, and until then no end is presumed and no place moves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from pbx import journal
from pbx.events import Event
from pbx.facts import CallEnded, CallEntered, CallFact
from pbx.journal import JournalReplay, Position
from pbx.journal_file import Fault
from service.calls.log_faults import LogFaults

#: read at once: some ten milliseconds of the event loop
CHUNK_BYTES: Final = 128 * 1024
#: readings, at most, that look for the beginning of a live call
LATE_LINES_TRIES: Final = 5


class JournalUnreadable(Exception):
    """The operating system does not let us read the journal. Cause: its OSError."""


@dataclass(slots=True)
class LateLines:
    """Whether the journal is read once more. `vanished`: calls that the last reading found neither live nor ended."""

    vanished: frozenset[str] = frozenset()
    headless_tries: int = 0  #: readings in a row that did not find the beginning of a live call
    first: bool = True  #: the next reading is the first one after a gap: none is under way, or to be made again

    def connected(self) -> None:
        """The PBX is heard again."""
        self.first, self.headless_tries = True, 0

    def again(
        self, *, live: Collection[str], headless: Collection[str], vanished: Collection[str], first: bool
    ) -> bool:
        """After a reading (`first`: of its gap). `headless`: those of the `live` calls whose beginning is missing.

        A live call may have been answered, and one that vanished may have been ended by somebody, in a line that was
        not there yet: both are looked for once more.
        """
        new = set(vanished) - self.vanished
        self.vanished = frozenset(vanished)
        self.headless_tries = self.headless_tries + 1 if headless else 0
        again = bool(new) or 0 < self.headless_tries <= LATE_LINES_TRIES or (first and bool(live))
        self.first = self.first or not again
        return again


@dataclass(slots=True)
class _Reading:
    """`began`: open call → which chunk first speaks of it, and where that chunk starts. Chunks are counted in order."""

    chunk: int = 0
    began: dict[str, tuple[int, Position]] = field(default_factory=dict)
    places: list[tuple[float, Position]] = field(default_factory=list)

    def note(self, facts: Sequence[CallFact], start: Position) -> None:
        """What a chunk told that starts at `start`."""
        self.chunk += 1
        if facts:
            self.places.append((min(fact.at for fact in facts), start))
        for fact in facts:
            if isinstance(fact, CallEnded):
                self.began.pop(fact.call_id, None)
            else:
                self.began.setdefault(fact.call_id, (self.chunk, start))

    def safe(self, here: Position) -> Position:
        """Reading again from there misses no call that is still open here, in whichever file it began."""
        return min(self.began.values(), key=lambda chunk: chunk[0], default=(0, here))[1]


class Books(Protocol):
    """Where the journal of one PBX is, how far it was read, and where what it tells is stored."""

    faults: LogFaults
    late: LateLines

    @property
    def pbx(self) -> str: ...

    @property
    def journal(self) -> Path: ...

    def live_calls(self) -> Collection[str]:
        """Ids of the calls that the PBX has now."""

    async def stored_position(self) -> Position:
        """Where the journal was safe to be read from, at the last commit."""

    async def store_replayed(self, facts: Sequence[CallFact], safe: Position) -> None:
        """Store what the journal told, and how far it needs not be read again."""

    def remember(self, call_id: str, token: str) -> None:
        """The journal told who calls; the PBX's snapshot cannot."""

    def restart_samples(self, places: Sequence[tuple[float, Position]]) -> None:
        """Places in the journal with their times, as the reading met them."""


async def run(books: Books) -> None:
    """Read from the last safe place to the end, store as we go, and presume ended what stops again without an end.

    Raises JournalUnreadable.
    """
    place = await books.stored_position()
    reading = _Reading()
    tracker = JournalReplay(books.pbx)
    live_before = set(books.live_calls())
    while True:
        events, after = await _read(books, place)
        if after == place:
            break
        facts = tracker.feed(events)
        for fact in facts:
            if isinstance(fact, CallEntered):
                books.remember(fact.call_id, fact.caller_token)
        reading.note(facts, place if after.inode == place.inode else Position(after.inode, 0, after.began))
        await books.store_replayed(facts, reading.safe(after))
        place = after
    waited_for = tracker.open_calls - books.late.vanished
    presumed = tracker.presume_ended(live_before | set(books.live_calls()) | waited_for)
    for fact in presumed:  # no place: a dead call's last instant says nothing of how far others were read
        reading.began.pop(fact.call_id, None)
    await books.store_replayed(presumed, reading.safe(place))
    books.restart_samples(reading.places)


async def _read(books: Books, place: Position) -> tuple[list[Event], Position]:
    faults: list[Fault] = []
    try:
        return await asyncio.to_thread(_read_on, books, place, faults)
    except OSError as error:
        raise JournalUnreadable from error
    finally:
        books.faults.note(faults)


def _read_on(books: Books, place: Position, faults: list[Fault]) -> tuple[list[Event], Position]:
    return journal.read(books.journal, place, CHUNK_BYTES, pbx=books.pbx, note=faults.append)
