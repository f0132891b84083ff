"""Which place in a PBX's journal is safe to read from after a gap. Pure.

Safe: no call that began before it is still open or unstored. The journal's size is sampled each second; the sample that
lies long enough before the oldest open call's arrival is such a place.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from pbx.journal import Position

#: the journal's lines may be written a little later than they say, and not quite in order (about 1 %, milliseconds)
MARGIN_SECONDS = 2.0


@dataclass(slots=True)
class SafePlaces:
    """Samples (epoch seconds on the PBX's clock, place), oldest first."""

    _samples: deque[tuple[float, Position]] = field(default_factory=deque)

    def sample(self, at: float, place: Position) -> None:
        """At `at` everything up to `place` had been written. A place that did not move needs no new sample."""
        if self._samples and at < self._samples[-1][0]:
            self._samples.clear()  # the clock was set back: older samples would lie
        if len(self._samples) >= 2 and self._samples[-1][1] == place == self._samples[-2][1]:
            self._samples[-1] = (at, place)
        else:
            self._samples.append((at, place))

    def clear(self) -> None:
        """Nothing is known any more."""
        self._samples.clear()

    def safe(self, horizon: float) -> Position | None:
        """The latest place before `horizon`, the oldest instant that must be read again; None: not known."""
        found: Position | None = None
        while self._samples and self._samples[0][0] <= horizon - MARGIN_SECONDS:
            found = self._samples[0][1]
            if len(self._samples) > 1 and self._samples[1][0] <= horizon - MARGIN_SECONDS:
                self._samples.popleft()
            else:
                break
        return found
