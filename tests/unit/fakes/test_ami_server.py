"""The fake manager interface does what its description says: as a client with a bare socket sees it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from tests.fakes.ami_server import BANNER, LISTS, MESSAGES, AmiServer

LOGIN = ("Login", "Username: service", "Secret: right", "Events: on")


class Client:
    """As little as can speak the protocol."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def ask(self, name: str, *lines: str, action_id: str = "1") -> None:
        text = "\r\n".join([f"Action: {name}", f"ActionID: {action_id}", *lines])
        self.writer.write(f"{text}\r\n\r\n".encode())

    async def frame(self) -> list[str]:
        async with asyncio.timeout(5):
            return (await self.reader.readuntil(b"\r\n\r\n")).decode().removesuffix("\r\n\r\n").split("\r\n")

    async def told(self, name: str, *lines: str) -> list[str]:
        self.ask(name, *lines)
        return await self.frame()

    async def rest(self) -> bytes:
        """Everything until the other side closes; a reset is an end, too."""
        found = b""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(5):
                while data := await self.reader.read(65536):
                    found += data
        return found


@contextlib.asynccontextmanager
async def client(server: AmiServer, *, login: bool = False) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        one = Client(reader, writer)
        if login:
            assert await reader.readline() == BANNER
            assert (await one.told(*LOGIN))[0] == "Response: Success"
            if server.boots:
                assert (await one.frame())[0] == "Event: FullyBooted"
        yield one
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_it_greets_lets_in_and_says_that_it_has_booted() -> None:
    async with AmiServer() as server, client(server, login=True):
        assert server.logins == [("service", True)]
        assert [action["Action"] for action in server.connections[0].received] == ["Login"]


async def test_a_wrong_secret_is_refused_and_the_connection_closed() -> None:
    async with AmiServer() as server, client(server) as one:
        await one.reader.readline()
        answer = await one.told("Login", "Username: service", "Secret: wrong")
        assert answer == ["Response: Error", "ActionID: 1", "Message: Authentication failed"]
        assert await one.rest() == b""
        assert server.logins == [("service", False)]


async def test_nothing_is_answered_to_who_has_not_logged_in() -> None:
    async with AmiServer() as server, client(server) as one:
        await one.reader.readline()
        assert await one.told("Ping") == ["Response: Error", "ActionID: 1", "Message: Permission denied"]


async def test_every_action_that_it_knows_is_answered_with_its_id() -> None:
    async with AmiServer() as server, client(server, login=True) as one:
        for name in [*MESSAGES, "Ping", "CoreStatus", "CoreSettings"]:
            assert (await one.told(name))[:2] == ["Response: Success", "ActionID: 1"]
        unknown = await one.told("Nonsense")
        assert unknown[0] == "Response: Error"
        assert unknown[2].startswith("Message: Invalid/unknown command: Nonsense")
        assert (await one.told("Logoff"))[0] == "Response: Goodbye"
        assert await one.rest() == b""


@pytest.mark.parametrize("name", LISTS)
async def test_a_list_has_its_beginning_its_items_and_its_end(name: str) -> None:
    async with AmiServer() as server, client(server, login=True) as one:
        server.lists[name] = [["Event: Item", "N: 1"], ["Event: Item", "N: 2"]]
        assert (await one.told(name))[:3] == ["Response: Success", "ActionID: 1", "EventList: start"]
        assert [await one.frame() for _ in range(2)] == [
            ["Event: Item", "N: 1", "ActionID: 1"],
            ["Event: Item", "N: 2", "ActionID: 1"],
        ]
        end = await one.frame()
        assert end[:4] == [f"Event: {LISTS[name][1]}", "ActionID: 1", "EventList: Complete", "ListItems: 2"]


async def test_a_handler_answers_in_its_place() -> None:
    async with AmiServer() as server, client(server, login=True) as one:
        server.handlers["Hangup"] = lambda connection, action: connection.answer(action, "Error", "Message: no")
        assert await one.told("Hangup") == ["Response: Error", "ActionID: 1", "Message: no"]


async def test_an_event_goes_to_the_service_and_to_nobody_else() -> None:
    async with AmiServer() as server, client(server, login=True) as service, client(server) as provision:
        await provision.reader.readline()
        await provision.told("Login", "Username: provision", "Secret: right", "Events: off")
        server.event("Event: Hangup", "Cause: 16")
        assert await service.frame() == ["Event: Hangup", "Cause: 16"]
        assert (await provision.told("Ping"))[2] == "Ping: Pong"  # nothing came before it


