"""The PBX's clock is set in mid-call: durations are right, the order of arrival holds, nobody is overflowed or put out.

Asterisk runs under libfaketime; callers, phones, the service and the test keep the machine's clock, so the oracle of
every duration is when callers and phones said what they said.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from service.calls.model import Call, Reason, Result, StoredFact
from tests.asterisk.line import Line
from tests.integration.live.line import PASSWORD, LiveLine
from tests.support.faked_clock import FakedClock, faked_clock
from tests.support.sipp import Caller, Phone, number
from tests.support.wait import until
from tests.support.witness import Witness

#: Summer time begins in Paris: from 02:00 to 03:00, on the last Sunday of March.
SUMMER = datetime(2027, 3, 28, 1, 0, tzinfo=UTC)


class Clocked:
    """A line on a PBX whose clock can be set. `now`: of the oracle, monotonic."""

    def __init__(self, line: LiveLine, clock: FakedClock, ami: Witness, stack: contextlib.ExitStack) -> None:
        self.line, self.clock, self.ami = line, clock, ami
        self.ahead = 0.0
        self._stack = stack

    def set(self, seconds: float) -> None:
        """And wait until the service has noticed and told the PBX."""
        self.ahead += seconds
        self.clock.set(self.line.pbx, self.ahead)
        until(lambda: self.told() == self.ahead, "the PBX knows by how much it was set")

    def told(self) -> float:
        return float(self.ami.ask("Getvar", Variable="CLOCK_SET").get("Value") or 0)

    def caller(self, digits: str) -> tuple[Caller, str, float]:
        """Somebody waits. Their call's id, and when they came into the queue."""
        before = len(self.ami.steps())
        caller = self.line.caller(number(digits))
        step = until(
            lambda: next((step for step in self.ami.steps()[before:] if step.what == "queued"), None), "they wait"
        )
        return caller, step.call, step.at

    def listener(self, name: str) -> tuple[Phone, float]:
        """A phone that serves the queue; when it did."""
        phone = self.line.phone(name)
        self.ami.ask("QueueAdd", Queue="national", Interface=f"PJSIP/l{self.line.ids[name]}")
        return phone, time.monotonic()

    def record(self, call: str) -> Call:
        async def read(session: Any) -> Call | None:
            found: Call | None = await session.scalar(select(Call).where(Call.call_id == call))
            return found

        def look() -> Call | None:
            found: Call | None = self.line.query(read)
            return found if found is not None and found.ended_at is not None else None

        return until(look, "the record is complete", 30, every=0.1)

    def told_of(self, what: str) -> int:
        async def read(session: Any) -> int:
            return len((await session.scalars(select(StoredFact).where(StoredFact.what == what))).all())

        found: int = self.line.query(read)
        return found


@pytest.fixture
def clocked(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Clocked]:
    instant: datetime | None = getattr(request, "param", None)
    start = 0.0 if instant is None else instant.timestamp() - time.time()
    with contextlib.ExitStack() as stack:
        clock = stack.enter_context(faked_clock(start))
        sections: dict[str, Any] = {"overflow": {"after_seconds": 60, "again_after_seconds": 120}}
        line = stack.enter_context(LiveLine(tmp_path, listeners=3, **sections))
        line.pbx.add_manager("witness", "witness")
        ami = stack.enter_context(Witness(line.pbx.ports.ami, "witness", "witness"))
        keeper = f"PJSIP/l{line.ids['listener3']}"
        ami.ask("QueueAdd", Queue="national", Interface=keeper, Paused="true", Reason="training")
        yield Clocked(line, clock, ami, stack)


def near(seconds: float) -> Any:
    return pytest.approx(seconds, abs=1.0)


def ended(it: Clocked, call: str) -> float:
    return until(lambda: next((s for s in it.ami.steps(call) if s.what == "ended"), None), "the call ends").at


@pytest.mark.parametrize("set_by", [3600.0, -3600.0], ids=["an hour forward", "an hour back"])
def test_waits_and_conversations_last_as_long_as_they_did_when_the_clock_is_set(
    clocked: Clocked, set_by: float
) -> None:
    it = clocked
    _first, talking, began = it.caller("+33639980001")
    phone, _ = it.listener("listener1")
    until(lambda: phone.talks, "the first talks")
    answered = it.ami.step("connecting", call=talking).at
    second, waiting, waits = it.caller("+33639980002")
    it.set(set_by)
    third, later, _ = it.caller("+33639980003")
    assert second.lives
    assert phone.talks
    phone.hang_up(reason="Q.850;cause=31")
    record = it.record(talking)
    assert (record.result, record.reason) == (Result.ANSWERED, Reason.LISTENER_ENDED)
    assert record.wait_seconds == near(answered - began)
    assert record.talk_seconds == near(ended(it, talking) - answered)
    other, _ = it.listener("listener2")
    until(lambda: other.talks, "somebody is answered")
    assert it.ami.step("connecting", nth=2).call == waiting, "who came first is answered first"
    answered = it.ami.joined(call=waiting).at
    other.hang_up(reason="Q.850;cause=31")
    record = it.record(waiting)
    assert (record.wait_seconds, record.waiting_seconds) == (near(answered - waits), near(answered - waits))
    assert third.lives
    third.leave()
    record = it.record(later)
    assert (record.result, record.reason) == (Result.ABANDONED, Reason.LEFT_WAITING)
    assert record.waiting_seconds == near(ended(it, later) - it.ami.step("queued", call=later).at)
    assert it.told_of("overflow") == it.told_of("listener-lost") == 0


