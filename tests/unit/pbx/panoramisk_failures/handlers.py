"""Rows about events on their way to whoever wants them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from panoramisk import Manager

from pbx import protocol
from pbx.commands import PauseMember
from pbx.events import CallStep, Event
from pbx.facts import CallQueued, Fact, MemberChanged, PbxConnected, PbxLost
from pbx.link import PbxLink
from pbx.state import PbxState
from tests.fakes.ami_server import AmiServer, Connection
from tests.fakes.reader import QUICK, Reader, config_of, linked
from tests.unit.pbx.panoramisk_failures.cases import WINDOW, Case, eventually, logged, queued, stock


@contextmanager
def tripping_on(n: int) -> Iterator[None]:
    """Our own code has a bug: the tracker raises at the `n`th step of a call."""
    apply = PbxState.apply

    def trips(state: PbxState, event: Event) -> Sequence[Fact]:
        if isinstance(event, CallStep) and event.n == n:
            raise ValueError("a bug of ours")
        return apply(state, event)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PbxState, "apply", trips)
        yield


def ordinals(reader: Reader) -> list[int]:
    return [fact.ordinal for fact in reader.facts if isinstance(fact, CallQueued)]


class AnExceptionInAHandler(Case):
    situation = "The handler of the second of five events raises"
    stock = "the connection is closed, events 3 to 5 are lost"
    ours = "the event is counted and logged, the other four are taken, the connection stays"

    async def stock_fails(self) -> None:
        got = []

        def handler(_manager: Any, event: Any) -> None:
            got.append(event["Step"])
            if event["Step"] == "2":
                raise ValueError("a bug of ours")

        async with AmiServer() as server, stock(server) as side:
            side.manager.register_event("UserEvent", handler)
            server.send(b"".join(queued(n) for n in range(1, 6)))
            await eventually(lambda: len(server.connections) == 2)  # it was closed, and opened anew
            await asyncio.sleep(WINDOW)
            assert got == ["1", "2"]

    async def ours_holds(self) -> None:
        with tripping_on(2):
            async with AmiServer() as server, linked(server) as reader:
                await reader.connected()
                server.send(b"".join(queued(n) for n in range(1, 6)))
                await reader.until(lambda _: reader.count(CallQueued) == 4)
                assert ordinals(reader) == [1, 3, 4, 5]
                assert reader.link.odd.not_applied == 1
                assert reader.count(PbxLost) == 0


class HandlersOutOfOrder(Case):
    situation = "A coroutine takes events, and is slow with the first"
    stock = "each event is a task of its own: the later ones overtake"
    ours = "one consumer takes them in the order in which they came, however slow it is"

    async def stock_fails(self) -> None:
        done, may_go_on = [], asyncio.Event()

        async def handler(_manager: Any, event: Any) -> None:
            if event["Step"] == "1":
                await may_go_on.wait()
            done.append(event["Step"])

        async with AmiServer() as server, stock(server) as side:
            side.manager.register_event("UserEvent", handler)
            server.send(queued(1) + queued(2) + queued(3))
            await eventually(lambda: len(done) == 2)
            may_go_on.set()
            await eventually(lambda: len(done) == 3)
            assert done == ["2", "3", "1"]

    async def ours_holds(self) -> None:
        async with AmiServer() as server, linked(server) as reader:
            await reader.connected()
            reader.held.clear()
            server.send(queued(1))
            await eventually(lambda: reader.link.state.calls)  # the consumer has it, and dawdles
            server.send(queued(2) + queued(3))
            await eventually(lambda: len(reader.link._stream.events) == 2)
            reader.held.set()
            await reader.until(lambda _: reader.count(CallQueued) == 3)
            assert ordinals(reader) == [1, 2, 3]


class HandlersWithoutBound(Case):
    situation = "3,000 events come while their consumer waits for something"
    stock = "3,000 tasks wait, and reading goes on without bound"
    ours = "reading pauses at a bound (TCP holds the PBX back), goes on afterwards, nothing is lost"

    async def stock_fails(self) -> None:
        never = asyncio.Event()

        async def handler(_manager: Any, _event: Any) -> None:
            await never.wait()

        async with AmiServer() as server, stock(server) as side:
            before = len(asyncio.all_tasks())
            side.manager.register_event("UserEvent", handler)
            for n in range(3000):
                server.send(queued(n))
            await eventually(lambda: len(asyncio.all_tasks()) >= before + 3000, 20)
            assert side.manager.protocol.transport.is_reading()

    async def ours_holds(self) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(protocol, "HIGH_WATER", 200)
            patch.setattr(protocol, "LOW_WATER", 50)
            async with AmiServer() as server, linked(server) as reader:
                await reader.connected()
                before = len(asyncio.all_tasks())
                reader.held.clear()
                for n in range(3000):
                    server.send(queued(n))
                stream = reader.link._stream
                await eventually(lambda: stream._paused is not None)
                await asyncio.sleep(WINDOW)
                assert len(stream.events) < 1000  # the bound, and what one read brought
                assert len(asyncio.all_tasks()) <= before
                reader.held.set()
                await reader.until(lambda _: reader.count(CallQueued) == 3000, 20)
                assert ordinals(reader) == list(range(3000))


class ExceptionsOfCoroutinesLost(Case):
    situation = "A coroutine that takes events raises"
    stock = "nothing of the library says so: only the event loop does, when the task is thrown away"
    ours = "logged with its place (never its words) and counted"

    async def stock_fails(self) -> None:
        async def handler(_manager: Any, _event: Any) -> None:
            raise ValueError("a bug of ours")

        async with AmiServer() as server, stock(server) as side:
            side.manager.register_event("UserEvent", handler)
            with logged("panoramisk") as records:
                server.send(queued(1))
                await eventually(lambda: side.noise)
            assert side.noise == ["Task exception was never retrieved"]
            assert not [record for record in records if record.levelname in ("WARNING", "ERROR")]

    async def ours_holds(self) -> None:
        with tripping_on(1), logged("pbx.link") as records:
            async with AmiServer() as server, linked(server) as reader:
                await reader.connected()
                server.send(queued(1) + queued(2))
                await reader.until(lambda _: reader.count(CallQueued) == 1)
                assert reader.link.odd.not_applied == 1
        (said,) = [record for record in records if record.levelname == "ERROR"]
        assert said.getMessage() == "an event of kind CallStep could not be applied"


class EventsOfAPendingAction(Case):
    situation = "An event carries the ActionID of an action that waits"
    stock = "no handler gets it"
    ours = "it reaches the trackers, and the action gets its answer"

    async def stock_fails(self) -> None:
        def originate(connection: Connection, action: dict[str, str]) -> None:
            connection.answer(action, "Success", "Message: Originate successfully queued")
            connection.frame("Event: OriginateResponse", f"ActionID: {action['ActionID']}", "Response: Failure")

        got = []
        async with AmiServer() as server, stock(server) as side:
            server.handlers["Originate"] = originate
            side.manager.register_event("OriginateResponse", lambda _manager, event: got.append(event))
            await side.manager.send_action({"Action": "Originate", "Channel": "PJSIP/1", "Async": "true"})
            server.event("Event: OriginateResponse", "Response: Failure")  # one of nobody's: handlers do work
            await eventually(lambda: got)
            assert len(got) == 1

    async def ours_holds(self) -> None:
        def pause(connection: Connection, action: dict[str, str]) -> None:
            member = ("Queue: national", "Interface: PJSIP/l1", "Status: 1", "Paused: 1", "PausedReason: coffee")
            connection.frame("Event: QueueMemberPause", f"ActionID: {action['ActionID']}", *member)
            connection.answer(action, "Success", "Message: Interface paused successfully")

        async with AmiServer() as server, linked(server) as reader:
            await reader.connected()
            server.handlers["QueuePause"] = pause
            command = PauseMember(pbx="pbx1", interface="PJSIP/l1", paused=True, reason="coffee")
            assert (await reader.link.send(command)).message == "Interface paused successfully"
            await reader.until(lambda _: reader.count(MemberChanged) == 1)


class NoWayToUnregister(Case):
    situation = "Who took events wants no more"
    stock = "there is no way to unregister: the handler is called for ever"
    ours = "nobody registers: the one consumer stops reading, and the next goes on where it stopped"

    async def stock_fails(self) -> None:
        assert not [name for name in dir(Manager) if "unregister" in name or "remove" in name]
        got = []
        async with AmiServer() as server, stock(server) as side:
            side.manager.register_event("UserEvent", lambda _manager, event: got.append(event))
            server.send(queued(1))
            await eventually(lambda: len(got) == 1)

    async def ours_holds(self) -> None:
        async with AmiServer() as server:
            link = PbxLink(config_of(server), QUICK)
            running = asyncio.create_task(link.run())
            first = link.batches()
            async for facts in first:
                if any(isinstance(fact, PbxConnected) for fact in facts):
                    break
            await first.aclose()  # type: ignore[attr-defined]  # an async generator
            server.send(queued(1) + queued(2))
            got: list[int] = []
            async for facts in link.batches():
                got += [fact.ordinal for fact in facts if isinstance(fact, CallQueued)]
                if len(got) == 2:
                    break
            assert got == [1, 2]
            await link.close()
            await running
