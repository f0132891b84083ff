"""How a connection begins and ends where the other side does not play along."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import termios
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from typing import Any

import pytest
import uvloop
from panoramisk.actions import Action as WireAction

from pbx.protocol import EventStream, PbxProtocol, Pending
from pbx.session import LoginFailed, Session
from tests.fakes.ami_server import AmiServer
from tests.fakes.reader import QUICK


def session_at(port: int, **timing: float) -> Session:
    return Session(
        host="127.0.0.1",
        port=port,
        username="service",
        secret="right",
        events=True,
        stream=EventStream(),
        clock=time.time,
        timing=replace(QUICK, **timing),
    )


@pytest.fixture
def full_port() -> Iterator[int]:
    """Somebody listens there and takes nobody any more: the kernel leaves further connections without an answer."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        port = listening.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        yield port
        for one in waiting:
            one.close()


async def test_a_host_that_does_not_answer_at_all_has_a_deadline(full_port: int) -> None:
    async with asyncio.timeout(2):
        with pytest.raises(LoginFailed, match="unreachable"):
            await session_at(full_port, connect=0.2).open()


async def test_a_goodbye_ends_the_connection_whether_or_not_the_pbx_does() -> None:
    async with AmiServer() as server:
        server.handlers["Logoff"] = lambda connection, action: connection.answer(action, "Goodbye")
        session = session_at(server.port)
        protocol = await session.open()
        await session.goodbye()
        assert protocol.lost.result() == "closed"
        await server.until(server.connections[0].writer.transport.is_closing, 2)


def _unread(connection: socket.socket) -> int:
    return int(struct.unpack("i", fcntl.ioctl(connection, termios.FIONREAD, b"\0" * 4))[0])


def _read_to_the_end(connection: socket.socket) -> tuple[int, bool]:
    """Bytes that arrive, and whether the connection was reset behind them."""
    count = 0
    try:
        while data := connection.recv(1 << 16):
            count += len(data)
    except ConnectionResetError:
        return count, True
    return count, False


async def _commands_under_way() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_connection(
            lambda: PbxProtocol(EventStream(), time.time), *listening.getsockname()
        )
        there, _ = listening.accept()
        with there:
            there.settimeout(5)
            while not protocol.transport.get_write_buffer_size():  # until the kernels of both sides are full
                fields = {"Action": "Hangup", "Channel": "PJSIP/l1-00000001", "Cause": "31"}
                protocol.submit(WireAction(fields), Pending(as_list=False))
            waiting = list(protocol.pending.values())
            arrived = _unread(there)
            protocol.end("no-answer")
            await asyncio.gather(*(one.future for one in waiting), return_exceptions=True)
            read, reset = await asyncio.to_thread(_read_to_the_end, there)
            assert (reset, read) == (True, arrived)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_commands_that_are_under_way_when_a_connection_is_given_up_never_arrive(
    run: Callable[[Coroutine[Any, Any, None]], None],
) -> None:
    run(_commands_under_way())
