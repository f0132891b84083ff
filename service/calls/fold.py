"""Facts of a call → its record. Pure; the order in which facts were seen, and duplicates, do not matter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final

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
from service.calls.model import Result
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
#: answered by a centre's person
BY_CENTRE: Final = frozenset({AnsweredVia.CENTRE_QUEUE, AnsweredVia.CENTRE_TELEPHONE})


@dataclass(frozen=True, slots=True)
class Told:
    """A stored fact: `what` of `WHAT`, `detail` its own fields."""

    what: str
    ordinal: int
    at: datetime
    detail: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, int]:
        """Within one call of one PBX."""
        return self.what, self.ordinal


@dataclass(frozen=True, slots=True)
class Record:
    """What the facts say so far; the columns of `Call` of the same names."""

    line: str
    arrived_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    result: Result | None
    ended_by: EndedBy | None
    ended_stage: Stage | None
    listener_id: int | None
    wait_seconds: float | None
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
    by_kind: dict[str, list[Told]] = {}
    for fact in sorted(facts, key=lambda fact: (fact.ordinal, fact.at)):
        by_kind.setdefault(fact.what, []).append(fact)
    entered = by_kind.get("entered", [])
    answers = by_kind.get("answered", [])
    end = _end(by_kind.get("ended", []))
    ended_at = _ended_at(end, by_kind) if end else None
    arrived_at = instant(entered[0].detail["arrived"]) if entered else _earliest(by_kind)
    answered_at = answers[0].at if answers else None
    talked = (account_of(answer.detail["interface"]) for answer in answers)
    listeners = [account_id for account_id in talked if account_id is not None]
    centres = [answer.detail["queue"] for answer in answers if _by_centre(answer)]
    departments = [fact.detail["department"] for fact in by_kind.get("department", []) if fact.detail["department"]]
    return Record(
        line=entered[0].detail["line"] if entered else "",
        arrived_at=arrived_at,
        answered_at=answered_at,
        ended_at=ended_at,
        result=_result(answers, end, closed="closed" in by_kind),
        ended_by=EndedBy(end.detail["by"]) if end else None,
        ended_stage=_ended_stage(end, by_kind) if end else None,
        listener_id=listeners[-1] if listeners else None,
        wait_seconds=_wait(by_kind.get("queued", []), answered_at or ended_at),
        centre=centres[-1] if centres else None,
        department=departments[-1] if departments else None,
    )


def without_presumed(facts: Iterable[Told]) -> list[Told]:
    """A call ends once: an end that was told takes the place of one that was presumed before it was known."""
    facts = list(facts)
    told_end = any(fact.what == "ended" and fact.ordinal != PRESUMED for fact in facts)
    return [fact for fact in facts if not (told_end and fact.key == ("ended", PRESUMED))]


def _end(ends: list[Told]) -> Told | None:
    """An end that the dialplan told outranks a presumed one."""
    certain = [end for end in ends if end.ordinal != PRESUMED]
    return next(iter(certain or ends), None)


def _ended_at(end: Told, by_kind: Mapping[str, list[Told]]) -> datetime:
    """Not before anything that is known of the call: an end may be presumed before the journal was read."""
    return max(fact.at for facts in by_kind.values() for fact in facts) if end.ordinal == PRESUMED else end.at


def _ended_stage(end: Told, by_kind: Mapping[str, list[Told]]) -> Stage:
    """Whoever presumed an end may not have known yet how far the call had come."""
    if end.ordinal == PRESUMED:
        return stage_of(fact for facts in by_kind.values() for fact in facts)
    return Stage(end.detail["stage"])


def stage_of(facts: Iterable[Told]) -> Stage:
    """Where the call was, by the last step that says so."""
    steps = [fact for fact in facts if fact.what in _STAGES]
    return _STAGES[max(steps, key=lambda fact: fact.ordinal).what] if steps else Stage.ENTRY


def _earliest(by_kind: Mapping[str, list[Told]]) -> datetime:
    return min(fact.at for facts in by_kind.values() for fact in facts)


def _by_centre(answer: Told) -> bool:
    return answer.detail["via"] in BY_CENTRE


def _result(answers: list[Told], end: Told | None, *, closed: bool) -> Result | None:
    if answers:
        return Result.CENTRE if all(_by_centre(answer) for answer in answers) else Result.ANSWERED
    if end is None:
        return None
    if closed:
        return Result.CLOSED
    cut = end.detail["by"] in (EndedBy.FAULT, EndedBy.SYSTEM)
    return Result.FAULT if cut else Result.ABANDONED


def _wait(queued: list[Told], until: datetime | None) -> float | None:
    """Seconds in queues before the first answer, or before the end."""
    if not queued or until is None:
        return None
    return max(0.0, (until - queued[0].at).total_seconds())


def _detail_names(kind: type[CallFact]) -> tuple[str, ...]:
    names = _NAMES.get(kind)
    if names is None:
        names = _NAMES[kind] = tuple(field.name for field in fields(kind) if field.name not in _NOT_DETAIL)
    return names


_NAMES: dict[type[CallFact], tuple[str, ...]] = {}
