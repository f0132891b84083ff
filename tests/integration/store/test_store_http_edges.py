"""Edges of the web side: a client lost in the middle of what it sends; what anybody may ask as often as they like."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry
from yarl import URL

from service.accounts.rights import Role
from service.health.traffic import NOTES_ROUTE, Traffic
from service.http import system
from service.http.app import create_app
from service.http.options import HttpOptions, own_origins
from service.keys import Keyring
from service.store.engine import Store
from tests.integration.store.site import API, TABLES, Open, Site
from tests.support.free_ports import free_port


class Watched:
    """A site whose answers are told to `traffic`, as the service has it; `statuses`: of saving notes."""

    def __init__(self) -> None:
        self.traffic = Traffic(CollectorRegistry())
        self.statuses: asyncio.Queue[int] = asyncio.Queue()

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        self.traffic.answered(method, route, status, seconds)
        if (method, route) == NOTES_ROUTE:
            self.statuses.put_nowait(status)


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
async def watched_site(store: Store, keyring: Keyring, watched: Watched) -> AsyncIterator[Site]:
    """Served as the service does it: what was begun for a lost client goes on, where aiohttp's test server ends it."""
    port = free_port()
    application = create_app(
        store=store,
        keyring=keyring,
        tables=TABLES,
        options=HttpOptions(origins=own_origins(host="127.0.0.1", port=port)),
        answered=watched.answered,
    )
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        async with AsyncExitStack() as stack:
            yield Site(store, keyring, URL(f"http://127.0.0.1:{port}"), stack)
    finally:
        await runner.cleanup()


async def _lost_in_mid_body(base: URL, client: aiohttp.ClientSession, path: str, *, reset: bool) -> None:
    """Half of a body, then the connection is gone: with a goodbye (FIN), or without (RST)."""
    _, writer = await asyncio.open_connection(base.host, base.port)
    cookies = "; ".join(f"{name}={one.value}" for name, one in client.cookie_jar.filter_cookies(base).items())
    head = {
        "Host": f"{base.host}:{base.port}",
        "Origin": str(base.origin()),
        "Cookie": cookies,
        "Content-Type": "application/json",
        "Content-Length": "5000",
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    writer.write(f'PUT {path} HTTP/1.1\r\n{lines}\r\n{{"text": "Elle dit'.encode())
    await writer.drain()
    if reset:
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)


@pytest.mark.parametrize("reset", [False, True], ids=["goodbye", "reset"])
async def test_one_listener_s_bad_network_tells_no_other_that_nothing_is_saved(
    watched_site: Site, watched: Watched, reset: bool
) -> None:
    account_id, client = await watched_site.signed_in("lise", Role.LISTENER)
    opened = await watched_site.answered(account_id)
    path = f"{API}/contacts/{opened.contact_id}/notes"
    with structlog.testing.capture_logs() as said:
        await _lost_in_mid_body(watched_site.base, client, path, reset=reset)
        status = await asyncio.wait_for(watched.statuses.get(), 15)
    assert status == 499
    assert not watched.traffic.fail(time.monotonic())
    assert [line for line in said if line["log_level"] != "debug"] == []
    async with client.put(path, json={"text": "Elle dit tout", "version": 0}) as response:
        assert response.status == 200


# --- what anybody may ask ---------------------------------------------------------------------------------------------


async def test_of_many_who_ask_at_once_how_ready_it_is_one_goes_and_looks(
    open_site: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock:
        monotonic = staticmethod(lambda: 1_000.0)  # so that what was found holds, however long all of them take

    monkeypatch.setattr(system, "time", Clock)
    looks = 0

    async def looked_at() -> None:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0)

    site = await open_site(readiness={"pbx": looked_at})
    client = await site.visitor()

    async def ask() -> int:
        async with client.get("/readyz") as response:
            return response.status

    assert await asyncio.gather(*(ask() for _ in range(20))) == [200] * 20
    assert looks == 1


async def test_what_became_of_a_part_is_seen_as_soon_as_what_was_found_holds_no_more(
    open_site: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = False
    now = 1_000.0

    async def part() -> None:
        if away:
            raise ConnectionError

    class Clock:
        monotonic = staticmethod(lambda: now)

    monkeypatch.setattr(system, "time", Clock)
    client = await (await open_site(readiness={"pbx": part})).visitor()

    async def ask() -> Any:
        async with client.get("/readyz") as response:
            return response.status, (await response.json())["reasons"]

    assert await ask() == (200, [])
    away = True
    now += system.READINESS_HOLDS_SECONDS
    assert await ask() == (503, ["pbx-does-not-answer"])
    away = False
    now += system.READINESS_HOLDS_SECONDS
    assert await ask() == (200, [])


async def test_the_description_is_written_once_whoever_asks(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    client = await site.visitor()
    written, dumps = [], json.dumps

    def counted(*args: Any, **named: Any) -> str:
        written.append(1)
        return dumps(*args, **named)

    monkeypatch.setattr(json, "dumps", counted)
    bodies = set()
    for _ in range(3):
        async with client.get(f"{API}/openapi.json") as response:
            assert response.content_type == "application/json"
            bodies.add(await response.read())
    assert (len(bodies), len(written)) == (1, 1)
