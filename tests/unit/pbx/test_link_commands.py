"""Commands to a PBX and what it says when a session begins, over a real socket to the fake manager interface."""

from __future__ import annotations

import asyncio
import time

import pytest

from pbx.commands import DropLostLeg, EndConversation, Heartbeat, PutRoute, ReloadPhones
from pbx.facts import CallQueued, MemberChanged, MemberRemoved, PbxConnected, PhoneChanged
from pbx.link import CommandRefused, PbxLink, Timing
from pbx.steady import since_boot, this_boot
from tests.fakes.ami_server import AmiServer
from tests.fakes.reader import QUICK, config_of, linked
from tests.unit.pbx.ami_frames import CALL, CALLER, Wire


async def test_a_listeners_end_and_a_lost_leg_differ_by_their_cause() -> None:
    async with AmiServer() as server, linked(server) as reader:
        await reader.connected()
        await reader.link.send(EndConversation(pbx="pbx1", channel="PJSIP/l1-00000001"))
        await reader.link.send(DropLostLeg(pbx="pbx1", channel="PJSIP/l1-00000001"))
        assert [action["Cause"] for action in server.actions("Hangup")] == ["31", "44"]


async def test_the_heartbeat_is_on_the_pbxs_clock() -> None:
    async with AmiServer() as server:
        server.clock_ahead = 3600.0
        async with linked(server) as reader:
            await reader.connected()
            assert abs(reader.link.clock_offset - 3600) < 1
            await reader.link.send(Heartbeat(pbx="pbx1"))
            beat = server.actions("Setvar")[-1]
            assert beat["Variable"] == "SERVICE_HEARTBEAT"
            assert abs(int(beat["Value"]) - time.time() - 3600) < 2


def _set_back_while_somebody_watched(server: AmiServer, *, waiting: bool) -> None:
    """Its clock was set back by an hour since its times were anchored, and it was told so."""
    server.clock_ahead = -3600.0
    anchor = f"{this_boot()} {time.time() - since_boot()}"
    server.handlers["Getvar"] = lambda connection, action: connection.answer(
        action, "Success", f"Variable: {action['Variable']}", f"Value: {anchor}"
    )
    caller = [
        "Event: Status", f"Channel: {CALLER[0]}", f"Uniqueid: {CALLER[1]}", f"Linkedid: {CALLER[1]}", "BridgeID: ",
        "ChannelState: 6", f"Variable: CALL_ID={CALL}", "Variable: STEP=2", "Variable: STAGE=waiting",
        f"Variable: ARRIVED={int(time.time())}", "Variable: STEP_WHAT=queued", "Variable: STEP_DETAIL=national",
    ]  # fmt: skip
    server.lists["Status"] = [caller] if waiting else []


def _clock_set_by(server: AmiServer) -> list[str]:
    """What the PBX was told of it, in order."""
    return [action["Value"] for action in server.actions("Setvar") if action["Variable"] == "CLOCK_SET"]


async def test_a_service_that_starts_anew_leaves_the_clock_of_callers_who_wait_as_it_is() -> None:
    async with AmiServer() as server:
        _set_back_while_somebody_watched(server, waiting=True)
        async with linked(server) as reader:
            await reader.connected()
            assert list(reader.link.state.calls) == [CALL]
            pings = len(server.actions("Ping"))
            await server.until(lambda: len(server.actions("Ping")) > pings + 2)
            assert _clock_set_by(server) == ["-3600"]


async def test_calls_that_were_listed_and_not_looked_at_yet_keep_their_clock() -> None:
    async with AmiServer() as server:
        _set_back_while_somebody_watched(server, waiting=True)
        link = PbxLink(config_of(server), QUICK)
        running = asyncio.create_task(link.run())
        await server.until(lambda: link.connected)
        pings = len(server.actions("Ping"))
        await server.until(lambda: len(server.actions("Ping")) > pings + 2)
        assert not link.state.calls
        assert _clock_set_by(server) == ["-3600"]
        await link.close()
        await running


async def test_a_service_that_starts_anew_where_nobody_calls_goes_by_the_clock_as_it_is() -> None:
    async with AmiServer() as server:
        _set_back_while_somebody_watched(server, waiting=False)
        async with linked(server):
            await server.until(lambda: _clock_set_by(server) == ["-3600", "0"])


async def test_what_needs_system_goes_through_the_provisioning_account_which_hears_no_events() -> None:
    async with AmiServer() as server, linked(server) as reader:
        await reader.connected()
        await reader.link.send(ReloadPhones(pbx="pbx1"))
        await reader.link.send(PutRoute(pbx="pbx1", family="department", key="38", value="centre-38"))
        await reader.link.send(PutRoute(pbx="pbx1", family="department", key="39", value=""))
        service, provision = (
            next(one for one in server.connections if one.received[0]["Username"] == name)
            for name in ("service", "provision")
        )
        assert [action["Action"] for action in provision.received] == [
            "Login",
            "PJSIPShowContacts",
            "Reload",
            "DBPut",
            "DBDel",
        ]
        assert provision.received[0]["Events"] == "off"
        assert not {"Reload", "DBPut", "DBDel"} & {action["Action"] for action in service.received}
        await server.until(provision.writer.transport.is_closing, 2)


