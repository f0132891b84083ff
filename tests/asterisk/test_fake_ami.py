"""The fake manager interface says what the real one says: the same frames with the same headers in the same order.

Both are asked the same things over a bare socket. Only values that a clock or a state makes may differ.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterator
from typing import Self

import pytest

from pbx.actions import LINE_LIMIT, WRONG_CREDENTIALS
from pbx.commands import ReadRoutes
from pbx.link import LinkConfig
from pbx.odd import OddCounts
from tests.fakes.ami_server import AmiServer
from tests.fakes.reader import linked_to
from tests.support.pbx import PbxUnderTest, start_test_pbx

MEMBER = ("Queue: national", "Interface: PJSIP/l1")
#: What our code asks, as account `service` and as `provision`, and what goes wrong when it is asked wrongly.
AS_SERVICE: list[tuple[str, ...]] = [
    ("Ping",),
    ("CoreStatus",),
    ("CoreSettings",),
    ("Status", "Variables: CALL_ID"),
    ("QueueAdd", *MEMBER, "MemberName: 1"),
    ("QueueStatus",),
    ("QueuePause", "Interface: PJSIP/l1", "Paused: true", "Reason: coffee"),
    ("QueueRemove", *MEMBER),
    ("Setvar", "Variable: SERVICE_HEARTBEAT", "Value: 1"),
    ("Nonsense",),
]
AS_PROVISION: list[tuple[str, ...]] = [
    ("PJSIPShowContacts",),
    ("Reload", "Module: res_pjsip.so"),
    ("DBPut", "Family: centre", "Key: a/queue", "Val: b"),
    ("DBGetTree", "Family: centre"),
    ("DBDel", "Family: centre", "Key: a/queue"),
]
#: Values that may differ: clocks, versions, counts, what has been configured.
_CHANGING = re.compile(r"^(Timestamp|Core\w+|AsteriskVersion|SystemName|Uptime|LastReload): .*$")


class Bare:
    """A socket, logged in; answers as lists of frames."""

    def __init__(self, port: int, account: str, secret: str, *, events: str = "off", login: bool = True) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._data = b""
        self.banner = self._until(b"\r\n")
        if login:
            self.login = self.ask("Login", f"Username: {account}", f"Secret: {secret}", f"Events: {events}")

    def ask(self, name: str, *lines: str) -> list[list[str]]:
        """The answer, and its list; live events in between are left out."""
        text = "\r\n".join((f"Action: {name}", "ActionID: a-1", *lines))
        self._socket.sendall(f"{text}\r\n\r\n".encode())
        frames = [self.frame()]
        while "EventList: start" in frames[0] and "EventList: Complete" not in frames[-1]:
            frames.append(self.frame())
        return frames

    def frame(self, *, live: bool = False) -> list[str]:
        while True:
            lines = self._until(b"\r\n\r\n").lstrip("\r\n").split("\r\n")
            if live or "ActionID: a-1" in lines:
                return [_CHANGING.sub(r"\1: …", line) for line in lines]

    def _until(self, end: bytes) -> str:
        while end not in self._data:
            read = self._socket.recv(65536)
            assert read, "closed"
            self._data += read
        found, _, self._data = self._data.partition(end)
        return found.decode()

    def closed(self) -> bool:
        return self._socket.recv(1) == b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


@pytest.fixture(scope="module")
def pbx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PbxUnderTest]:
    with start_test_pbx(tmp_path_factory.mktemp("pbx"), sounds=False) as pbx:
        yield pbx


def conversation(port: int, account: str, secret: str) -> list[list[list[str]]]:
    """What is said to an account that asks everything that we ask, from the banner on."""
    events = "on" if account == "service" else "off"
    asked = AS_SERVICE if account == "service" else AS_PROVISION
    with Bare(port, account, secret, events=events) as one:
        booted = [one.frame(live=True)] if events == "on" else []
        return [[[one.banner]], one.login, booted, *(one.ask(*action) for action in asked), one.ask("Logoff")]


def without_items(answer: list[list[str]]) -> list[list[str]]:
    """An answer, and of its list the events' names and the end: what is in an item is each test's own."""
    return [answer[0], *([item[0]] for item in answer[1:-1]), answer[-1]] if len(answer) > 1 else answer


@pytest.mark.parametrize("account", ["service", "provision"])
async def test_the_fake_says_what_asterisk_says(pbx: PbxUnderTest, account: str) -> None:
    real = await asyncio.to_thread(conversation, pbx.ports.ami, account, pbx.secrets[account])
    async with AmiServer() as server:
        server.lists["QueueStatus"] = [["Event: QueueParams", "Queue: national"], ["Event: QueueMember", *MEMBER]]
        server.lists["DBGetTree"] = [["Event: DBGetTreeResponse", "Key: /centre/a/queue", "Val: b"]]
        fake = await asyncio.to_thread(conversation, server.port, account, "right")
    assert [without_items(answer) for answer in fake] == [without_items(answer) for answer in real]


def refusals(port: int) -> list[list[str]]:
    """A wrong secret, an unknown account, and an action before the login."""
    found = []
    for account, secret in (("service", "wrong"), ("nobody", "wrong")):
        with Bare(port, account, secret) as one:
            found += one.login
            assert one.closed()
    with Bare(port, "", "", login=False) as one:
        found += one.ask("Ping")
    return found


async def test_the_fake_refuses_as_asterisk_does(pbx: PbxUnderTest) -> None:
    real = await asyncio.to_thread(refusals, pbx.ports.ami)
    async with AmiServer() as server:
        assert await asyncio.to_thread(refusals, server.port) == real
    assert real[0] == ["Response: Error", "ActionID: a-1", f"Message: {WRONG_CREDENTIALS}"]


def test_asterisk_takes_a_line_as_long_as_our_guard_lets_through_and_none_longer(pbx: PbxUnderTest) -> None:
    with Bare(pbx.ports.ami, "service", pbx.secrets["service"]) as one:
        for length, status in ((LINE_LIMIT, "Success"), (LINE_LIMIT + 1, "Error")):
            value = "é" * ((length - len("Value: ")) // 2)
            value += "x" * (length - len(f"Value: {value}".encode()))
            (answer,) = one.ask("Setvar", "Variable: LONG", f"Value: {value}")
            assert answer[0] == f"Response: {status}", answer


async def test_the_provisioning_login_goes_on_after_a_list_of_no_contacts(pbx: PbxUnderTest) -> None:
    """Asterisk refuses that list, with a line feed of its own before the frame's end."""
    config = LinkConfig(
        pbx="pbx1",
        host="127.0.0.1",
        port=pbx.ports.ami,
        username="service",
        secret=pbx.secrets["service"],
        provision_username="provision",
        provision_secret=pbx.secrets["provision"],
    )
    async with linked_to(config) as reader:
        await reader.connected()  # with a list of the contacts, of which there are none
        reply = await reader.link.send(ReadRoutes(pbx="pbx1", family="centre"), timeout=3.0)
        assert reply.values == {}
        assert reader.link.odd == OddCounts()
