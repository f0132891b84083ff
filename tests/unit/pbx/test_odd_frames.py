"""Truncated, huge and hostile frames: each costs itself alone, is counted, and is logged without what it said."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pbx import parse, protocol
from pbx.events import CallStep
from pbx.odd import LOG_EVERY_SECONDS, Odd, OddCounts, Tally
from pbx.protocol import EventStream, PbxProtocol, Pending
from tests.unit.pbx.ami_frames import CALL, CALLER, frame, on_channel
from tests.unit.pbx.test_protocol import BANNER, connected, numbers, step

MARK = "Mademoiselle Marquée"


async def greeted() -> tuple[PbxProtocol, EventStream]:
    reader, stream, _ = connected()
    reader.data_received(BANNER + step(1))
    return reader, stream


async def read(pieces: list[bytes]) -> tuple[list[int], OddCounts]:
    """The steps that were understood, and what was not; an action with a list waits meanwhile."""
    reader, stream = await greeted()
    reader.pending["a-1"], reader._lists = Pending(as_list=True), 1
    for piece in pieces:
        reader.data_received(piece)
    assert not reader.lost.done()
    return numbers(stream), stream.tally.counts


def cut(data: bytes, at: set[int]) -> list[bytes]:
    edges = [0, *sorted(place for place in at if place < len(data)), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


HEADERS = st.sampled_from(
    [
        b"Event: ",
        b"Event: UserEvent\r\nUserEvent: CallStep\r\n",
        b"Event: Hangup\r\nChanVariable: CALL_ID=x\r\n",
        b"Event: QueueMemberStatus\r\n",
        b"Response: Success\r\n",
        b"Response: Error\r\nMessage: \xff\r\n",
        b"ActionID: a-1\r\n",
        b"EventList: Complete\r\n",
        b"Timestamp: nan\r\n",
        b"Timestamp: 1e400\r\n",
        b"Step: -1\r\n",
        b"Cause: \xd9\xa1\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"\n\n",
        b"\0",
    ]
)
HOSTILE = st.lists(st.one_of(HEADERS, st.binary(max_size=40)), max_size=12).map(b"".join)


@settings(deadline=None, max_examples=300)
@given(garbage=HOSTILE, cuts=st.sets(st.integers(1, 1200), max_size=30))
@example(garbage=b"Event: Foo\r\n", cuts=set())  # its last line end begins the end of the frame
@example(garbage=b"x\r\n\r\n\r\n", cuts={3, 4, 5})
def test_whatever_comes_the_good_frame_behind_it_is_read(garbage: bytes, cuts: set[int]) -> None:
    stream = garbage + b"\r\n\r\n" + step(2) + step(3)
    understood, _ = asyncio.run(read(cut(stream, cuts)))
    assert understood[0] == 1
    assert understood[-2:] == [2, 3]


@settings(deadline=None, max_examples=100)
@given(garbage=HOSTILE, cuts=st.sets(st.integers(1, 600), max_size=30))
@example(garbage=b"Event: UserEvent\r\nUserEvent: CallStep\r\n", cuts={43})  # a read ends behind the third line end
def test_any_split_of_whatever_comes_is_understood_and_counted_alike(garbage: bytes, cuts: set[int]) -> None:
    stream = garbage + b"\r\n\r\n" + step(2)
    assert asyncio.run(read(cut(stream, cuts))) == asyncio.run(read([stream]))


@settings(deadline=None, max_examples=100)
@given(long=st.integers(310, 2000), cuts=st.sets(st.integers(1, 3000), max_size=60))
def test_a_frame_beyond_the_cap_is_skipped_wherever_it_is_split(long: int, cuts: set[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocol, "FRAME_CAP", 300)
        big = b"Event: UserEvent\r\nX: " + b"x" * long + b"\r\n\r\n"
        words = ("UserEvent: CallStep", f"CallId: {CALL}", "Step: 2", "What: queued")
        small = frame("Event: UserEvent", f"Uniqueid: {CALLER[1]}", *words)
        understood, counts = asyncio.run(read_behind_the_banner(cut(big + small, cuts)))
    assert understood == [2]
    assert counts.too_long == 1


async def read_behind_the_banner(pieces: list[bytes]) -> tuple[list[int], OddCounts]:
    reader, stream, _ = connected()
    reader.data_received(BANNER + frame("Event: FullyBooted"))
    for piece in pieces:
        reader.data_received(piece)
        assert len(reader._rest) <= protocol.FRAME_CAP
    return numbers(stream), stream.tally.counts


@pytest.mark.parametrize(
    ("data", "counts"),
    [
        (on_channel("UserEvent", *CALLER, "UserEvent: CallStep", f"Step: {MARK}"), OddCounts(unreadable=1)),
        (step(2).replace(b"Timestamp: 100.000000", b"Timestamp: nan"), OddCounts(unreadable=1)),
        (frame("Response: Success", "ActionID: nobody's", f"Message: {MARK}"), OddCounts(unasked=1)),
        (frame("Response: Error", "Message: Missing action in request"), OddCounts(unasked=1)),
        (frame(f"Output: {MARK}", "Privilege: Command"), OddCounts(no_beginning=1)),
        (b"\xff\xfe\0\r\n\r\n", OddCounts(no_beginning=1)),
        (step(2).replace(b"national", b"nat\xffional"), OddCounts(not_utf8=1)),
        (step(2)[:-4] + b"\r\nEvent: Again\r\n\r\n", OddCounts(second_event=1)),
        (b"\r\n" + step(2), OddCounts()),
        (b"\r\n\r\n", OddCounts()),
        (frame("Event: Newchannel", f"CallerIDName: {MARK}"), OddCounts()),
    ],
)
async def test_what_is_of_no_use_is_counted_by_kind_and_the_stream_goes_on(
    data: bytes, counts: OddCounts, caplog: pytest.LogCaptureFixture
) -> None:
    reader, stream = await greeted()
    reader.data_received(data + step(9))
    assert numbers(stream)[-1] == 9
    assert stream.tally.counts == counts
    assert MARK not in caplog.text
    assert len(caplog.records) == sum(getattr(counts, name) for name in counts.__struct_fields__)


async def test_a_connection_that_ends_within_a_frame_is_counted_as_cut() -> None:
    reader, stream = await greeted()
    reader.data_received(step(2)[:100])
    reader.end("connection-lost")
    assert numbers(stream) == [1]
    assert stream.tally.counts == OddCounts(cut=1)


async def test_an_answer_behind_one_line_end_too_many_is_an_answer() -> None:
    """As what is left of an odd frame before it."""
    reader, stream = await greeted()
    waiting = reader.pending["a-1"] = Pending(as_list=False)
    reader.data_received(b"\r\n" + frame("Response: Success", "ActionID: a-1", "Message: ok"))
    answer, _ = await waiting.future
    assert answer.message == "ok"
    assert stream.tally.counts == OddCounts()


async def test_one_item_that_cannot_be_read_costs_itself_and_not_its_list() -> None:
    reader, stream = await greeted()
    waiting = reader.pending["a-1"] = Pending(as_list=True)
    reader._lists = 1
    begin = frame("Response: Success", "ActionID: a-1", "EventList: start")
    odd = b"Event: QueueMember\r\nActionID: a-1\r\nQueue: \xff\r\n\r\n"
    end = frame("Event: QueueStatusComplete", "ActionID: a-1", "EventList: Complete")
    reader.data_received(begin + odd + end)
    _, items = await waiting.future
    assert items == ["Event: QueueMember\r\nActionID: a-1\r\nQueue: �"]
    assert stream.tally.counts == OddCounts(not_utf8=1)


async def test_a_bug_in_what_is_done_with_an_answer_fails_the_action_and_not_the_stream() -> None:
    def settled(_answer: parse.Answer, _items: list[str]) -> None:
        raise LookupError

    reader, stream = await greeted()
    waiting = reader.pending["a-1"] = Pending(as_list=False, settled=settled)
    reader.data_received(frame("Response: Success", "ActionID: a-1") + step(2))
    with pytest.raises(LookupError):
        await waiting.future
    assert numbers(stream) == [1, 2]


def test_a_pong_that_tells_no_time_leaves_the_clock_alone() -> None:
    for told in ("nan", "inf", "-1", "1e300", "later", ""):
        reply = parse.answer(f"Response: Success\r\nPing: Pong\r\nTimestamp: {told}")
        assert parse.pong_time(reply) is None


async def test_bytes_one_by_one_cost_what_the_frame_is_long() -> None:
    """Each byte is looked at a few times, however long the frame grows: twice the frame, about twice the time."""

    async def cost(size: int) -> float:
        reader, _ = await greeted()
        pieces = [b"x"] * size
        began = time.process_time()
        for piece in pieces:
            reader.data_received(piece)
        return time.process_time() - began

    short = min([await cost(15_000) for _ in range(3)])
    long = min([await cost(240_000) for _ in range(2)])
    assert long < 16 * short * 3  # a copy at each byte would make it 256 times
    assert long < 5.0


def test_each_kind_is_logged_at_once_and_then_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    tally = Tally("pbx1", lambda: now)
    for _ in range(1000):
        tally.note(Odd.UNASKED)
        tally.note(Odd.UNREADABLE, ValueError(MARK))
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    now = LOG_EVERY_SECONDS
    assert tally.note(Odd.UNASKED)
    assert not tally.note(Odd.UNASKED)
    assert caplog.messages[-1].endswith("1001 so far")
    assert "(ValueError)" in caplog.text
    assert MARK not in caplog.text
    assert tally.counts == OddCounts(unasked=1002, unreadable=1000)


def test_every_kind_has_its_count() -> None:
    tally = Tally()
    for kind in Odd:
        tally.note(kind)
    counts = tally.counts
    assert {name: getattr(counts, name) for name in counts.__struct_fields__} == {kind.name.lower(): 1 for kind in Odd}
    assert counts.lost == 3


async def test_an_event_after_a_bad_one_of_the_same_read_is_an_event_of_its_own() -> None:
    reader, stream = await greeted()
    bad = on_channel("UserEvent", *CALLER, "UserEvent: CallStep", "Step: ?")
    reader.data_received(bad + step(2) + bad + step(3))
    assert [event.n for event in stream.events if isinstance(event, CallStep)] == [1, 2, 3]
    assert stream.tally.counts.unreadable == 2
