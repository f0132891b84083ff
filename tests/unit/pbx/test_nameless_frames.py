"""Frames that do not say of which call, channel, bridge or membership they are: counted, and applied to nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pbx.commands import ReadQueues
from pbx.odd import OddCounts
from pbx.replies import ListNotWhole
from pbx.state import PbxState
from tests.fakes.ami_server import AmiServer
from tests.fakes.reader import linked
from tests.unit.pbx.ami_frames import CALL, CALLER, frame, leg, on_channel
from tests.unit.pbx.test_protocol import BANNER, connected, numbers, step

STEP = ("UserEvent: CallStep", f"CallId: {CALL}", "Step: 2", "What: queued", "Detail: national")
RING = ("UserEvent: Ring", f"CallId: {CALL}", "Queue: national")
MEMBERSHIP = ("Queue: national", "Interface: PJSIP/l1", "Status: 1", "Paused: 0", "InCall: 0")
CALLED = (
    f"ChanVariable: CALL_ID={CALL}",
    "Queue: national",
    "Interface: PJSIP/l1",
    f"DestChannel: {leg(1)[0]}",
    f"DestUniqueid: {leg(1)[1]}",
)
WHOLE = {
    "step": on_channel("UserEvent", *CALLER, *STEP),
    "step in another order": on_channel("UserEvent", *CALLER, *STEP[:1], *reversed(STEP[1:])),
    "ring": on_channel("UserEvent", *leg(1), *RING),
    "called": frame("Event: AgentCalled", *CALLED),
    "enter": on_channel("BridgeEnter", *CALLER, "BridgeUniqueid: b-1"),
    "leave": on_channel("BridgeLeave", *CALLER, "BridgeUniqueid: b-1"),
    "hangup": on_channel("Hangup", *CALLER, "Cause: 16"),
    "added": frame("Event: QueueMemberAdded", *MEMBERSHIP),
    "paused": frame("Event: QueueMemberPause", *MEMBERSHIP),
    "status": frame("Event: QueueMemberStatus", *MEMBERSHIP),
    "removed": frame("Event: QueueMemberRemoved", *MEMBERSHIP),
}
NEEDED = {
    "step": ("CallId", "Uniqueid"),
    "step in another order": ("CallId", "Uniqueid"),
    "ring": ("CallId", "Uniqueid", "Channel"),
    "called": ("Queue", "Interface", "DestUniqueid"),
    "enter": ("Uniqueid", "BridgeUniqueid"),
    "leave": ("Uniqueid", "BridgeUniqueid"),
    "hangup": ("Uniqueid",),
    "added": ("Queue", "Interface"),
    "paused": ("Queue", "Interface"),
    "status": ("Queue", "Interface"),
    "removed": ("Queue", "Interface"),
}


def without(data: bytes, header: str) -> bytes:
    return b"\r\n".join(line for line in data.split(b"\r\n") if not line.startswith(f"{header}: ".encode()))


def emptied(data: bytes, header: str) -> bytes:
    start = f"{header}: ".encode()
    return b"\r\n".join(start if line.startswith(start) else line for line in data.split(b"\r\n"))


@pytest.mark.parametrize("kind", WHOLE)
async def test_a_whole_frame_is_read(kind: str) -> None:
    reader, stream, _ = connected()
    reader.data_received(BANNER + WHOLE[kind])
    assert len(stream.events) == 1
    assert stream.tally.counts == OddCounts()


@pytest.mark.parametrize(("kind", "header"), [(kind, header) for kind in NEEDED for header in NEEDED[kind]])
@pytest.mark.parametrize("spoil", [without, emptied])
async def test_a_frame_that_does_not_say_of_what_it_is_is_counted_and_the_stream_goes_on(
    kind: str, header: str, spoil: Callable[[bytes, str], bytes]
) -> None:
    reader, stream, _ = connected()
    reader.data_received(BANNER + spoil(WHOLE[kind], header) + step(9))
    assert numbers(stream) == [9]
    assert stream.tally.counts == OddCounts(unreadable=1)


async def test_frames_of_their_names_alone_put_nothing_on_the_board() -> None:
    reader, stream, _ = connected()
    kinds = {data.split(b"\r\n", 1)[0] for data in WHOLE.values()} - {b"Event: UserEvent", b"Event: AgentCalled"}
    bare = [
        *(kind + b"\r\nPrivilege: call,all\r\n\r\n" for kind in kinds),
        frame("Event: UserEvent", "UserEvent: CallStep", "Step: 2"),
    ]
    reader.data_received(BANNER + b"".join(bare))
    state = PbxState("pbx1")
    facts = [fact for event in stream.events for fact in state.apply(event)]
    assert (facts, state.calls, state.members) == ([], {}, {})
    assert stream.tally.counts == OddCounts(unreadable=len(bare))


async def test_an_entry_of_the_snapshot_that_does_not_say_of_what_it_is_costs_itself_alone() -> None:
    member = ["Event: QueueMember", "Queue: national", "Location: PJSIP/l1", "Status: 1"]
    nameless = ["Event: Status", f"Channel: {CALLER[0]}", f"Variable: CALL_ID={CALL}", "Variable: STEP=2"]
    async with AmiServer() as server:
        server.lists["QueueStatus"] = [["Event: QueueMember", "Status: 1"], member]
        server.lists["Status"] = [nameless]
        async with linked(server) as reader:
            await reader.connected()
            assert list(reader.link.state.members) == ["PJSIP/l1"]
            assert reader.link.state.calls == {}
            assert reader.link.odd == OddCounts(unreadable=2)


async def test_memberships_that_are_asked_for_and_cannot_all_be_read_are_not_taken_for_all() -> None:
    async with AmiServer() as server, linked(server) as reader:
        await reader.connected()
        server.lists["QueueStatus"] = [["Event: QueueMember", "Queue: national", "Status: 1"]]
        with pytest.raises(ListNotWhole):
            await reader.link.send(ReadQueues(pbx="pbx1"))
