"""Facts of a call → its record. Pure; the order in which facts were seen, and duplicates, do not matter.

What became of the call is one of the pairs of exits.py, whatever facts are missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from pbx.facts import (
    PRESUMED,
    AnsweredVia,
    CallAnswered,
    CallEnded,
    CallEntered,
    CallFact,
    CallQueued,
    CentreCalled,
    CentreRefused,
    ClosedHoursHeard,
    DepartmentKeyed,
    EndedBy,
    ListenerLost,
    ListenerRangOut,
    ListenerRung,
    OverflowBegan,
    Stage,
)
from pbx.steps import NATIONAL, is_telephone
from service.calls.model import Reason, Result
from service.calls.told import Told
from service.calls.visits import BY_CENTRE, Journey, between, in_order, journey, national_visits
from service.listeners.model import account_of

#: the word under which each kind of fact is stored
WHAT: Final[Mapping[type[CallFact], str]] = {
    CallEntered: "entered",
    ClosedHoursHeard: "closed",
    CallQueued: "queued",
    ListenerRung: "rung",
    ListenerRangOut: "rang-out",
    CallAnswered: "answered",
    ListenerLost: "listener-lost",
    OverflowBegan: "overflow",
    DepartmentKeyed: "department",
    CentreCalled: "centre-called",
    CentreRefused: "centre-refused",
    CallEnded: "ended",
}
#: where a step leaves the call
_STAGES: Final[Mapping[str, Stage]] = {
    "entered": Stage.ENTRY,
    "closed": Stage.CLOSED,
    "queued": Stage.WAITING,
    "answered": Stage.TALKING,
    "listener-lost": Stage.LOST,
    "overflow": Stage.OVERFLOW,
}
#: the key columns, and the encrypted number: it has a column of its own, under our key
_NOT_DETAIL: Final = frozenset({"pbx", "at", "call_id", "ordinal", "caller_token"})


@dataclass(frozen=True, slots=True)
class Record:
    """What the facts say so far; the columns of `Call` of the same names."""

    line: str
    arrived_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    result: Result | None
    reason: Reason | None
    ended_by: EndedBy | None
    ended_stage: Stage | None
    listener_id: int | None
    wait_seconds: float | None
    waiting_seconds: float | None
    talk_seconds: float | None
    visits: int
    overflows: int
    overflows_answered: int
    centre: str | None
    department: str | None


def told(fact: CallFact) -> Told:
    """The form in which a fact is stored. The caller's token is left out."""
    names = _detail_names(type(fact))
    detail = {name: getattr(fact, name) for name in names}
    return Told(WHAT[type(fact)], fact.ordinal, instant(fact.at), detail)


