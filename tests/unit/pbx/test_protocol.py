"""Bytes become events: whole frames, in order, each on its own."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pbx import parse, protocol
from pbx.events import CallStep, Event, MemberSeen
from pbx.facts import DeviceState
from pbx.odd import OddCounts
from pbx.protocol import EventStream, PbxProtocol
from tests.unit.pbx.ami_frames import CALL, CALLER, eventful_call, frame, on_channel

BANNER = b"Asterisk Call Manager/11.0.0\r\n"


class Wire(asyncio.Transport):
    """The other end of a protocol: remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self._reads = True
        self.aborted = False

    def pause_reading(self) -> None:
        self._reads = False

    def resume_reading(self) -> None:
        self._reads = True

    def is_reading(self) -> bool:
        return self._reads

    def abort(self) -> None:
        self.aborted = True

    def write(self, data: Any) -> None:
        pass


def connected(*, muted: bool = False) -> tuple[PbxProtocol, EventStream, Wire]:
    stream, wire = EventStream(), Wire()
    reader = PbxProtocol(stream, lambda: 5.0)
    reader.connection_made(wire)
    reader.muted = muted
    return reader, stream, wire


def step(n: int, detail: str = "national") -> bytes:
    words = ("UserEvent: CallStep", f"CallId: {CALL}", f"Step: {n}", "What: queued", f"Detail: {detail}")
    return on_channel("UserEvent", *CALLER, *words)


def numbers(stream: EventStream) -> list[int]:
    return [event.n for event in stream.events if isinstance(event, CallStep)]


@given(st.data())
@settings(deadline=None, max_examples=150)
def test_any_split_of_the_stream_gives_the_same_events(data: st.DataObject) -> None:
    stream_bytes = (
        BANNER + step(0, "Müller à Évry ☎") + frame("Event: Newexten", "Extension: é") + eventful_call().bytes()
    )
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream_bytes) - 1), max_size=40)))

    async def read(pieces: list[bytes]) -> list[Event]:
        reader, stream, _ = connected()
        for piece in pieces:
            reader.data_received(piece)
        return list(stream.events)

    pieces = [stream_bytes[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream_bytes)], strict=True)]
    whole = asyncio.run(read([stream_bytes]))
    assert asyncio.run(read(pieces)) == whole
    assert isinstance(whole[0], CallStep)
    assert whole[0].detail == "Müller à Évry ☎"


async def test_byte_by_byte_is_no_different() -> None:
    reader, stream, _ = connected()
    for byte in BANNER + step(1) + step(2):
        reader.data_received(bytes([byte]))
    assert numbers(stream) == [1, 2]


async def test_a_frame_that_cannot_be_read_costs_itself_alone() -> None:
    reader, stream, wire = connected()
    broken = on_channel("UserEvent", *CALLER, "UserEvent: CallStep", "Step: not-a-number")
    reader.data_received(BANNER + step(1) + broken + step(2))
    assert numbers(stream) == [1, 2]
    assert stream.tally.counts.unreadable == 1
    assert not wire.aborted


async def test_bytes_that_are_no_utf8_an_empty_last_header_and_a_second_event_header_are_read() -> None:
    reader, stream, _ = connected()
    odd = step(1).replace(b"Detail: national", b"Detail: \xff\xfe") + step(2).replace(b"Detail: national", b"Detail: ")
    twice = step(3)[:-4] + b"\r\nEvent: Again\r\nEmpty:\r\n\r\n"
    reader.data_received(BANNER + odd + twice)
    assert numbers(stream) == [1, 2, 3]
    assert stream.tally.counts == OddCounts(not_utf8=1, second_event=1)


async def test_a_frame_beyond_the_cap_is_skipped_and_costs_little() -> None:
    reader, stream, _ = connected()
    reader.data_received(BANNER + step(1))
    began = time.process_time()
    reader.data_received(b"Event: UserEvent\r\nUserEvent: CallStep\r\nDetail: ")
    for _ in range(512):
        reader.data_received(b"x" * 65536)
    assert time.process_time() - began < 1.0  # 32 MB; panoramisk takes 8 s
    assert len(reader._rest) <= protocol.FRAME_CAP
    reader.data_received(b"\r\n\r\n" + step(2))
    assert numbers(stream) == [1, 2]
    assert stream.tally.counts == OddCounts(too_long=1)


async def test_what_nobody_needs_is_dropped_unread() -> None:
    reader, stream, _ = connected()
    unread = frame("Event: Newchannel", "Timestamp: not a time")
    reader.data_received(BANNER + unread * 3 + step(1))
    assert numbers(stream) == [1]
    assert stream.tally.counts == OddCounts()


async def test_events_before_the_session_began_are_left_to_the_snapshot() -> None:
    reader, stream, _ = connected(muted=True)
    reader.data_received(BANNER + step(1))
    reader.muted = False
    reader.data_received(step(2))
    assert numbers(stream) == [2]


async def test_reading_pauses_when_the_consumer_is_behind_and_nothing_is_lost() -> None:
    reader, stream, wire = connected()
    reader.data_received(BANNER)
    piece, sent = 500, 0
    while wire.is_reading():
        reader.data_received(b"".join(step(n) for n in range(sent, sent + piece)))
        sent += piece
    assert len(stream.events) <= protocol.HIGH_WATER + piece
    got = []
    while not wire.is_reading():
        event = stream.events.popleft()
        assert isinstance(event, CallStep)
        got.append(event.n)
        stream.taken()
    assert len(stream.events) == protocol.LOW_WATER
    assert got + numbers(stream) == list(range(sent))


async def test_something_that_is_no_manager_interface_is_left() -> None:
    reader, _, wire = connected()
    reader.data_received(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert wire.aborted
    assert reader.lost.result() == "not-a-manager-interface"


async def test_an_event_with_the_id_of_a_waiting_action_still_reaches_the_trackers() -> None:
    reader, stream, _ = connected()
    waiting = protocol.Pending(as_list=True)
    reader.pending["a-1"] = waiting
    reader._lists = 1
    reader.data_received(BANNER + step(1)[:-4] + b"\r\nActionID: a-1\r\n\r\n")
    assert numbers(stream) == [1]
    assert not waiting.future.done()


def test_device_states_are_asterisks_numbers() -> None:
    def member(status: int) -> DeviceState:
        text = f"Event: QueueMemberStatus\r\nQueue: q\r\nInterface: PJSIP/l1\r\nStatus: {status}"
        event = parse.EVENTS[b"QueueMemberStatus"](text, 1.0)
        assert isinstance(event, MemberSeen)
        return event.device

    assert [member(n) for n in range(10)] == [
        DeviceState.UNKNOWN,
        DeviceState.FREE,
        DeviceState.TALKING,
        DeviceState.BUSY,
        DeviceState.INVALID,
        DeviceState.UNREACHABLE,
        DeviceState.RINGING,
        DeviceState.RINGING_WHILE_TALKING,
        DeviceState.ON_HOLD,
        DeviceState.UNKNOWN,
    ]


def test_the_reason_of_a_pause_that_is_over_is_forgotten() -> None:
    text = (
        "Event: QueueMemberPause\r\nQueue: q\r\nInterface: PJSIP/l1\r\nPaused: 0\r\nPausedReason: coffee\r\nStatus: 1"
    )
    event = parse.EVENTS[b"QueueMemberPause"](text, 1.0)
    assert isinstance(event, MemberSeen)
    assert (event.paused, event.pause_reason) == (False, "")
