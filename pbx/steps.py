"""The words of the dialplan's steps: what a step means as a fact, and where it leaves the call.

The words are documented with the dialplan's subroutine `step`. Pure: no I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pbx.events import CallStep
from pbx.facts import (
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
    OverflowBegan,
    Stage,
)
from pbx.legs import Leg

#: The queue of the line itself; every other queue is a centre's and is named by the centre's id.
NATIONAL = "national"
#: In the place of a queue's name: the listener who was lost is rung again.
RETURN = "return"

_ENDED_BY = {by.value: by for by in EndedBy}
_STAGES = {stage.value: stage for stage in Stage}


@dataclass(slots=True)
class LiveCall:
    """One call as the PBX has it now. Times are epoch seconds on the PBX's clock."""

    call_id: str
    channel: str = ""  #: the caller's channel, by name
    uniqueid: str = ""  #: and by its id
    legs: dict[str, Leg] = field(default_factory=dict, compare=False)  #: all its living channels, by their id
    line: str = ""  #: E.164 of the number dialled
    arrived: int = 0  #: fixes the caller's rank
    stage: Stage = Stage.ENTRY
    queue: str = ""  #: waited in now, or last
    ringing: dict[str, str] = field(default_factory=dict)  #: interface → member channel
    listener: str = ""  #: interface now or last connected; a centre's id where a telephone answered
    listener_channel: str = ""  #: the person's leg, while talking
    answered_at: float | None = None  #: when the caller was last bridged to a person
    centre: str = ""  #: being called or talked to
    caller_token: str = ""  #: empty for a call that began before the session: it is in the journal alone
    last_overflow_at: float | None = None
    waiting_since: float | None = None  #: None unless in a queue or being offered a centre
    step: int = 0  #: the highest step seen


@dataclass(frozen=True, slots=True)
class Connection:
    """A `connecting` step, read: whom the caller is about to be bridged to, and by which way."""

    n: int
    at: float
    way: str  #: a queue's name, `return`, or a centre's id
    interface: str
    channel: str

    @classmethod
    def of(cls, step: CallStep) -> Connection:
        """From the step's detail: `<way> <interface or centre id> <member channel>`."""
        way, interface, channel = words(step.detail, 3)
        return cls(step.n, step.at, way, interface, channel or step.channel)

    def via(self) -> AnsweredVia:
        """Which of the four ways it is."""
        if self.way == RETURN:
            return AnsweredVia.RETURN
        if is_telephone(self.interface):
            return AnsweredVia.CENTRE_TELEPHONE
        return AnsweredVia.QUEUE if self.way == NATIONAL else AnsweredVia.CENTRE_QUEUE

    def answered(self, pbx: str, call_id: str, at: float, last_queue: str) -> CallAnswered:
        """The fact, once the caller is in the bridge (`at`). `last_queue`: the one that last offered the caller."""
        via = self.via()
        # of whoever is rung again nothing may have been heard before: nearly all are of the national queue
        queue = (last_queue or NATIONAL) if via is AnsweredVia.RETURN else self.way
        return CallAnswered(
            pbx=pbx, at=at, call_id=call_id, ordinal=self.n, interface=self.interface, via=via, queue=queue
        )


def is_telephone(interface: str) -> bool:
    """A centre's telephone, which is known by the centre's id; a listener's phone is `PJSIP/l12`."""
    return "/" not in interface


def words(detail: str, count: int) -> list[str]:
    """Exactly `count` words; missing ones are empty, so that a short detail is read as far as it goes."""
    found = detail.split()[:count]
    return found + [""] * (count - len(found))


def _entered(pbx: str, step: CallStep) -> CallFact:
    found = step.detail.split()
    # The line is empty when the number dialled is in no table: such a caller is answered all the same.
    token, line, arrived = (found[0], found[1], found[2]) if len(found) > 2 else (words(step.detail, 1)[0], "", "")
    arrived = arrived or (found[-1] if found else "")
    return CallEntered(
        pbx=pbx,
        at=step.at,
        call_id=step.call_id,
        ordinal=step.n,
        line=line,
        caller_token=token,
        arrived=int(arrived) if arrived.isdecimal() else int(step.at),
    )


def _closed(pbx: str, step: CallStep) -> CallFact:
    return ClosedHoursHeard(pbx=pbx, at=step.at, call_id=step.call_id, ordinal=step.n)


