"""The session with the PBX, over a real socket, with a manager interface that misbehaves.

Each test of the first part is a failure that was demonstrated with panoramisk's own classes: ours do not show it
(docs/ami-session.md has them all).
"""

from __future__ import annotations

import asyncio
import time

import pytest

from pbx.commands import (
    AddMember,
    Command,
    DropLostLeg,
    EndConversation,
    PauseMember,
    PutRoute,
    ReadRoutes,
    WithdrawCaller,
)
from pbx.facts import CallQueued, PbxLost, PbxRefused
from pbx.link import CommandRefused, NotConnected, OutcomeUnknown, Timing
from tests.fakes.ami_server import AmiServer, Connection
from tests.fakes.reader import QUICK, linked
from tests.unit.pbx.ami_frames import CALL, CALLER, on_channel


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
        assert (await reader.link.send(pause())).message == "Interface paused successfully"


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


async def test_a_login_that_is_not_accepted_for_another_reason_is_tried_again() -> None:
    def busy(connection: Connection, action: dict[str, str]) -> None:
        connection.answer(action, "Error", "Message: Login Already In Use")
        connection.close()

    async with AmiServer() as server:
        server.handlers["Login"] = busy
        async with linked(server) as reader:
            await server.until(lambda: len(server.actions("Login")) >= 3)
            del server.handlers["Login"]
            await reader.connected()
            assert reader.count(PbxLost) == 1
            assert reader.count(PbxRefused) == 0


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
