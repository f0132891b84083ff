"""Rows about parts of panoramisk that we do not use, and about nothing of ours importing them."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import subprocess
import sys
from pathlib import Path

from panoramisk import CallManager

import pbx
import service
from pbx.facts import CallQueued
from tests.fakes.ami_server import AmiServer
from tests.fakes.reader import linked
from tests.unit.pbx.ami_frames import CALL
from tests.unit.pbx.panoramisk_failures.cases import Case, eventually, queued, stock

#: All that our code takes from panoramisk.
USED = {"panoramisk.Manager", "panoramisk.actions.Action", "panoramisk.ami_protocol.AMIProtocol"}

FASTAGI = """
import asyncio, warnings
warnings.simplefilter("ignore")
from panoramisk import fast_agi
async def main():
    app = fast_agi.Application(loop=asyncio.get_running_loop())
    server = await asyncio.start_server(app.handler, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    while True:
        await asyncio.sleep(0.02)
        print("alive", flush=True)
asyncio.run(main())
"""


def taken_from_panoramisk() -> set[str]:
    """Every name of panoramisk's that is imported anywhere in pbx and service."""
    found = set()
    for package in (pbx, service):
        for file in Path(str(package.__file__)).parent.rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_bytes())):
                if isinstance(node, ast.Import):
                    found |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == "panoramisk"}


class CallsOfOneSecond(Case):
    situation = "Two calls begin in the same second"
    stock = "CallManager takes them for one call"
    ours = "we do not use it: a call is known by the UUID that the dialplan gave it"

    async def stock_fails(self) -> None:
        async with AmiServer() as server, stock(server, CallManager) as side:
            server.event("Event: Newchannel", "Uniqueid: 1700000001.2", "Channel: PJSIP/a")
            server.event("Event: Hangup", "Uniqueid: 1700000001.9", "Channel: PJSIP/b")
            await eventually(lambda: side.manager.calls_queues)
            (call,) = side.manager.calls_queues.values()
            await eventually(lambda: call.queue.qsize() == 2)

    async def ours_holds(self) -> None:
        other = CALL[:-1] + "2"
        async with AmiServer() as server, linked(server) as reader:
            await reader.connected()
            server.send(queued(1) + queued(1, call=other))
            await reader.until(lambda _: reader.count(CallQueued) == 2)
            assert set(reader.link.state.calls) == {CALL, other}
        assert taken_from_panoramisk() == USED


class AFastAgiClientThatLeaves(Case):
    situation = "Somebody connects to the FastAGI server and leaves again"
    stock = "the event loop stands still, at full CPU"
    ours = "we do not use it: nothing of ours imports more of panoramisk than its Manager, protocol and Action"

    async def stock_fails(self) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", FASTAGI, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        try:
            assert process.stdout is not None
            async with asyncio.timeout(20):
                port = int(await process.stdout.readline())
                assert await process.stdout.readline() == b"alive\n"
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            await writer.wait_closed()
            async with asyncio.timeout(20):
                while await self.says_something(process.stdout):
                    pass  # said before it stood still
            assert process.returncode is None
        finally:
            process.kill()
            await process.wait()

    async def says_something(self, output: asyncio.StreamReader) -> bool:
        """Within fifty of its periods."""
        with contextlib.suppress(TimeoutError):
            return bool(await asyncio.wait_for(output.readline(), 1.0))
        return False

    async def ours_holds(self) -> None:
        assert taken_from_panoramisk() == USED
