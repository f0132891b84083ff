"""The pipeline: facts reach pages and recorder without waiting; decisions are carried out once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from pbx.commands import Command, Heartbeat, PauseMember, WithdrawCaller
from pbx.facts import CallEntered, CallFact, Fact, ListenerRung, MemberChanged, PbxConnected, PbxLost
from pbx.link import CommandRefused, Reply
from pbx.state import PbxState
from service.calls.known import KnownCaller
from service.calls.lookup import Question
from service.cases.schemas import Known
from service.pump import Pump
from service.push.audiences import Kind
from service.push.hub import Board
from service.push.presence import Presence
from service.push.views import ListenerContact, Views
from service.world import LinkState, World
from tests.unit.service_live.worlds import PBX, ROUTES, RULES, State, member, waiting


class FakeLink:
    """A PBX of the test's own: facts are handed over by hand, commands are kept; refuses them where told."""

    class config:  # noqa: N801 - as PbxLink names it
        pbx = PBX

    def __init__(self) -> None:
        self.state: Any = State()
        self.clock_offset = 0.0
        self.connected = True
        self.last_heard = 0.0
        self.sent: list[Command] = []
        self.refuses = False
        self.batch: asyncio.Queue[list[Fact]] = asyncio.Queue()

    def pbx_now(self) -> float:
        return time.time() + self.clock_offset

    async def batches(self) -> AsyncIterator[list[Fact]]:
        while True:
            yield await self.batch.get()

    async def send(self, command: Command, timeout: float = 5.0) -> Reply:
        self.sent.append(command)
        if self.refuses and not isinstance(command, Heartbeat):
            raise CommandRefused("not-in-queue", "the caller is not in the queue")
        return Reply("ok")


class FakeRecorder:
    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.ended: list[int] = []

    def offer(self, facts: Sequence[Fact]) -> None:
        self.facts.extend(facts)

    def writing_ended(self, account_id: int, at: object) -> None:
        self.ended.append(account_id)

    def sample(self, now: float) -> None:
        """No journal here."""

    def heard(self, at: float) -> None:
        """Nor a place in it."""


class FakeLookup:
    def __init__(self) -> None:
        self.asked: list[Question] = []
        self.audited: list[tuple[int, Known]] = []

    def ask(self, question: Question) -> None:
        self.asked.append(question)

    def shown(self, account_id: int, known: Known) -> None:
        self.audited.append((account_id, known))

    def outdate(self) -> None:
        """Nothing is read here."""

    def index_of(self, token: str) -> str:
        return token


class Parts:
    """A pump with its surroundings."""

    def __init__(self) -> None:
        self.link, self.recorder, self.lookup = FakeLink(), FakeRecorder(), FakeLookup()
        self.world = World(RULES)
        self.world.routes = ROUTES
        self.board = Board()
        self.views = Views(self.world, self.board, self.lookup)  # type: ignore[arg-type]
        self.connected: list[str] = []
        self.pump = Pump(
            self.link,  # type: ignore[arg-type]
            world=self.world,
            views=self.views,
            presence=Presence(),
            recorder=self.recorder,  # type: ignore[arg-type]
            lookup=self.lookup,  # type: ignore[arg-type]
            on_connected=self.connected.append,
        )
        self.pump.take([PbxConnected(pbx=PBX, at=self.pump.now(), version="22.10.1")])

    @property
    def withdrawn(self) -> list[Command]:
        return [command for command in self.link.sent if isinstance(command, WithdrawCaller)]


@pytest.fixture
def parts() -> Parts:
    return Parts()


def entered(parts: Parts, call_id: str = "c1") -> CallFact:
    """A caller enters and waits, with nobody signed in."""
    now = parts.pump.now()
    parts.link.state.calls[call_id] = waiting(call_id, since=now, arrived=int(now))
    return CallEntered(
        pbx=PBX, at=now, call_id=call_id, ordinal=1, line="+33199003133", caller_token="none", arrived=int(now)
    )


def rung(parts: Parts, call_id: str = "c1", account_id: int = 12) -> CallFact:
    interface = f"PJSIP/l{account_id}"
    parts.link.state.calls[call_id].ringing[interface] = f"{interface}-0001"
    return ListenerRung(pbx=PBX, at=parts.pump.now(), call_id=call_id, ordinal=5, interface=interface, queue="national")


def changed(parts: Parts, paused: str = "") -> MemberChanged:
    parts.link.state.members["PJSIP/l12"] = member(paused=paused)
    parts.link.state.phones["l12"] = True
    return MemberChanged(
        pbx=PBX,
        at=parts.pump.now(),
        queue="national",
        interface="PJSIP/l12",
        paused=bool(paused),
        pause_reason=paused,
        device=member().device,
    )


