"""The provisioning login: one for all who ask, none of whom waits beyond their deadline; open while it is of use."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from pbx.commands import PutRoute, ReloadPhones
from pbx.link import NotConnected, OutcomeUnknown, PbxLink
from pbx.session import Timing
from tests.fakes.ami_server import AmiServer, Connection
from tests.fakes.reader import QUICK, config_of

PUT = PutRoute(pbx="pbx1", family="department", key="38", value="centre-38")

#: Actions that the fake has not answered yet.
Waiting = list[tuple[Connection, dict[str, str]]]


@contextlib.asynccontextmanager
async def idle_link(server: AmiServer, timing: Timing = QUICK) -> AsyncIterator[PbxLink]:
    """A link that is not run: of its logins there is the provisioning one alone, when somebody asks."""
    link = PbxLink(config_of(server), timing)
    try:
        yield link
    finally:
        await link._provisioning.close()


def unanswered(server: AmiServer, name: str) -> Waiting:
    waiting: Waiting = []
    server.handlers[name] = lambda connection, action: waiting.append((connection, action))
    return waiting


async def put(link: PbxLink, deadline: float) -> tuple[str, float]:
    """How it ended, and after how many seconds."""
    began = time.monotonic()
    try:
        await link.send(PUT, timeout=deadline)
    except (NotConnected, OutcomeUnknown) as error:
        return error.id, time.monotonic() - began
    return "done", time.monotonic() - began


async def test_who_asks_waits_for_the_login_no_longer_than_for_the_answer() -> None:
    async with AmiServer() as server, idle_link(server, replace(QUICK, login=5.0)) as link:
        unanswered(server, "Login")
        async with asyncio.timeout(3):
            ended = await asyncio.gather(*(put(link, 0.2) for _ in range(4)))
        assert [how for how, _ in ended] == ["not-connected"] * 4
        assert max(after for _, after in ended) < 2.0
        assert not server.actions("DBPut")


async def test_all_who_wait_for_a_login_are_told_that_it_failed() -> None:
    async with AmiServer() as server, idle_link(server, replace(QUICK, login=0.3)) as link:
        unanswered(server, "Login")
        ended = await asyncio.gather(*(put(link, 10.0) for _ in range(4)))
        assert [how for how, _ in ended] == ["not-connected"] * 4
        assert max(after for _, after in ended) < 2.0
        assert len(server.actions("Login")) == 1


async def test_a_login_that_one_gave_up_waiting_for_serves_the_others() -> None:
    async with AmiServer() as server, idle_link(server, replace(QUICK, login=5.0)) as link:
        logins = unanswered(server, "Login")
        patient = asyncio.create_task(put(link, 5.0))
        assert (await put(link, 0.1))[0] == "not-connected"
        server._login(*logins[0])
        assert (await patient)[0] == "done"
        assert len(server.actions("Login")) == len(server.actions("DBPut")) == 1


async def test_a_login_for_which_nobody_waits_any_more_is_closed_when_it_was_idle() -> None:
    async with AmiServer() as server, idle_link(server, replace(QUICK, login=5.0)) as link:
        logins = unanswered(server, "Login")
        assert (await put(link, 0.1))[0] == "not-connected"
        server._login(*logins[0])
        await server.until(server.connections[0].writer.transport.is_closing, 2)


async def test_a_login_that_nobody_waits_for_fails_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    async with AmiServer() as server, idle_link(server, replace(QUICK, login=0.2)) as link:
        unanswered(server, "Login")
        assert (await put(link, 0.1))[0] == "not-connected"
        await server.until(server.connections[0].writer.transport.is_closing, 2)
        assert (await put(link, 0.1))[0] == "not-connected"
    gc.collect()  # it is said when the task is thrown away
    assert not [record for record in caplog.records if record.name == "asyncio"]


async def test_who_waits_for_a_login_when_the_link_closes_is_told_so() -> None:
    async with AmiServer() as server, idle_link(server, replace(QUICK, login=5.0)) as link:
        unanswered(server, "Login")
        waiting = asyncio.create_task(put(link, 5.0))
        await server.until(lambda: server.actions("Login"))
        await link._provisioning.close()
        how, after = await waiting
        assert how == "not-connected"
        assert after < 2.0
        await server.until(server.connections[0].writer.transport.is_closing, 2)


async def test_a_session_that_left_an_action_unanswered_is_not_used_again() -> None:
    async with AmiServer() as server, idle_link(server, replace(QUICK, provision_idle=60.0)) as link:
        unanswered(server, "DBPut")
        assert (await put(link, 0.1))[0] == "outcome-unknown"
        await server.until(server.connections[0].writer.transport.is_closing, 2)
        del server.handlers["DBPut"]
        assert (await put(link, 2.0))[0] == "done"
        assert server.logins == [("provision", True)] * 2
        assert len(server.actions("DBPut")) == 2


async def test_a_session_in_which_an_action_waits_is_not_idle() -> None:
    async with AmiServer() as server, idle_link(server, replace(QUICK, provision_idle=0.1)) as link:
        waiting = unanswered(server, "DBPut")
        slow = asyncio.create_task(put(link, 5.0))
        await server.until(lambda: waiting)
        await link.send(ReloadPhones(pbx="pbx1"))
        await asyncio.sleep(0.3)  # what must not happen has no condition to wait for
        waiting[0][0].answer(waiting[0][1], "Success", "Message: Updated database successfully")
        assert (await slow)[0] == "done"
        await server.until(server.connections[0].writer.transport.is_closing, 2)
        assert len(server.connections) == 1