def test_a_service_that_starts_anew_keeps_the_order_of_who_waits_when_the_clock_was_set(clocked: Clocked) -> None:
    it = clocked
    first, waiting, _ = it.caller("+33639980001")
    it.set(-3600.0)
    it.line.kill_service()
    it.line.start_service()
    assert it.told() == it.ahead
    second, later, _ = it.caller("+33639980002")
    phone, _ = it.listener("listener1")
    until(lambda: phone.talks, "somebody is answered")
    assert it.ami.step("connecting").call == waiting != later, "who came first is answered first"
    assert first.lives
    assert second.lives
    assert it.told() == it.ahead
    assert it.told_of("overflow") == 0


@pytest.mark.parametrize("clocked", [SUMMER - timedelta(seconds=40)], indirect=True, ids=["40 seconds before"])
def test_nothing_happens_when_summer_time_begins(clocked: Clocked) -> None:
    """The time of day leaps; the clock that everything goes by does not."""
    it = clocked
    _caller, call, began = it.caller("+33639980004")

    def hour() -> float:
        return float(it.ami.ask("Ping")["Timestamp"])

    assert hour() < SUMMER.timestamp(), "the test came too late"
    until(lambda: hour() > SUMMER.timestamp() + 2, "it is summer", 90)
    phone, _ = it.listener("listener1")
    until(lambda: phone.talks, "they are answered")
    answered = it.ami.joined(call=call).at
    phone.hang_up(reason="Q.850;cause=31")
    record = it.record(call)
    assert record.wait_seconds == near(answered - began)
    assert it.told() == 0
    assert it.told_of("overflow") == 0


@pytest.mark.parametrize("set_by", [3600.0, -3600.0], ids=["an hour forward", "an hour back"])
def test_a_caller_whose_listener_was_lost_is_with_the_next_when_the_clock_is_set(
    clocked: Clocked, set_by: float
) -> None:
    it = clocked
    caller, call, _ = it.caller("+33639980005")
    phone, _ = it.listener("listener1")
    until(lambda: phone.talks, "they talk")
    phone.register(it.line.pbx.ports.sip, f"l{it.line.ids['listener1']}", PASSWORD, expires=0)
    phone.hang_up(reason="Q.850;cause=41")
    lost = it.ami.step("listener-lost", call=call).at
    it.set(set_by)
    other, _ = it.listener("listener2")
    until(lambda: other.talks, "the next has them", 20)
    back = it.ami.step("queued", nth=2, call=call).at
    assert back - lost < 12, "the grace is no longer than it is"
    assert caller.lives


def test_a_phone_that_rings_when_the_clock_is_set_forward_gives_the_caller_to_the_next(clocked: Clocked) -> None:
    """Set back it rings on, for as long as the clock was set back: Asterisk counts a ring by the time of day."""
    it = clocked
    phone = it.line.phone("listener1", ring=120.0)
    it.ami.ask("QueueAdd", Queue="national", Interface=f"PJSIP/l{it.line.ids['listener1']}")
    caller, _call, _ = it.caller("+33639980006")
    until(lambda: phone.rung, "the phone rings")
    it.set(3600.0)
    other, _ = it.listener("listener2")
    until(lambda: other.talks, "the next has them", 45)
    assert caller.lives


def test_a_heartbeat_that_looks_old_once_is_looked_at_again_before_the_pbx_decides_alone(tmp_path: Path) -> None:
    """As when the clock was set a moment ago, and the service, which lives, has not noticed yet."""
    with Line(tmp_path) as line:
        line.heartbeat()
        line.caller()
        line.ami.step("queued")
        channel = line.ami.event("QueueCallerJoin")["Channel"]
        line.heartbeat(age=3600)
        until(lambda: line.ami.variable(channel, "HEARTBEAT_SEEN"), "the PBX looks, and finds it old")
        line.heartbeat()
        until(lambda: not line.ami.variable(channel, "HEARTBEAT_SEEN"), "it looks again, and finds it new")
        assert [step.what for step in line.ami.steps()] == ["entered", "queued"]
        line.heartbeat(age=3600)
        line.ami.step("overflow ask pbx")