async def test_a_batch_reaches_board_lookup_and_recorder_at_once(parts: Parts) -> None:
    fact = entered(parts)
    parts.pump.take([fact])
    assert parts.board.value(Kind.CALL, "c1") is not None
    assert parts.lookup.asked == [Question("c1", "none")]
    assert parts.recorder.facts[-1] is fact
    assert parts.connected == [PBX]


async def test_a_caller_who_was_there_before_is_looked_up_once_the_journal_told_who_it_is(parts: Parts) -> None:
    entered(parts)  # no batch of ours tells of it
    parts.pump.tick()
    assert parts.lookup.asked == []
    parts.link.state.calls["c1"].caller_token = "k1.n.c"  # PbxState.remember_token
    parts.pump.tick()
    assert parts.lookup.asked == [Question("c1", "k1.n.c")]


async def test_an_overflow_is_asked_of_the_pbx_once_however_often_it_is_decided(parts: Parts) -> None:
    parts.pump.take([entered(parts)])
    for _ in range(5):
        parts.pump.tick()
    await run_for_a_moment(parts, lambda: bool(parts.withdrawn))
    assert parts.withdrawn == [WithdrawCaller(pbx=PBX, queue="national", channel="PJSIP/trunk-c1", info="ask")]


async def test_a_refused_overflow_is_decided_again(parts: Parts) -> None:
    parts.link.refuses = True
    parts.pump.take([entered(parts)])
    await run_for_a_moment(parts, lambda: bool(parts.withdrawn))
    parts.pump.tick()
    await run_for_a_moment(parts, lambda: len(parts.withdrawn) == 2)


