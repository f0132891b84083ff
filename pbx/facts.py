"""What happened on the PBX, in the past tense: the only thing that leaves this package upwards.

Every fact carries the PBX's id and the instant at which Asterisk says it happened (`at`, epoch seconds on the PBX's
clock, microsecond resolution). Facts about a call carry the call's UUID and an ordinal; (pbx, call_id, what, ordinal)
is the same whether a fact was seen live on AMI or read later in the PBX's journal, so storing it twice stores it once.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """`pbx`: id of the PBX in the settings. `at`: epoch seconds, the PBX's clock."""

    pbx: str
    at: float


#: Ordinal of a `CallEnded` that is presumed (the PBX died, or a channel went without its step). One with a step
#: outranks it.
PRESUMED = 0


# --- calls ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFact(Fact):
    """`ordinal`: the dialplan's step number of this call (1, 2, …).

    For ringing it is the serial number of the ringing leg's channel: it grows with each ring, and is the same live and
    in the journal even when some rings were missed. 0 (`PRESUMED`) marks an end that no step told.
    """

    call_id: str
    ordinal: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEntered(CallFact):
    """A caller reached the line and is heard ringing or the welcome.

    `line`: E.164 of the number dialled. `caller_token`: the caller's number, encrypted on the PBX as
    `keyid.nonce.ciphertext`; `withheld` where the caller hid it, `none` where there was none or nonsense.
    `arrived`: epoch seconds, whole, fixes the caller's rank for as long as the call lasts.
    """

    line: str
    caller_token: str
    arrived: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedHoursHeard(CallFact):
    """The line is closed, and the caller is told so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallQueued(CallFact):
    """The caller waits in `queue`: first entry, or back after a lost listener or a centre that did not answer.

    Not repeated when the dialplan's queue loop goes round.
    """

    queue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerRung(CallFact):
    """A phone rings for the call. `interface`: `PJSIP/l12`. `queue` is `return` where a lost listener is rung again."""

    interface: str
    queue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerRangOut(CallFact):
    """The phone stopped ringing without an answer: not taken in time, refused, out of reach, or the caller left."""

    interface: str
    queue: str


class AnsweredVia(StrEnum):
    """By which way the caller reached a person."""

    QUEUE = "queue"
    RETURN = "return"  # the same listener, back within the grace
    CENTRE_QUEUE = "centre-queue"
    CENTRE_TELEPHONE = "centre-telephone"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAnswered(CallFact):
    """Caller and person are bridged: hear each other.

    `interface`: `PJSIP/l12` of a listener, or the centre's id where a telephone answered. `queue`: the queue that
    offered the call, the one before for a listener who came back (`national` where nothing was known of it), the
    centre's id for a telephone.
    """

    interface: str
    via: AnsweredVia
    queue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerLost(CallFact):
    """The person's leg ended and nobody meant it to: the caller is being spoken to.

    For a listener the grace runs. For a centre's telephone (`interface` is the centre's id) there is none: the caller
    goes back to the queue after the word.
    """

    interface: str
    cause: int  #: Q.850


@dataclass(frozen=True, slots=True, kw_only=True)
class OverflowBegan(CallFact):
    """The caller was taken out of the queue, at their rank, to be offered a centre.

    `target`: `centre:<id>`, or `ask` where the caller is asked for a department. `by`: `service` or `pbx`.
    """

    target: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DepartmentKeyed(CallFact):
    """What the caller keyed when asked for the department; `department` is empty for nothing or nonsense."""

    department: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CentreCalled(CallFact):
    """A centre is being rung. `way`: `queue` or `telephone`."""

    centre: str
    way: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CentreRefused(CallFact):
    """The centre did not take the caller, who goes back at their rank.

    `reason`: `no-answer`, `busy`, `unavailable`, `no-person` (something answered, nobody pressed 1), `declined` (the
    caller preferred to stay), `no-route`.
    """

    centre: str
    reason: str


class EndedBy(StrEnum):
    """Who ended the call. `system` must never happen (law 1); `fault` is a PBX that died under the call."""

    CALLER = "caller"
    LISTENER = "listener"
    CENTRE = "centre"
    CLOSED = "closed"
    SYSTEM = "system"
    FAULT = "fault"


class Stage(StrEnum):
    """Where a call is."""

    ENTRY = "entry"  # ringing, welcome, notice
    CLOSED = "closed"  # hears that the line is closed
    WAITING = "waiting"  # in a queue
    TALKING = "talking"  # with a listener or a centre
    LOST = "lost"  # the listener's leg was lost; the grace runs
    OVERFLOW = "overflow"  # is being offered a centre, or is spoken to after its telephone was lost
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded(CallFact):
    """The caller's channel is gone. `stage`: where the call was when it ended.

    `ringing`: the caller left while a phone rang for them. Never told once a person was lost in the call: the
    dialplan knows who ended a ring by whom Asterisk names as the source of the hang-up, and the first one stays.
    """

    by: EndedBy
    stage: Stage
    ringing: bool = False


# --- queues, listeners, phones ------------------------------------------------------------------------------------


class DeviceState(StrEnum):
    """What Asterisk believes of a member's phone."""

    UNKNOWN = "unknown"
    FREE = "free"
    TALKING = "talking"
    BUSY = "busy"
    INVALID = "invalid"
    UNREACHABLE = "unreachable"
    RINGING = "ringing"
    RINGING_WHILE_TALKING = "ringing-while-talking"
    ON_HOLD = "on-hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberChanged(Fact):
    """A listener's membership of a queue: added, or its pause or phone changed."""

    queue: str
    interface: str
    paused: bool
    pause_reason: str  #: empty where not paused; `wrap-up` while the listener writes; else a pause reason's key
    device: DeviceState


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRemoved(Fact):
    """A listener no longer serves a queue."""

    queue: str
    interface: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneChanged(Fact):
    """A phone registered, was lost, or answered its qualification. `reachable` false: no contact that answers."""

    endpoint: str  #: `l12`
    reachable: bool
    removed: bool = False  #: not reachable because its contact was removed; a qualification that failed removes none


# --- the session itself -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PbxConnected(Fact):
    """The session is up and the snapshot was taken: what follows is live, what went before it is reconciled.

    `restarted`: the PBX is another process than before the gap (its calls ended by fault). `gone`: ids of calls that
    were live before the gap and ended in it: how they ended is in the PBX's journal alone. Read it now.
    """

    version: str
    restarted: bool = False
    gone: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class PbxLost(Fact):
    """The session is down; calls go on, nobody sees them. `reason` is a kebab-case id."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PbxRefused(Fact):
    """Asterisk refused our credentials. Tried again slowly, with the secret as it is stored then."""
