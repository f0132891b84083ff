"""What we take from panoramisk 1.4, and what we replace: an update that changes it fails here and not at night."""

from __future__ import annotations

import asyncio
from importlib import metadata

from panoramisk import Manager
from panoramisk.actions import Action
from panoramisk.ami_protocol import AMIProtocol

from pbx.protocol import PbxProtocol
from pbx.session import Session


def test_the_version_is_the_one_whose_insides_we_know() -> None:
    assert metadata.version("panoramisk") == "1.4"


def test_what_we_override_in_the_protocol_is_still_what_the_library_calls() -> None:
    theirs = {name for name in vars(AMIProtocol) if not name.startswith("__")}
    assert theirs == {"connection_made", "send", "data_received", "handle_message", "connection_lost", "close"}
    assert {"connection_made", "data_received", "connection_lost", "close"} <= set(vars(PbxProtocol))


async def test_a_new_protocol_has_the_attributes_that_we_read() -> None:
    protocol = AMIProtocol()
    transport = asyncio.Transport()
    protocol.connection_made(transport)
    assert protocol.transport is transport
    assert (protocol.closed, protocol.version) == (False, None)


async def test_an_action_is_written_with_its_own_id_and_closed_by_an_empty_line() -> None:
    first, second = Action({"Action": "Ping"}), Action({"Action": "Ping"})
    assert first.id != second.id
    assert str(first) == f"Action: Ping\r\nActionID: {first.id}\r\n\r\n"


def test_the_manager_neither_connects_nor_pings_nor_resends_by_itself() -> None:
    """The only ways to its connection, its ping and its kept actions are methods that we never call."""
    waits = {"connect", "connection_made", "login", "ping", "send_awaiting_actions", "send_action", "connection_lost"}
    assert waits <= set(vars(Manager))
    ours = {name for name in vars(Session) if not name.startswith("__")}
    assert {"open", "ask", "keep_alive", "ping", "goodbye", "close"} <= ours
