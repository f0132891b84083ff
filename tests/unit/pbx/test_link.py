"""The session with the PBX, over a real socket, with a manager interface that misbehaves.

Each test of the first part is a failure that was demonstrated with panoramisk's own classes (ASTERISK.md): ours do not
show it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from pbx.commands import (
    AddMember,
    Command,
    DropLostLeg,
    EndConversation,
    Heartbeat,
    PauseMember,
    PutRoute,
    ReadRoutes,
    ReloadPhones,
    WithdrawCaller,
)
from pbx.facts import CallQueued, MemberChanged, MemberRemoved, PbxConnected, PbxLost, PbxRefused, PhoneChanged
from pbx.link import CommandRefused, LinkConfig, NotConnected, OutcomeUnknown, PbxLink, Timing
from tests.fakes.ami_server import AmiServer, Connection
from tests.fakes.reader import Reader
from tests.unit.pbx.ami_frames import CALL, CALLER, Wire, on_channel

QUICK = Timing(
    connect=1.0,
    login=0.6,
    boot=0.3,
    listing=1.0,
    ping_every=0.2,
    dead_after=0.6,
    look_every=0.05,
    retry_first=0.05,
    retry_most=0.4,
    retry_refused=1.5,
    check_queues_every=30.0,
    provision_idle=0.3,
)


@contextlib.asynccontextmanager
async def linked(
    server: AmiServer,
    timing: Timing = QUICK,
    secret: str = "right",  # noqa: S107 - of the fake
) -> AsyncIterator[Reader]:
    config = LinkConfig(
        pbx="pbx1",
        host="127.0.0.1",
        port=server.port,
        username="service",
        secret=secret,
        provision_username="provision",
        provision_secret="right",
    )
    reader = Reader(PbxLink(config, timing))
    try:
        yield reader
    finally:
        await reader.close()


def pause() -> PauseMember:
    return PauseMember(pbx="pbx1", interface="PJSIP/l1", paused=True, reason="breathing-space")


async def test_a_drop_fails_what_waits_with_outcome_unknown_and_sends_nothing_again() -> None:
    async with AmiServer() as server, linked(server) as reader:
        await reader.connected()
        server.handlers["QueuePause"] = lambda connection, _: connection.drop()
        async with asyncio.timeout(1):  # at once, and not at the action's own deadline
            with pytest.raises(OutcomeUnknown):
                await reader.link.send(pause())
        await reader.connected(times=2)
        assert reader.count(PbxLost) == 1
        assert len(server.actions("QueuePause")) == 1


async def test_an_action_without_an_answer_ends_at_its_deadline_and_a_late_answer_is_dropped() -> None:
    late: list[tuple[Connection, dict[str, str]]] = []
    async with AmiServer() as server, linked(server) as reader:
        await reader.connected()
        server.handlers["QueuePause"] = lambda connection, action: late.append((connection, action))
        with pytest.raises(OutcomeUnknown):
            await reader.link.send(pause(), timeout=0.1)
        late[0][0].answer(late[0][1], "Success")
        del server.handlers["QueuePause"]
        assert (await reader.link.send(pause())).message == "ok"


async def test_an_error_answered_to_a_list_ends_the_list() -> None:
    async with AmiServer() as server, linked(server) as reader:
        await reader.connected()
        server.handlers["DBGetTree"] = lambda one, action: one.answer(action, "Error", "Message: Permission denied")
        with pytest.raises(CommandRefused) as refused:
            await reader.link.send(ReadRoutes(pbx="pbx1", family="centre"))
        assert refused.value.id == "permission-denied"


async def test_a_list_that_stops_half_way_fails_when_the_connection_drops_and_at_the_deadline() -> None:
    def half(connection: Connection, action: dict[str, str]) -> None:
        connection.answer(action, "Success", "EventList: start")
        connection.frame(
            "Event: DBGetTreeResponse", "Key: /centre/a/queue", "Val: a", f"ActionID: {action['ActionID']}"
        )

    async with AmiServer() as server, linked(server) as reader:
        await reader.connected()
        server.handlers["DBGetTree"] = half
        with pytest.raises(OutcomeUnknown):
            await reader.link.send(ReadRoutes(pbx="pbx1", family="centre"), timeout=0.1)

        def half_and_gone(connection: Connection, action: dict[str, str]) -> None:
            half(connection, action)
            connection.drop()

        server.handlers["DBGetTree"] = half_and_gone
        with pytest.raises(OutcomeUnknown):
            await reader.link.send(ReadRoutes(pbx="pbx1", family="centre"))


async def test_a_list_is_read_to_its_end() -> None:
    async with AmiServer() as server, linked(server) as reader:
        await reader.connected()
        keys = [["Event: DBGetTreeResponse", f"Key: /centre/centre-{n}/queue", f"Val: {n}"] for n in range(300)]
        server.lists["DBGetTree"] = keys
        reply = await reader.link.send(ReadRoutes(pbx="pbx1", family="centre"))
        assert reply.values["centre-299/queue"] == "299"
        assert len(reply.values) == 300


async def test_a_half_open_connection_is_noticed_and_left() -> None:
    async with AmiServer() as server, linked(server) as reader:
        await reader.connected()
        server.silent = True
        began = time.monotonic()
        await reader.until(lambda facts: facts and isinstance(facts[-1], PbxLost))
        assert time.monotonic() - began < 1.2
        assert not reader.link.connected
        server.silent = False
        await reader.connected(times=2)


async def test_a_silence_is_counted_from_the_last_byte_and_not_from_the_next_ping() -> None:
    timing = Timing(ping_every=0.8, dead_after=1.0, look_every=0.05, retry_first=0.05)
    async with AmiServer() as server, linked(server, timing) as reader:
        await reader.connected()
        pings = len(server.actions("Ping"))
        await server.until(lambda: len(server.actions("Ping")) > pings)
        await asyncio.sleep(0.1)  # the answer is on its way
        server.silent = True
        began = time.monotonic()
        await reader.until(lambda facts: facts and isinstance(facts[-1], PbxLost))
        assert time.monotonic() - began < 1.4
        server.silent = False


async def test_a_pbx_that_speaks_but_answers_nothing_is_left() -> None:
    async with AmiServer() as server, linked(server) as reader:
        await reader.connected()
        server.handlers["Ping"] = lambda *_: None
        async with asyncio.timeout(3):
            while not reader.count(PbxLost):
                server.event("Event: Hangup", "Cause: 16")
                await asyncio.sleep(0.05)


def test_a_silence_is_noticed_within_three_seconds() -> None:
    timing = Timing()
    assert timing.dead_after + timing.look_every <= 3.0


async def test_refused_credentials_are_told_once_and_tried_again_slowly() -> None:
    async with AmiServer() as server, linked(server, secret="wrong") as reader:
        await reader.until(lambda facts: [type(fact) for fact in facts] == [PbxRefused])
        refused_at = time.monotonic()
        await server.until(lambda: len(server.logins) == 2)
        assert time.monotonic() - refused_at >= 1.0
        server.secrets["service"] = "wrong"
        await reader.connected()
        assert reader.count(PbxRefused) == 1


async def test_a_login_that_is_not_answered_has_a_deadline() -> None:
    async with AmiServer() as server:
        server.silent = True
        async with linked(server) as reader:
            await reader.until(lambda facts: facts and isinstance(facts[-1], PbxLost), 3)
            server.silent = False
            await reader.connected()
            assert reader.count(PbxLost) == 1


async def test_nobody_there_is_told_once_and_tried_until_somebody_is() -> None:
    async with AmiServer() as server:
        await server.stop()
        async with linked(server) as reader:
            await reader.until(lambda facts: facts and isinstance(facts[-1], PbxLost))
            with pytest.raises(NotConnected):
                await reader.link.send(pause())
            await server.listen()
            await reader.connected()
            assert reader.count(PbxLost) == 1


async def test_nothing_connects_again_after_close() -> None:
    async with AmiServer() as server:
        async with linked(server) as reader:
            await reader.connected()
        logins = len(server.logins)
        assert server.actions("Logoff")
        with pytest.raises(NotConnected):
            await reader.link.send(pause())
        await asyncio.sleep(QUICK.retry_most)  # what must not happen has no condition to wait for
        assert len(server.logins) == logins


async def test_closing_fails_what_waits() -> None:
    async with AmiServer() as server, linked(server) as reader:
        await reader.connected()
        server.handlers["QueuePause"] = lambda *_: True
        sent = asyncio.create_task(reader.link.send(pause()))
        await server.until(lambda: bool(server.actions("QueuePause")))
        await reader.link.close()
        with pytest.raises(OutcomeUnknown):
            await sent


async def test_an_asterisk_that_does_not_say_that_it_has_booted_is_asked_all_the_same() -> None:
    async with AmiServer() as server:
        server.boots = False
        async with linked(server) as reader:
            await reader.connected()


async def test_a_slow_consumer_loses_nothing() -> None:
    # The server lives in the same loop and cannot answer while it writes so much at once.
    async with AmiServer() as server, linked(server, Timing(dead_after=60.0)) as reader:
        await reader.connected()
        reader.held.clear()
        for n in range(1, 30_001):
            words = ("UserEvent: CallStep", f"CallId: {CALL}", f"Step: {n}", "What: queued", "Detail: national")
            server.event(*on_channel("UserEvent", *CALLER, *words).decode().removesuffix("\r\n\r\n").split("\r\n"))
        reader.held.set()
        await reader.until(lambda _: reader.count(CallQueued) == 30_000, 30)
        assert [fact.ordinal for fact in reader.facts if isinstance(fact, CallQueued)] == list(range(1, 30_001))


INJECTED = "PJSIP/l1\r\nAction: Originate"


@pytest.mark.parametrize(
    "command",
    [
        PauseMember(pbx="pbx1", interface=INJECTED, paused=True),
        PauseMember(pbx="pbx1", interface="PJSIP/l1", paused=True, reason="a\nb"),
        AddMember(pbx="pbx1", queue="national", interface="PJSIP/l1", name="1\r"),
        WithdrawCaller(pbx="pbx1", queue="national", channel=INJECTED, info="ask"),
        PutRoute(pbx="pbx1", family="centre", key="a\r\nb", value="x"),
    ],
)
async def test_a_line_end_in_a_value_never_leaves_us(command: Command) -> None:
    async with AmiServer() as server, linked(server) as reader:
        await reader.connected()
        with pytest.raises(CommandRefused) as refused:
            await reader.link.send(command)
        assert refused.value.id == "control-character"
        assert "Originate" not in str(refused.value)
        assert not server.actions("Originate")


@pytest.mark.parametrize("channel", ["", "/PJSIP/.*"])
async def test_only_one_named_leg_can_be_hung_up(channel: str) -> None:
    async with AmiServer() as server, linked(server) as reader:
        await reader.connected()
        for command in (EndConversation(pbx="pbx1", channel=channel), DropLostLeg(pbx="pbx1", channel=channel)):
            with pytest.raises(CommandRefused):
                await reader.link.send(command)
        assert not server.actions("Hangup")


# --- commands ------------------------------------------------------------------------------------------------------


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
            (beat,) = server.actions("Setvar")
            assert beat["Variable"] == "SERVICE_HEARTBEAT"
            assert abs(int(beat["Value"]) - time.time() - 3600) < 2


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
                MemberChanged,
                MemberChanged,
                PhoneChanged,
                PhoneChanged,
                PbxConnected,
            ]
            state = reader.link.state
            assert state.members["PJSIP/l1"].queues == {"national", "centre-38"}
            assert state.members["PJSIP/l1"].pause_reason == "wrap-up"
            assert state.phones == {"l1": True, "l2": False}


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
        assert reader.link.failed == 0
