"""What happened on the PBX in plain words: one sentence for each fact, for whoever looks for a fault.

Nothing of a person is in them: a listener is their phone's id, a caller is "the caller", their number never appears.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from pbx.facts import (
    PRESUMED,
    AnsweredVia,
    CallAnswered,
    CallEnded,
    CallEntered,
    CallQueued,
    CentreCalled,
    CentreRefused,
    ClosedHoursHeard,
    DepartmentKeyed,
    EndedBy,
    Fact,
    ListenerLost,
    ListenerRangOut,
    ListenerRung,
    MemberChanged,
    MemberRemoved,
    OverflowBegan,
    PbxConnected,
    PbxLost,
    PbxRefused,
    PhoneChanged,
    Stage,
)
from pbx.steps import LiveCall, is_telephone

#: Q.850, as far as they tell a maintainer something.
CAUSES: Final = {
    0: "no cause given",
    16: "hung up in the ordinary way",
    17: "busy",
    19: "no answer",
    20: "phone not registered",
    27: "phone out of reach",
    31: "ended on purpose",
    38: "network out of order",
    44: "leg lost",
    127: "ended inside the PBX",
}
#: Where a call was when it ended.
_STAGES: Final = {
    Stage.ENTRY: "before the queue, while it rang or the welcome was spoken",
    Stage.CLOSED: "while they heard that the line is closed",
    Stage.WAITING: "while they waited",
    Stage.TALKING: "in the conversation",
    Stage.LOST: "while their listener was lost",
    Stage.OVERFLOW: "while a centre was offered or rung",
    Stage.ENDED: "after its end",
}
_ENDED_BY: Final = {
    EndedBy.CALLER: "The caller hung up",
    EndedBy.LISTENER: "The listener ended the call",
    EndedBy.CENTRE: "The centre ended the call",
    EndedBy.CLOSED: "The call ended after the notice",
    EndedBy.SYSTEM: "THE PBX ITSELF ENDED THE CALL, which must never happen (law 1)",
    EndedBy.FAULT: "The call was cut by a fault: the PBX died under it",
}
_REFUSED: Final = {
    "no-answer": "nobody answered in time",
    "busy": "it was busy",
    "unavailable": "nobody was there or it could not be reached",
    "no-person": "something answered, but nobody pressed 1",
    "declined": "the caller pressed a key to stay",
    "no-route": "no way to reach it is known",
}

_NUMBERS: Final = {
    "withheld": "number withheld",
    "none": "no number shown",
    "encrypted": "number encrypted",
    "purged": "number no longer here",
}


@dataclass(slots=True)
class Story:
    """What was told of one call so far, as far as later sentences refer to it."""

    call_id: str
    began: float  #: its first fact; the arrival where `whole`
    whole: bool = False  #: it was seen from the arrival on
    waits: int = 0
    rings: dict[str, float] = field(default_factory=dict)
    lost_at: float | None = None
    centre_lost: bool = False  #: its telephone's leg, and they are not back in the queue yet
    answered_by: str = ""
    answered_after: float | None = None
    ended: CallEnded | None = None
    gone: bool = False  #: ended while nobody listened


def who(interface: str) -> str:
    """`PJSIP/l12` → `listener l12`; a centre's telephone is known by the centre's id."""
    technology, _, name = interface.partition("/")
    return f"listener {name}" if name else technology


def situation(call: LiveCall) -> str:
    """Where a live call is."""
    with_whom = f" with {who(call.listener)}" if call.listener and call.stage is Stage.TALKING else ""
    queue = f" in the queue {call.queue}" if call.stage is Stage.WAITING else ""
    rings = "".join(f", rings at {who(interface)}" for interface in call.ringing)
    return f"{call.stage}{with_whom}{queue}{rings}"


def number_kind(token: str) -> str:
    """What there is of the caller's number: `withheld`, `none`, `encrypted`, or `purged` from the journal."""
    if token.startswith("purged"):
        return "purged"
    return token if token in {"withheld", "none"} else "encrypted"


def seconds(duration: float) -> str:
    """`0.4 s`, `34 s`, `3 min 5 s`, `2 h 4 min`."""
    if duration < 9.95:
        return f"{duration:.1f} s"
    whole = round(duration)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


# --- calls --------------------------------------------------------------------------------------------------------


def _entered(fact: CallEntered, story: Story) -> str:
    story.began, story.whole = fact.at, True
    line = fact.line or "the line (by a number that is in no table)"
    return f"A caller reached {line}; {_NUMBERS[number_kind(fact.caller_token)]}."


def _closed(_fact: ClosedHoursHeard, _story: Story) -> str:
    return "The line is closed, and the caller is told so."


def _queued(fact: CallQueued, story: Story) -> str:
    story.waits += 1
    story.centre_lost = False
    again = "is back at their rank" if story.waits > 1 else "waits"
    return f"The caller {again} in the queue {fact.queue}."


def _rung(fact: ListenerRung, story: Story) -> str:
    story.rings[fact.interface] = fact.at
    why = "to come back to their caller" if fact.queue == "return" else f"for the queue {fact.queue}"
    return f"The phone of {who(fact.interface)} rang, {why}."


def _rang_out(fact: ListenerRangOut, story: Story) -> str:
    began = story.rings.pop(fact.interface, None)
    after = "" if began is None else f" after {seconds(fact.at - began)}"
    return f"The phone of {who(fact.interface)} stopped ringing unanswered{after}."


