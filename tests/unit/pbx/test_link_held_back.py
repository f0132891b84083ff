"""While the consumer is behind, nothing is read: that says nothing about the PBX, however long it takes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from pbx import protocol as bounds
from pbx.commands import Heartbeat
from pbx.facts import CallQueued, PbxLost
from pbx.protocol import PbxProtocol
from pbx.replies import CommandFailed
from tests.fakes.ami_server import AmiServer
from tests.fakes.reader import QUICK, Reader, linked
from tests.unit.pbx.panoramisk_failures.cases import eventually
from tests.unit.pbx.test_protocol import step

HIGH = 200


@pytest.fixture
def low_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "HIGH_WATER", HIGH)
    monkeypatch.setattr(bounds, "LOW_WATER", 50)


def protocol_of(reader: Reader) -> PbxProtocol | None:
    session = reader.link._session
    return None if session is None else session.protocol


def is_paused(protocol: PbxProtocol | None) -> bool:
    return protocol is not None and not protocol.closed and protocol.paused


def connection(reader: Reader) -> PbxProtocol:
    found = protocol_of(reader)
    assert found is not None
    return found


@contextlib.asynccontextmanager
async def held_back(server: AmiServer, reader: Reader) -> AsyncIterator[PbxProtocol]:
    """The consumer stops at one fact; behind it come just so many that the connection is not read any more."""
    reader.held.clear()
    try:
        taken = reader.link.events_taken
        server.send(step(0))
        await eventually(lambda: reader.link.events_taken > taken)
        server.send(b"".join(step(n) for n in range(1, HIGH + 1)))
        await eventually(lambda: connection(reader).paused)
        yield connection(reader)
    finally:
        reader.held.set()


@pytest.mark.usefixtures("low_bounds")
async def test_a_pbx_that_is_held_back_is_not_taken_for_a_silent_one() -> None:
    async with AmiServer() as server, linked(server) as reader:
        await reader.connected()
        async with held_back(server, reader) as held:
            await asyncio.sleep(2 * QUICK.dead_after)  # what must not happen has no condition to wait for
            assert not held.lost.done()
            pings = len(server.actions("Ping"))
        await reader.until(lambda _: reader.count(CallQueued) == HIGH + 1)
        await server.until(lambda: len(server.actions("Ping")) >= pings + 2)
        assert connection(reader) is held
        assert reader.count(PbxLost) == 0


@pytest.mark.usefixtures("low_bounds")
async def test_a_connection_that_ended_while_it_was_held_back_leaves_the_next_one_its_bound() -> None:
    async with AmiServer() as server, linked(server) as reader:
        await reader.connected()
        async with held_back(server, reader) as held:
            server.connections[0].drop()
            async with asyncio.timeout(5):
                while not held.lost.done():  # it is not read, and missed when it is written to
                    with contextlib.suppress(CommandFailed):
                        await reader.link.send(Heartbeat(pbx="pbx1"), timeout=0.05)
            await eventually(lambda: is_paused(protocol_of(reader)))  # for it, too, there is too much that waits
        await reader.connected(times=2)
        assert reader.count(CallQueued) == HIGH + 1
        assert not connection(reader).paused


async def test_queues_are_not_compared_while_the_answer_would_not_be_read() -> None:
    async with AmiServer() as server, linked(server, replace(QUICK, check_queues_every=0.1)) as reader:
        await reader.connected()
        asked = len(server.actions("QueueStatus"))
        await server.until(lambda: len(server.actions("QueueStatus")) > asked)
        held = connection(reader)
        await eventually(lambda: not held.pending)
        held.pause()
        asked = len(server.actions("QueueStatus"))
        await asyncio.sleep(0.4)  # what must not happen has no condition to wait for
        assert len(server.actions("QueueStatus")) == asked
        held.resume()
        await server.until(lambda: len(server.actions("QueueStatus")) > asked)


async def test_silence_is_counted_from_when_a_connection_is_read_again() -> None:
    async with AmiServer() as server, linked(server) as reader:
        await reader.connected()
        held = connection(reader)
        held.pause()
        held.last_byte -= 60.0  # so long nothing was read
        held.resume()
        pings = len(server.actions("Ping"))
        await server.until(lambda: held.lost.done() or len(server.actions("Ping")) >= pings + 2)
        assert not held.lost.done()
