"""A manager interface that misbehaves on request: what the real one cannot be told to do.

It speaks the protocol over a real socket, with the words of Asterisk 22.10.1 (tests/asterisk/test_fake_ami.py compares
both, so that it cannot drift). Where the real Asterisk can show something, the tests use that instead.

    async with AmiServer() as server:               # listens on 127.0.0.1, server.port
        server.lists["QueueStatus"] = [[...]]       # header lines of each item of a list
        server.handlers["Hangup"] = lambda connection, action: connection.answer(action, "Error", "Message: no")
        ...
        server.event("Event: Hangup", "Cause: 16")  # to every login of the account `service`
        await server.until(lambda: server.actions("Hangup"))

What it keeps: `connections`, `logins` as (account, accepted), and each connection's `received` actions, in order.

What can go wrong, for every connection, from the next write on and until it is set back:

    silent      reads and answers nothing: a half-open connection, or a PBX that hangs
    refuses     accepts a connection and resets it before a word
    banner      its first line; b"" for none
    boots       False: never says FullyBooted, as to an account without read class system
    latency     seconds before each write
    piece       bytes per write, each a read of its own at the other side; 0: whole
    cut_after   resets the connection after so many bytes more, once, in the middle of a frame if it falls so

and of one connection: `write` (any bytes), `drop` (reset now), `close` (after what is written).

What it does not do: rights, calls, queues. An action is answered as one that worked; the real one waits a second before
it refuses a login.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType

BANNER = b"Asterisk Call Manager/11.0.0\r\n"

#: What Asterisk answers to an action that worked.
MESSAGES = {
    "DBDel": "Key deleted successfully",
    "DBPut": "Updated database successfully",
    "Hangup": "Channel Hungup",
    "Originate": "Originate successfully queued",
    "QueueAdd": "Added interface to queue",
    "QueuePause": "Interface paused successfully",
    "QueueRemove": "Removed interface from queue",
    "QueueWithdrawCaller": "Withdraw requested successfully",
    "Reload": "Module Reloaded",
    "Setvar": "Variable Set",
}
#: What it answers to CoreSettings.
SETTINGS = (
    "AMIversion: 11.0.0",
    "AsteriskVersion: 22.10.1",
    "SystemName: pbx1",
    "CoreMaxCalls: 0",
    "CoreMaxLoadAvg: 0.000000",
    "CoreRunUser: ",
    "CoreRunGroup: ",
    "CoreMaxFilehandles: 65536",
    "CoreRealTimeEnabled: No",
    "CoreCDRenabled: No",
    "CoreHTTPenabled: No",
    "SoundsSearchCustomDir: No",
)
#: Action → first words and last event of its list.
LISTS = {
    "DBGetTree": ("Result will follow", "DBGetTreeComplete"),
    "PJSIPShowContacts": ("A listing of Contacts follows, presented as ContactList events", "ContactListComplete"),
    "QueueStatus": ("Queue status will follow", "QueueStatusComplete"),
    "Status": ("Channel status will follow", "StatusComplete"),
}


class Connection:
    """One client: what it sent, and ways to answer it. What is written goes out in order, by one task."""

    def __init__(self, server: AmiServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.account = ""  #: logged in as
        self.received: list[dict[str, str]] = []
        self._server = server
        self._waiting: deque[bytes | None] = deque()
        self._more = asyncio.Event()
        self.writing = asyncio.create_task(self._write())

    @property
    def held_back(self) -> int:
        """Bytes that the client has not taken from us."""
        buffered = self.writer.transport.get_write_buffer_size()
        return buffered + sum(len(data) for data in self._waiting if data is not None)

    def write(self, data: bytes) -> None:
        """Bytes as they are."""
        self._waiting.append(data)
        self._more.set()

    def frame(self, *lines: str) -> None:
        """A frame of these header lines."""
        self.write(("\r\n".join(lines) + "\r\n\r\n").encode())

    def answer(self, action: dict[str, str], status: str = "Success", *lines: str) -> None:
        """The answer to `action`."""
        own = [f"ActionID: {action['ActionID']}"] if "ActionID" in action else []
        self.frame(f"Response: {status}", *own, *lines)

    def listing(self, action: dict[str, str], items: Iterable[list[str]]) -> None:
        """A whole list: its beginning, `items`, and its end."""
        begins, ends = LISTS[action["Action"]]
        self.answer(action, "Success", "EventList: start", f"Message: {begins}")
        own = f"ActionID: {action['ActionID']}"
        count = 0
        for item in items:
            count += 1
            self.frame(*item, own)
        more = [f"Items: {count}"] if action["Action"] == "Status" else []
        self.frame(f"Event: {ends}", own, "EventList: Complete", f"ListItems: {count}", *more)

    def close(self) -> None:
        """Close once everything is written."""
        self._waiting.append(None)
        self._more.set()

    def drop(self) -> None:
        """Reset the connection now: what waits to be written is lost."""
        self.writer.transport.abort()

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await self._more.wait()
                while self._waiting:
                    data = self._waiting.popleft()
                    if data is None:
                        self.writer.close()
                        return
                    await self._out(data)
                self._more.clear()

    async def _out(self, data: bytes) -> None:
        server = self._server
        if server.latency:
            await asyncio.sleep(server.latency)
        left = server.cut_after
        if left is not None:
            data = data[:left]
            server.cut_after = left - len(data)
        step = server.piece or max(1, len(data))
        for start in range(0, len(data), step):
            self.writer.write(data[start : start + step])
            await self.writer.drain()
            if server.piece:  # the other side, in the same loop, reads it by itself: it is seen, then it is read
                await asyncio.sleep(0)
                await asyncio.sleep(0)
        if server.cut_after == 0:
            server.cut_after = None
            self.drop()


#: Deals with an action in the place of the server's usual answer.
Handler = Callable[[Connection, dict[str, str]], object]


class AmiServer:
    """See the module. `secrets`: by account. `started`, `clock_ahead`: what CoreStatus and Ping say."""

    def __init__(self, *, secrets: dict[str, str] | None = None) -> None:
        self.secrets = secrets or {"service": "right", "provision": "right"}
        self.handlers: dict[str, Handler] = {}
        self.lists: dict[str, list[list[str]]] = {name: [] for name in LISTS}
        self.silent = False
        self.refuses = False
        self.banner = BANNER
        self.boots = True
        self.latency = 0.0
        self.piece = 0
        self.cut_after: int | None = None
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
                connection.writing.cancel()
            await asyncio.gather(*(one.writing for one in self.connections), return_exceptions=True)
            await self._server.wait_closed()
            self._server = None

    # --- what was received -----------------------------------------------------------------------------------------

    def actions(self, name: str) -> list[dict[str, str]]:
        """Every action of that name, over all connections."""
        return [action for one in self.connections for action in one.received if action.get("Action") == name]

    async def until(self, condition: Callable[[], object], seconds: float = 5.0) -> None:
        """Wait until `condition` holds; it is looked at whenever somebody came, said something or left."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(condition)

    def event(self, *lines: str) -> None:
        """An event to every connection of the account `service` that is still open."""
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode())

    def send(self, data: bytes) -> None:
        """Bytes as they are, to the same."""
        for connection in self.connections:
            if connection.account == "service" and not connection.writer.transport.is_closing():
                connection.write(data)

    # --- serving ---------------------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(self, reader, writer)
        self.connections.append(connection)
        await self._tell()
        if self.refuses:
            connection.drop()
        elif not self.silent:
            connection.write(self.banner)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                text = (await reader.readuntil(b"\r\n\r\n")).decode()
                pairs = (line.split(": ", 1) for line in text.split("\r\n") if ": " in line)
                action = {pair[0]: pair[1] for pair in pairs}
                connection.received.append(action)
                if not self.silent:
                    self._react(connection, action)
                await self._tell()
        writer.transport.abort()
        connection.writing.cancel()
        await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _react(self, connection: Connection, action: dict[str, str]) -> None:
        name = action.get("Action", "")
        handler = self.handlers.get(name)
        if handler is not None:
            handler(connection, action)
        elif not name:
            connection.answer(action, "Error", "Message: Missing action in request")
        elif name == "Login":
            self._login(connection, action)
        elif name == "Logoff":
            connection.answer(action, "Goodbye", "Message: Thanks for all the fish.")
            connection.close()
        elif not connection.account:
            connection.answer(action, "Error", "Message: Permission denied")
        elif name in LISTS:
            self._list(connection, action)
        else:
            self._answer(connection, action, name)

    def _answer(self, connection: Connection, action: dict[str, str], name: str) -> None:
        if name == "Ping":
            now = time.time() + self.clock_ahead
            connection.answer(action, "Success", "Ping: Pong", f"Timestamp: {now:.6f}")
        elif name == "CoreStatus":
            start = ("CoreStartupDate: 2026-01-01", f"CoreStartupTime: {self.started}")
            reload = ("CoreReloadDate: 2026-01-01", f"CoreReloadTime: {self.started}")
            connection.answer(action, "Success", *start, *reload, "CoreCurrentCalls: 0", "CoreProcessedCalls: 0")
        elif name == "CoreSettings":
            connection.answer(action, "Success", *SETTINGS)
        elif name in MESSAGES:
            connection.answer(action, "Success", f"Message: {MESSAGES[name]}")
        else:
            hint = "Use Action: ListCommands to show available commands."
            connection.answer(action, "Error", f"Message: Invalid/unknown command: {name}. {hint}")

    def _list(self, connection: Connection, action: dict[str, str]) -> None:
        items = self.lists[action["Action"]]
        if items or action["Action"] != "PJSIPShowContacts":
            connection.listing(action, items)
        else:
            connection.answer(action, "Error", "Message: No Contacts found\n")  # the real one, too, has that line feed

    def _login(self, connection: Connection, action: dict[str, str]) -> None:
        username = action.get("Username", "")
        accepted = self.secrets.get(username) == action.get("Secret")
        self.logins.append((username, accepted))
        if not accepted:
            connection.answer(action, "Error", "Message: Authentication failed")
            connection.close()
            return
        connection.account = username
        connection.answer(action, "Success", "Message: Authentication accepted")
        if self.boots and action.get("Events") == "on":
            words = ("Privilege: system,all", "Uptime: 1", "LastReload: 1", "Status: Fully Booted")
            connection.frame("Event: FullyBooted", *words)
