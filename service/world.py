"""The world in memory: what the PBXs said, who the people are, what was asked and not yet seen. Pure, no I/O, no clock.

About calls, queue members and phones the PBX's own trackers (`PbxState`) are the truth; the world holds them and adds
what they cannot know. One writer: the pump (and post-commit news of the recorder, on the same event loop).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pbx.calls import LiveCall
from pbx.facts import (
    CallEnded,
    CallFact,
    CallQueued,
    Fact,
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
from pbx.state import PbxState
from service.calls.known import KnownCaller
from service.centres.model import Routes
from service.line import Line, LinkState, LostPhone
from service.listeners.model import (
    ABSENT,
    Doing,
    ListenerState,
    account_of,
    doing,
    doing_by_interface,
    endpoint_of,
    interface_of,
)

__all__ = ["Line", "LinkState", "LostPhone", "Person", "Rules", "Touched", "World", "live_calls"]

#: a withdrawal that no event followed is forgotten after this: the decision may be taken again
WITHDRAWAL_SECONDS = 10.0
#: lost phones are remembered this long
LOST_PHONE_SECONDS = 60.0


#: Of several PBXs, what one says of a listener outranks what another says. One phone is registered at one of them only.
_RANK = {
    state: rank
    for rank, state in enumerate(
        (
            ListenerState.ABSENT,
            ListenerState.UNREACHABLE,
            ListenerState.FREE,
            ListenerState.PAUSED,
            ListenerState.WRAP_UP,
            ListenerState.RINGING,
            ListenerState.TALKING,
        )
    )
}


@dataclass(frozen=True, slots=True)
class Rules:
    """Figures of the settings that decisions need, in seconds."""

    after_seconds: float
    again_after_seconds: float
    settle_seconds: float
    storm_legs: int = 5  #: legs that failed at once, …
    storm_seconds: float = 60.0  #: … within this time


@dataclass(frozen=True, slots=True)
class Person:
    """Of the accounts: what live views and queues need."""

    account_id: int
    name: str
    centre: str | None = None


@dataclass(slots=True)
class Touched:
    """What a batch of facts concerns, so that only this is looked at again. `everything`: after a snapshot."""

    calls: set[str] = field(default_factory=set)
    accounts: set[int] = field(default_factory=set)
    line: bool = False
    everything: bool = False


class World:
    """See the module. `rules`: of the settings."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.lines: dict[str, Line] = {}
        self.people: dict[int, Person] = {}
        #: account → session that holds its phone, as the PBX was told
        self.phone_sessions: Mapping[int, int] = {}
        self.routes = Routes()
        self.known: dict[str, KnownCaller] = {}
        #: (call id, account) → for a listener to whom one of the caller's cases is closed
        self.known_to: dict[tuple[str, int], KnownCaller] = {}
        #: calls about which is to be asked again: what is known of callers changed since
        self.outdated: set[str] = set()
        #: call id → listeners' legs that were asked to be hung up
        self.dropped_legs: dict[str, set[str]] = {}
        #: (call id, account) → when their phone began to ring, the PBX's clock
        self.rung_at: dict[tuple[str, int], float] = {}
        #: call id → how often a phone rang in vain since the caller waits
        self.rang_out: dict[str, int] = {}
        self._withdrawals: dict[str, float] = {}

    # --- what Asterisk said

    def apply(self, pbx: str, facts: Iterable[Fact], instant: float) -> Touched:
        """Take in a batch of one PBX. `instant`: the service's monotonic clock."""
        line = self.lines[pbx]
        touched = Touched()
        for fact in facts:
            if isinstance(fact, CallFact):
                self._apply_call_fact(line, fact, touched)
            elif isinstance(fact, MemberChanged | MemberRemoved):
                _note_account(touched, fact.interface)
                line.take_member(fact)
            elif isinstance(fact, PhoneChanged):
                _apply_phone(line, fact, touched, instant)
            else:
                _apply_link(line, fact, touched, instant)
                if isinstance(fact, PbxConnected):
                    self._forget_the_gone()
        return touched

    def _apply_call_fact(self, line: Line, fact: CallFact, touched: Touched) -> None:
        touched.calls.add(fact.call_id)
        line.failed_legs.take(fact)
        interface = getattr(fact, "interface", "")
        if interface:
            _note_account(touched, interface)
        call = line.state.calls.get(fact.call_id)
        if call is not None and call.listener:
            _note_account(touched, call.listener)
        if isinstance(fact, ListenerRung):
            self._note_ring(fact)
        elif isinstance(fact, ListenerRangOut) and call is not None:
            self.rang_out[fact.call_id] = self.rang_out.get(fact.call_id, 0) + 1
        elif isinstance(fact, CallQueued):
            self.rang_out.pop(fact.call_id, None)
        elif isinstance(fact, OverflowBegan):
            self._withdrawals.pop(fact.call_id, None)
        elif isinstance(fact, CallEnded):
            self._forget(fact.call_id)

    def _note_ring(self, fact: ListenerRung) -> None:
        account_id = account_of(fact.interface)
        if account_id is not None:
            self.rung_at[fact.call_id, account_id] = fact.at

    def _forget_the_gone(self) -> None:
        """Calls that ended unseen: no fact of their end comes, and what is known of a caller is not kept."""
        remembered = {*self._withdrawals, *self.known, *self.outdated, *self.dropped_legs, *self.rang_out}
        remembered.update(call_id for memory in (self.rung_at, self.known_to) for call_id, _ in memory)
        for call_id in remembered:
            if self.find_call(call_id) is None:
                self._forget(call_id)

    def _forget(self, call_id: str) -> None:
        self._withdrawals.pop(call_id, None)
        self.known.pop(call_id, None)
        self.outdated.discard(call_id)
        self.dropped_legs.pop(call_id, None)
        self.rang_out.pop(call_id, None)
        for memory in (self.rung_at, self.known_to):
            _drop(memory, call_id)

    def outdate(self, call_id: str, *, forget: bool) -> None:
        """What is known of its caller changed. `forget`: what was found must not be shown any more."""
        self.outdated.add(call_id)
        _drop(self.known_to, call_id)
        if forget:
            self.known.pop(call_id, None)

    # --- what we asked

    def withdrawal_sent(self, call_id: str, now: float) -> None:
        """A WithdrawCaller is on its way. `now`: the PBX's clock."""
        self._withdrawals[call_id] = now

    def leg_dropped(self, call_id: str, channel: str) -> None:
        """A DropLostLeg is on its way: once per leg."""
        self.dropped_legs.setdefault(call_id, set()).add(channel)

    def writing_ended(self, account_id: int) -> None:
        """By the listener's own word, where no queue's event tells of it."""
        for line in self.lines.values():
            line.held.discard(interface_of(account_id))

    def withdrawal_failed(self, call_id: str) -> None:
        """It was refused: usually a listener answered. The decision may be taken again."""
        self._withdrawals.pop(call_id, None)

    def withdrawal_in_flight(self, call_id: str, now: float) -> bool:
        """Was it asked lately, with no event yet?"""
        sent = self._withdrawals.get(call_id)
        return sent is not None and abs(now - sent) < WITHDRAWAL_SECONDS

    # --- questions

    def known_department(self, call_id: str) -> str:
        """The one department of the caller's known cases; empty where there is none, several, or a shielded number."""
        known = self.known.get(call_id)
        return known.department if known is not None else ""

    def find_call(self, call_id: str) -> tuple[Line, LiveCall] | None:
        """A call that lives, with its PBX."""
        for line in self.lines.values():
            call = line.call(call_id)
            if call is not None:
                return line, call
        return None

    def indexes(self) -> dict[str, Mapping[str, LiveCall]]:
        """Per PBX: interface → call. Made once for a round of looking at many listeners."""
        return {pbx: doing_by_interface(line.state.calls.values()) for pbx, line in self.lines.items()}

    def doing(self, account_id: int, indexes: Mapping[str, Mapping[str, LiveCall]] | None = None) -> Doing:
        """What a listener is doing, over all PBXs: a call on any of them outranks the rest, then what keeps from one.

        Without a call, what was last heard of a PBX that is lost counts only where no other is reached.
        """
        indexes = self.indexes() if indexes is None else indexes
        interface, endpoint = interface_of(account_id), endpoint_of(account_id)
        heard = {line.pbx for line in self._heard()}
        best = ABSENT
        for pbx, line in self.lines.items():
            found = doing(
                interface,
                line.state.members.get(interface),
                indexes[pbx].get(interface),
                line.state.phones.get(endpoint, False),
            )
            if found.call_id:
                return found
            if pbx in heard and _RANK[found.state] > _RANK[best.state]:
                best = found
        return best

    def _heard(self) -> list[Line]:
        """The PBXs that are reached; all, where none is."""
        lines = list(self.lines.values())
        return [line for line in lines if line.link is LinkState.UP] or lines

    def accounts_in_call(self) -> set[int]:
        """Listeners whom a call rings, who talk, or whom a caller waits for after their leg was lost."""
        found: set[int | None] = set()
        for line in self.lines.values():
            for call in line.state.calls.values():
                if call.stage is not Stage.ENDED:
                    found.update(account_of(interface) for interface in (call.listener, *call.ringing) if interface)
        return {account_id for account_id in found if account_id is not None}

    def phone_reachable(self, account_id: int) -> bool:
        """Is the listener's phone registered on any PBX?"""
        endpoint = endpoint_of(account_id)
        return any(line.state.phones.get(endpoint, False) for line in self.lines.values())

    def queues_of(self, account_id: int) -> list[str]:
        """Queues that the listener serves, sorted."""
        interface = interface_of(account_id)
        members = (line.state.members.get(interface) for line in self._heard())
        return sorted({queue for member in members if member is not None for queue in member.queues})

    def writing(self, account_id: int) -> bool:
        """Paused on any PBX: after a call that is the wrap-up, and whatever pause they chose instead of ending it."""
        interface = interface_of(account_id)
        for line in self._heard():
            member = line.state.members.get(interface)
            if member is not None and member.paused:
                return True
        return False

    def may_be_writing(self, account_id: int) -> bool:
        """Writing, or for all that was told: neither a lost PBX nor one without their membership says that it ended."""
        interface = interface_of(account_id)
        return self.writing(account_id) or any(interface in line.held for line in self.lines.values())

    def in_contact(self, account_id: int) -> bool:
        """In a conversation, or perhaps writing it up."""
        return self.may_be_writing(account_id) or self.doing(account_id).state is ListenerState.TALKING

    def is_done(self, account_id: int) -> bool:
        """With their contact. Only a membership that is not paused says so: none at all says nothing."""
        return bool(self.queues_of(account_id)) and not self.in_contact(account_id)

    def calls_of(self, account_id: int) -> list[str]:
        """Ids of the calls that are this listener's, on any PBX: see `Line.calls_of`."""
        interface = interface_of(account_id)
        return [call.call_id for line in self.lines.values() for call in line.calls_of(interface)]


