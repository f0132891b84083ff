"""The PBX's clock without the jumps of whoever sets it: what durations, ranks and deadlines of calls go by.

Asterisk and its dialplan know the wall clock alone. The machine also knows how long it has been running, which nobody
sets; so whoever watches both notices a jump, and tells the PBX (`CLOCK_SET`, whole seconds) so that its dialplan can
take it off again. Steady time is the wall clock as it was when it was anchored. It is anchored anew, to the wall clock,
when no call lives that a jump could touch.

The anchor lies on the PBX (`CLOCK_ANCHOR`), for a service that comes later. Slewing (NTP) moves both clocks alike.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from pbx.events import Event

#: seconds: less is taken for a delay on the way, not for a clock that was set
JUMP: Final = 1.0
#: seconds: a measurement that may be so far out says nothing
TOO_VAGUE: Final = 0.25


def since_boot() -> float:
    """Seconds that this machine has been running, sleep included: CLOCK_BOOTTIME."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@functools.cache
def this_boot() -> str:
    """Tells one run of this machine from another. Read once: a process without descriptors keeps its sessions."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


class SteadyClock:
    """`by`: whole seconds by which the PBX's clock has been set since it was anchored."""

    def __init__(self, running: Callable[[], float] = since_boot) -> None:
        self.by = 0
        self.anchor: float | None = None  #: steady time minus the machine's running time
        self._running = running
        self._newest = 0.0  #: of the last event, on the PBX's own clock
        self._late = 0.0  #: seconds that it was on its way to us

    def now(self) -> float:
        """Epoch seconds, steady. Before anything is known of the PBX's clock: ours."""
        return time.time() if self.anchor is None else self.anchor + self._running()

    def resume(self, anchor: float) -> None:
        """An anchor of this machine's present run, from whoever watched before us."""
        self.anchor = anchor

    def measured(self, clock: float, vague: float) -> bool:
        """The PBX's clock says `clock` now, give or take `vague` seconds. True when it was set since we last looked."""
        if self.anchor is None:
            self.anchor = clock - self._running() - self.by
            return False
        by = round(clock - self.now())
        if vague <= TOO_VAGUE:
            self._late = 0.0  # it came in the same stream as the events, and at once
        if vague > TOO_VAGUE or by == self.by or abs(clock - self.now() - self.by) < JUMP:
            return False
        self.by = by
        return True

    def anchor_anew(self) -> None:
        """No call lives: steady time may be the wall clock again."""
        if self.anchor is not None:
            self.anchor, self.by = self.anchor + self.by, 0

    def corrected(self, event: Event) -> Event:
        """What came from the PBX, with its instant on the steady clock.

        Asterisk tells its events in order: one that is older than the one before, or not yet due, tells of a clock that
        was set a moment ago. How far exactly the next measurement says; until then it is taken to have been as long
        on its way as the one before, for we may be reading what has waited.
        """
        at, newest = event.at, self._newest
        self._newest = at
        if self.anchor is not None:
            now = self.now()
            if at < newest - JUMP or at - self.by > now + JUMP:
                self.by = round(at - now + self._late)
            self._late = max(0.0, now - (at - self.by))
        return msgspec.structs.replace(event, at=at - self.by) if self.by else event
