"""What Asterisk said, typed: one struct per thing that the trackers need, live, from a snapshot or from the journal.

Structs of msgspec: frozen, and made several times as fast as a frozen dataclass, which counts.
"""

from __future__ import annotations

import msgspec

from pbx.facts import DeviceState


class Event(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """`at`: epoch seconds on the PBX's clock, with microseconds."""

    at: float


# --- calls: the same from AMI and from the journal ------------------------------------------------------------------


class CallStep(Event, frozen=True, gc=False, kw_only=True):
    """The dialplan's subroutine `step` spoke: step `n` of the call is `what`, with the words of `detail`.

    `channel`, `uniqueid`: the leg on which it ran: the caller's, but for `connecting` the person's. `set_by`: in the
    journal, seconds by which the PBX's clock had been set (pbx/steady.py): `at` has them still.
    """

    call_id: str
    n: int
    what: str
    detail: str
    channel: str
    uniqueid: str
    set_by: int = 0


class RingBegan(Event, frozen=True, gc=False, kw_only=True):
    """A phone's leg is being rung for a call. `interface`: `PJSIP/l12`; `channel`, `uniqueid`: the leg's."""

    call_id: str
    queue: str
    interface: str
    channel: str
    uniqueid: str


class CallerRefused(Event, frozen=True, gc=False, kw_only=True):
    """A caller heard the busy tone: no audio ports were left for one more (dialplan/trunk.conf). It is no call."""


class LegEvent(Event, frozen=True, gc=False, kw_only=True):
    """Something happened to a leg. `call_id`: its own word for its call, empty where it has none.

    `linkedid`: the oldest channel that it was ever linked with; it changes when conversations meet.
    """

    call_id: str
    channel: str
    uniqueid: str
    linkedid: str

    @property
    def oldest(self) -> bool:
        """It is the oldest of its linked channels, as a caller's leg is while nothing older has met it."""
        return self.uniqueid == self.linkedid and bool(self.call_id)


class BridgeEntered(LegEvent, frozen=True, gc=False, kw_only=True):
    """A leg entered a bridge: it hears whoever is in it."""

    bridge: str


class BridgeLeft(LegEvent, frozen=True, gc=False, kw_only=True):
    """A leg left a bridge."""

    bridge: str


class LegGone(LegEvent, frozen=True, gc=False, kw_only=True):
    """A channel was hung up. `cause`: Q.850."""

    cause: int


# --- queues and phones ----------------------------------------------------------------------------------------------


class MemberSeen(Event, frozen=True, gc=False, kw_only=True):
    """A membership as Asterisk has it now: added, paused, its device changed, or read from the snapshot."""

    queue: str
    interface: str
    paused: bool
    pause_reason: str
    device: DeviceState
    in_call: bool


class MemberLeft(Event, frozen=True, gc=False, kw_only=True):
    """A membership ended."""

    queue: str
    interface: str


class ContactSeen(Event, frozen=True, gc=False, kw_only=True):
    """A registration of an endpoint. `reachable` None: not said (registered anew). `removed`: it is gone."""

    endpoint: str
    uri: str
    reachable: bool | None
    removed: bool = False


# --- the session: its beginning, its snapshot, its end --------------------------------------------------------------


class SessionBegan(Event, frozen=True, gc=False, kw_only=True):
    """Logged in; the snapshot follows. `started`: when this Asterisk process started, as it says it (opaque)."""

    started: str
    version: str


class LegListed(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A live channel in the snapshot. The caller's leg alone has a `step`; a leg of no call has no `call_id`."""

    call_id: str
    channel: str
    uniqueid: str
    bridge: str
    up: bool
    step: int
    stage: str
    arrived: int
    line: str
    queue_now: str  #: `return` while the same listener is awaited
    centre: str
    listener: str
    listener_channel: str
    connected_at: float | None
    step_what: str
    step_detail: str
    waiting_since: float | None
    overflow_at: float | None
    linkedid: str = ""


class LegsListed(Event, frozen=True, gc=False, kw_only=True):
    """Every live channel."""

    legs: tuple[LegListed, ...]


class MembersListed(Event, frozen=True, gc=False, kw_only=True):
    """Every membership of every queue. `checking`: a comparison while live, whose differences are counted."""

    members: tuple[MemberSeen, ...]
    checking: bool = False


class ContactsListed(Event, frozen=True, gc=False, kw_only=True):
    """Every registration."""

    contacts: tuple[ContactSeen, ...]


class SnapshotTaken(Event, frozen=True, gc=False, kw_only=True):
    """All lists that could be had were given."""


class SessionLost(Event, frozen=True, gc=False, kw_only=True):
    """The session ended. `reason`: kebab-case id."""

    reason: str


class SessionRefused(Event, frozen=True, gc=False, kw_only=True):
    """Asterisk refused our account."""