async def test_until_waits_for_what_a_client_says_and_for_its_leaving() -> None:
    async with AmiServer() as server, client(server, login=True) as one:
        one.ask("Hangup", "Channel: PJSIP/l1")
        await server.until(lambda: server.actions("Hangup"))
        one.writer.close()
        await server.until(server.connections[0].writer.transport.is_closing)
        with pytest.raises(TimeoutError):
            await server.until(lambda: False, 0.05)


async def test_silent_it_reads_and_says_nothing() -> None:
    async with AmiServer() as server, client(server, login=True) as one:
        server.silent = True
        one.ask("Ping")
        await server.until(lambda: server.actions("Ping"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(one.reader.read(1), 0.1)
        server.silent = False
        assert (await one.told("Ping"))[2] == "Ping: Pong"


async def test_silent_from_the_first_it_does_not_even_greet() -> None:
    async with AmiServer() as server:
        server.silent = True
        async with client(server) as one:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(one.reader.read(1), 0.1)


async def test_refusing_it_resets_before_a_word() -> None:
    async with AmiServer() as server:
        server.refuses = True
        async with client(server) as one:
            assert await one.rest() == b""
        assert len(server.connections) == 1


async def test_another_banner_is_said_instead() -> None:
    async with AmiServer() as server:
        server.banner = b"HTTP/1.1 400 Bad Request\r\n"
        async with client(server) as one:
            assert await one.reader.readline() == b"HTTP/1.1 400 Bad Request\r\n"


async def test_it_need_not_say_that_it_has_booted() -> None:
    async with AmiServer() as server:
        server.boots = False
        async with client(server, login=True) as one:
            assert (await one.told("Ping"))[2] == "Ping: Pong"


async def test_latency_delays_each_write_and_keeps_their_order() -> None:
    async with AmiServer() as server, client(server, login=True) as one:
        server.latency = 0.1
        began = time.monotonic()
        one.ask("Ping", action_id="a")
        one.ask("Ping", action_id="b")
        assert [(await one.frame())[1] for _ in range(2)] == ["ActionID: a", "ActionID: b"]
        assert 0.2 <= time.monotonic() - began < 2.0


async def test_in_pieces_each_byte_is_a_read_of_its_own() -> None:
    sizes: list[int] = []

    class Counting(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            sizes.append(len(data))

    async with AmiServer() as server:
        server.piece = 1
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(Counting, "127.0.0.1", server.port)
        async with asyncio.timeout(5):
            while sum(sizes) < len(BANNER):
                await asyncio.sleep(0)
        assert sizes == [1] * len(BANNER)
        transport.close()


async def test_cut_in_mid_frame_it_resets_once_after_so_many_bytes() -> None:
    async with AmiServer() as server:
        async with client(server, login=True) as one:
            server.cut_after = 10
            server.event("Event: Hangup", "Cause: 16")
            assert await one.rest() == b"Event: Han"
        async with client(server, login=True) as one:
            assert (await one.told("Ping"))[2] == "Ping: Pong"


async def test_dropped_it_loses_what_waits_and_closed_it_does_not() -> None:
    async with AmiServer() as server:
        async with client(server, login=True) as one:
            server.connections[-1].write(b"x" * 100)
            server.connections[-1].drop()
            assert await one.rest() == b""
        async with client(server, login=True) as one:
            server.connections[-1].write(b"x" * 100)
            server.connections[-1].close()
            assert await one.rest() == b"x" * 100


async def test_what_a_client_does_not_read_is_held_back() -> None:
    async with AmiServer() as server, client(server, login=True):
        server.send(b"x" * 20_000_000)
        await asyncio.sleep(0.1)
        assert server.connections[0].held_back > 10_000_000


async def test_it_stops_and_listens_again_on_the_same_port() -> None:
    async with AmiServer() as server:
        async with client(server, login=True) as one:
            port = server.port
            await server.stop()
            assert await one.rest() == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        await server.listen()
        assert server.port == port
        async with client(server, login=True):
            pass


async def test_an_action_without_a_name_is_an_error() -> None:
    async with AmiServer() as server, client(server, login=True) as one:
        one.writer.write(b"Nothing: x\r\n\r\n")
        assert await one.frame() == ["Response: Error", "Message: Missing action in request"]


async def test_the_clock_is_as_far_ahead_as_it_is_told() -> None:
    async with AmiServer() as server, client(server, login=True) as one:
        server.clock_ahead = 3600.0
        stamp = (await one.told("Ping"))[3].removeprefix("Timestamp: ")
        assert abs(float(stamp) - time.time() - 3600) < 5