def _queued(pbx: str, step: CallStep) -> CallFact:
    (queue,) = words(step.detail, 1)
    return CallQueued(pbx=pbx, at=step.at, call_id=step.call_id, ordinal=step.n, queue=queue)


def _lost(pbx: str, step: CallStep) -> CallFact:
    interface, cause = words(step.detail, 2)
    return ListenerLost(
        pbx=pbx,
        at=step.at,
        call_id=step.call_id,
        ordinal=step.n,
        interface=interface,
        cause=int(cause) if cause.isdecimal() else 0,
    )


def _overflow(pbx: str, step: CallStep) -> CallFact:
    target, by = words(step.detail, 2)
    return OverflowBegan(pbx=pbx, at=step.at, call_id=step.call_id, ordinal=step.n, target=target, by=by)


def _department(pbx: str, step: CallStep) -> CallFact:
    (code,) = words(step.detail, 1)
    return DepartmentKeyed(
        pbx=pbx, at=step.at, call_id=step.call_id, ordinal=step.n, department="" if code == "-" else code
    )


def _centre_called(pbx: str, step: CallStep) -> CallFact:
    centre, way = words(step.detail, 2)
    return CentreCalled(pbx=pbx, at=step.at, call_id=step.call_id, ordinal=step.n, centre=centre, way=way)


def _centre_refused(pbx: str, step: CallStep) -> CallFact:
    centre, reason = words(step.detail, 2)
    return CentreRefused(pbx=pbx, at=step.at, call_id=step.call_id, ordinal=step.n, centre=centre, reason=reason)


def _ended(pbx: str, step: CallStep) -> CallFact:
    by, stage, rang = words(step.detail, 3)
    return CallEnded(
        pbx=pbx,
        at=step.at,
        call_id=step.call_id,
        ordinal=step.n,
        by=_ENDED_BY.get(by, EndedBy.SYSTEM),
        stage=stage_named(stage),
        ringing=rang == "ringing",
    )


#: `connecting` is not here: it becomes a fact only when the caller enters the bridge.
FACTS: dict[str, Callable[[str, CallStep], CallFact]] = {
    "entered": _entered,
    "closed": _closed,
    "queued": _queued,
    "listener-lost": _lost,
    "overflow": _overflow,
    "department": _department,
    "centre-called": _centre_called,
    "centre-refused": _centre_refused,
    "ended": _ended,
}


def stage_named(word: str) -> Stage:
    """The dialplan's word for a stage; a word that is not known is the entry."""
    return _STAGES.get(word, Stage.ENTRY)


def advance(call: LiveCall, fact: CallFact) -> None:
    """Where the newest step leaves the call."""
    match fact:
        case CallEntered():
            call.line, call.arrived, call.caller_token = fact.line, fact.arrived, fact.caller_token
        case ClosedHoursHeard():
            call.stage = Stage.CLOSED
        case CallQueued():
            call.stage, call.queue, call.waiting_since, call.centre = Stage.WAITING, fact.queue, fact.at, ""
            call.listener_channel = ""
        case ListenerLost():
            # nobody rings a centre's telephone again: its caller is spoken to, and goes back to the queue
            call.stage = Stage.OVERFLOW if is_telephone(fact.interface) else Stage.LOST
            call.listener, call.listener_channel, call.waiting_since = fact.interface, "", None
        case OverflowBegan():
            call.stage, call.last_overflow_at = Stage.OVERFLOW, fact.at
            call.centre = fact.target.removeprefix("centre:") if fact.target.startswith("centre:") else ""
            call.waiting_since = call.waiting_since or fact.at
        case CentreCalled():
            call.stage, call.centre = Stage.OVERFLOW, fact.centre
        case CentreRefused():
            call.centre = ""
        case CallAnswered():
            call.stage, call.answered_at, call.waiting_since = Stage.TALKING, fact.at, None
            call.listener = fact.interface
            if fact.via is not AnsweredVia.RETURN:  # who is back is of the centre of which they were
                call.centre = "" if fact.via is AnsweredVia.QUEUE else fact.queue
        case CallEnded():
            call.stage, call.listener_channel, call.waiting_since = Stage.ENDED, "", None
        case _:
            pass
