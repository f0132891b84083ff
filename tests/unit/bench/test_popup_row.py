"""The bench's row `pop-up latency`: Asterisk's own time decides, not when somebody had time to read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.popup import GOAL_MS, Rung, _row, _rung, delays_of
from tests.bench.row import TINY, Bench, Row

NOW = 1_780_000_000.0
PHONE = "PJSIP/l12"
BENCH = Bench(size=TINY, folder=Path(), say=lambda _line: None)


def measured(*, made_ms: float, read_ms: float, known_ms: float) -> Row:
    """One call: milliseconds after some instant."""
    rung = Rung(made_at=NOW + made_ms / 1000, read_at=NOW + read_ms / 1000, call="call-1", phone=PHONE)
    known = NOW * 1000 + known_ms
    seen = {PHONE: {"call-1": {"panel": known - 5, "known": known, "frame": known + 9}}}
    return _row(BENCH, delays_of([rung], seen), 0.1)


def test_a_reader_that_waits_for_a_processor_does_not_make_the_pop_up_quicker() -> None:
    row = measured(made_ms=0, read_ms=GOAL_MS, known_ms=GOAL_MS + 30)
    assert row.value == pytest.approx(GOAL_MS + 30, abs=0.01)
    assert not row.holds
    assert "to what is known 30.0/30.0 ms" in row.note, "the reader's own figure is told as well"
    assert "had them 50.0/50.0 ms after" in row.note


def test_a_quick_pop_up_holds() -> None:
    assert measured(made_ms=0, read_ms=1, known_ms=GOAL_MS - 1).holds


def test_an_event_that_is_read_before_it_was_made_is_of_another_clock_and_no_figure() -> None:
    row = measured(made_ms=40, read_ms=0, known_ms=60)
    assert (row.value, row.holds) == (None, False)
    assert "40.0 ms before Asterisk made it" in row.note


def test_a_call_without_a_pop_up_is_no_figure() -> None:
    rung = Rung(made_at=NOW, read_at=NOW, call="call-1", phone=PHONE)
    assert _row(BENCH, delays_of([rung], {PHONE: {}}), 0.1).value is None


def test_an_event_without_asterisks_time_is_no_figure() -> None:
    rung = _rung(b"Event: AgentCalled\r\nPrivilege: agent,all\r\nInterface: PJSIP/l12", NOW)
    with pytest.raises(ValueError, match="no time"):
        delays_of([rung], {PHONE: {}})


def test_a_ring_is_read_as_asterisk_writes_it() -> None:
    frame = (
        b"Event: AgentCalled\r\nPrivilege: agent,all\r\nTimestamp: 1780000000.250000\r\nQueue: national\r\n"
        b"Interface: PJSIP/l12\r\nMemberName: l12\r\nChanVariable: CALL_ID=call-1"
    )
    assert _rung(frame, NOW + 1) == Rung(made_at=NOW + 0.25, read_at=NOW + 1, call="call-1", phone=PHONE)
