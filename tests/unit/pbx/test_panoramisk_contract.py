"""What we take from panoramisk 1.4, and what we replace: an update that changes it fails here and not at night."""

from __future__ import annotations

import ast
import asyncio
import inspect
import textwrap
from collections.abc import Callable
from importlib import metadata

import pytest
from panoramisk import Manager
from panoramisk.actions import Action
from panoramisk.ami_protocol import AMIProtocol

from pbx import actions
from pbx.protocol import EventStream, PbxProtocol
from pbx.replies import NotConnected
from pbx.session import Session

#: What the library's manager does by itself once it is connected; none of it may ever run in ours.
BY_ITSELF = {
    "connect",
    "connection_made",
    "login",
    "send_awaiting_actions",
    "send_action",
    "connection_lost",
    "dispatch",
}


def a_session() -> Session:
    return Session(
        host="127.0.0.1",
        port=1,
        username="service",
        secret="right",
        events=True,
        stream=EventStream(),
        clock=lambda: 0.0,
    )


def test_the_version_is_the_one_whose_insides_we_know() -> None:
    assert metadata.version("panoramisk") == "1.4"


# --- the protocol ---------------------------------------------------------------------------------------------------


def test_every_method_of_the_protocol_is_replaced_or_cannot_be_reached() -> None:
    theirs = {name for name in vars(AMIProtocol) if not name.startswith("__")}
    assert theirs == {"connection_made", "send", "data_received", "handle_message", "connection_lost", "close"}
    # handle_message is called by data_received alone, which is ours
    assert theirs - set(vars(PbxProtocol)) == {"handle_message"}
    assert "handle_message" in AMIProtocol.data_received.__code__.co_names
    assert "handle_message" not in PbxProtocol.data_received.__code__.co_names


def parameters(method: Callable[..., object]) -> list[str]:
    return list(inspect.signature(method).parameters)


@pytest.mark.parametrize("name", ["connection_made", "send", "data_received", "connection_lost", "close"])
def test_what_replaces_a_method_takes_what_the_library_gives(name: str) -> None:
    assert parameters(getattr(PbxProtocol, name)) == parameters(getattr(AMIProtocol, name))


async def test_a_new_protocol_has_the_attributes_that_we_read() -> None:
    protocol = AMIProtocol()
    transport = asyncio.Transport()
    protocol.connection_made(transport)
    assert protocol.transport is transport
    assert (protocol.closed, protocol.version) == (False, None)


async def test_our_protocol_keeps_nothing_that_the_library_would_send_again() -> None:
    """Its `responses` are what panoramisk re-sends; ours stay empty, and its `close` is replaced."""
    protocol = PbxProtocol(EventStream(), lambda: 0.0)
    protocol.connection_made(asyncio.Transport())
    assert protocol.responses == {}
    assert protocol.factory is None
    with pytest.raises(TypeError, match=r"Session\.ask"):
        protocol.send({"Action": "Ping"})


def test_the_library_keeps_what_waits_in_close_and_sends_it_when_booted() -> None:
    """Where a second sending comes from: both are cut off in ours."""
    assert "awaiting_actions" in AMIProtocol.close.__code__.co_names
    assert "awaiting_actions" in Manager.send_awaiting_actions.__code__.co_names
    assert PbxProtocol.close is not AMIProtocol.close


# --- an action ------------------------------------------------------------------------------------------------------


async def test_an_action_is_written_with_its_own_id_and_closed_by_an_empty_line() -> None:
    first, second = Action({"Action": "Ping"}), Action({"Action": "Ping"})
    assert first.id != second.id
    assert str(first) == f"Action: Ping\r\nActionID: {first.id}\r\n\r\n"


async def test_an_id_that_is_given_is_kept_and_headers_are_written_as_they_are() -> None:
    ours = actions.ping()
    wire = Action({**ours.fields, "ActionID": ours.new_id()})
    assert wire.id.startswith("Ping/")
    assert str(wire) == f"Action: Ping\r\nActionID: {wire.id}\r\n\r\n"
    long = Action({"Action": "QueuePause", "Reason": "pause: a, b; c", "ActionID": "QueuePause/1"})
    assert str(long) == "Action: QueuePause\r\nActionID: QueuePause/1\r\nReason: pause: a, b; c\r\n\r\n"


async def test_an_action_does_nothing_to_a_value_so_the_guard_before_it_is_needed() -> None:
    assert "\r\nAction: Originate\r\n" in str(Action({"Action": "Ping", "X": "a\r\nAction: Originate"}))


async def test_an_action_holds_a_future_that_nobody_needs_to_look_at() -> None:
    """We leave it alone: one that is thrown away unresolved says nothing."""
    action = Action({"Action": "Ping"})
    assert not action.future.done()
    assert action.as_list is None


# --- the manager ----------------------------------------------------------------------------------------------------


async def test_a_new_manager_connects_to_nothing_and_starts_nothing() -> None:
    before = asyncio.all_tasks()
    session = a_session()
    assert session.protocol is None
    assert (session.pinger, session.authenticated, session._connected) == (None, False, False)
    assert asyncio.all_tasks() == before
    with pytest.raises(NotConnected):
        await session.ask(actions.ping(), 1.0)
    session.close()  # harmless
    await session.goodbye()


def test_the_manager_keeps_its_account_where_we_read_it() -> None:
    session = a_session()
    assert {key: session.config[key] for key in ("host", "port", "username", "secret", "events")} == {
        "host": "127.0.0.1",
        "port": 1,
        "username": "service",
        "secret": "right",
        "events": True,
    }
    assert callable(session.config["protocol_factory"])


async def test_the_managers_factory_makes_our_protocol() -> None:
    assert isinstance(a_session().config["protocol_factory"](), PbxProtocol)


def test_the_manager_neither_connects_nor_pings_nor_resends_by_itself() -> None:
    """The only ways to its connection, its timers and its kept actions are methods that nothing of ours calls."""
    assert set(vars(Manager)) >= BY_ITSELF
    used = {
        node.attr
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(Session))))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    }
    assert {"config", "protocol", "ask"} <= used
    assert not used & (BY_ITSELF | {"awaiting_actions", "pinger", "reconnect_timeout", "register_event"})


def test_what_ours_replaces_of_the_manager_is_known() -> None:
    theirs, ours = set(vars(Manager)), {name for name in vars(Session) if not name.startswith("__")}
    assert ours & theirs == {"ping", "close"}
    assert ours - theirs == {"open", "ask", "keep_alive", "goodbye"}
