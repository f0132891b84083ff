"""Rows about actions and their answers."""

from __future__ import annotations

import asyncio

import pytest

from pbx.actions import Action
from pbx.commands import AddMember, EndConversation, PauseMember, ReadRoutes, ReloadQueues
from pbx.facts import PbxLost
from pbx.link import CommandRefused, OutcomeUnknown
from tests.fakes.ami_server import AmiServer, Connection
from tests.fakes.reader import linked
from tests.unit.pbx.panoramisk_failures.cases import WINDOW, Case, eventually, hangs, stock


def pause(reason: str = "coffee") -> PauseMember:
    return PauseMember(pbx="pbx1", interface="PJSIP/l1", paused=True, reason=reason)


PAUSE = {"Action": "QueuePause", "Interface": "PJSIP/l1", "Paused": "true"}


def unanswered(_connection: Connection, _action: dict[str, str]) -> None:
    """Asterisk says nothing."""


def drops_once(server: AmiServer, name: str) -> None:
    """The connection drops once Asterisk has the action: it may have carried it out, the answer is lost."""

    def drop(connection: Connection, _action: dict[str, str]) -> None:
        del server.handlers[name]
        connection.drop()

    server.handlers[name] = drop


def half_a_list(connection: Connection, action: dict[str, str]) -> None:
    connection.answer(action, "Success", "EventList: start", "Message: Result will follow")
    own = f"ActionID: {action['ActionID']}"
    connection.frame("Event: DBGetTreeResponse", "Key: /centre/a/queue", "Val: a", own)
    connection.close()


class NoDeadline(Case):
    situation = "An action is never answered"
    stock = "its future waits for ever"
    ours = "`OutcomeUnknown` at its deadline (5 s by default)"

    async def stock_fails(self) -> None:
        async with AmiServer() as server, stock(server) as side:
            server.handlers["QueuePause"] = unanswered
            assert await hangs(side.manager.send_action(dict(PAUSE)))

    async def ours_holds(self) -> None:
        async with AmiServer() as server, linked(server) as reader:
            await reader.connected()
            server.handlers["QueuePause"] = unanswered
            with pytest.raises(OutcomeUnknown):
                await reader.link.send(pause(), timeout=0.1)


class ADropBeforeTheAnswer(Case):
    situation = "The connection drops before the answer"
    stock = "the future (of a Ping, say) waits for ever"
    ours = "`OutcomeUnknown` at once"

    async def stock_fails(self) -> None:
        async with AmiServer() as server, stock(server) as side:
            drops_once(server, "Ping")
            future = side.manager.send_action({"Action": "Ping"})
            await eventually(lambda: len(server.logins) == 2)
            assert await hangs(future)

    async def ours_holds(self) -> None:
        async with AmiServer() as server, linked(server) as reader:
            await reader.connected()
            drops_once(server, "QueuePause")
            async with asyncio.timeout(2):
                with pytest.raises(OutcomeUnknown):
                    await reader.link.send(pause(), timeout=60)


class AnErrorToAList(Case):
    situation = "An error is answered to an action that asks for a list"
    stock = "with `as_list` the future waits for ever"
    ours = "`CommandRefused`"

    async def stock_fails(self) -> None:
        async with AmiServer() as server, stock(server) as side:
            server.handlers["QueueStatus"] = lambda one, action: one.answer(action, "Error", "Message: no")
            assert await hangs(side.manager.send_action({"Action": "QueueStatus"}, as_list=True))

    async def ours_holds(self) -> None:
        async with AmiServer() as server, linked(server) as reader:
            await reader.connected()
            server.handlers["DBGetTree"] = lambda one, action: one.answer(action, "Error", "Message: no")
            with pytest.raises(CommandRefused):
                await reader.link.send(ReadRoutes(pbx="pbx1", family="centre"), timeout=60)


class HalfAList(Case):
    situation = "The connection drops in the middle of a list"
    stock = "the future waits for ever"
    ours = "`OutcomeUnknown` at once"

    async def stock_fails(self) -> None:
        async with AmiServer() as server, stock(server) as side:
            server.handlers["DBGetTree"] = half_a_list
            future = side.manager.send_action({"Action": "DBGetTree", "Family": "centre"}, as_list=True)
            await eventually(lambda: len(server.logins) == 2)
            assert await hangs(future)

    async def ours_holds(self) -> None:
        async with AmiServer() as server, linked(server) as reader:
            await reader.connected()
            server.handlers["DBGetTree"] = half_a_list
            async with asyncio.timeout(2):
                with pytest.raises(OutcomeUnknown):
                    await reader.link.send(ReadRoutes(pbx="pbx1", family="centre"), timeout=60)