def _answered(fact: CallAnswered, story: Story) -> str:
    name = who(fact.interface)
    waited = fact.at - story.began
    if not story.answered_by:
        story.answered_by, story.answered_after = name, waited if story.whole else None
    after = f" after {seconds(waited)}" if story.whole else ""
    match fact.via:
        case AnsweredVia.RETURN:
            gap = "" if story.lost_at is None else f" after {seconds(fact.at - story.lost_at)}"
            return f"{_start(name)} is back with the caller{gap}."
        case AnsweredVia.CENTRE_TELEPHONE:
            return f"A person at the telephone of {fact.interface} took the call{after}: they hear each other."
        case AnsweredVia.CENTRE_QUEUE:
            return f"{_start(name)} of {fact.queue} answered{after}: they hear each other."
        case _:
            return f"{_start(name)} answered{after}: they hear each other."


def _lost(fact: ListenerLost, story: Story) -> str:
    story.lost_at, story.centre_lost = fact.at, is_telephone(fact.interface)
    if story.centre_lost:
        return (
            f"The leg of the telephone of {fact.interface} was lost (cause {_cause(fact.cause)}): the caller is spoken "
            "to, and goes back to the queue at their rank."
        )
    return (
        f"The leg of {who(fact.interface)} was lost (cause {_cause(fact.cause)}): the caller is spoken to, "
        "the grace runs."
    )


def _overflow(fact: OverflowBegan, _story: Story) -> str:
    by = "The service" if fact.by == "service" else "The PBX by itself (no heartbeat of the service)"
    centre = fact.target.removeprefix("centre:")
    what = "ask for a department" if fact.target == "ask" else f"offer {centre}"
    return f"{by} took the caller out of the queue, at their rank, to {what}."


def _department(fact: DepartmentKeyed, _story: Story) -> str:
    keyed = f"department {fact.department}" if fact.department else "no department that is known"
    return f"The caller keyed {keyed}."


def _centre_called(fact: CentreCalled, _story: Story) -> str:
    return f"{fact.centre} is being rung, {'by its telephone' if fact.way == 'telephone' else 'in its queue'}."


def _centre_refused(fact: CentreRefused, _story: Story) -> str:
    why = _REFUSED.get(fact.reason, fact.reason)
    return f"{fact.centre} did not take the caller: {why}. The caller keeps their rank."


def _ended(fact: CallEnded, story: Story) -> str:
    story.ended = fact
    sentence = _ENDED_BY[fact.by]
    if fact.by is not EndedBy.CLOSED:
        sentence += f", {_when(fact, story)}"
    if fact.ordinal == PRESUMED:
        sentence += " (presumed: the dialplan did not say it)"
    return f"{sentence}."


def _when(fact: CallEnded, story: Story) -> str:
    if fact.ringing:
        return "while a phone rang for them"
    if story.centre_lost and fact.stage is Stage.OVERFLOW:
        return "while they were spoken to, the centre's telephone being lost"
    return _STAGES[fact.stage]


# --- queues, phones, the session ----------------------------------------------------------------------------------


def _member(fact: MemberChanged, _story: None) -> str:
    paused = f", paused ({fact.pause_reason or 'no reason given'})" if fact.paused else ""
    return f"{_start(who(fact.interface))} in the queue {fact.queue}: phone {fact.device}{paused}."


def _member_removed(fact: MemberRemoved, _story: None) -> str:
    return f"{_start(who(fact.interface))} no longer serves the queue {fact.queue}."


def _phone(fact: PhoneChanged, _story: None) -> str:
    if fact.reachable:
        return f"The phone of {fact.endpoint} can be reached."
    why = "its registration was taken back or ran out" if fact.removed else "it does not answer, or none is registered"
    return f"The phone of {fact.endpoint} cannot be reached: {why}."


def _connected(fact: PbxConnected, _story: None) -> str:
    version = fact.version.partition("+")[0]
    sentence = f"Connected to Asterisk {version}; the snapshot is taken."
    if fact.restarted:
        sentence += " It was restarted: the calls from before were cut."
    if fact.gone:
        calls = f"{len(fact.gone)} call{'s' * (len(fact.gone) != 1)}"
        sentence += f" {calls} ended while nobody listened: the PBX's journal says how."
    return sentence


def _session_lost(fact: PbxLost, _story: None) -> str:
    if fact.reason == "closed":
        return "The service closed the session."
    return f"The session was lost ({fact.reason}): what happens from here is not seen."


def _refused(_fact: PbxRefused, _story: None) -> str:
    return "Asterisk refused the service's account."


SENTENCES: Final[dict[type[Fact], Callable[[Any, Any], str]]] = {
    CallEntered: _entered,
    ClosedHoursHeard: _closed,
    CallQueued: _queued,
    ListenerRung: _rung,
    ListenerRangOut: _rang_out,
    CallAnswered: _answered,
    ListenerLost: _lost,
    OverflowBegan: _overflow,
    DepartmentKeyed: _department,
    CentreCalled: _centre_called,
    CentreRefused: _centre_refused,
    CallEnded: _ended,
    MemberChanged: _member,
    MemberRemoved: _member_removed,
    PhoneChanged: _phone,
    PbxConnected: _connected,
    PbxLost: _session_lost,
    PbxRefused: _refused,
}


def sentence(fact: Fact, story: Story | None = None) -> str:
    """The fact in words. `story`: of its call, which it carries on; facts of no call have none."""
    return SENTENCES[type(fact)](fact, story)


def _start(words: str) -> str:
    return words[:1].upper() + words[1:] if words.startswith("listener") else words


def _cause(cause: int) -> str:
    return f"{cause}, {CAUSES[cause]}" if cause in CAUSES else str(cause)
