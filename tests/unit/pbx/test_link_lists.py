"""A list that comes without its rest says nothing: whoever is missing from it may well be there."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from pbx import protocol
from pbx.commands import ReadRoutes
from pbx.facts import CallEnded, PbxConnected, PbxLost
from pbx.replies import ListNotWhole
from tests.fakes.ami_server import AmiServer, Connection, Handler
from tests.fakes.reader import QUICK, Reader, linked
from tests.unit.pbx.ami_frames import CALL, CALLER, Wire, frame
from tests.unit.pbx.call_facts import waiting

NOT_WHOLE = "a list of the PBX pbx1 is not whole"


def cancelled_once(server: AmiServer, name: str, ends: str, *items: list[str]) -> Handler:
    """The next such list is broken off behind `items`; the one after it is whole."""

    def broken_off(connection: Connection, action: dict[str, str]) -> None:
        del server.handlers[name]
        own = f"ActionID: {action['ActionID']}"
        connection.answer(action, "Success", "EventList: start")
        for item in items:
            connection.frame(*item, own)
        connection.frame(f"Event: {ends}", own, "EventList: Cancelled", f"ListItems: {len(items)}")

    return broken_off


def listed_caller() -> list[str]:
    variables = {"CALL_ID": CALL, "STEP": "2", "STAGE": "waiting", "ARRIVED": "999", "QUEUE_NOW": "national"}
    return [
        "Event: Status",
        f"Channel: {CALLER[0]}",
        f"Uniqueid: {CALLER[1]}",
        "Linkedid: pbx1-100.0",
        "ChannelState: 6",
        *(f"Variable: {name}={value}" for name, value in variables.items()),
    ]


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def drop_the_service(server: AmiServer) -> None:
    [one for one in server.connections if one.account == "service"][-1].drop()


async def a_call_waits(server: AmiServer, reader: Reader) -> None:
    server.send(waiting(Wire()).bytes())
    await reader.until(lambda _: reader.link.state.calls)
    server.lists["Status"] = [listed_caller()]


async def test_a_list_of_legs_that_the_pbx_breaks_off_ends_no_call(caplog: pytest.LogCaptureFixture) -> None:
    async with AmiServer() as server, linked(server) as reader:
        await reader.connected()
        await a_call_waits(server, reader)
        server.handlers["Status"] = cancelled_once(server, "Status", "StatusComplete")
        drop_the_service(server)
        await reader.connected(times=2)
        assert CALL in reader.link.state.calls
        (_, again) = [fact for fact in reader.facts if isinstance(fact, PbxConnected)]
        assert again.gone == frozenset()
        assert not reader.count(CallEnded)
        assert reader.count(PbxLost) == 1
        assert len(server.actions("Status")) == 3
    assert said(caplog) == [f"{NOT_WHOLE} (the PBX broke it off): not used, all is asked anew"]


async def test_a_list_of_members_that_the_pbx_breaks_off_signs_nobody_out(caplog: pytest.LogCaptureFixture) -> None:
    member = ["Event: QueueMember", "Queue: national", "Location: PJSIP/l1", "Status: 1", "Paused: 0", "InCall: 0"]
    async with AmiServer() as server:
        server.lists["QueueStatus"] = [member]
        async with linked(server, replace(QUICK, check_queues_every=0.2)) as reader:
            await reader.connected()
            server.handlers["QueueStatus"] = cancelled_once(server, "QueueStatus", "QueueStatusComplete")
            await reader.connected(times=2)
            assert "PJSIP/l1" in reader.link.state.members
            assert reader.link.state.corrections == 0
            (lost,) = [fact for fact in reader.facts if isinstance(fact, PbxLost)]
            assert lost.reason == "list-not-whole"
    assert said(caplog) == [f"{NOT_WHOLE} (the PBX broke it off): not used, all is asked anew"]


async def test_a_list_of_contacts_that_the_pbx_breaks_off_leaves_the_phones_unknown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    phone = ["Event: ContactList", "Endpoint: l1", "Uri: sip:l1@127.0.0.1", "Status: Reachable"]
    async with AmiServer() as server:
        broken_off = cancelled_once(server, "PJSIPShowContacts", "ContactListComplete", phone)
        server.handlers["PJSIPShowContacts"] = broken_off
        async with linked(server) as reader:
            await reader.connected()
            assert reader.link.state.phones == {}
            assert reader.count(PbxLost) == 0
    assert said(caplog) == ["the phones of PBX pbx1 could not be listed: the PBX broke it off"]


async def test_a_command_whose_list_is_broken_off_fails_and_the_session_goes_on() -> None:
    route = ["Event: DBGetTreeResponse", "Key: /centre/centre-38/queue", "Val: x"]
    async with AmiServer() as server, linked(server) as reader:
        await reader.connected()
        server.handlers["DBGetTree"] = cancelled_once(server, "DBGetTree", "DBGetTreeComplete", route)
        with pytest.raises(ListNotWhole) as failed:
            await reader.link.send(ReadRoutes(pbx="pbx1", family="centre"))
        assert failed.value.id == "list-not-whole"
        server.lists["DBGetTree"] = [route]
        reply = await reader.link.send(ReadRoutes(pbx="pbx1", family="centre"))
        assert reply.values == {"centre-38/queue": "x"}
        assert reader.count(PbxLost) == 0


async def test_a_list_beyond_the_cap_is_not_cut_but_asked_for_anew(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = frame("Event: Status", "Channel: PJSIP/l9-000000ff", "Uniqueid: pbx1-100.255", "ChannelState: 6")
    async with AmiServer() as server, linked(server) as reader:
        await reader.connected()
        await a_call_waits(server, reader)
        strangers = [stranger.decode().rstrip().split("\r\n")] * 5
        server.lists["Status"] = [*strangers, listed_caller()]
        monkeypatch.setattr(protocol, "LIST_CAP", 5)
        drop_the_service(server)
        await server.until(lambda: len(server.actions("Status")) >= 3)  # in vain, then anew
        assert CALL in reader.link.state.calls
        assert reader.count(PbxConnected) == 1
        monkeypatch.setattr(protocol, "LIST_CAP", 6)
        await reader.connected(times=2)
        assert CALL in reader.link.state.calls
        assert not [fact for fact in reader.facts if isinstance(fact, CallEnded)]
    assert f"{NOT_WHOLE} (it has more than 5 entries): not used, all is asked anew" in said(caplog)