class WithoutFullyBooted(Case):
    situation = "An account without read class system hears no FullyBooted; the connection drops before an answer"
    stock = "what waited waits for ever: only FullyBooted looks after it"
    ours = "logged in all the same; `OutcomeUnknown` at once"

    async def stock_fails(self) -> None:
        async with AmiServer() as server:
            server.boots = False
            async with stock(server) as side:
                drops_once(server, "QueuePause")
                future = side.manager.send_action(dict(PAUSE))
                await eventually(lambda: len(server.logins) == 2)
                assert await hangs(future)

    async def ours_holds(self) -> None:
        async with AmiServer() as server:
            server.boots = False
            async with linked(server) as reader:
                await reader.connected()
                drops_once(server, "QueuePause")
                async with asyncio.timeout(2):
                    with pytest.raises(OutcomeUnknown):
                        await reader.link.send(pause(), timeout=60)


class CloseWhileAnActionWaits(Case):
    situation = "`close()` while an action waits"
    stock = "its future waits for ever"
    ours = "`OutcomeUnknown` at once"

    async def stock_fails(self) -> None:
        async with AmiServer() as server, stock(server) as side:
            server.handlers["QueuePause"] = unanswered
            future = side.manager.send_action(dict(PAUSE))
            side.manager.close()
            assert await hangs(future)

    async def ours_holds(self) -> None:
        async with AmiServer() as server, linked(server) as reader:
            await reader.connected()
            server.handlers["QueuePause"] = unanswered
            sent = asyncio.create_task(reader.link.send(pause(), timeout=60))
            await server.until(lambda: server.actions("QueuePause"))
            await reader.link.close()
            async with asyncio.timeout(2):
                with pytest.raises(OutcomeUnknown):
                    await sent


class TheSameActionIdTwice(Case):
    situation = "Two actions with one ActionID wait at once"
    stock = "the first one's future waits for ever"
    ours = "ids are our own and never the same: each gets its answer, in any order"

    async def stock_fails(self) -> None:
        async with AmiServer() as server, stock(server) as side:
            first = side.manager.send_action({**PAUSE, "ActionID": "1"})
            second = side.manager.send_action({**PAUSE, "ActionID": "1"})
            await second
            assert len(server.actions("QueuePause")) == 2
            assert await hangs(first)

    async def ours_holds(self) -> None:
        asked: list[tuple[Connection, dict[str, str]]] = []
        async with AmiServer() as server, linked(server) as reader:
            await reader.connected()
            server.handlers["QueuePause"] = lambda connection, action: asked.append((connection, action))
            sent = [asyncio.create_task(reader.link.send(pause(reason))) for reason in ("coffee", "lunch")]
            await server.until(lambda: len(asked) == 2)
            for connection, action in reversed(asked):
                connection.answer(action, "Success", f"Message: {action['Reason']}")
            assert [reply.message for reply in await asyncio.gather(*sent)] == ["coffee", "lunch"]


class AValueThatCannotBeEncoded(Case):
    situation = "A value cannot be encoded (half a surrogate pair)"
    stock = "nothing is sent, the future waits for ever"
    ours = "`CommandRefused` before anything is sent"

    async def stock_fails(self) -> None:
        async with AmiServer() as server, stock(server) as side:
            assert await hangs(side.manager.send_action({**PAUSE, "Reason": "\ud83d"}))
            assert not server.actions("QueuePause")

    async def ours_holds(self) -> None:
        async with AmiServer() as server, linked(server) as reader:
            await reader.connected()
            with pytest.raises(CommandRefused) as refused:
                await reader.link.send(pause("\ud83d"))
            assert refused.value.id == "no-text"
            assert not server.actions("QueuePause")


