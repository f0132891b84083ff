"""Somebody who tries to sign in on very many connections at once, each anew as soon as it was answered.

A process of its own, so that the service has its own to itself: python -m tests.integration.rights.flood URL HOW_MANY.
Says `begun` at the first answer, and `flowing` once there were twice as many answers as connections.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from yarl import URL


async def _try(client: aiohttp.ClientSession, answered: asyncio.Semaphore, who: int) -> None:
    tries = 0
    while True:
        tries += 1
        body = {"username": f"nobody{who}-{tries}", "password": "guessed"}
        async with client.post("/api/v1/session", json=body) as response:
            await response.read()
        answered.release()


async def _flood(base: URL, connections: int) -> None:
    answered, unbound = asyncio.Semaphore(0), aiohttp.TCPConnector(limit=0)
    headers = {"Origin": str(base.origin())}
    async with (
        aiohttp.ClientSession(base, connector=unbound, headers=headers) as client,
        asyncio.TaskGroup() as crowd,
    ):
        for who in range(connections):
            crowd.create_task(_try(client, answered, who))
        await answered.acquire()
        print("begun", flush=True)
        for _ in range(2 * connections):
            await answered.acquire()
        print("flowing", flush=True)


@asynccontextmanager
async def flood(base: URL, connections: int) -> AsyncIterator[asyncio.Task[None]]:
    """It has begun, and lasts as long as the block. The task is done once it flows."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, str(base), str(connections), stdout=asyncio.subprocess.PIPE
    )

    async def says(word: str) -> None:
        assert process.stdout is not None
        assert (await process.stdout.readline()).decode().strip() == word, "it ended before"

    flows: asyncio.Task[None] | None = None
    try:
        await asyncio.wait_for(says("begun"), 60)
        flows = asyncio.create_task(says("flowing"))
        yield flows
        assert process.returncode is None, "it ended before"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        if flows is not None:
            await asyncio.wait([flows])


if __name__ == "__main__":
    asyncio.run(_flood(URL(sys.argv[1]), int(sys.argv[2])))
