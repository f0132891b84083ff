"""Waiting callers in their order, and the listeners who could take them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from pbx.calls import LiveCall
from pbx.facts import DeviceState, Stage
from pbx.queues import Member

#: the queue of the national number; every other queue is a centre's, named by the centre's id
NATIONAL_QUEUE = "national"

#: app_queue offers calls to members in these states (UNKNOWN counts as available there)
_AVAILABLE = frozenset({DeviceState.FREE, DeviceState.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Staffing:
    """Of one queue. `signed_in`: members, paused or not. `free`: would be rung for the next caller."""

    signed_in: int
    free: int


def staffing(members: Iterable[Member], queue: str, rung: Collection[str] = ()) -> Staffing:
    """How many serve `queue` and how many of them are free now.

    `rung`: interfaces that a live call rings. A phone that is said to ring and that no call rings has just stopped:
    its device state is late, the listener is free.
    """
    signed_in = free = 0
    for member in members:
        if queue not in member.queues:
            continue
        signed_in += 1
        stale_ring = member.device is DeviceState.RINGING and member.interface not in rung
        free += not member.paused and (member.device in _AVAILABLE or stale_ring)
    return Staffing(signed_in, free)


def positions(calls: Iterable[LiveCall]) -> Mapping[str, int]:
    """Call id → rank in its queue, from 1, by arrival: the PBX's own order (QUEUE_PRIO is made of it).

    Equal arrival seconds keep the order in which they joined.
    """
    queues: dict[str, list[LiveCall]] = {}
    for call in calls:
        if call.stage is Stage.WAITING:
            queues.setdefault(call.queue, []).append(call)
    ranks: dict[str, int] = {}
    for waiting in queues.values():
        waiting.sort(key=lambda call: (call.arrived, call.waiting_since or 0.0))
        ranks.update((call.call_id, rank) for rank, call in enumerate(waiting, start=1))
    return ranks
