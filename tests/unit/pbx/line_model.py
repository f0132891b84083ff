"""A line of its own: calls as the shipped dialplan makes them, and what Asterisk would say of each.

Independent of the trackers: the variables here are those of the dialplan's files, by their names there. A test draws
what happens next from `Line.choices()`; every event is kept in `Line.journal` in the order in which it happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pbx.channels import interface_of
from pbx.events import BridgeEntered, BridgeLeft, CallStep, Event, LegGone, RingBegan
from tests.unit.pbx.line_legs import Leg, Variables
from tests.unit.pbx.line_words import LEAVES, MOVED

#: seconds from one thing to the next
TICK = 0.25
LISTENERS = ("l1", "l2", "l3")
CENTRE_LISTENERS = ("l7", "l8")
QUEUE_CENTRE, TELEPHONE_CENTRE = "centre-38", "centre-73"
OUTBOUND = "trunk-out"

Choice = tuple[str, Callable[[], None]]


@dataclass
class Call:
    """One caller's way through the dialplan."""

    line: Line
    call_id: str
    caller: Leg
    arrived: int
    var: Variables = field(default_factory=Variables)
    other: Leg | None = None  #: the leg that rings, talks, or was dialled
    place: str = "entry"  #: the context in which the caller's channel is
    deliberate: bool = False  #: the person's leg ended on purpose
    moves: int = 0  #: from one bridge to another
    caller_alive: bool = True

    # --- what Asterisk says -----------------------------------------------------------------------------------------

    def step(self, what: str, detail: str = "", on: Leg | None = None) -> None:
        leg = on or self.caller
        leg.told = True
        self.var.step += 1  # as dialplan/step.conf sets them, one after the other
        self.line.midway(self)
        self.var.step_what = what
        self.line.midway(self)
        self.var.step_detail = detail
        self.line.midway(self)
        self.line.say(
            leg.uniqueid,
            CallStep(
                at=self.line.tick(),
                call_id=self.call_id,
                n=self.var.step,
                what=what,
                detail=detail,
                channel=leg.channel,
                uniqueid=leg.uniqueid,
            ),
        )

    def _ring(self, name: str, *, by_queue: bool) -> None:
        leg = self.other = self.line.new_leg(name)
        leg.told = True
        began = RingBegan(
            at=self.line.tick(),
            call_id=self.call_id,
            queue=self.var.queue_now,
            interface=interface_of(leg.channel),
            channel=leg.channel,
            uniqueid=leg.uniqueid,
        )
        self.line.say(leg.uniqueid, began)
        if by_queue:  # AgentCalled, on the caller's channel: the journal has no such line
            self.line.say(self.caller.uniqueid, began, journal=False)

    def _bridge(self, leg: Leg, bridge: str) -> None:
        leg.bridge, leg.told = bridge, True
        self.line.say(leg.uniqueid, BridgeEntered(at=self.line.tick(), bridge=bridge, **self._of(leg)))

    def _leave(self, leg: Leg) -> None:
        if leg.bridged:
            left = BridgeLeft(at=self.line.tick(), bridge=leg.bridge, **self._of(leg))
            leg.bridge = ""
            self.line.say(leg.uniqueid, left)

    def _of(self, leg: Leg) -> dict[str, str]:
        return {
            "call_id": self.call_id,
            "channel": leg.channel,
            "uniqueid": leg.uniqueid,
            "linkedid": self.caller.uniqueid,
        }

    def _gone(self, leg: Leg, cause: int) -> None:
        self._leave(leg)
        if leg is self.other:
            self._leave(self.caller)  # a bridge of one is dissolved
            self.other = None
        self.line.say(leg.uniqueid, LegGone(at=self.line.tick(), cause=cause, **self._of(leg)))

    # --- what may happen next ---------------------------------------------------------------------------------------

    def choices(self) -> Iterator[Choice]:
        yield from _WAYS[self.place](self)
        if self.place != "leaving":
            yield LEAVES, lambda: self._end("caller")

    def enter(self) -> None:
        self.step("entered", f"none {self.line.number} {self.arrived}")

    def entry(self) -> Iterator[Choice]:
        yield "the line is closed", self._closed
        for _ in range(4):  # most callers come while the line is open
            yield "the line is open", self._queued

    def _closed(self) -> None:
        self.var.stage = "closed"
        self.step("closed")
        self.place = "closed"

    def closed(self) -> Iterator[Choice]:
        yield "heard that the line is closed", lambda: self._end("closed")

    def _queued(self) -> None:
        var = self.var
        var.stage, var.listener_channel, var.waiting_since = "waiting", "", self.line.clock + TICK
        self.step("queued", "national")
        var.queue_now = "national"
        self.place = "waiting"

    def waiting(self) -> Iterator[Choice]:
        if self.other is None:
            for name in self.line.free(LISTENERS):
                yield f"{name} is rung", lambda name=name: self._ring(name, by_queue=True)  # type: ignore[misc]
            yield "withdrawn to be asked", lambda: self._overflow("ask", "service")
            yield "offered a centre here", lambda: self._overflow(f"centre:{QUEUE_CENTRE}", "service")
            yield "offered a telephone", lambda: self._overflow(f"centre:{TELEPHONE_CENTRE}", "pbx")
        else:
            yield from self._rung()

    def _rung(self) -> Iterator[Choice]:
        assert self.other is not None
        leg = self.other
        yield "rings in vain", lambda: self._gone(leg, 19)
        yield "is answered", lambda: self._connecting(leg, f"PJSIP/{self.line.endpoint(leg)}")

    def _connecting(self, leg: Leg, listener: str) -> None:
        var = self.var
        leg.up, var.stage, var.connected_at = True, "talking", self.line.clock
        var.listener, var.listener_channel = listener, leg.channel
        way = var.queue_now if self.place != "telephone" else listener
        self.step("connecting", f"{way} {listener} {leg.channel}", on=leg)
        self.place = "connecting"

    def connecting(self) -> Iterator[Choice]:
        """The two enter the bridge one after the other; which is first is open."""
        assert self.other is not None
        for leg in (self.caller, self.other):
            if not leg.bridged:
                yield "enters the bridge", lambda leg=leg: self._enter_bridge(leg)  # type: ignore[misc]

    def _enter_bridge(self, leg: Leg) -> None:
        assert self.other is not None
        self._bridge(leg, self._newest)
        if self.caller.bridged and self.other.bridged:
            self.place = "talking"

    @property
    def _newest(self) -> str:
        return f"b-{self.call_id}-{self.var.step}{'+' * self.moves}"

    def talking(self) -> Iterator[Choice]:
        """Where conversations are joined, one bridge is merged into another: each leg is moved, either one first."""
        assert self.other is not None
        leg = self.other
        behind = next((each for each in (self.caller, leg) if each.bridge != self._newest), None)
        if behind is not None:
            yield MOVED, lambda: self._move(behind)
            return
        for first in (self.caller, leg) if self.line.merges else ():
            yield MOVED, lambda first=first: self._move(first, further=1)  # type: ignore[misc]
        yield "the person ends it", lambda: self._person_gone(leg, deliberate=True)
        yield "the person's leg is lost", lambda: self._person_gone(leg, deliberate=False)

    def _move(self, leg: Leg, further: int = 0) -> None:
        """In one go: Asterisk points the channel straight at the new bridge, so no list finds it in none."""
        self._leave(leg)
        self.moves += further
        self._bridge(leg, self._newest)

    def _person_gone(self, leg: Leg, *, deliberate: bool) -> None:
        self.line.tick(self.line.lasts)
        self._gone(leg, 16 if deliberate else 44)
        self.deliberate, self.place = deliberate, "after"

    def after(self) -> Iterator[Choice]:
        centre = self.var.listener == TELEPHONE_CENTRE
        if self.deliberate:
            yield "goodbye", lambda: self._end("centre" if centre else "listener")
        elif centre:
            yield "the centre is lost", self._centre_lost
        else:
            yield "the listener is lost", self._lost

    def _centre_lost(self) -> None:
        self.step("listener-lost", f"{self.var.listener} 44")
        self.var.stage, self.place = "overflow", "back"

    def back(self) -> Iterator[Choice]:
        yield "back in the queue", self._queued

    def _lost(self) -> None:
        self.var.stage = "lost"
        self.step("listener-lost", f"{self.var.listener} 44")
        self.var.queue_now, self.place = "return", "lost"

    def lost(self) -> Iterator[Choice]:
        if self.other is None:
            self.var.listener_channel = ""
            name = self.var.listener.removeprefix("PJSIP/")
            if name in self.line.free((name,)):
                yield "the same listener is rung", lambda: self._ring(name, by_queue=False)
            yield "the grace is over", self._queued
        else:
            yield from self._rung()

    def _overflow(self, target: str, by: str) -> None:
        var = self.var
        var.stage, var.overflowed_at = "overflow", self.line.clock + TICK
        var.centre = target.removeprefix("centre:") if target != "ask" else ""
        self.step("overflow", f"{target} {by}")
        self.place = "ask" if target == "ask" else "offer"

    def ask(self) -> Iterator[Choice]:
        yield "keys nothing", self._not_keyed
        yield "keys 38", lambda: self._keyed("38", QUEUE_CENTRE)
        yield "keys 73", lambda: self._keyed("73", TELEPHONE_CENTRE)

    def _not_keyed(self) -> None:
        self.step("department", "-")
        self.place = "back"

    def _keyed(self, department: str, centre: str) -> None:
        self.var.centre = centre
        self.step("department", department)
        self.place = "route"

    def offer(self) -> Iterator[Choice]:
        yield "declines", lambda: self._refused("declined")
        yield from self.route()

    def route(self) -> Iterator[Choice]:
        yield "no route", lambda: self._refused("no-route")
        if self.var.centre == QUEUE_CENTRE:
            yield "the centre's queue", self._centre_queue
        else:
            yield "the centre's telephone", self._telephone

    def _refused(self, reason: str) -> None:
        self.step("centre-refused", f"{self.var.centre} {reason}")
        self.place = "back"

    def _centre_queue(self) -> None:
        self.step("centre-called", f"{self.var.centre} queue")
        self.var.listener_channel, self.var.queue_now = "", self.var.centre
        self.place = "centre"

    def centre(self) -> Iterator[Choice]:
        if self.other is None:
            for name in self.line.free(CENTRE_LISTENERS):
                yield f"{name} is rung", lambda name=name: self._ring(name, by_queue=True)  # type: ignore[misc]
            yield "nobody answers", lambda: self._refused("no-answer")
        else:
            yield from self._rung()

    def _telephone(self) -> None:
        self.step("centre-called", f"{self.var.centre} telephone")
        self.other = self.line.new_leg(OUTBOUND)
        self.place = "telephone"

    def telephone(self) -> Iterator[Choice]:
        leg = self.other
        if leg is None:
            yield "no person answered", lambda: self._refused("no-person")
            return
        if not leg.up:
            yield "something answers", lambda: setattr(leg, "up", True)
        else:
            yield "a person presses 1", lambda: self._connecting(leg, self.var.centre)
        yield "the telephone lets go", lambda: self._gone(leg, 16)

    # --- the end ----------------------------------------------------------------------------------------------------

    def _end(self, by: str) -> None:
        """The hangup handler speaks, then the channels go; which of the two is first is open."""
        self.line.tick(self.line.lasts)
        self._leave(self.caller)
        self.step("ended", f"{by} {self.var.stage}")
        self.place = "leaving"

    def leaving(self) -> Iterator[Choice]:
        if self.other is not None:
            other = self.other
            yield "the other leg is gone", lambda: self._gone(other, 16)
        if self.caller_alive:
            yield "the caller's leg is gone", self._caller_gone

    def _caller_gone(self) -> None:
        self.caller_alive = False
        self._gone(self.caller, 16)

    @property
    def alive(self) -> bool:
        """There is a channel of it."""
        return self.caller_alive or self.other is not None


