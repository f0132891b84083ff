"""Legs towards listeners that failed at once: the phone refuses by itself, or nobody can talk to it. Pure.

A person takes a second to decline. A phone that was set up wrongly, or is stuck, refuses every call within a moment:
with 488 for a codec that it lacks, 500, or 486 though nobody talks. A leg that ended because the caller left, or was
taken out of the queue, is nobody's fault: what ends the call comes right after it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from pbx.facts import CallAnswered, CallEnded, CallFact, ListenerRangOut, ListenerRung, OverflowBegan

#: no person declines within this time
AT_ONCE_SECONDS: Final = 1.0
#: of one listener; more change nothing
_REMEMBERED: Final = 100


@dataclass(frozen=True, slots=True)
class FailedLeg:
    """`at`: epoch seconds, the PBX's clock."""

    at: float
    call_id: str


class FailedLegs:
    """Of one PBX. Fed with the facts of its calls, in order."""

    def __init__(self) -> None:
        self._rung: dict[tuple[str, int], float] = {}  #: (call id, leg) → since when it rings
        self._failed: dict[str, deque[FailedLeg]] = {}  #: by interface

    def take(self, fact: CallFact) -> None:
        """A fact about a call."""
        if isinstance(fact, ListenerRung):
            self._rung[fact.call_id, fact.ordinal] = fact.at
        elif isinstance(fact, ListenerRangOut):
            self._rang_out(fact)
        elif isinstance(fact, CallAnswered):
            self.forget(fact.interface)
            self._forget_rings(fact.call_id)
        elif isinstance(fact, CallEnded | OverflowBegan):
            self._forget_rings(fact.call_id)
            self._was_the_callers(fact.call_id, fact.at)

    def count(self, interface: str, since: float) -> int:
        """How many of this listener's legs failed at once since then, with no conversation in between."""
        return sum(leg.at >= since for leg in self._failed.get(interface, ()))

    def forget(self, interface: str) -> None:
        """What was is settled: they talked, paused, or left."""
        self._failed.pop(interface, None)

    def _rang_out(self, fact: ListenerRangOut) -> None:
        began = self._rung.pop((fact.call_id, fact.ordinal), None)
        if began is not None and fact.at - began < AT_ONCE_SECONDS:
            failed = self._failed.setdefault(fact.interface, deque(maxlen=_REMEMBERED))
            failed.append(FailedLeg(fact.at, fact.call_id))

    def _forget_rings(self, call_id: str) -> None:
        for ring in [ring for ring in self._rung if ring[0] == call_id]:
            del self._rung[ring]

    def _was_the_callers(self, call_id: str, at: float) -> None:
        """The caller's end ends the leg a moment before it is told itself."""
        for failed in self._failed.values():
            if failed and failed[-1].call_id == call_id and at - failed[-1].at < AT_ONCE_SECONDS:
                failed.pop()