def live_calls(state: PbxState) -> list[str]:
    """Ids of the calls that live on a PBX."""
    return [call_id for call_id, call in state.calls.items() if call.stage is not Stage.ENDED]


def _drop(memory: dict[tuple[str, int], Any], call_id: str) -> None:
    for key in [key for key in memory if key[0] == call_id]:
        del memory[key]


def _note_account(touched: Touched, interface_or_endpoint: str) -> None:
    account_id = account_of(interface_or_endpoint)
    if account_id is not None:
        touched.accounts.add(account_id)


def _apply_phone(line: Line, fact: PhoneChanged, touched: Touched, instant: float) -> None:
    account_id = account_of(fact.endpoint)
    if account_id is None:
        return
    touched.accounts.add(account_id)
    if fact.reachable:
        return
    for account, lost in list(line.phones_lost.items()):
        if instant - lost.at > LOST_PHONE_SECONDS:
            del line.phones_lost[account]
    call_id, channel = line.leg_of(interface_of(account_id))
    line.phones_lost[account_id] = LostPhone(instant, call_id, channel, fact.removed)


def _apply_link(line: Line, fact: Fact, touched: Touched, instant: float) -> None:
    if isinstance(fact, PbxConnected):
        line.link, line.in_sync_since = LinkState.UP, instant
        line.asked_to_write.clear()
        members = line.state.members
        line.held = {one for one in line.held if one not in members or members[one].paused}
        touched.everything = True
    elif isinstance(fact, PbxLost | PbxRefused):
        if line.link is LinkState.UP:
            line.held.update(call.listener for call in line.state.calls.values() if call.listener)
        line.link = LinkState.REFUSED if isinstance(fact, PbxRefused) else LinkState.LOST
        line.in_sync_since = None
    else:
        return
    line.since = fact.at
    touched.line = True
