"""A stolen session opens no thousands of live sockets; a listener's own tabs are not put out by any."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import aiohttp
import pytest

from service.keys import Keyring
from service.push.presence import PAGES_AT_ONCE
from service.push.socket import HEARTBEAT_SECONDS
from service.store.engine import Store
from tests.integration.rights.house import API, open_house

LIVE = f"{API}/live"


async def test_one_session_opens_so_many_pages_and_the_newest_is_refused_until_another_is_closed(
    sqlite_store: Store, keyring: Keyring
) -> None:
    async with open_house(sqlite_store, keyring, casts=["listener"]) as house, AsyncExitStack() as stack:
        lise, paul = house.viewers[:2]

        async def opened() -> aiohttp.ClientWebSocketResponse | aiohttp.WSServerHandshakeError:
            try:
                return await stack.enter_async_context(lise.client.ws_connect(LIVE))
            except aiohttp.WSServerHandshakeError as error:
                return error

        tried = await asyncio.gather(*(opened() for _ in range(PAGES_AT_ONCE + 5)))  # also while they shake hands
        pages = [one for one in tried if isinstance(one, aiohttp.ClientWebSocketResponse)]
        refused = [one for one in tried if isinstance(one, aiohttp.WSServerHandshakeError)]
        assert [one.status for one in refused] == [429] * 5
        assert refused[0].headers is not None
        assert int(refused[0].headers["Retry-After"]) > HEARTBEAT_SECONDS * 1.5, (
            "the socket of a lost page is found then"
        )
        assert (len(pages), house.live.board.pages) == (PAGES_AT_ONCE, PAGES_AT_ONCE)
        for page in pages:
            assert (await page.receive_json())["type"] == "snapshot", "nobody's page was put out"

        async with paul.client.ws_connect(LIVE) as page:
            assert (await page.receive_json())["type"] == "snapshot", "another session has pages of its own"
        await pages[0].close()
        async with asyncio.timeout(10):
            while house.live.board.readers_of(lise.account_id) == PAGES_AT_ONCE:
                await asyncio.sleep(0.01)
        assert isinstance(await opened(), aiohttp.ClientWebSocketResponse)


@pytest.mark.parametrize("times", [PAGES_AT_ONCE * 3])
async def test_who_loads_their_page_again_and_again_is_not_refused(
    sqlite_store: Store, keyring: Keyring, times: int
) -> None:
    async with open_house(sqlite_store, keyring, casts=["listener"]) as house:
        lise = house.viewers[0]
        for _ in range(times):
            async with lise.client.ws_connect(LIVE) as page:
                assert (await page.receive_json())["type"] == "snapshot"
