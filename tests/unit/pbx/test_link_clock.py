"""The link and the PBX's clock: what it could not be told is told again, what it says and is nonsense counts nothing.

And the watch over the connection itself: a fault in it ends the session.
"""

from __future__ import annotations

import pytest

from pbx.facts import PbxLost
from pbx.session import Session
from pbx.steady import this_boot
from tests.fakes.ami_server import AmiServer, Connection
from tests.fakes.reader import linked


async def test_a_clock_that_the_pbx_refused_to_be_told_is_told_again(caplog: pytest.LogCaptureFixture) -> None:
    told: dict[str, str] = {}
    refused: list[str] = []

    def setvar(connection: Connection, action: dict[str, str]) -> None:
        if action["Variable"] == "CLOCK_SET" and len(refused) < 2:
            refused.append(action["Value"])
            connection.answer(action, "Error", "Message: Permission denied")
        else:
            told[action["Variable"]] = action["Value"]
            connection.answer(action, "Success", "Message: Variable Set")

    async with AmiServer() as server:
        server.handlers["Setvar"] = setvar
        async with linked(server) as reader:
            await reader.connected()
            await server.until(lambda: "CLOCK_SET" in told)
            assert told["CLOCK_ANCHOR"] == f"{this_boot()} {reader.link.steady.anchor}"
            assert (refused, told["CLOCK_SET"]) == (["0", "0"], "0")
            told_so_far = len(server.actions("Setvar"))
            pings = len(server.actions("Ping"))
            await server.until(lambda: len(server.actions("Ping")) > pings + 2)
            assert len(server.actions("Setvar")) == told_so_far, "what it knows it is not told again"
    assert sum("does not know by how much its clock was set" in one.getMessage() for one in caplog.records) == 1


@pytest.mark.parametrize("anchor", ["", "yesterday", "nan", "inf", "-1", "1e300", "9" * 5000])
async def test_an_anchor_that_is_no_instant_is_none(anchor: str) -> None:
    async with AmiServer() as server:
        server.handlers["Getvar"] = lambda connection, action: connection.answer(
            action, "Success", f"Variable: {action['Variable']}", f"Value: {this_boot()} {anchor}"
        )
        async with linked(server) as reader:
            await reader.connected()
            assert reader.count(PbxLost) == 0
            told = [action["Value"] for action in server.actions("Setvar") if action["Variable"] == "CLOCK_SET"]
            assert told[0] == "0", "its clock was not set"


async def test_a_fault_in_the_watch_over_a_connection_ends_the_session(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    faults = [OSError("no more of anything")]
    keep_alive = Session.keep_alive

    async def once_broken(self: Session) -> None:
        if faults:
            await self.ping()
            raise faults.pop()
        await keep_alive(self)

    monkeypatch.setattr(Session, "keep_alive", once_broken)
    async with AmiServer() as server, linked(server) as reader:
        await reader.until(lambda _: reader.count(PbxLost))
        (lost,) = [fact for fact in reader.facts if isinstance(fact, PbxLost)]
        assert lost.reason == "fault"
        await reader.connected()
        await server.until(lambda: len(server.logins) >= 2)
    assert any("ended by a fault of ours" in record.getMessage() for record in caplog.records)
