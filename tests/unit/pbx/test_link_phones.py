"""The list of phones comes over the other login: a board waits for neither, and shows what is known until it comes."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from pbx.facts import PbxConnected, PbxLost, PhoneChanged
from pbx.link import PbxLink
from pbx.replay import RecordedSessions
from tests.fakes.ami_server import AmiServer, Connection
from tests.fakes.reader import QUICK, Reader, config_of, linked

#: A list that never comes by itself, and no wait for it worth the name.
SOON = replace(QUICK, phones=0.1, listing=60.0, login=60.0)

Waiting = list[tuple[Connection, dict[str, str]]]


def listed(endpoint: str, status: str = "Reachable") -> list[str]:
    return ["Event: ContactList", f"Endpoint: {endpoint}", f"Uri: sip:{endpoint}@127.0.0.1:5062", f"Status: {status}"]


def unanswered_lists(server: AmiServer) -> Waiting:
    waiting: Waiting = []
    server.handlers["PJSIPShowContacts"] = lambda connection, action: waiting.append((connection, action))
    return waiting


async def connected_soon(reader: Reader, times: int = 1) -> None:
    async with asyncio.timeout(2):
        await reader.connected(times)


async def test_a_board_does_not_wait_for_phones_that_are_not_listed() -> None:
    async with AmiServer() as server:
        waiting = unanswered_lists(server)
        async with linked(server, SOON) as reader:
            await connected_soon(reader)
            assert reader.link.state.phones == {}
            waiting[0][0].listing(waiting[0][1], [listed("l1"), listed("l2", "Unreachable")])
            await reader.until(lambda _: reader.count(PhoneChanged) == 2)
            assert reader.link.state.phones == {"l1": True, "l2": False}
            assert reader.count(PbxLost) == 0


async def test_what_a_phone_said_meanwhile_outranks_a_list_that_comes_late() -> None:
    async with AmiServer() as server:
        waiting = unanswered_lists(server)
        async with linked(server, SOON) as reader:
            await connected_soon(reader)
            server.event(
                "Event: ContactStatus", "URI: sip:l1@127.0.0.1:5062", "ContactStatus: Removed", "EndpointName: l1"
            )
            await reader.until(lambda _: reader.count(PhoneChanged) == 1)
            waiting[0][0].listing(waiting[0][1], [listed("l1"), listed("l2")])
            await reader.until(lambda _: reader.count(PhoneChanged) == 2)
            assert reader.link.state.phones == {"l1": False, "l2": True}


async def test_a_board_does_not_wait_for_an_account_that_is_not_answered(caplog: pytest.LogCaptureFixture) -> None:
    def login(connection: Connection, action: dict[str, str]) -> None:
        if action["Username"] == "service":
            server._login(connection, action)

    async with AmiServer() as server:
        server.handlers["Login"] = login
        server.lists["PJSIPShowContacts"] = [listed("l1")]
        async with linked(server, replace(SOON, login=0.2, check_queues_every=0.1)) as reader:
            await connected_soon(reader)
            await server.until(lambda: [one["Username"] for one in server.actions("Login")].count("provision") >= 3)
            assert reader.link.state.phones == {}
            del server.handlers["Login"]  # asked again, it answers
            await reader.until(lambda _: reader.link.state.phones == {"l1": True})
            assert [type(fact) for fact in reader.facts] == [PbxConnected, PhoneChanged]
            assert len(server.actions("PJSIPShowContacts")) == 1
    said = [
        record.getMessage()
        for record in caplog.records
        if record.levelno == logging.WARNING and "phones" in record.getMessage()
    ]
    assert said == ["the phones of PBX pbx1 could not be listed: the provisioning account: no-answer-to-login"]


async def test_a_list_that_was_asked_for_in_another_session_is_not_used() -> None:
    async with AmiServer() as server:
        waiting = unanswered_lists(server)
        async with linked(server, SOON) as reader:
            await connected_soon(reader)
            next(one for one in server.connections if one.account == "service").drop()
            await connected_soon(reader, times=2)
            await server.until(lambda: len(waiting) == 2)
            waiting[0][0].listing(waiting[0][1], [listed("l1")])
            waiting[1][0].listing(waiting[1][1], [listed("l2")])
            await reader.until(lambda _: reader.count(PhoneChanged))
            assert reader.link.state.phones == {"l2": True}


async def test_a_list_that_came_late_stands_in_the_recording_where_it_came(tmp_path: Path) -> None:
    file = tmp_path / "x.ami"
    async with AmiServer() as server:
        waiting = unanswered_lists(server)
        reader = Reader(PbxLink(config_of(server), SOON, record=file))
        await connected_soon(reader)
        waiting[0][0].listing(waiting[0][1], [listed("l1")])
        await reader.until(lambda _: reader.count(PhoneChanged))
        await reader.close()
    recorded = RecordedSessions(file)
    again = [type(fact) async for batch in recorded.batches() for fact in batch]
    assert again == [type(fact) for fact in reader.facts] == [PbxConnected, PhoneChanged, PbxLost]
    assert recorded.state.phones == {"l1": True}