_WAYS: dict[str, Callable[[Call], Iterator[Choice]]] = {
    way.__name__: way
    for way in (
        Call.entry, Call.closed, Call.waiting, Call.connecting, Call.talking, Call.after, Call.back, Call.lost,
        Call.ask, Call.offer, Call.route, Call.centre, Call.telephone, Call.leaving,
    )
}  # fmt: skip


@dataclass
class Line:
    """Asterisk with its calls. `heard`: told of every event, with the channel on which it came.

    `midway`: told of a call in the middle of a step, when a list may be made. `merges`: bridges are joined into others.
    `lasts`: seconds that a conversation has lasted at least when it ends.
    """

    heard: Callable[[str, Event], None]
    midway: Callable[[Call], None] = lambda _call: None
    merges: bool = False
    lasts: float = 0.0
    number: str = "+33199003133"
    clock: float = 1_000_000.0
    started: int = 1
    calls: dict[str, Call] = field(default_factory=dict)
    journal: list[Event] = field(default_factory=list)
    serial: int = 0
    _entered: int = 0

    def tick(self, seconds: float = TICK) -> float:
        self.clock += seconds
        return self.clock

    def say(self, uniqueid: str, event: Event, *, journal: bool = True) -> None:
        if journal:
            self.journal.append(event)
        self.heard(uniqueid, event)

    def new_leg(self, name: str) -> Leg:
        leg = Leg(f"PJSIP/{name}-{self.serial:08x}", f"pbx1-{self.started}.{self.serial}")
        self.serial += 1
        return leg

    def endpoint(self, leg: Leg) -> str:
        return interface_of(leg.channel).removeprefix("PJSIP/")

    def free(self, names: tuple[str, ...]) -> list[str]:
        busy = {self.endpoint(call.other) for call in self.calls.values() if call.other is not None}
        return [name for name in names if name not in busy]

    def somebody_calls(self) -> None:
        self._entered += 1
        call_id = f"9d0c7d3e-1b1f-4f0a-9a3e-{self._entered:012d}"
        call = Call(self, call_id, self.new_leg("trunk"), arrived=int(self.clock))
        self.calls[call_id] = call
        call.enter()

    def choices(self) -> list[Choice]:
        return [choice for call in self.calls.values() for choice in call.choices()]

    def bury(self) -> None:
        """Forget the calls that ended."""
        self.calls = {call_id: call for call_id, call in self.calls.items() if call.alive}

    def die(self) -> None:
        """kill -9: nothing is said of any call any more."""
        self.calls.clear()
        self.started += 1
        self.serial = 0
        self.tick(5.0)
