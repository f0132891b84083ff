"""Connecting again, being held back, and letting go: the link over a real socket to the fake manager interface."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import socket
import statistics
import struct
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from pbx.commands import PauseMember
from pbx.facts import CallQueued, PbxLost
from pbx.link import OutcomeUnknown, PbxLink, backoff
from pbx.protocol import FRAME_CAP, HIGH_WATER, LOW_WATER, EventStream, PbxProtocol
from pbx.session import LoginFailed, Session, Timing
from tests.fakes.ami_server import AmiServer, Connection
from tests.fakes.reader import QUICK, Reader, config_of, linked, linked_to
from tests.unit.pbx.ami_frames import frame
from tests.unit.pbx.test_protocol import step

TIMING = Timing()


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_the_wait_doubles_from_the_first_to_the_most_and_half_of_it_is_by_chance(failures: int, drawn: float) -> None:
    whole = min(TIMING.retry_most, TIMING.retry_first * 2.0 ** min(failures, 100))
    assert backoff(failures, TIMING, lambda: drawn) == pytest.approx(whole / 2 + drawn * whole / 2)


def test_many_services_do_not_come_back_at_once() -> None:
    draw = random.Random(1).random  # noqa: S311 - a test's own, guards nothing
    waits = [backoff(3, TIMING, draw) for _ in range(2000)]
    whole = 8 * TIMING.retry_first
    assert whole / 2 <= min(waits) < 0.51 * whole
    assert 0.99 * whole < max(waits) <= whole
    quartiles = statistics.quantiles(waits, n=4)
    assert quartiles == pytest.approx([0.625 * whole, 0.75 * whole, 0.875 * whole], rel=0.03)


def test_by_default_the_chance_is_not_the_same_twice() -> None:
    assert len({backoff(3, TIMING) for _ in range(10)}) > 1


async def test_a_pbx_that_resets_every_connection_is_tried_at_growing_intervals() -> None:
    came: list[float] = []
    async with AmiServer() as server:
        server.refuses = True
        async with linked(server) as reader:
            while len(came) < 6:
                await server.until(lambda: len(server.connections) > len(came))
                came.append(time.monotonic())
            gaps = [after - before for before, after in itertools.pairwise(came)]
            for failures, gap in enumerate(gaps, 1):
                assert gap >= backoff(failures, QUICK, lambda: 0.0) - 0.01
            server.refuses = False
            await reader.connected()
            assert reader.count(PbxLost) == 1


async def test_a_pbx_that_takes_the_login_and_then_drops_is_tried_at_growing_intervals() -> None:
    came: list[float] = []

    def dropped(connection: Connection, _action: dict[str, str]) -> None:
        came.append(time.monotonic())
        connection.drop()

    async with AmiServer() as server:
        server.handlers["CoreStatus"] = dropped
        async with linked(server) as reader:
            await server.until(lambda: len(came) >= 5)
            for failures, (before, after) in enumerate(itertools.pairwise(came), 1):
                assert after - before >= backoff(failures, QUICK, lambda: 0.0) - 0.01
            del server.handlers["CoreStatus"]
            await reader.connected()
            assert reader.count(PbxLost) == 1


class Ended(PbxProtocol):
    """Over before the login can be sent: what came first was no manager interface's greeting."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.end("not-a-manager-interface")


async def test_a_connection_that_is_over_before_the_login_is_a_login_that_failed() -> None:
    async with AmiServer() as server:
        session = Session(
            host="127.0.0.1",
            port=server.port,
            username="service",
            secret="right",
            events=True,
            stream=EventStream(),
            clock=time.time,
            timing=QUICK,
            protocol=Ended,
        )
        with pytest.raises(LoginFailed, match="not-a-manager-interface"):
            await session.open()


def _speak_first(listening: socket.socket, came: list[float]) -> None:
    """A stranger, in a thread: its bytes are often there before the connection is ours to use."""
    with contextlib.suppress(OSError):  # the test closes the socket
        while True:
            connection, _ = listening.accept()
            came.append(time.monotonic())
            with connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def _among_strangers() -> None:
    """The link tries on, tells it once, and finds the PBX in the end."""
    came: list[float] = []
    timing = replace(QUICK, retry_first=0.002, retry_most=0.004)
    async with AmiServer() as server:
        config = config_of(server)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            thread = threading.Thread(target=_speak_first, args=(listening, came))
            thread.start()
            port = listening.getsockname()[1]
            async with linked_to(replace(config, port=port), timing) as reader, asyncio.timeout(20):
                while len(came) < 300:
                    assert not reader.ended, "the link gave up"
                    await asyncio.sleep(0.01)
                assert reader.count(PbxLost) == 1
                reader.link.config = config
                await reader.connected()
            listening.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        assert not thread.is_alive()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_a_stranger_on_the_port_who_speaks_first_is_no_end_of_the_link(
    run: Callable[[Coroutine[Any, Any, None]], None],
) -> None:
    run(_among_strangers())


