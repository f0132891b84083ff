"""One conversation with real audio that goes on through every fault of a run: is it heard all the time?"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.support.audio import CallerAudio
from tests.support.sipp import Caller, number
from tests.support.wait import until

if TYPE_CHECKING:
    from tests.faults.line import FaultLine

#: a fiction number outside of the other callers' range
NUMBER: Final = "+33536490777"
_PACKETS_PER_SECOND: Final = 50.0
_LONGER_THAN_ANY_RUN: Final = 36_000.0
_TONES: Final = (440.0, 620.0)  #: Hz that the caller and the listener "say"


@dataclass(frozen=True, slots=True)
class Mark:
    """An instant, on both clocks."""

    monotonic: float
    epoch: float


class Conversation:
    """Begun before anybody else is signed in, so that this caller reaches this listener."""

    def __init__(self, line: FaultLine, listener: str) -> None:
        self._line = line
        self._ears = line.audio(CallerAudio(_TONES[0]))
        mouth = line.audio(CallerAudio(_TONES[1]))
        self.telephone = line.phones.add(listener, ring=0.3, talk=_LONGER_THAN_ANY_RUN, audio=mouth)
        self.caller: Caller | None = None

    def begin(self) -> Caller:
        """The caller rings, is answered, and hears the listener."""
        caller = self._line.caller(number(NUMBER), stay=_LONGER_THAN_ANY_RUN, audio=self._ears)
        until(lambda: self._ears.loudness(_TONES[1]) > 0.05, "the caller hears the listener", 60, every=0.2)
        return caller

    @staticmethod
    def mark() -> Mark:
        return Mark(time.monotonic(), time.time())

    def heard_since(self, mark: Mark) -> float | None:
        """Share of the packets that the caller should have heard; while Asterisk stood still none are due.

        None where less than a second's are.
        """
        now = self.mark()
        still = sum(
            max(0.0, min(f.ended, now.epoch) - max(f.began, mark.epoch))
            for f in (*self._line.frozen, *self._line.pbx_deaths)
        )
        due = (now.monotonic - mark.monotonic - still) * _PACKETS_PER_SECOND
        return self._ears.packets(mark.monotonic) / due if due >= _PACKETS_PER_SECOND else None
