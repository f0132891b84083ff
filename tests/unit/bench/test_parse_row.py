"""The bench's row `parse and dispatch`: who drops events has no figure, however fast."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.bench import needed, parse_dispatch
from tests.bench.recording import EOM, Recording
from tests.bench.row import TINY, Bench, Row

RECORDINGS = Path(__file__).parents[2] / "replay" / "recordings"
NAMES = ("centre-telephone-answers", "ended-by-the-listener", "rings-in-vain-then-the-next")


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    """The events of real calls."""
    frames = [frame for name in NAMES for frame in (RECORDINGS / f"{name}.ami").read_bytes().split(EOM)]
    file = tmp_path / "events.ami"
    file.write_bytes(b"".join(frame + EOM for frame in frames if frame.startswith(b"Event: ")))
    return file


def row(stream: Path, monkeypatch: pytest.MonkeyPatch, contestant: str) -> Row:
    """Measured once, against the peer that is installed here."""
    monkeypatch.setattr(parse_dispatch, "OURS", contestant)
    monkeypatch.setattr(parse_dispatch, "EVENTS", 2_000)
    recording = Recording(
        everything=stream, filtered=stream, site=stream.parent, calls=3, answered=3, events=1, listeners=2
    )
    bench = Bench(size=TINY, folder=stream.parent, say=lambda _line: None)
    return parse_dispatch._row(bench, recording, stream, 4096, sys.executable)


def test_all_typed_events_that_the_bytes_hold_come_out_of_each_pass(
    stream: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = row(stream, monkeypatch, parse_dispatch.OURS)
    assert measured.value is not None, measured.note
    assert f"{needed.typed_events(stream.read_bytes())} typed events in each pass" in measured.note


def test_a_parser_that_drops_every_second_frame_has_no_figure(stream: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = row(stream, monkeypatch, "tests.unit.bench.every_second_frame")
    assert (measured.holds, measured.value) == (False, None)
    assert "typed events came out of a pass" in measured.note


def test_events_are_counted_by_name_and_by_what_makes_them_one_of_ours() -> None:
    of_ours = [
        b"Event: UserEvent\r\nChannel: c\r\nUserEvent: CallStep\r\nStep: 1",
        b"Event: AgentCalled\r\nChanVariable: CALL_ID=1",
        b"Event: ContactStatus\r\nEndpointName: l1",
        b"Event: Hangup\r\nCause: 16",
    ]
    others = [
        b"Event: UserEvent\r\nChannel: c\r\nUserEvent: Else\r\nStep: 1",
        b"Event: AgentCalled\r\nChanVariable: CALL_ID=\r\nQueue: q",
        b"Event: ContactStatus\r\nEndpointName: \r\nURI: sip:somebody",
        b"Event: Newexten\r\nContext: trunk",
        b"Event: FullyBooted\r\nStatus: Fully Booted",
        b"Response: Success\r\nEvent: Hangup",
    ]
    assert needed.typed_events(b"".join(frame + EOM for frame in of_ours + others)) == len(of_ours)