async def test_a_fault_of_ours_in_a_session_is_told_and_the_next_one_is_tried(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    faults, open_session = iter(range(3)), Session.open

    async def opened(session: Session) -> PbxProtocol:
        if next(faults, None) is not None:
            raise RuntimeError("a fault of ours")
        return await open_session(session)

    monkeypatch.setattr(Session, "open", opened)
    async with AmiServer() as server, linked(server) as reader:
        await reader.connected()
        assert reader.count(PbxLost) == 1
        assert server.actions("Login")
    told = [record for record in caplog.records if record.exc_info and "a fault of ours" in record.message]
    assert len(told) == 3


async def test_a_session_that_held_is_followed_by_an_attempt_at_once() -> None:
    timing = replace(QUICK, retry_first=0.02, retry_most=60.0, steady=0.05)
    async with AmiServer() as server, linked(server, timing) as reader:
        for times in range(1, 9):
            await reader.connected(times=times)
            await asyncio.sleep(0.1)  # it holds
            for connection in server.connections[-2:]:
                connection.drop()
        began = time.monotonic()  # without a fresh start the ninth attempt would be 2.5 to 5 s away
        await reader.connected(times=9)
        assert time.monotonic() - began < 1.5


async def test_a_consumer_that_is_behind_holds_the_pbx_back_and_nothing_is_lost() -> None:
    """The real bounds, over a real socket: what is not read stays with the sender."""
    async with AmiServer() as server, linked(server, Timing(dead_after=60.0)) as reader:
        await reader.connected()
        reader.held.clear()
        sent, stream = 0, reader.link._stream
        async with asyncio.timeout(30):
            while sum(one.held_back for one in server.connections) < 4_000_000:
                server.send(b"".join(step(n) for n in range(sent, sent + 500)))
                sent += 500
                await asyncio.sleep(0)
        assert HIGH_WATER <= len(stream.events) < HIGH_WATER + 2000
        waiting = len(stream.events)
        await asyncio.sleep(0.3)
        assert len(stream.events) == waiting  # nothing more is read, however long it takes
        assert reader.link.connected
        reader.held.set()
        await reader.until(lambda _: reader.count(CallQueued) == sent, 60)
        assert [fact.ordinal for fact in reader.facts if isinstance(fact, CallQueued)] == list(range(sent))
        assert LOW_WATER < HIGH_WATER < sent


async def test_a_frame_beyond_the_cap_and_one_that_is_cut_cost_themselves_alone_over_a_socket() -> None:
    async with AmiServer() as server, linked(server) as reader:
        await reader.connected()
        server.send(frame("Event: UserEvent", "UserEvent: CallStep", "Detail: " + "x" * (4 * FRAME_CAP)) + step(1))
        await reader.until(lambda _: reader.count(CallQueued) == 1)
        server.cut_after = 100
        server.send(step(2))
        await reader.connected(times=2)
        server.send(step(3))
        await reader.until(lambda _: reader.count(CallQueued) == 2)
        assert (reader.link.odd.too_long, reader.link.odd.cut) == (1, 1)


async def test_a_late_answer_and_one_that_nobody_asked_for_are_counted() -> None:
    async with AmiServer() as server, linked(server) as reader:
        await reader.connected()
        server.handlers["QueuePause"] = lambda *_: None
        command = PauseMember(pbx="pbx1", interface="PJSIP/l1", paused=True, reason="coffee")
        with pytest.raises(OutcomeUnknown):
            await reader.link.send(command, timeout=0.05)
        (late,) = server.actions("QueuePause")
        server.event("Response: Success", f"ActionID: {late['ActionID']}", "Message: Interface paused successfully")
        server.event("Response: Success", "ActionID: nobody-s", "Message: ok")
        server.send(step(1))
        await reader.until(lambda _: reader.count(CallQueued) == 1)
        assert reader.link.odd.unasked == 2
        assert reader.link.odd.lost == 0


async def test_close_does_not_wait_for_a_pbx_that_does_not_answer_the_login() -> None:
    async with AmiServer() as server:
        server.silent = True
        link = PbxLink(config_of(server), replace(QUICK, login=60.0))
        running = asyncio.create_task(link.run())
        await server.until(lambda: server.actions("Login"))
        began = time.monotonic()
        await link.close()
        await running
        assert time.monotonic() - began < 5.0
        await server.until(lambda: all(one.writer.transport.is_closing() for one in server.connections))


async def test_the_end_of_a_closed_session_is_told_though_events_come_with_the_goodbye() -> None:
    def goodbye(connection: Connection, action: dict[str, str]) -> None:
        answer = frame("Response: Goodbye", f"ActionID: {action['ActionID']}")
        connection.write(step(1) + answer + step(2))  # one read: what is told here wakes the reader of facts
        connection.close()

    async with AmiServer() as server:
        server.handlers["Logoff"] = goodbye
        reader = Reader(PbxLink(config_of(server), QUICK))
        await reader.connected()
        await reader.close()
        assert reader.count(PbxLost) == 1


async def test_a_link_that_is_cancelled_leaves_neither_task_nor_socket() -> None:
    before = asyncio.all_tasks()
    async with AmiServer() as server:
        link = PbxLink(config_of(server), QUICK)
        running = asyncio.create_task(link.run())
        await server.until(lambda: server.actions("PJSIPShowContacts"))
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await server.until(lambda: all(one.writer.transport.is_closing() for one in server.connections))
    assert {task for task in asyncio.all_tasks() - before if not task.done()} == set()


async def test_a_slow_network_that_delivers_byte_by_byte_changes_nothing() -> None:
    async with AmiServer() as server:
        server.piece = 1
        async with linked(server) as reader:
            await reader.connected()
            server.send(step(1) + step(2))
            await reader.until(lambda _: reader.count(CallQueued) == 2)
            assert reader.count(PbxLost) == 0
