"""All that we know of one PBX: `apply(event)` changes it in place and returns the facts. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pbx.calls import CallTracker, LiveCall
from pbx.contacts import ContactTracker
from pbx.events import (
    BridgeEntered,
    BridgeLeft,
    CallerRefused,
    CallStep,
    ContactSeen,
    ContactsListed,
    Event,
    LegGone,
    LegsListed,
    MemberLeft,
    MemberSeen,
    MembersListed,
    RingBegan,
    SessionBegan,
    SessionLost,
    SessionRefused,
    SnapshotTaken,
)
from pbx.facts import Fact, PbxConnected, PbxLost, PbxRefused
from pbx.queues import Member, QueueTracker


class PbxState:
    """`calls` by call id, `members` by interface, `phones`: endpoint → reachable.

    Others read it, never write; `remember_token` alone is for the service.
    """

    def __init__(self, pbx: str) -> None:
        self.pbx = pbx
        self._calls = CallTracker(pbx)
        self._queues = QueueTracker(pbx)
        self._contacts = ContactTracker(pbx)
        self._started = ""
        self._version = ""
        self._restarted = False
        self._lost_at: float | None = None  #: when it was last heard; None while it is
        self._gone: frozenset[str] = frozenset()
        self.refused = 0  #: callers who heard the busy tone while we listened; the journal has them all
        self._handlers: dict[type[Event], Callable[[Any], Sequence[Fact]]] = {
            CallStep: self._calls.step,
            RingBegan: self._calls.ring,
            BridgeEntered: self._calls.bridge,
            BridgeLeft: self._calls.left,
            LegGone: self._calls.gone,
            CallerRefused: self._caller_refused,
            MemberSeen: self._queues.seen,
            MemberLeft: self._queues.left,
            ContactSeen: self._contacts.seen,
            SessionBegan: self._session_began,
            LegsListed: self._legs_listed,
            MembersListed: self._members_listed,
            ContactsListed: self._contacts_listed,
            SnapshotTaken: self._snapshot_taken,
            SessionLost: self._session_lost,
            SessionRefused: self._session_refused,
        }

    @property
    def calls(self) -> dict[str, LiveCall]:
        """The live calls by id."""
        return self._calls.calls

    def remember_token(self, call_id: str, token: str) -> None:
        """Who calls, of a live call that began before the session: the snapshot lacks it, the journal has it."""
        call = self.calls.get(call_id)
        if call is not None and not call.caller_token:
            call.caller_token = token

    def call_of(self, uniqueid: str) -> str:
        """The call to which a channel belongs; empty where none is known."""
        return self._calls.company.call_of(uniqueid)

    @property
    def members(self) -> dict[str, Member]:
        """The queue members by interface."""
        return self._queues.members

    @property
    def phones(self) -> dict[str, bool]:
        """Endpoint → reachable."""
        return self._contacts.phones

    @property
    def corrections(self) -> int:
        """Differences between queue events and queue lists that were found so far."""
        return self._queues.corrections

    def apply(self, event: Event) -> Sequence[Fact]:
        """What `event` means, in order. Time is the event's own."""
        return self._handlers[type(event)](event)

    def _caller_refused(self, _event: CallerRefused) -> Sequence[Fact]:
        self.refused += 1
        return ()

    def _session_began(self, event: SessionBegan) -> Sequence[Fact]:
        anew = bool(self._started) and event.started != self._started
        self._restarted = self._restarted or anew  # a session may end before its snapshot says so
        self._started, self._version = event.started, event.version
        self._calls.begin_session()
        self._contacts.begin_session()
        # It died between the two sessions: nobody was talked with, and nobody waited, for longer than it was heard.
        died_at = event.at if self._lost_at is None else min(self._lost_at, event.at)
        self._lost_at = None
        return self._calls.presume_ended((), died_at) if anew else ()

    def _legs_listed(self, event: LegsListed) -> Sequence[Fact]:
        facts, gone = self._calls.listed(event.at, event.legs)
        self._gone |= gone  # a session may end before its snapshot says so
        return facts

    def _members_listed(self, event: MembersListed) -> Sequence[Fact]:
        return self._queues.listed(event.at, event.members, checking=event.checking)

    def _contacts_listed(self, event: ContactsListed) -> Sequence[Fact]:
        return self._contacts.listed(event.at, event.contacts)

    def _snapshot_taken(self, event: SnapshotTaken) -> Sequence[Fact]:
        connected = PbxConnected(
            pbx=self.pbx, at=event.at, version=self._version, restarted=self._restarted, gone=self._gone
        )
        self._restarted, self._gone = False, frozenset()
        return (connected,)

    def _session_lost(self, event: SessionLost) -> Sequence[Fact]:
        if self._lost_at is None:  # else a session that never began
            self._lost_at = event.at
        return (PbxLost(pbx=self.pbx, at=event.at, reason=event.reason),)

    def _session_refused(self, event: SessionRefused) -> Sequence[Fact]:
        return (PbxRefused(pbx=self.pbx, at=event.at),)