def instant(at: float) -> datetime:
    """Epoch seconds → UTC. ValueError for what is no instant, whichever way Python says so."""
    try:
        return datetime.fromtimestamp(at, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError("not an instant") from error


def fold(facts: Iterable[Told]) -> Record:
    """The record of one call. Needs at least one fact."""
    facts = _heard(_once(facts))
    by_kind: dict[str, list[Told]] = {}
    for fact in facts:
        by_kind.setdefault(fact.what, []).append(fact)
    entered = by_kind.get("entered", [])
    answers = _as_they_came(by_kind.get("answered", []))
    end = _end(by_kind)
    way = journey(facts, end)
    talked = (account_of(answer.detail["interface"]) for answer in answers)
    listeners = [account_id for account_id in talked if account_id is not None]
    centres = [answer.detail["queue"] for answer in answers if _by_centre(answer)]
    departments = [fact.detail["department"] for fact in by_kind.get("department", []) if fact.detail["department"]]
    result, reason = exit_of(facts, end)
    return Record(
        line=entered[0].detail["line"] if entered else "",
        arrived_at=_arrived_at(entered, facts),
        answered_at=answers[0].at if answers else None,
        ended_at=end.at if end else None,
        result=result,
        reason=reason,
        ended_by=EndedBy(end.detail["by"]) if end else None,
        ended_stage=Stage(end.detail["stage"]) if end else None,
        listener_id=listeners[-1] if listeners else None,
        wait_seconds=_wait(by_kind.get("queued", []), answers[0] if answers else end),
        waiting_seconds=way.waiting if end and way.queued else None,
        talk_seconds=way.talk if end and answers else None,
        visits=national_visits(way),
        overflows=way.overflows,
        overflows_answered=way.overflows_answered,
        centre=centres[-1] if centres else None,
        department=departments[-1] if departments else None,
    )


def _once(facts: Iterable[Told]) -> list[Told]:
    """Each fact once, whatever the order in which they were seen."""
    by_key: dict[tuple[str, int], Told] = {}
    for fact in sorted(facts, key=lambda fact: (fact.ordinal, fact.at, fact.what)):
        by_key.setdefault(fact.key, fact)
    return list(by_key.values())


def _heard(facts: list[Told]) -> list[Told]:
    """Without the answer of a person whose phone ended the call before a word could pass.

    Asterisk connects a caller with a leg that hung up while it was asked to press 1: for a millisecond or two, or not
    at all, by chance.
    """
    steps = [step for step in in_order(facts) if step.key != ("ended", PRESUMED)]
    if [step.what for step in steps[-2:]] != ["answered", "ended"]:
        return facts
    answer, end = steps[-2:]
    by_a_person = end.detail["by"] in {EndedBy.LISTENER, EndedBy.CENTRE}
    unheard = by_a_person and abs(end.at - answer.at) < _NO_SPEECH  # a clock that was set back makes it less than none
    return [fact for fact in facts if fact is not answer] if unheard else facts


#: a quarter of a packet of speech
_NO_SPEECH: Final = timedelta(milliseconds=5)


def journey_of(facts: Iterable[Told]) -> Journey:
    """Queue visits and conversations of a call."""
    facts = _heard(_once(facts))
    by_kind: dict[str, list[Told]] = {}
    for fact in facts:
        by_kind.setdefault(fact.what, []).append(fact)
    return journey(facts, _end(by_kind))


def without_presumed(facts: Iterable[Told]) -> list[Told]:
    """A call ends once: an end that was told takes the place of one that was presumed before it was known."""
    facts = list(facts)
    told_end = any(fact.what == "ended" and fact.ordinal != PRESUMED for fact in facts)
    return [fact for fact in facts if not (told_end and fact.key == ("ended", PRESUMED))]


def _end(by_kind: Mapping[str, list[Told]]) -> Told | None:
    """The end that counts. One that the dialplan told outranks a presumed one.

    Whoever presumed an end may not have known yet how far the call had come, and it was not before anything that is
    known of the call: an end may be presumed before the journal was read.
    """
    ends = sorted(by_kind.get("ended", []), key=lambda end: end.ordinal)
    certain = [end for end in ends if end.ordinal != PRESUMED]
    if certain or not ends:
        return next(iter(certain), None)
    facts = [fact for facts in by_kind.values() for fact in facts]
    detail = {**ends[0].detail, "stage": stage_of(facts)}
    return replace(ends[0], at=max(fact.at for fact in facts), detail=detail)


def stage_of(facts: Iterable[Told]) -> Stage:
    """Where the call was, by the last step that says so."""
    steps = [fact for fact in facts if fact.what in _STAGES]
    if not steps:
        return Stage.ENTRY
    last = max(steps, key=lambda fact: fact.ordinal)
    if last.what == "listener-lost" and is_telephone(last.detail["interface"]):
        return Stage.OVERFLOW
    return _STAGES[last.what]


def _arrived_at(entered: list[Told], facts: list[Told]) -> datetime:
    return instant(entered[0].detail["arrived"]) if entered else min(fact.at for fact in facts)


def _as_they_came(answers: Iterable[Told]) -> list[Told]:
    """In order; who is back within the grace by the way on which they had taken the call before: a centre's person
    stays one."""
    found: list[Told] = []
    for answer in answers:
        back = answer.detail["via"] == AnsweredVia.RETURN
        found.append(_back(answer, found[-1] if found else answer) if back else answer)
    return found


def _back(answer: Told, before: Told) -> Told:
    """What was told before is surer: one who comes back may be all that was heard of them, and their queue a guess."""
    known = before if before.detail["via"] == AnsweredVia.CENTRE_QUEUE else answer
    queue = known.detail["queue"]
    via = AnsweredVia.QUEUE if queue == NATIONAL else AnsweredVia.CENTRE_QUEUE
    return replace(answer, detail={**answer.detail, "via": via, "queue": queue})


def _by_centre(answer: Told) -> bool:
    return answer.detail["via"] in BY_CENTRE


def _wait(queued: list[Told], until: Told | None) -> float | None:
    """Seconds in queues before the first answer, or before the end."""
    return between(queued[0], until) if queued and until is not None else None


# --- what became of it --------------------------------------------------------------------------------------------


def exit_of(facts: Iterable[Told], end: Told | None) -> tuple[Result | None, Reason | None]:
    """A pair of `exits.EXITS`; while the call is open no reason, and no result before an answer."""
    steps = in_order(facts)
    answers = _as_they_came(step for step in steps if step.what == "answered")
    if answers:
        result = Result.CENTRE if all(map(_by_centre, answers)) else Result.ANSWERED
        return result, _after_an_answer(steps, answers[-1], end) if end else None
    if end is None:
        return None, None
    by = end.detail["by"]
    if by == EndedBy.CLOSED or any(step.what == "closed" for step in steps):
        return Result.CLOSED, _CLOSED.get(by, Reason.SYSTEM)
    if by == EndedBy.CALLER:
        return Result.ABANDONED, _left(steps, end)
    return Result.FAULT, _FAULT[by]


_CLOSED: Final[Mapping[str, Reason]] = {
    EndedBy.CLOSED: Reason.NOTICE_HEARD,
    EndedBy.CALLER: Reason.LEFT_NOTICE,
    EndedBy.FAULT: Reason.PBX_DIED,
}
_FAULT: Final[Mapping[str, Reason]] = {
    EndedBy.FAULT: Reason.PBX_DIED,
    EndedBy.SYSTEM: Reason.SYSTEM,
    EndedBy.LISTENER: Reason.ENDED_UNHEARD,
    EndedBy.CENTRE: Reason.ENDED_UNHEARD,
}


def _after_an_answer(steps: list[Told], last: Told, end: Told) -> Reason:
    match end.detail["by"]:
        case EndedBy.CALLER:
            lost = any(step.what in _ALONE_AGAIN and step.ordinal > last.ordinal for step in steps)
            return Reason.LEFT_AFTER_LOSS if lost else Reason.CALLER_ENDED
        case EndedBy.LISTENER:  # a person of a centre who has a phone on this PBX is one, for the dialplan
            return Reason.CENTRE_ENDED if _by_centre(last) else Reason.LISTENER_ENDED
        case EndedBy.CENTRE:
            return Reason.CENTRE_ENDED
        case EndedBy.FAULT:
            return Reason.PBX_DIED
        case _:
            return Reason.SYSTEM


#: after one of these nobody talks with the caller
_ALONE_AGAIN: Final = frozenset({"listener-lost", "queued", "overflow"})


def _left(steps: list[Told], end: Told) -> Reason:
    """What was going on for a caller who left before anybody answered."""
    words = [step for step in steps if step.what in _WORDS]
    last = words[-1].what if words else ""
    if last == "centre-called":
        return Reason.LEFT_CENTRE_RINGING
    if last in {"overflow", "department"} or (last == "centre-refused" and _declined(words[-1])):
        return Reason.LEFT_ASKED
    if end.detail["stage"] == Stage.TALKING or end.detail.get("ringing"):
        return Reason.LEFT_RINGING
    if last == "centre-refused" or (last == "queued" and _not_there(words)):
        return Reason.LEFT_AFTER_CENTRE
    return Reason.LEFT_WAITING if last == "queued" or end.detail["stage"] == Stage.WAITING else Reason.LEFT_WELCOME


_WORDS: Final = frozenset({"queued", "overflow", "department", "centre-called", "centre-refused"})


def _not_there(words: list[Told]) -> bool:
    """The last overflow ended with a centre that did not take the caller, who had not chosen to stay."""
    before = [step for step in words if step.what != "queued"]
    return bool(before) and before[-1].what == "centre-refused" and not _declined(before[-1])


def _declined(refusal: Told) -> bool:
    return bool(refusal.detail["reason"] == "declined")


def _detail_names(kind: type[CallFact]) -> tuple[str, ...]:
    names = _NAMES.get(kind)
    if names is None:
        names = _NAMES[kind] = tuple(field.name for field in fields(kind) if field.name not in _NOT_DETAIL)
    return names


_NAMES: dict[type[CallFact], tuple[str, ...]] = {}
