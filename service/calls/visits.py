"""What a caller went through, from the facts of their call: queue visits and conversations, with how long each. Pure.

Steps are followed by their numbers, not by their times: where the PBX's clock was set in mid-call and nobody was there
to say so (pbx/steady.py), the numbers are still right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from pbx.facts import PRESUMED, AnsweredVia
from pbx.steps import NATIONAL
from service.calls.told import Told

#: answered by a centre's person
BY_CENTRE: Final = frozenset({AnsweredVia.CENTRE_QUEUE, AnsweredVia.CENTRE_TELEPHONE})
#: told by phones' legs: their ordinals are no steps
_RINGS: Final = frozenset({"rung", "rang-out"})
#: by which what two legs tell of the same moment may differ
_MOMENT: Final = timedelta(milliseconds=500)


class Outcome(StrEnum):
    """How a visit ended."""

    ANSWERED = "answered"
    OVERFLOW = "overflow"  # taken out of the national queue, at their rank, to be offered a centre
    REFUSED = "refused"  # the centre did not take the caller
    ENDED = "ended"  # the call ended in it


@dataclass(slots=True)
class Visit:
    """The caller in a queue, or at a centre's telephone. `seconds` and `outcome` are None while it lasts."""

    queue: str  #: `national`, else the centre's id
    way: str  #: `queue` or `telephone`
    began_at: datetime
    seconds: float | None = None
    rings: int = 0  #: how often a phone rang for them in it
    outcome: Outcome | None = None


@dataclass(slots=True)
class Journey:
    """All of it, in order. `talk` and `waiting`: seconds of what is over."""

    visits: list[Visit] = field(default_factory=list)
    talk: float = 0.0
    waiting: float = 0.0  #: since the first queue, with nobody: in queues, overflows and graces
    queued: bool = False
    answers: int = 0
    overflows: int = 0
    overflows_answered: int = 0


def between(one: Told, other: Told) -> float:
    """Seconds from one to the other, never below zero."""
    return max(0.0, (other.at - one.at).total_seconds())


def in_order(facts: Iterable[Told]) -> list[Told]:
    """The steps of a call by their numbers; an end that was presumed comes last. Rings are not among them."""
    steps = [fact for fact in facts if fact.what not in _RINGS]
    return sorted(steps, key=lambda fact: (fact.key == ("ended", PRESUMED), fact.ordinal, fact.what == "ended"))


def journey(facts: Iterable[Told], end: Told | None) -> Journey:
    """`end`: the end that counts; any other is left out."""
    facts, found = list(facts), Journey()
    steps = [fact for fact in in_order(facts) if fact.what != "ended"]
    previous: Told | None = None
    talks, visit, opener = False, None, None
    for step in [*steps, end] if end is not None else steps:
        if previous is not None:
            passed = between(previous, step)
            if talks:
                found.talk += passed
            elif found.queued:
                found.waiting += passed
        previous = step
        if visit is not None and opener is not None and step.what in _CLOSES:
            visit.seconds, visit.outcome = between(opener, step), _CLOSES[step.what]
            visit.rings = _rings(facts, visit.queue, opener, step)
            visit = None
        if step.what in {"queued", "centre-called"}:
            visit, opener = _opened(step), step
            found.visits.append(visit)
        _count(found, step)
        talks = step.what == "answered" or (talks and step.what not in _PARTS)
    if visit is not None and opener is not None:
        visit.rings = _rings(facts, visit.queue, opener, None)
    return found


#: Steps that end a visit. A second `queued` or `centre-called` without a word between ends it too: one was missed.
_CLOSES: Final[Mapping[str, Outcome]] = {
    "answered": Outcome.ANSWERED,
    "overflow": Outcome.OVERFLOW,
    "centre-refused": Outcome.REFUSED,
    "listener-lost": Outcome.ANSWERED,
    "queued": Outcome.REFUSED,
    "centre-called": Outcome.OVERFLOW,
    "ended": Outcome.ENDED,
}
#: Steps after which nobody talks with the caller.
_PARTS: Final = frozenset({"listener-lost", "queued", "overflow", "centre-called", "centre-refused"})


def _opened(step: Told) -> Visit:
    if step.what == "queued":
        return Visit(step.detail["queue"], "queue", step.at)
    return Visit(step.detail["centre"], step.detail["way"], step.at)


def _count(found: Journey, step: Told) -> None:
    if step.what == "queued":
        found.queued = True
    elif step.what == "overflow":
        found.overflows += 1
    elif step.what == "answered":
        found.answers += 1
        found.overflows_answered += step.detail["via"] in BY_CENTRE


def _rings(facts: Iterable[Told], queue: str, opener: Told, closer: Told | None) -> int:
    """A ring is told by another leg than the step that ended the visit: within a moment it is the visit's."""
    began, ended = opener.at - _MOMENT, None if closer is None else closer.at + _MOMENT
    return sum(
        fact.what == "rung"
        and fact.detail["queue"] == queue
        and began <= fact.at
        and (ended is None or fact.at <= ended)
        for fact in facts
    )


def national_visits(found: Journey) -> int:
    """How often the caller came into the line's own queue."""
    return sum(visit.queue == NATIONAL for visit in found.visits)
