"""Reading a PBX's journal after a gap: the same facts with the same keys, so that nothing is stored twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pbx import journal
from pbx.events import Event
from pbx.facts import CallEnded, CallEntered, CallFact
from pbx.journal import JournalReplay, Position

if TYPE_CHECKING:
    from service.calls.recorder import Recorder

#: read at once: some ten milliseconds of the event loop
CHUNK_BYTES: Final = 128 * 1024


class JournalUnreadable(Exception):
    """The operating system does not let us read the journal. Cause: its OSError."""


@dataclass(slots=True)
class _Reading:
    """`began`: open call → the place where the chunk that first speaks of it starts."""

    start: Position
    began: dict[str, Position] = field(default_factory=dict)
    places: list[tuple[float, Position]] = field(default_factory=list)

    def note(self, facts: Sequence[CallFact], chunk: Position) -> None:
        if facts:
            self.places.append((min(fact.at for fact in facts), chunk))
        for fact in facts:
            if isinstance(fact, CallEnded):
                self.began.pop(fact.call_id, None)
            else:
                self.began.setdefault(fact.call_id, chunk)

    def safe(self, here: Position) -> Position:
        """Reading again from there misses no call that is still open here."""
        return min(self.began.values(), key=lambda place: place.offset, default=here)


async def run(recorder: Recorder) -> None:
    """Read from the last safe place to the end, store as we go, and presume ended what stops without an end.

    Raises JournalUnreadable.
    """
    place = await recorder.stored_position()
    reading = _Reading(place)
    tracker = JournalReplay(recorder.pbx)
    live_before = set(recorder.live_calls())
    while True:
        events, after = await _read(recorder, place)
        if after == place:
            break
        if after.inode != place.inode:
            reading.began.clear()  # another file: places in the old one say nothing about it
        facts = tracker.feed(events)
        for fact in facts:
            if isinstance(fact, CallEntered):
                recorder.remember(fact.call_id, fact.caller_token)
        reading.note(facts, place if after.inode == place.inode else Position(after.inode, 0))
        await recorder.store_replayed(facts, reading.safe(after))
        place = after
    presumed = tracker.presume_ended(live_before | set(recorder.live_calls()))
    for fact in presumed:  # no place: a dead call's last instant says nothing of how far others were read
        reading.began.pop(fact.call_id, None)
    await recorder.store_replayed(presumed, reading.safe(place))
    recorder.restart_samples(reading.places)


async def _read(recorder: Recorder, place: Position) -> tuple[list[Event], Position]:
    try:
        return await asyncio.to_thread(journal.read, recorder.journal, place, CHUNK_BYTES)
    except OSError as error:
        raise JournalUnreadable from error