class SentTwice(Case):
    situation = "The connection drops after Asterisk has an action and before its answer; a new one comes about"
    stock = "the action (an Originate, a Hangup, a stale Redirect) is sent a second time"
    ours = "sent once, ever: the caller is told `OutcomeUnknown`, the snapshot says what holds"

    async def stock_fails(self) -> None:
        async with AmiServer() as server, stock(server) as side:
            drops_once(server, "Originate")
            side.manager.send_action({"Action": "Originate", "Channel": "PJSIP/1", "Async": "true"})
            await eventually(lambda: len(server.actions("Originate")) == 2)

    async def ours_holds(self) -> None:
        async with AmiServer() as server, linked(server) as reader:
            await reader.connected()
            drops_once(server, "Hangup")
            with pytest.raises(OutcomeUnknown):
                await reader.link.send(EndConversation(pbx="pbx1", channel="PJSIP/l1-00000001"))
            await reader.connected(times=2)
            await asyncio.sleep(WINDOW)
            assert len(server.actions("Hangup")) == 1


class SentThreeTimes(Case):
    situation = "The same with an action that panoramisk keeps under two ids (Command)"
    stock = "it is sent three times in all"
    ours = "sent once, over the provisioning login, too; Command itself is no action of ours"

    async def stock_fails(self) -> None:
        async with AmiServer() as server, stock(server) as side:
            drops_once(server, "Command")
            side.manager.send_action({"Action": "Command", "Command": "queue reset stats"})
            await eventually(lambda: len(server.actions("Command")) == 3)

    async def ours_holds(self) -> None:
        async with AmiServer() as server, linked(server) as reader:
            await reader.connected()
            drops_once(server, "Reload")
            with pytest.raises(OutcomeUnknown):
                await reader.link.send(ReloadQueues(pbx="pbx1"))
            await reader.link.send(ReadRoutes(pbx="pbx1", family="centre"))  # the login is made anew
            await asyncio.sleep(WINDOW)
            assert len(server.actions("Reload")) == 1
            assert not server.actions("Command")


class OriginateWithoutAsync(Case):
    situation = "An Originate without `Async` is answered 'successfully queued'"
    stock = "KeyError: the connection drops, the future waits for ever"
    ours = "the answer is an answer; its English is not read"

    async def stock_fails(self) -> None:
        async with AmiServer() as server, stock(server) as side:
            future = side.manager.send_action({"Action": "Originate", "Channel": "PJSIP/1"})
            await eventually(lambda: side.noise)
            assert await hangs(future)
            assert len(server.connections) > 1

    async def ours_holds(self) -> None:
        async with AmiServer() as server, linked(server) as reader:
            await reader.connected()
            assert reader.link._session is not None
            answer, items = await reader.link._session.ask(Action({"Action": "Originate", "Channel": "PJSIP/1"}), 2.0)
            assert (answer.message, items) == ("Originate successfully queued", [])
            assert reader.count(PbxLost) == 0


class ListsGuessedFromEnglish(Case):
    situation = "A QueueAdd is answered 'Added interface to queue'"
    stock = "the words are taken for the beginning of a list: the future waits for ever"
    ours = "an action says itself whether a list follows, and Asterisk's `EventList` header confirms it"

    async def stock_fails(self) -> None:
        async with AmiServer() as server, stock(server) as side:
            add = {"Action": "QueueAdd", "Queue": "national", "Interface": "PJSIP/l1"}
            assert await hangs(side.manager.send_action(add))

    async def ours_holds(self) -> None:
        async with AmiServer() as server, linked(server) as reader:
            await reader.connected()
            command = AddMember(pbx="pbx1", queue="national", interface="PJSIP/l1", name="1")
            assert (await reader.link.send(command)).message == "Added interface to queue"


class ALineEndInAValue(Case):
    situation = "A value holds a line end"
    stock = "what follows is a second action, and Asterisk carries it out"
    ours = "`CommandRefused`, where every action passes; so are NUL and a line beyond Asterisk's 1,022 bytes"

    INJECTED = "coffee\r\n\r\nAction: Originate\r\nChannel: PJSIP/1"

    async def stock_fails(self) -> None:
        async with AmiServer() as server, stock(server) as side:
            side.manager.send_action({**PAUSE, "Reason": self.INJECTED})
            await server.until(lambda: server.actions("Originate"))

    async def ours_holds(self) -> None:
        async with AmiServer() as server, linked(server) as reader:
            await reader.connected()
            for reason in (self.INJECTED, "coffee\n", "coffee\0", "é" * 511):
                with pytest.raises(CommandRefused) as refused:
                    await reader.link.send(pause(reason))
                assert refused.value.id in {"control-character", "too-long"}
                assert "coffee" not in str(refused.value)
            await reader.link.send(pause("é" * 507))  # `Reason: ` and 1,014 bytes: as long as a line may be
            assert not server.actions("Originate")
            assert len(server.actions("QueuePause")) == 1
