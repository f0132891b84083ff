"""Whole calls, several at once, disturbed: any order between channels, duplicates, gaps, a PBX that dies.

The line of `line_model.py` is watched twice: undisturbed from before its first call, and over a session that fails.
What is stored of both, after the journal was read, must be the same; and what the disturbed one shows is the truth.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from hypothesis import note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from pbx.calls import ENDED_KEPT_SECONDS, LiveCall
from pbx.events import BridgeEntered, BridgeLeft, Event, LegListed, LegsListed, SessionBegan, SessionLost, SnapshotTaken
from pbx.facts import PRESUMED, CallFact, Fact
from pbx.journal import JournalReplay
from pbx.state import PbxState
from service.calls.fold import Record, fold, told
from service.calls.told import Told
from tests.unit.pbx.line_model import Call, Line
from tests.unit.pbx.line_truth import Truth, listed, truth

#: calls at once, and in all: enough to mix up, few enough to be shown in a failure
CALLS_AT_ONCE = 3


@dataclass
class Archive:
    """What is stored: each fact once, by its key."""

    facts: dict[tuple[str, str, int], Told] = field(default_factory=dict)

    def store(self, facts: Iterable[Fact]) -> None:
        for fact in facts:
            if isinstance(fact, CallFact):
                kept = told(fact)
                self.facts.setdefault((fact.call_id, kept.what, kept.ordinal), kept)

    def records(self) -> dict[str, Record]:
        by_call: dict[str, list[Told]] = defaultdict(list)
        for (call_id, _, _), fact in self.facts.items():
            by_call[call_id].append(fact)
        return {call_id: _comparable(facts) for call_id, facts in by_call.items()}

    def certain(self) -> dict[tuple[str, str, int], object]:
        """By key. A phone is told to ring twice; of an end that nobody saw, neither instant nor stage is certain.

        An end that was presumed does not count beside one that was told.
        """
        told_ends = {call_id for call_id, what, ordinal in self.facts if what == "ended" and ordinal != PRESUMED}
        return {
            key: _certain(fact)
            for key, fact in self.facts.items()
            if not (key[1:] == ("ended", PRESUMED) and key[0] in told_ends)
        }


def _certain(fact: Told) -> object:
    if fact.key == ("ended", PRESUMED):
        return fact.detail["by"]
    return fact.detail, None if fact.what in {"rung", "rang-out"} else fact.at


def _comparable(facts: list[Told]) -> Record:
    """An end that nobody saw has no instant: only that it was after everything else."""
    record = fold(facts)
    if record.ended_at is not None and all(fact.ordinal == PRESUMED for fact in facts if fact.what == "ended"):
        assert record.ended_at >= max(fact.at for fact in facts)
        waited = record.wait_seconds if record.answered_at else None
        return replace(record, ended_at=None, wait_seconds=waited, waiting_seconds=None, talk_seconds=None)
    return record


def shown(call: LiveCall, truth: Truth) -> dict[str, object]:
    """What the board has of a call, as far as the truth says anything about it."""
    found: dict[str, object] = {
        "stage": call.stage in truth.stages,
        "channel": call.channel,
        "line": call.line,
        "arrived": call.arrived,
        "step": call.step,
        "ringing": call.ringing,
        "listener": call.listener if truth.listener is not None else None,
        "listener_channel": call.listener_channel if truth.listener_channel is not None else None,
        "centre": call.centre if truth.centre is not None else None,
        "waits": (call.waiting_since is not None) if truth.waits is not None else None,
        "queue": call.queue,
        "last_overflow_at": call.last_overflow_at,
        "legs": {leg.uniqueid: leg.bridge for leg in call.legs.values()},
    }
    return found


def expected(truth: Truth, call: LiveCall) -> dict[str, object]:
    """A leg of which nothing was said is known where a list had it."""
    names = (
        "channel", "line", "arrived", "step", "ringing", "listener", "listener_channel", "centre", "waits",
        "queue", "last_overflow_at",
    )  # fmt: skip
    legs = {uniqueid: bridge for uniqueid, bridge in truth.legs.items() if uniqueid not in truth.quiet - set(call.legs)}
    return {"stage": True, "legs": legs, **{name: getattr(truth, name) for name in names}}


class DisturbedLine(RuleBasedStateMachine):
    """`sent`: what is on its way to us, by channel. `legs`: the snapshot while it is being made, None if none is.

    `caught`: after how many more variables of a step the next call is listed, in the middle of that step.
    """

    def __init__(self) -> None:
        super().__init__()
        self.line = Line(self.heard, self.midway)
        self.caught = 0
        self.calm, self.calm_archive = PbxState("pbx1"), Archive()
        self.state, self.archive = PbxState("pbx1"), Archive()
        self.sent: dict[str, deque[Event]] = defaultdict(deque)
        self.arrived: deque[Event] = deque(maxlen=40)
        self.connected, self.in_sync = False, False
        self.legs: dict[str, list[LegListed]] | None = None
        self._calm_session()
        self.reconnect()
        self.list_arrives()

    def _calm_session(self) -> None:
        self.calm_archive.store(self.calm.apply(self.began()))
        for event in (LegsListed(at=self.line.clock, legs=()), SnapshotTaken(at=self.line.clock)):
            self.calm_archive.store(self.calm.apply(event))

    def began(self) -> SessionBegan:
        return SessionBegan(at=self.line.clock, started=str(self.line.started), version="22.10.1")

    def heard(self, uniqueid: str, event: Event) -> None:
        self.calm_archive.store(self.calm.apply(event))
        if self.connected:
            self.sent[uniqueid].append(event)

    def midway(self, call: Call) -> None:
        if self.legs is not None and self.caught:
            self.caught -= 1
            if not self.caught:
                self.legs.setdefault(call.call_id, listed(call))

    def take(self, event: Event) -> None:
        self.archive.store(self.state.apply(event))

    # --- what happens on the line -----------------------------------------------------------------------------------

    @precondition(lambda self: len(self.line.calls) < CALLS_AT_ONCE)
    @rule()
    def somebody_calls(self) -> None:
        self.line.somebody_calls()

    @precondition(lambda self: self.line.calls)
    @rule(data=st.data(), steps=st.integers(1, 4))
    def something_happens(self, data: st.DataObject, steps: int) -> None:
        for _ in range(steps):
            choices = self.line.choices()
            if not choices:
                return
            number = data.draw(st.integers(0, len(choices) - 1))
            what, do = choices[number]
            note(what)
            do()
            self.line.bury()

    # --- what reaches us --------------------------------------------------------------------------------------------

    @precondition(lambda self: any(self.sent.values()))
    @rule(data=st.data(), count=st.integers(1, 5))
    def events_arrive(self, data: st.DataObject, count: int) -> None:
        """Some of one channel's, in their order: other channels' may be earlier or later than they happened."""
        waiting = sorted(uniqueid for uniqueid, events in self.sent.items() if events)
        events = self.sent[data.draw(st.sampled_from(waiting))]
        for _ in range(min(count, len(events))):
            self.arrived.append(events[0])
            self.take(events.popleft())

    @rule()
    def all_arrives(self) -> None:
        for events in self.sent.values():
            while events:
                self.arrived.append(events[0])
                self.take(events.popleft())

    @precondition(lambda self: self.connected and self.arrived)
    @rule(data=st.data())
    def an_event_comes_again(self, data: st.DataObject) -> None:
        event = self.arrived[data.draw(st.integers(0, len(self.arrived) - 1))]
        if isinstance(event, BridgeEntered | BridgeLeft):  # where a leg is, is told once
            return
        if self.line.clock - event.at < ENDED_KEPT_SECONDS:
            self.take(event)

    # --- gaps and snapshots -----------------------------------------------------------------------------------------

    @precondition(lambda self: self.connected)
    @rule()
    def the_session_is_lost(self) -> None:
        self.connected = self.in_sync = False
        self.sent.clear()
        self.arrived.clear()  # no session tells again what another one told
        self.legs = None
        self.take(SessionLost(at=self.line.clock, reason="test"))

    @precondition(lambda self: not self.connected)
    @rule()
    def reconnect(self) -> None:
        self.connected = True
        self.legs = {}
        self.take(self.began())

    @precondition(lambda self: self.legs is not None)
    @rule(data=st.data())
    def a_call_is_listed(self, data: st.DataObject) -> None:
        """The list is made leg by leg: calls go on between two of them."""
        assert self.legs is not None
        waiting = sorted(set(self.line.calls) - set(self.legs))
        if waiting:
            call_id = data.draw(st.sampled_from(waiting))
            self.legs[call_id] = listed(self.line.calls[call_id])

    @precondition(lambda self: self.legs is not None)
    @rule(variables=st.integers(1, 6))
    def a_call_will_be_listed_within_a_step(self, variables: int) -> None:
        self.caught = variables

    @precondition(lambda self: self.legs is not None)
    @rule()
    def list_arrives(self) -> None:
        """At its place in the stream: what arrived before it had happened before the list was made."""
        assert self.legs is not None
        for call_id, call in self.line.calls.items():
            self.legs.setdefault(call_id, listed(call))
        self.take(LegsListed(at=self.line.clock, legs=tuple(leg for legs in self.legs.values() for leg in legs)))
        self.take(SnapshotTaken(at=self.line.clock))
        self.legs, self.in_sync = None, True

    @rule()
    def asterisk_is_killed(self) -> None:
        self.all_arrives()
        self.line.die()
        self._calm_session()
        if self.connected:
            self.the_session_is_lost()

    # --- what must hold ---------------------------------------------------------------------------------------------

    @invariant()
    def the_undisturbed_view_is_the_truth(self) -> None:
        self._is_true(self.calm)

    @invariant()
    def once_all_has_arrived_the_view_is_the_truth(self) -> None:
        if self.in_sync and not any(self.sent.values()):
            self._is_true(self.state)

    def _is_true(self, state: PbxState) -> None:
        calls = {call_id: call for call_id, call in self.line.calls.items() if call.place != "leaving"}
        leaving = set(self.line.calls) - set(calls)
        assert set(state.calls) - leaving == set(calls)
        for call_id, call in calls.items():
            now = truth(call)
            seen, true = shown(state.calls[call_id], now), expected(now, state.calls[call_id])
            assert seen == true, (
                call.place,
                {name: (seen[name], true[name]) for name in seen if seen[name] != true[name]},
            )

    def teardown(self) -> None:
        if not self.connected:
            self.reconnect()
        self.all_arrives()
        if self.legs is not None:
            self.list_arrives()
        self.all_arrives()
        self.once_all_has_arrived_the_view_is_the_truth()
        replay = JournalReplay("pbx1")
        self.archive.store(replay.feed(self.line.journal))
        self.archive.store(replay.presume_ended(set(self.state.calls)))
        stored, calm = self.archive.certain(), self.calm_archive.certain()
        differ = {key: (stored.get(key), calm.get(key)) for key in stored | calm if stored.get(key) != calm.get(key)}
        assert not differ, differ
        self._same_records()

    def _same_records(self) -> None:
        records, calm = self.archive.records(), self.calm_archive.records()
        assert records == calm


def test_the_record_of_every_call_is_the_same_however_its_events_came_and_the_view_is_the_truth() -> None:
    run_state_machine_as_test(
        DisturbedLine,
        settings=settings(max_examples=60, stateful_step_count=60, deadline=None, report_multiple_bugs=False),
    )
