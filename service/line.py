"""One PBX as it was told of: its trackers, the link to it, and what is remembered beside. Pure, no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from pbx.calls import LiveCall
from pbx.facts import MemberChanged, MemberRemoved, Stage
from pbx.state import PbxState
from service.listeners.legs import FailedLegs
from service.listeners.model import doing_by_interface
from service.queues.model import Staffing, staffing


class LinkState(StrEnum):
    """Of the connection to a PBX, as the pages show it."""

    STARTING = "starting"
    UP = "up"
    LOST = "lost"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class LostPhone:
    """A phone that became unreachable. `at`: the service's monotonic clock. `channel`: its leg then, empty for none.

    `removed`: its contact was removed; else only its qualification failed.
    """

    at: float
    call_id: str
    channel: str
    removed: bool = False


@dataclass(slots=True)
class Line:
    """One PBX. Epoch times are the PBX's clock; `in_sync_since` and `phones_lost` the service's monotonic clock."""

    pbx: str
    state: PbxState
    link: LinkState = LinkState.STARTING
    since: float = 0.0
    in_sync_since: float | None = None
    phones_lost: dict[int, LostPhone] = field(default_factory=dict)
    #: stranded members whose wrap-up was asked for (once): see `find_stranded`
    asked_to_write: set[str] = field(default_factory=set)
    #: who may be writing, by the last that was told of them here: paused, or on a call when the link was lost. Leaving
    #: a queue, or a PBX that forgot its members, says nothing of it
    held: set[str] = field(default_factory=set)
    #: which listeners' legs failed at once lately, and who was asked to be paused for it: when, the PBX's clock
    failed_legs: FailedLegs = field(default_factory=FailedLegs)
    faults_asked: dict[str, float] = field(default_factory=dict)
    _staffing: dict[str, Staffing] = field(default_factory=dict)

    def take_member(self, fact: MemberChanged | MemberRemoved) -> None:
        """What was told of a listener's membership."""
        if isinstance(fact, MemberRemoved) or fact.paused:
            self.failed_legs.forget(fact.interface)
            self.faults_asked.pop(fact.interface, None)
        if isinstance(fact, MemberRemoved):
            return
        if fact.paused:
            self.held.add(fact.interface)
        elif self.link is LinkState.UP:  # else the snapshot decides, once it is whole
            self.held.discard(fact.interface)

    def call(self, call_id: str) -> LiveCall | None:
        """A call that lives, or None."""
        call = self.state.calls.get(call_id)
        return call if call is not None and call.stage is not Stage.ENDED else None

    def staffing(self, queue: str) -> Staffing:
        """Who serves a queue now. Counted once per round of decisions."""
        found = self._staffing.get(queue)
        if found is None:
            rung = {interface for call in self.state.calls.values() for interface in call.ringing}
            found = self._staffing[queue] = staffing(self.state.members.values(), queue, rung)
        return found

    def begin_round(self) -> None:
        """The members may have changed since the last round of decisions."""
        self._staffing.clear()

    def calls_of(self, interface: str) -> list[LiveCall]:
        """The live calls that are this listener's: talked on, or held for them after their leg was lost."""
        stages = (Stage.TALKING, Stage.LOST)
        return [call for call in self.state.calls.values() if call.stage in stages and call.listener == interface]

    def has_leg(self, call_id: str, channel: str) -> bool:
        """Does the call still have this listener's leg, talking or ringing?"""
        call = self.call(call_id)
        if call is None:
            return False
        talking = call.stage is Stage.TALKING and call.listener_channel == channel
        return talking or channel in call.ringing.values()

    def leg_of(self, interface: str) -> tuple[str, str]:
        """(call id, channel) that a listener talks or rings on; empty strings for none."""
        call = doing_by_interface(self.state.calls.values()).get(interface)
        if call is None:
            return "", ""
        if call.stage is Stage.TALKING and call.listener == interface:
            return call.call_id, call.listener_channel
        return call.call_id, call.ringing.get(interface, "")
