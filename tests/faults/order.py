"""Who was offered out of turn: the queue keeps the order of arrival, whatever breaks."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tests.faults.books import Announcement, Step
from tests.faults.stories import CallerStory, Leg

#: the rank is the whole second of arrival: who came within this is of one rank
RANK_SECONDS: Final = 1.1
#: each waiting caller's own thread in the queue looks once a second whether it is their turn
LOOK_SECONDS: Final = 2.0
#: from the end of an announcement to the offer: a look, and whoever was free meanwhile may have to be waited for
ANNOUNCED_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Overtaking:
    """`later`: seconds from the other's offer to the own, or to the end; `came_later`: seconds between arrivals."""

    call_id: str
    at: float
    later: float
    came_later: float
    announced: bool  #: the queue was telling them their place, and offered them as soon as that was over


@dataclass(frozen=True, slots=True)
class _Wait:
    """One stay in the queue until a phone rang (`offered`), or until it ended otherwise."""

    call_id: str
    arrived: float
    began: float
    ended: float
    offered: bool


def overtakings(
    steps: Sequence[Step],
    legs: Sequence[Leg],
    stories: Mapping[str, CallerStory],
    announcements: Sequence[Announcement],
    elapsed: Callable[[float, float], float],
) -> Iterator[Overtaking]:
    """One for each stay in which somebody who came later was offered first, with the first of them.

    The queue offers a later caller only when more are free than wait before them: so nobody takes another's listener
    while the other is told their place, but the other is with theirs later.
    """
    told: dict[str, list[Announcement]] = defaultdict(list)
    for announcement in announcements:
        told[announcement.call_id].append(announcement)
    waits = sorted(_waits(steps, legs, stories), key=lambda wait: wait.ended)
    offers = [wait for wait in waits if wait.offered]
    instants = [wait.ended for wait in offers]
    for wait in waits:
        for other in offers[bisect_left(instants, wait.began) :]:
            if elapsed(other.ended, wait.ended) < LOOK_SECONDS:
                break
            settled = elapsed(wait.began, other.ended) >= LOOK_SECONDS
            if settled and other.arrived - wait.arrived > RANK_SECONDS and other.call_id != wait.call_id:
                later = wait.ended - other.ended
                announced = any(
                    a.began - LOOK_SECONDS <= other.ended <= a.ended
                    and elapsed(a.ended, wait.ended) <= ANNOUNCED_SECONDS
                    for a in told[wait.call_id]
                )
                yield Overtaking(wait.call_id, other.ended, later, other.arrived - wait.arrived, announced)
                if not announced:
                    break


def _waits(steps: Sequence[Step], legs: Sequence[Leg], stories: Mapping[str, CallerStory]) -> Iterator[_Wait]:
    by_call: dict[str, list[Step]] = defaultdict(list)
    for step in steps:
        by_call[step.call_id].append(step)
    rings: dict[str, list[float]] = defaultdict(list)
    for leg in legs:
        rings[leg.call_id].append(leg.rung_at)
    for call_id, told in by_call.items():
        told.sort(key=lambda step: step.n)
        arrived = next((float(step.detail.split()[-1]) for step in told if step.what == "entered"), None)
        story = stories.get(call_id)
        if arrived is None or story is None:
            continue
        for position, step in enumerate(told):
            if step.what != "queued":
                continue
            rung = min((at for at in rings[call_id] if at >= step.at - 0.1), default=None)
            after = told[position + 1].at if position + 1 < len(told) else None
            ends = [at for at in (rung, after, story.ended_at) if at is not None]
            if ends:
                yield _Wait(call_id, arrived, step.at, min(ends), rung is not None and rung == min(ends))
