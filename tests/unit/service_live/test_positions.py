"""From which place a journal may be read again: never after the beginning of a call that is open."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pbx.journal import Position
from service.calls.positions import MARGIN_SECONDS, SafePlaces

sizes = st.lists(st.integers(0, 5000), min_size=1, max_size=30)


@given(sizes, st.lists(st.floats(0, 40, allow_nan=False), min_size=1))
def test_a_safe_place_lies_before_everything_that_must_be_read_again(growth: list[int], horizons: list[float]) -> None:
    places, size, samples = SafePlaces(), 0, []
    for second, more in enumerate(growth):
        size += more
        samples.append((float(second), size))
        places.sample(float(second), Position(1, size))
    for horizon in sorted(horizons):
        safe = places.safe(horizon)
        before = [size for at, size in samples if at <= horizon - MARGIN_SECONDS]
        assert (safe is None) == (not before)
        if safe is not None:
            assert safe.offset <= before[-1]
            assert safe.offset in before


def test_a_journal_that_does_not_grow_costs_no_memory() -> None:
    places = SafePlaces()
    for second in range(10_000):
        places.sample(float(second), Position(1, 77))
    assert len(places._samples) == 2
    assert places.safe(9_999.0) == Position(1, 77)


def test_a_clock_that_was_set_back_makes_older_samples_worthless() -> None:
    places = SafePlaces()
    places.sample(5000.0, Position(1, 900))
    places.sample(1400.0, Position(1, 950))
    assert places.safe(1300.0) is None
    assert places.safe(1500.0) == Position(1, 950)
