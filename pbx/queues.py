"""The queue members: what changed is told once, whatever Asterisk repeats. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pbx.events import MemberLeft, MemberSeen
from pbx.facts import DeviceState, Fact, MemberChanged, MemberRemoved

_Picture = tuple[bool, str, DeviceState, bool]


@dataclass(slots=True)
class Member:
    """A listener's phone as the queues see it. Pauses are set in all queues at once, so the latest word holds."""

    interface: str
    queues: set[str] = field(default_factory=set)
    paused: bool = False
    pause_reason: str = ""
    device: DeviceState = DeviceState.UNKNOWN
    in_call: bool = False


class QueueTracker:
    """`members` by interface."""

    def __init__(self, pbx: str) -> None:
        self.pbx = pbx
        self.members: dict[str, Member] = {}
        self._memberships: dict[tuple[str, str], _Picture] = {}  #: by (queue, interface)
        self.corrections = 0  #: differences found by a comparison while live

    def seen(self, event: MemberSeen) -> list[Fact]:
        """A membership as it is now; a fact when it is not as it was."""
        key = (event.queue, event.interface)
        picture = (event.paused, event.pause_reason, event.device, event.in_call)
        before = self._memberships.get(key)
        if before == picture:
            return []
        self._memberships[key] = picture
        member = self.members.get(event.interface)
        if member is None:
            member = self.members[event.interface] = Member(event.interface)
        member.queues.add(event.queue)
        member.paused, member.pause_reason, member.device, member.in_call = picture
        if before is not None and before[:3] == picture[:3]:
            return []
        return [
            MemberChanged(
                pbx=self.pbx,
                at=event.at,
                queue=event.queue,
                interface=event.interface,
                paused=event.paused,
                pause_reason=event.pause_reason,
                device=event.device,
            )
        ]

    def left(self, event: MemberLeft) -> list[Fact]:
        """A membership ended."""
        return self._remove(event.queue, event.interface, event.at)

    def _remove(self, queue: str, interface: str, at: float) -> list[Fact]:
        if self._memberships.pop((queue, interface), None) is None:
            return []
        member = self.members[interface]
        member.queues.discard(queue)
        if not member.queues:
            del self.members[interface]
        return [MemberRemoved(pbx=self.pbx, at=at, queue=queue, interface=interface)]

    def listed(self, at: float, members: Iterable[MemberSeen], *, checking: bool) -> list[Fact]:
        """All memberships at once: who is not among them has left. With `checking`, differences are counted.

        Asterisk makes the list at once and in the order of its events, so it is the newest word; events that were on
        their way meanwhile follow it and have the last one.
        """
        members = tuple(members)
        facts = [fact for member in members for fact in self.seen(member)]
        present = {(member.queue, member.interface) for member in members}
        for queue, interface in [key for key in self._memberships if key not in present]:
            facts += self._remove(queue, interface, at)
        if checking:
            self.corrections += len(facts)
        return facts
