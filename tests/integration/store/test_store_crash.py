"""Whatever was acknowledged is there after the process was killed at any instant."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from service.accounts.model import FailedSignIn
from service.store.engine import Store
from tests.integration.store.conftest import NOW
from tests.support.wait import until

_WRITER = """
import asyncio, sys
from datetime import UTC, datetime
from service.accounts.model import FailedSignIn
from service.store.engine import Store

async def main():
    store = Store(sys.argv[1])
    for number in range(100_000):
        async with store.transaction() as session:
            session.add(FailedSignIn(username_index=str(number), address_index="a", at=datetime.now(UTC)))
        print(number, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("acknowledged", [1, 40, 117])
async def test_what_was_acknowledged_survives_kill_9(store_url: str, tmp_path: Path, acknowledged: int) -> None:
    said = tmp_path / "said"
    with said.open("wb") as output:
        writer = subprocess.Popen([sys.executable, "-c", _WRITER, store_url], stdout=output, stderr=subprocess.DEVNULL)
    try:
        await asyncio.to_thread(
            until, lambda: said.read_bytes().count(b"\n") >= acknowledged, "the writer got so far", 60
        )
    finally:
        writer.kill()
        writer.wait()
    last = int(said.read_bytes().rsplit(b"\n", 2)[-2])
    store = Store(store_url)
    async with store.reading() as session:
        kept = {int(index) for index in await session.scalars(select(FailedSignIn.username_index))}
    assert set(range(last + 1)) <= kept
    async with store.transaction() as session:
        session.add(FailedSignIn(username_index="next", address_index="a", at=NOW))
    await store.close()
