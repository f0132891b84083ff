"""What came over the manager interface and was of no use: counted by kind, logged without what it said.

A frame may hold a name or a number, so a log line has only the kind and how many there were. Each kind is logged at
its first time and then at most once a minute: a PBX (or whoever speaks in its place) cannot fill the log.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from enum import StrEnum

import msgspec

log = logging.getLogger(__name__)

LOG_EVERY_SECONDS = 60.0


class Odd(StrEnum):
    """The kinds; the values are what the log says."""

    UNREADABLE = "a frame whose values are not what they should be: left out"
    TOO_LONG = "a frame beyond the greatest size: skipped"
    CUT = "a frame whose connection ended before it did: left out"
    NO_BEGINNING = "a frame that is neither an event nor an answer: left out"
    UNASKED = "an answer to an action that nobody sent, or for which nobody waits any more: left out"
    NOT_UTF8 = "a frame that is not UTF-8: read, with a mark for each such byte"
    SECOND_EVENT = "a frame with a second Event header: read as the first"
    NOT_APPLIED = "an event that our own trackers could not take: left out"


class OddCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How often, since the link was made."""

    unreadable: int = 0
    too_long: int = 0
    cut: int = 0
    no_beginning: int = 0
    unasked: int = 0
    not_utf8: int = 0
    second_event: int = 0
    not_applied: int = 0

    @property
    def lost(self) -> int:
        """Frames and events that we should have understood: 0, unless Asterisk says what we do not know."""
        return self.unreadable + self.too_long + self.not_applied


_FIELDS: Mapping[Odd, str] = {kind: kind.name.lower() for kind in Odd}


class Tally:
    """Of one PBX, over all its connections. `clock`: monotonic seconds."""

    def __init__(self, pbx: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        self._pbx = pbx
        self._clock = clock
        self._counts = dict.fromkeys(Odd, 0)
        self._logged: dict[Odd, float] = {}

    @property
    def counts(self) -> OddCounts:
        """As of now."""
        return OddCounts(**{_FIELDS[kind]: count for kind, count in self._counts.items()})

    def note(self, kind: Odd, error: BaseException | None = None) -> bool:
        """One more; True when it was logged. Of `error` only its type is told: its words may repeat the frame's."""
        self._counts[kind] += 1
        now = self._clock()
        logged = self._logged.get(kind)
        if logged is not None and now - logged < LOG_EVERY_SECONDS:
            return False
        self._logged[kind] = now
        why = f" ({type(error).__name__})" if error is not None else ""
        log.warning("from PBX %s came %s%s; %d so far", self._pbx, kind.value, why, self._counts[kind])
        return True
