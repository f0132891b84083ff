"""A manager interface that misbehaves on request: what the real one cannot be told to do.

It speaks the protocol over a real socket. Where the real Asterisk can show something, the tests use that instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from types import TracebackType


class Connection:
    """One client: what it sent, and ways to answer it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.received: list[dict[str, str]] = []

    def write(self, data: bytes) -> None:
        """Bytes as they are."""
        self.writer.write(data)

    def frame(self, *lines: str) -> None:
        """A frame of these header lines."""
        self.write(("\r\n".join(lines) + "\r\n\r\n").encode())

    def answer(self, action: dict[str, str], status: str = "Success", *lines: str) -> None:
        """The answer to `action`."""
        self.frame(f"Response: {status}", f"ActionID: {action['ActionID']}", *lines)

    def listing(self, action: dict[str, str], items: Iterable[list[str]], name: str) -> None:
        """A whole list: its beginning, `items`, and its end `<name>Complete`."""
        self.answer(action, "Success", "EventList: start", "Message: Result will follow")
        count = 0
        for item in items:
            count += 1
            self.frame(*item, f"ActionID: {action['ActionID']}")
        end = f"ActionID: {action['ActionID']}"
        self.frame(f"Event: {name}Complete", end, "EventList: Complete", f"ListItems: {count}")

    def drop(self) -> None:
        """Reset the connection."""
        self.writer.transport.abort()


#: Deals with an action in the place of the server's usual answer.
Handler = Callable[[Connection, dict[str, str]], object]


class AmiServer:
    """`async with AmiServer() as server:` listens on `server.port`.

    `secrets`: by account. `lists`: items by action. `handlers`: by action, tried first. `silent`: read, never answer
    (a half-open connection). `started`: what CoreStatus says.
    """

    def __init__(self, *, secrets: dict[str, str] | None = None) -> None:
        self.secrets = secrets or {"service": "right", "provision": "right"}
        self.handlers: dict[str, Handler] = {}
        self.lists: dict[str, list[list[str]]] = {"Status": [], "QueueStatus": [], "PJSIPShowContacts": []}
        self.silent = False
        self.boots = True
        self.started = "10:00:00"
        self.clock_ahead = 0.0
        self.connections: list[Connection] = []
        self.logins: list[tuple[str, bool]] = []
        self.port = 0
        self._changed = asyncio.Condition()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> AmiServer:
        await self.listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def listen(self) -> None:
        """Listen, on the same port as before if there was one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and reset every connection."""
        if self._server is not None:
            self._server.close()
            for connection in self.connections:
                connection.drop()
            await self._server.wait_closed()
            self._server = None

    # --- what was received -----------------------------------------------------------------------------------------

    def actions(self, name: str) -> list[dict[str, str]]:
        """Every action of that name, over all connections."""
        return [action for one in self.connections for action in one.received if action.get("Action") == name]

    async def until(self, condition: Callable[[], bool], seconds: float = 5.0) -> None:
        """Wait until `condition` holds; it is looked at whenever something was received."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(condition)

    def event(self, *lines: str) -> None:
        """An event to every connection of the account `service` that is still open."""
        for connection in self.connections:
            hears = connection.received and connection.received[0].get("Username") == "service"
            if hears and not connection.writer.transport.is_closing():
                connection.frame(*lines)

    # --- serving ---------------------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer)
        self.connections.append(connection)
        connection.write(b"Asterisk Call Manager/11.0.0\r\n")
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                text = (await reader.readuntil(b"\r\n\r\n")).decode()
                pairs = (line.split(": ", 1) for line in text.split("\r\n") if ": " in line)
                action = {pair[0]: pair[1] for pair in pairs}
                connection.received.append(action)
                async with self._changed:
                    self._changed.notify_all()
                if not self.silent:
                    self._react(connection, action)
                    await writer.drain()
        writer.transport.abort()

    def _react(self, connection: Connection, action: dict[str, str]) -> None:
        name = action.get("Action", "")
        handler = self.handlers.get(name)
        if handler is not None:
            handler(connection, action)
        elif name == "Login":
            self._login(connection, action)
        elif name in self.lists:
            connection.listing(action, self.lists[name], name)
        elif name == "Ping":
            now = time.time() + self.clock_ahead
            connection.answer(action, "Success", "Ping: Pong", f"Timestamp: {now:.6f}")
        elif name == "CoreStatus":
            connection.answer(action, "Success", "CoreStartupDate: 2026-01-01", f"CoreStartupTime: {self.started}")
        elif name == "CoreSettings":
            connection.answer(action, "Success", "AsteriskVersion: 22.10.1")
        elif name == "Logoff":
            connection.answer(action, "Goodbye", "Message: Thanks for all the fish.")
            connection.writer.close()
        else:
            connection.answer(action, "Success", "Message: ok")

    def _login(self, connection: Connection, action: dict[str, str]) -> None:
        accepted = self.secrets.get(action["Username"]) == action["Secret"]
        self.logins.append((action["Username"], accepted))
        if not accepted:
            connection.answer(action, "Error", "Message: Authentication failed")
            connection.writer.close()
            return
        connection.answer(action, "Success", "Message: Authentication accepted")
        if self.boots and action.get("Events") == "on":
            connection.frame("Event: FullyBooted", "Privilege: system,all", "Status: Fully Booted")