async def test_what_cannot_be_shown_is_recorded_all_the_same(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(Views, "refresh", broken)
    fact = entered(parts)
    parts.pump.take([fact])
    assert parts.recorder.facts[-1] is fact


async def test_what_cannot_be_shown_is_decided_all_the_same(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(Views, "refresh", broken)
    monkeypatch.setattr(Views, "refresh_all", broken)
    parts.pump.take([entered(parts)])
    await run_for_a_moment(parts, lambda: len(parts.withdrawn) == 1)
    entered(parts, "c2")
    with pytest.raises(RuntimeError):
        parts.pump.tick()
    await run_for_a_moment(parts, lambda: len(parts.withdrawn) == 2)


async def test_a_service_that_cannot_decide_says_so_by_its_silence(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    def beats() -> int:
        return sum(isinstance(command, Heartbeat) for command in parts.link.sent)

    async def beats_of_some_rounds() -> int:
        parts.link.sent.clear()
        rounds = 0

        def look() -> bool:
            nonlocal rounds
            rounds += 1
            parts.pump.tick()
            return rounds == 10

        await run_for_a_moment(parts, look)
        return beats()

    monkeypatch.setattr("service.pump.DECIDED_WITHIN_SECONDS", 0.05)
    monkeypatch.setattr("service.pump.HEARTBEAT_SECONDS", 0.001)
    assert await beats_of_some_rounds() > 1
    monkeypatch.setattr("service.pump.decide", broken)
    fact = entered(parts)
    parts.pump.take([fact])
    assert parts.recorder.facts[-1] is fact
    await beats_of_some_rounds()  # the last decisions grow old meanwhile
    assert await beats_of_some_rounds() == 0


async def test_a_fact_that_is_not_understood_costs_only_itself(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    line = parts.world.lines[PBX]
    parts.pump.take([PbxLost(pbx=PBX, at=parts.pump.now(), reason="closed")])
    monkeypatch.setattr(World, "_apply_call_fact", broken)
    fact, connected = entered(parts), PbxConnected(pbx=PBX, at=parts.pump.now(), version="22.10.1")
    parts.pump.take([fact, connected])
    assert line.link is LinkState.UP
    assert parts.recorder.facts[-2:] == [fact, connected]
    assert parts.board.value(Kind.CALL, "c1") is not None, "everything is looked at again"


async def test_no_heartbeat_keeps_the_dialplan_from_overflowing_while_nothing_is_decided_of_the_line(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def beats() -> int:
        return sum(isinstance(command, Heartbeat) for command in parts.link.sent)

    monkeypatch.setattr("service.pump.HEARTBEAT_SECONDS", 0.001)
    parts.pump.take([PbxLost(pbx=PBX, at=parts.pump.now(), reason="closed")])  # and its return was not understood
    assert parts.link.connected
    rounds = iter(range(10))
    await run_for_a_moment(parts, lambda: next(rounds, None) is None)
    assert beats() == 0
    parts.pump.take([PbxConnected(pbx=PBX, at=parts.pump.now(), version="22.10.1")])
    await run_for_a_moment(parts, lambda: beats() > 1)


async def test_while_batches_wait_the_rest_of_the_service_gets_its_turn(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A storm of events: there is always another batch."""
    turns: list[int] = []
    taken = 0

    async def storm(_link: FakeLink) -> AsyncIterator[list[Fact]]:
        nonlocal taken
        while taken < 100:
            taken += 1
            yield [changed(parts)]

    async def others() -> None:
        while taken < 100:
            turns.append(taken)
            await asyncio.sleep(0)

    monkeypatch.setattr(FakeLink, "batches", storm)
    await asyncio.gather(parts.pump.run(), others())
    assert len(set(turns)) > 50


async def test_a_listener_held_for_a_caller_who_is_gone_is_asked_once_to_write_up(parts: Parts) -> None:
    def sent() -> list[Command]:
        return [command for command in parts.link.sent if isinstance(command, PauseMember)]

    parts.world.lines[PBX].in_sync_since = float("-inf")
    for _ in range(3):
        parts.pump.take([changed(parts, paused="reconnecting")])
    await run_for_a_moment(parts, lambda: bool(sent()))
    assert sent() == [PauseMember(pbx=PBX, interface="PJSIP/l12", paused=True, reason="wrap-up")]
    parts.pump.take([changed(parts, paused="wrap-up")])
    parts.pump.take([changed(parts, paused="reconnecting")])
    await run_for_a_moment(parts, lambda: len(sent()) == 2)


async def test_ending_the_wrap_up_takes_the_contact_off_the_page_and_is_recorded(parts: Parts) -> None:
    parts.pump.take([changed(parts, paused="wrap-up")])
    parts.views.set_contact(12, ListenerContact(7, "gone", {"contact_id": 7}))
    assert parts.board.ids(Kind.CONTACT, 12) == ["7"]
    parts.pump.take([changed(parts)])
    assert parts.board.ids(Kind.CONTACT, 12) == []
    assert parts.recorder.ended == [12]


async def test_wrap_up_that_ends_before_the_contact_was_stored_is_recorded_too(parts: Parts) -> None:
    parts.pump.take([changed(parts, paused="wrap-up")])
    parts.pump.take([changed(parts)])
    assert parts.recorder.ended == [12]


def one_case(*closed_to: int) -> KnownCaller:
    case = {
        "case_id": 3,
        "reference": "2026-38-00123",
        "status": "open",
        "department": "38",
        "opened_at": "2026-03-01T08:00:00Z",
        "last_contact_at": "2026-03-01T08:00:00Z",
    }
    known = {"number": "known", "shielded": False, "contacts": 1, "last_contact_at": None, "cases": [case]}
    return KnownCaller(Known.model_validate(known), frozenset(closed_to))


async def test_cases_that_an_offer_shows_are_audited_once(parts: Parts) -> None:
    parts.pump.take([entered(parts), rung(parts)])
    parts.views.learn(Question("c1", "none"), one_case())
    parts.pump.tick()
    offer = parts.board.value(Kind.OFFER, "c1", 12)
    assert offer is not None
    assert [case["reference"] for case in offer["cases"]] == ["2026-38-00123"]
    assert [account for account, _ in parts.lookup.audited] == [12]


async def test_who_must_not_know_of_a_case_is_looked_up_for_themselves(parts: Parts) -> None:
    parts.views.learn(Question("c1", "none"), one_case(12))
    parts.pump.take([entered(parts)])
    parts.views.learn(Question("c1", "none"), one_case(12))
    parts.pump.take([rung(parts)])
    offer = parts.board.value(Kind.OFFER, "c1", 12)
    assert offer is not None
    assert offer["cases"] == []
    assert parts.lookup.audited == []
    assert Question("c1", "", 12) in parts.lookup.asked


def test_the_world_of_a_real_pbx_state_is_read_the_same_way() -> None:
    assert {"calls", "members", "phones"} <= set(dir(PbxState("pbx1")))
    assert LinkState("starting") is LinkState.STARTING


async def run_for_a_moment(parts: Parts, done: Any) -> None:
    """The pump's helpers at work until `done`."""
    task = asyncio.create_task(parts.pump.run())
    try:
        async with asyncio.timeout(30):
            while not done():
                await asyncio.sleep(0.01)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
