"""A page's view of an application: a real server on a free port, a client that keeps cookies and says its origin."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import CookieJar, web
from aiohttp.test_utils import TestServer
from yarl import URL

from service.http.options import own_origins
from tests.support.free_ports import free_port


@asynccontextmanager
async def serving(make: Callable[[frozenset[str]], web.Application]) -> AsyncIterator[URL]:
    """The application that `make` builds for its own origins, served; its address."""
    port = free_port()
    server = TestServer(make(own_origins(host="127.0.0.1", port=port)), host="127.0.0.1", port=port)
    await server.start_server()
    try:
        yield URL(f"http://127.0.0.1:{port}")
    finally:
        await server.close()


@asynccontextmanager
async def browser(base: URL) -> AsyncIterator[aiohttp.ClientSession]:
    """A client with its own cookies, whose requests come from a page at `base`."""
    jar = CookieJar(unsafe=True, treat_as_secure_origin=[base])
    async with aiohttp.ClientSession(base, cookie_jar=jar, headers={"Origin": str(base.origin())}) as session:
        yield session
