"""Rows about connecting, staying connected and letting go."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from pbx.facts import PbxLost, PbxRefused
from pbx.link import NotConnected
from tests.fakes.ami_server import AmiServer
from tests.fakes.reader import QUICK, linked
from tests.unit.pbx.panoramisk_failures.answers import pause
from tests.unit.pbx.panoramisk_failures.cases import WINDOW, Case, eventually, hangs, stock


class HalfOpen(Case):
    situation = "The PBX says nothing more, and TCP does not notice (a half-open connection)"
    stock = "pings go out and are never looked at: connected for ever"
    ours = "no byte for 2.7 s, or no answer to a ping: left within 3 s, and connected anew"

    async def stock_fails(self) -> None:
        lost: list[object] = []
        async with AmiServer() as server, stock(server, on_disconnect=lambda *what: lost.append(what)) as side:
            server.silent = True
            side.manager.ping_interval = 0.02
            side.manager.ping()
            await server.until(lambda: len(server.actions("Ping")) >= 10)
            await asyncio.sleep(WINDOW)
            assert side.connected
            assert not lost
            assert len(server.connections) == 1

    async def ours_holds(self) -> None:
        async with AmiServer() as server, linked(server) as reader:
            await reader.connected()
            server.silent = True
            await reader.until(lambda facts: facts and isinstance(facts[-1], PbxLost))
            assert reader.facts[-1].reason == "no-answer"  # type: ignore[attr-defined]  # a PbxLost
            server.silent = False
            await reader.connected(times=2)


class ARefusedLogin(Case):
    situation = "The login is refused"
    stock = "no error; tried again at each reconnect interval, for ever"
    ours = "told once, as a fact and in the log; tried again each minute, with the secret as it is stored then"

    async def stock_fails(self) -> None:
        async with AmiServer() as server, stock(server, login=False, secret="wrong") as side:
            await eventually(lambda: len(server.logins) >= 5)
            assert not side.noise

    async def ours_holds(self) -> None:
        async with AmiServer() as server, linked(server, secret="wrong") as reader:
            await reader.until(lambda facts: [type(fact) for fact in facts] == [PbxRefused])
            await asyncio.sleep(2 * QUICK.retry_most)
            assert len(server.logins) == 1  # a minute has not passed


class ALoginWithoutAnswer(Case):
    situation = "The login is never answered"
    stock = "waited for, for ever"
    ours = "a deadline (5 s by default), told as lost, then tried again"

    async def stock_fails(self) -> None:
        async with AmiServer() as server:
            server.silent = True
            async with stock(server, login=False) as side:
                await server.until(lambda: server.actions("Login"))
                assert await hangs(side.manager.authenticated_future)
                assert len(server.connections) == 1

    async def ours_holds(self) -> None:
        async with AmiServer() as server:
            server.silent = True
            async with linked(server, replace(QUICK, login=0.1)) as reader:
                await reader.until(lambda facts: facts and isinstance(facts[-1], PbxLost))
                server.silent = False
                await reader.connected()


class AuthenticatedAfterADrop(Case):
    situation = "The connection is gone, and nobody answers any more"
    stock = "`authenticated` stays true"
    ours = "`connected` is false, the fact `PbxLost` is told, a command is refused with `NotConnected`"

    async def stock_fails(self) -> None:
        async with AmiServer() as server, stock(server) as side:
            await server.stop()
            await eventually(lambda: not side.connected)
            await asyncio.sleep(WINDOW)
            assert side.manager.authenticated

    async def ours_holds(self) -> None:
        async with AmiServer() as server, linked(server) as reader:
            await reader.connected()
            await server.stop()
            await reader.until(lambda facts: facts and isinstance(facts[-1], PbxLost))
            assert not reader.link.connected
            with pytest.raises(NotConnected):
                await reader.link.send(pause())


class ConnectedAfterClose(Case):
    situation = "`close()` while it waits to connect again"
    stock = "it connects all the same"
    ours = "nothing connects, no task is left, no socket is open"

    async def stock_fails(self) -> None:
        async with AmiServer() as server, stock(server) as side:
            server.connections[0].drop()
            await eventually(lambda: not side.connected)
            side.manager.close()
            await eventually(lambda: len(server.logins) == 2)

    async def ours_holds(self) -> None:
        before = asyncio.all_tasks()
        async with AmiServer() as server:
            async with linked(server, replace(QUICK, retry_first=WINDOW)) as reader:
                await reader.connected()
                for connection in server.connections:
                    connection.drop()
                await reader.until(lambda facts: facts and isinstance(facts[-1], PbxLost))
            came = len(server.connections)
            await asyncio.sleep(3 * WINDOW)
            assert len(server.connections) == came
        await eventually(lambda: asyncio.all_tasks() <= before)
