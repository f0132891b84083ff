"""One call, as its legs tell it: which bridge belongs to which connection, which phone rings. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from pbx.channels import interface_of, serial
from pbx.events import BridgeEntered, CallStep, LegGone, LegListed, RingBegan
from pbx.facts import CallAnswered, CallFact, CallQueued, CentreCalled, ListenerRangOut, ListenerRung, Stage
from pbx.steps import FACTS, NATIONAL, RETURN, Connection, LiveCall, advance, is_telephone, stage_named, words

#: seconds; a bridge that was entered longer than this before a person answered was another conversation's, of which a
#: late word comes after the list. What the dialplan calls the instant of the answer is not Asterisk's own to the last
#: fraction when the clock was set
CLOCKS_APART = 1.0


@dataclass(slots=True)
class Visit:
    """The caller in a bridge."""

    at: float
    queue: str  #: that last offered the caller
    after: int  #: the caller's own last step before it
    over: int = 0  #: a connection up to this step had its bridge before: this is a later one
    before: int | None = None  #: the caller's own first step after it


@dataclass(slots=True)
class Track:
    """What is known of a call beyond its public picture `live`."""

    pbx: str
    live: LiveCall
    session: int  #: the session in which it was last heard of
    last_at: float = 0.0
    ended_at: float | None = None
    caller_uid: str = ""
    moved: int = 0  #: the last step that said where the call is
    caller_step: int = 0  #: the last step on the caller's own leg
    queue: str = ""  #: that last offered the caller, as their own leg said: whoever is back had found them there
    seen: set[int] = field(default_factory=set)
    torn: int = 0  #: a step that only a list told, maybe in the middle of its writing: its own word outranks it
    connections: list[Connection] = field(default_factory=list)  #: without their bridge so far
    unsure: list[Connection] = field(default_factory=list)  #: the same, but their bridge may have been in a gap
    connected: set[str] = field(default_factory=set)  #: persons' legs of all connections that were told, by name
    visits: list[Visit] = field(default_factory=list)  #: without their connection so far
    bridged: int = 0  #: the step whose bridge was heard before a list had the caller in it
    rung: dict[str, int] = field(default_factory=dict)  #: legs whose ring was told, and the highest step seen then
    rings: dict[str, RingBegan] = field(default_factory=dict)  #: legs that ring now
    heard: set[str] = field(default_factory=set)  #: legs whose ring was told in this very session
    whole: bool = False  #: nothing of it was missed since the session began: it entered in it, or was listed
    since: list[tuple[CallFact, str]] = field(default_factory=list)  #: what moved it meanwhile; listener's channel
    taken: set[str] = field(default_factory=set)  #: legs that were answered
    left: dict[str, float] = field(default_factory=dict)  #: other legs that were hung up, and when

    def heard_in(self, session: int, at: float) -> None:
        """Something was heard of it, or it was listed."""
        if session != self.session:
            self.session = session
            self.whole = False
            self.since.clear()
            self.heard.clear()
            self.unsure += self.connections  # a bridge that is heard now may be their second one
            self.connections.clear()
            self.visits.clear()  # who took the call was told before the bridge, if at all
        self.last_at = at

    def is_caller(self, uniqueid: str, *, oldest: bool) -> bool:
        """The caller's leg, or while that is not known the oldest of the linked legs."""
        return uniqueid == self.caller_uid if self.caller_uid else oldest

    # --- steps ------------------------------------------------------------------------------------------------------

    def step(self, event: CallStep) -> list[CallFact]:
        """A step of the dialplan; one that was seen before changes nothing."""
        if event.n == self.torn:
            self._untold(event.n)
        elif event.n in self.seen:
            if event.what == "connecting":  # told by a list, which does not say by which leg
                self._take(event.uniqueid)
            return []
        self.seen.add(event.n)
        self.whole = self.whole or event.what == "entered"
        facts: list[CallFact] = []
        if event.what == "connecting":
            self._connecting(event)
        elif event.what in FACTS:
            fact = FACTS[event.what](self.pbx, event)
            facts.append(fact)
            if event.n >= self.moved or event.what == "entered":
                self._move(fact)
        if event.what != "connecting" or event.uniqueid == self.caller_uid:
            self._on_caller(event)
        self.live.step = max(self.live.step, event.n)
        return facts + self._answers()

    def _untold(self, n: int) -> None:
        self.torn = 0
        self.connections = [connection for connection in self.connections if connection.n != n]

    def _connecting(self, event: CallStep) -> None:
        connection = Connection.of(event)
        self.connections.append(connection)
        self.connected.add(connection.channel)
        self._take(event.uniqueid)

    def _take(self, uniqueid: str) -> None:
        self.taken.add(uniqueid)
        if self.rings.pop(uniqueid, None) is not None:
            self._show_rings()

    def _on_caller(self, event: CallStep) -> None:
        self.caller_uid = self.live.uniqueid = self.caller_uid or event.uniqueid
        self.live.channel = self.live.channel or event.channel
        if event.what == "queued":
            self.live.queue = self.live.queue or words(event.detail, 1)[0]
        for visit in self.visits:
            if visit.before is None and event.n > visit.after:
                visit.before = event.n
        self.caller_step = max(self.caller_step, event.n)

    def _move(self, fact: CallFact, listener_channel: str = "") -> None:
        if not self.whole:
            self.since.append((fact, listener_channel))
        self.moved = max(self.moved, fact.ordinal)
        advance(self.live, fact)
        match fact:
            case CallAnswered():
                self.live.listener_channel = listener_channel
            case CallQueued():
                self.queue = fact.queue
            case CentreCalled(way="queue"):
                self.queue = fact.centre

    # --- a conversation: a connection and the caller's bridge -------------------------------------------------------

    def bridge(self, event: BridgeEntered) -> list[CallFact]:
        """A leg entered a bridge: the caller's says that a conversation begins, or goes on elsewhere."""
        if not self.is_caller(event.uniqueid, oldest=event.oldest):
            return []
        self.caller_uid = self.live.uniqueid = event.uniqueid
        self.visits.append(Visit(event.at, self.queue, self.caller_step, self.bridged))
        return self._answers()

    def _answers(self) -> list[CallFact]:
        facts: list[CallFact] = []
        for visit in list(self.visits):
            mine = [connection for connection in self.connections if self._belongs(visit, connection)]
            if not mine:
                continue
            connection = max(mine, key=lambda found: found.n)
            self.visits.remove(visit)
            self.connections.remove(connection)
            if connection.n == self.torn:
                self.torn = 0
            fact = connection.answered(self.pbx, self.live.call_id, visit.at, visit.queue)
            facts.append(fact)
            if connection.n >= self.moved:
                self._move(fact, connection.channel)
        return facts

    def _belongs(self, visit: Visit, connection: Connection) -> bool:
        if connection.n < visit.after or connection.n <= visit.over or visit.at < connection.at - CLOCKS_APART:
            return False
        if visit.before is not None:
            return connection.n < visit.before
        # Still open: only when no step is missing in between, which could be the one that closes the visit.
        first = max(visit.after + 1, min(self.seen, default=0))
        return all(n in self.seen for n in range(first, connection.n))

    # --- rings ------------------------------------------------------------------------------------------------------

    def ring(self, event: RingBegan) -> list[CallFact]:
        """A leg is being rung; told twice (before dialling and by the queue), it counts once."""
        self.heard.add(event.uniqueid)
        if event.uniqueid in self.rung:
            return []
        self.rung[event.uniqueid] = self.live.step
        rung = ListenerRung(
            pbx=self.pbx,
            at=event.at,
            call_id=event.call_id,
            ordinal=serial(event.uniqueid),
            interface=event.interface,
            queue=event.queue,
        )
        if event.uniqueid in self.taken:
            return [rung]
        if event.uniqueid in self.left:
            return [rung, self._rang_out(event, self.left[event.uniqueid])]
        self.rings[event.uniqueid] = event
        self._show_rings()
        return [rung]

    def leg_gone(self, event: LegGone, *, heard_of: bool) -> list[CallFact]:
        """A leg other than the caller's was hung up: if it was ringing, it rang in vain.

        But that it rang may be an old story: what was missed since then may be an answer, and is in the journal.
        """
        ring = self.rings.pop(event.uniqueid, None)
        if ring is None:
            self.left[event.uniqueid] = event.at
            return []
        if heard_of and event.uniqueid in self.heard:
            return [self._rang_out(ring, event.at)]
        self._show_rings()
        return []

    def _show_rings(self) -> None:
        """A phone that is rung again may be told before its ring before: the later leg is the one that rings."""
        rings = sorted(self.rings.values(), key=lambda ring: serial(ring.uniqueid))
        self.live.ringing = {ring.interface: ring.channel for ring in rings}

    def _rang_out(self, ring: RingBegan, at: float) -> CallFact:
        self._show_rings()
        return ListenerRangOut(
            pbx=self.pbx,
            at=at,
            call_id=ring.call_id,
            ordinal=serial(ring.uniqueid),
            interface=ring.interface,
            queue=ring.queue,
        )

    # --- the snapshot -----------------------------------------------------------------------------------------------

    def adopt(self, leg: LegListed, others: Collection[str]) -> None:
        """The caller's leg as the snapshot lists it; what was seen live (a step as high) outranks it.

        `others`: the names of the call's other channels.
        """
        call = self.live
        self.caller_uid = call.uniqueid = leg.uniqueid
        call.channel = leg.channel
        call.line, call.arrived = call.line or leg.line, call.arrived or leg.arrived
        call.last_overflow_at = call.last_overflow_at or leg.overflow_at
        queue = NATIONAL if leg.queue_now else ""  # a centre's is tried from within the waiting in the national one
        call.queue = call.queue or queue
        if self.whole and leg.step <= call.step:
            return
        later = [
            (fact, channel)
            for fact, channel in self.since
            if fact.ordinal > leg.step or (fact.ordinal == leg.step and isinstance(fact, CallAnswered))
        ]
        self._adopt_picture(leg, queue)
        if call.stage is Stage.TALKING:
            self._adopt_conversation(leg, others)
        self.whole = True
        self.since.clear()
        for fact, channel in later:
            self._move(fact, channel)

    def _adopt_picture(self, leg: LegListed, queue: str) -> None:
        call = self.live
        self.moved = leg.step
        call.step, call.stage = max(call.step, leg.step), stage_named(leg.stage)
        self.queue, call.queue = offered_by(leg) or self.queue, queue or call.queue
        call.listener, call.listener_channel = leg.listener, ""
        if call.stage is Stage.OVERFLOW:
            call.centre = leg.centre
        else:
            call.centre = "" if self.queue == NATIONAL else self.queue
        call.last_overflow_at = leg.overflow_at or call.last_overflow_at
        offered = call.stage is Stage.OVERFLOW and leg.step_what != "listener-lost"  # else a centre's telephone was
        call.waiting_since = leg.waiting_since if call.stage is Stage.WAITING or offered else None
        self.caller_step = max(self.caller_step, leg.step)

    def _adopt_conversation(self, leg: LegListed, others: Collection[str]) -> None:
        call = self.live
        if leg.bridge:
            call.listener, call.listener_channel = leg.listener, leg.listener_channel
            call.answered_at = leg.connected_at
            if is_telephone(leg.listener):
                call.centre = leg.listener
            if any(visit.before is None for visit in self.visits):  # the next bridge is not this answer's first
                self.connections = [connection for connection in self.connections if connection.n > leg.step]
                self.bridged = leg.step
            return
        call.stage = Stage.WAITING  # about to be bridged: the bridge will say so
        call.waiting_since = leg.waiting_since
        # Without the person's leg it is over, and a caller who was heard in a bridge had their answer unheard: when
        # that was, the journal tells.
        if leg.listener_channel in others and all(visit.before is not None for visit in self.visits):
            self._adopt_connection(leg)

    def _adopt_connection(self, leg: LegListed) -> None:
        """The dialplan writes STEP, STEP_WHAT and STEP_DETAIL one after the other: a list may come in between.

        A detail that is not yet this person's is an older step's. A STEP that is already the next one cannot be told:
        that one's own word is still to come, and takes the connection back.
        """
        self.connections += [connection for connection in self.unsure if connection.n == leg.step]
        self.unsure.clear()
        way, interface, channel = words(leg.step_detail, 3)
        if leg.step_what != "connecting" or not channel or channel != leg.listener_channel:
            return
        if leg.step in self.seen or channel in self.connected:
            return
        self.connected.add(channel)
        for uniqueid in [uniqueid for uniqueid, ring in self.rings.items() if ring.channel == channel]:
            self._take(uniqueid)
        self.torn = leg.step
        self.seen.add(leg.step)
        self.caller_step = leg.step - 1
        self.connections.append(
            Connection(leg.step, at=leg.connected_at or 0.0, way=way, interface=interface, channel=channel)
        )

    def adopt_rings(self, caller: LegListed, legs: list[LegListed], at: float) -> list[CallFact]:
        """The call's other legs: those that ring now, and by their absence those that stopped unseen."""
        listed = {leg.uniqueid: leg for leg in legs}
        facts: list[CallFact] = []
        for uniqueid, ring in list(self.rings.items()):
            if uniqueid not in listed:
                if uniqueid in self.heard:
                    continue  # it began after the list was made
                del self.rings[uniqueid]
                self._show_rings()
                first = min([self.rung[uniqueid] + 1, *self.seen])
                if all(n in self.seen for n in range(first, caller.step + 1)):
                    facts.append(self._rang_out(ring, at))  # no step was missed: it was not answered meanwhile
            elif listed[uniqueid].up:
                del self.rings[uniqueid]
                self._show_rings()
            else:
                self.heard.add(uniqueid)
        # While a centre is tried, phones of ours ring in its queue alone; any other leg is its telephone's, though the
        # step that says so may be missing from the list, or its detail.
        in_queue = caller.step_what == "centre-called" and caller.step_detail.endswith(" queue")
        telephone = caller.stage == Stage.OVERFLOW and not in_queue
        self.taken.update(leg.uniqueid for leg in legs if leg.up)
        for leg in legs:
            if leg.up or telephone or leg.uniqueid in self.rung or leg.uniqueid in self.left:
                continue
            self.ring(ring_listed(leg, caller.queue_now, at))  # how it began is in the journal: no fact of ours
        return facts


def offered_by(leg: LegListed) -> str:
    """The queue that last offered the caller whom the snapshot lists; empty where it does not say."""
    if leg.stage == Stage.WAITING:
        return NATIONAL
    if leg.step_what == "centre-called" and leg.step_detail.endswith(" queue"):
        return leg.centre
    if leg.queue_now == RETURN:
        # Whoever came back from a centre has waited since a later second than the overflow's: a word was spoken.
        return leg.centre if (leg.overflow_at or 0.0) >= (leg.waiting_since or 0.0) else NATIONAL
    return leg.queue_now


def ring_listed(leg: LegListed, queue: str, at: float) -> RingBegan:
    """A leg of the snapshot that is not up yet, as the ring that it is."""
    return RingBegan(
        at=at,
        call_id=leg.call_id,
        queue=queue,
        interface=interface_of(leg.channel),
        channel=leg.channel,
        uniqueid=leg.uniqueid,
    )