async def test_a_route_that_is_already_gone_is_gone() -> None:
    message = "Message: Database entry could not be deleted"
    async with AmiServer() as server, linked(server) as reader:
        await reader.connected()
        server.handlers["DBDel"] = lambda one, action: one.answer(action, "Error", message)
        await reader.link.send(PutRoute(pbx="pbx1", family="department", key="39", value=""))


async def test_a_command_for_another_pbx_is_refused() -> None:
    async with AmiServer() as server, linked(server) as reader:
        await reader.connected()
        with pytest.raises(CommandRefused):
            await reader.link.send(Heartbeat(pbx="pbx2"))


# --- events and snapshot -------------------------------------------------------------------------------------------


def member(queue: str, interface: str, *, paused: int = 0, status: int = 1) -> list[str]:
    return [
        "Event: QueueMember",
        f"Queue: {queue}",
        "Name: 1",
        f"Location: {interface}",
        f"StateInterface: {interface}",
        "InCall: 0",
        f"Status: {status}",
        f"Paused: {paused}",
        "PausedReason: wrap-up",
    ]


async def test_the_snapshot_is_there_before_the_word_connected() -> None:
    async with AmiServer() as server:
        server.lists["QueueStatus"] = [
            ["Event: QueueParams", "Queue: national"],
            member("national", "PJSIP/l1", paused=1),
            member("centre-38", "PJSIP/l1", paused=1),
        ]
        server.lists["PJSIPShowContacts"] = [
            ["Event: ContactList", "Endpoint: l1", "Uri: sip:l1@127.0.0.1:5062", "Status: Reachable"],
            ["Event: ContactList", "Endpoint: l2", "Uri: sip:l2@127.0.0.1:5063", "Status: Unreachable"],
        ]
        async with linked(server) as reader:
            await reader.connected()
            assert [type(fact) for fact in reader.facts] == [
                PhoneChanged,
                PhoneChanged,
                MemberChanged,
                MemberChanged,
                PbxConnected,
            ]
            state = reader.link.state
            assert state.members["PJSIP/l1"].queues == {"national", "centre-38"}
            assert state.members["PJSIP/l1"].pause_reason == "wrap-up"
            assert state.phones == {"l1": True, "l2": False}


async def test_one_member_that_cannot_be_read_costs_itself_and_not_the_session() -> None:
    async with AmiServer() as server:
        odd = [*member("national", "PJSIP/l1"), "Timestamp: nan"]
        server.lists["QueueStatus"] = [odd, member("national", "PJSIP/l2")]
        async with linked(server) as reader:
            await reader.connected()
            assert set(reader.link.state.members) == {"PJSIP/l2"}
            assert reader.link.odd.unreadable == 1


async def test_who_left_the_queue_meanwhile_is_told_after_the_reconnection() -> None:
    async with AmiServer() as server:
        server.lists["QueueStatus"] = [member("national", "PJSIP/l1"), member("national", "PJSIP/l2")]
        async with linked(server) as reader:
            await reader.connected()
            server.lists["QueueStatus"] = [member("national", "PJSIP/l2")]
            for connection in server.connections:
                connection.drop()
            await reader.connected(times=2)
            assert [fact.interface for fact in reader.facts if isinstance(fact, MemberRemoved)] == ["PJSIP/l1"]
            assert set(reader.link.state.members) == {"PJSIP/l2"}


async def test_queue_data_that_events_got_wrong_is_put_right_and_counted() -> None:
    async with AmiServer() as server:
        server.lists["QueueStatus"] = [member("national", "PJSIP/l1")]
        timing = Timing(check_queues_every=0.1)
        async with linked(server, timing) as reader:
            await reader.connected()
            server.lists["QueueStatus"] = [member("national", "PJSIP/l1", status=5)]
            await reader.until(lambda _: reader.count(MemberChanged) == 2)
            assert reader.link.state.corrections == 1


async def test_facts_of_a_call_come_out_in_order() -> None:
    wire = Wire()
    wire.step(1, "entered none +33199003133 999")
    wire.step(2, "queued national")
    async with AmiServer() as server, linked(server) as reader:
        await reader.connected()
        for _, data in wire.live:
            server.event(*data.decode().removesuffix("\r\n\r\n").split("\r\n"))
        await reader.until(lambda facts: facts and isinstance(facts[-1], CallQueued))
        assert reader.link.state.calls[CALL].queue == "national"
        assert reader.link.odd.lost == 0
