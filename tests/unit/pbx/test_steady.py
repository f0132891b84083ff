"""The PBX's clock without the jumps of whoever sets it."""

from __future__ import annotations

import pytest

from pbx.events import CallStep
from pbx.journal import JournalReplay
from pbx.steady import SteadyClock

NOON = 1_800_000_000.0


class Machine:
    """Its running time, and the wall clock of its PBX."""

    def __init__(self) -> None:
        self.running, self.ahead = 1000.0, 0.0
        self.steady = SteadyClock(lambda: self.running)
        self.steady.measured(self.wall, 0.001)

    @property
    def wall(self) -> float:
        return NOON + self.running + self.ahead

    def step(self, n: int = 2, *, late: float = 0.0, set_by: int = 0) -> CallStep:
        return CallStep(
            at=self.wall - late, call_id="c", n=n, what="queued", detail="national", channel="x", uniqueid="u-1.1",
            set_by=set_by,
        )  # fmt: skip

    def told(self, n: int = 2, *, late: float = 0.0) -> float:
        """When the step happened, seconds of the machine's running time."""
        return self.steady.corrected(self.step(n, late=late)).at - NOON


@pytest.mark.parametrize("set_by", [3600, -3600, 2, -2])
def test_what_the_clock_was_set_by_is_taken_off_from_the_next_measurement_on(set_by: int) -> None:
    machine = Machine()
    machine.ahead += set_by
    machine.running += 1
    assert machine.steady.measured(machine.wall, 0.001)
    assert machine.steady.by == set_by
    assert machine.steady.now() - NOON == machine.told() == machine.running
    assert not machine.steady.measured(machine.wall + 0.4, 0.001), "less than a second is the way's"


@pytest.mark.parametrize("set_by", [3600, -3600])
def test_an_event_after_the_clock_was_set_and_before_it_was_measured_is_right(set_by: int) -> None:
    machine = Machine()
    assert machine.told() == machine.running
    machine.ahead, machine.running = set_by, machine.running + 0.5
    assert machine.told(3) == pytest.approx(machine.running, abs=0.5)


def test_an_event_that_comes_late_tells_of_no_clock_that_was_set() -> None:
    machine = Machine()
    machine.running += 60
    assert machine.told(late=50) == machine.running - 50
    assert machine.told(late=40) == machine.running - 40
    assert machine.steady.by == 0


@pytest.mark.parametrize("set_by", [0.0, -1.6, -3600.0], ids=["not set", "set back a little", "set back an hour"])
def test_what_has_waited_for_us_says_when_it_was_also_where_its_order_breaks(set_by: float) -> None:
    """We stood still for half a minute, and read on."""
    machine = Machine()
    machine.running += 30
    assert machine.told(late=30) == machine.running - 30
    before = machine.told(late=29.7)
    machine.ahead += set_by
    told = machine.told(late=29.6)
    assert told == pytest.approx(before, abs=1)
    assert told == pytest.approx(machine.running - 29.6, abs=1)
    assert machine.steady.by == pytest.approx(set_by, abs=1)


def test_what_comes_at_once_after_something_that_has_waited_is_not_taken_to_have_waited() -> None:
    machine = Machine()
    machine.running += 30
    machine.told(late=30)
    machine.running += 1
    machine.steady.measured(machine.wall, 0.001)
    machine.ahead, machine.running = -3600.0, machine.running + 0.5
    assert machine.told() == pytest.approx(machine.running, abs=0.5)


def test_a_vague_measurement_says_nothing() -> None:
    machine = Machine()
    assert not machine.steady.measured(machine.wall + 5, 2.5)
    assert machine.steady.by == 0


def test_whoever_comes_later_takes_the_same_off() -> None:
    machine = Machine()
    machine.ahead = -3600
    later = SteadyClock(lambda: machine.running)
    assert machine.steady.anchor is not None
    later.resume(machine.steady.anchor)
    assert later.measured(machine.wall, 0.001)
    assert (later.by, later.now() - NOON) == (-3600, machine.running)


def test_anchored_anew_steady_time_is_the_wall_clock() -> None:
    machine = Machine()
    machine.ahead = 3600
    machine.steady.measured(machine.wall, 0.001)
    machine.steady.anchor_anew()
    assert (machine.steady.by, machine.steady.now()) == (0, machine.wall)


# --- the same from the journal ------------------------------------------------------------------------------------


def entered(at: float, set_by: int = 0) -> CallStep:
    return CallStep(
        at=at, call_id="c", n=1, what="entered", detail="none +33199003133 1800000000", channel="x",
        uniqueid="u-1.1", set_by=set_by,
    )  # fmt: skip


@pytest.mark.parametrize("set_by", [3600, -3600])
def test_the_journal_says_by_how_much_the_clock_was_set(set_by: int) -> None:
    machine = Machine()
    replay = JournalReplay("pbx1")
    replay.feed([entered(machine.wall)])
    machine.ahead, machine.running = set_by, machine.running + 5
    (queued,) = replay.feed([machine.step(set_by=set_by)])
    assert queued.at - NOON == machine.running


def test_a_clock_that_was_set_back_while_the_service_was_away_shows_in_the_order_of_the_lines() -> None:
    machine = Machine()
    replay = JournalReplay("pbx1")
    replay.feed([entered(machine.wall)])
    before = machine.running
    machine.ahead, machine.running = -3600, machine.running + 5
    (queued,) = replay.feed([machine.step()])
    assert before <= queued.at - NOON <= machine.running
