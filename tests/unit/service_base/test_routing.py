"""Routes: none without its right, none beside the guard; and the description that is made of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer

from service.accounts.rights import Right, Role, rights_of
from service.http.app import UndeclaredRoute, create_app
from service.http.openapi import describe
from service.http.options import Clients, HttpOptions, asked_encrypted, client_address, origin_of, own_origins
from service.http.routing import PUBLIC, SIGNED_IN, Nothing, Route, RouteTable, Visit, Wire, all_routes
from service.keys import Keyring
from service.numbers import normalise
from service.store.engine import Store


class Answer(Wire):
    """Something."""

    value: int


class Question(Wire):
    """Something asked."""

    text: str
    times: int = 1


class Wish(Wire):
    """Something in the query."""

    after: int = 0


def _table() -> RouteTable:
    routes = RouteTable("things")

    @routes.get("/things/{thing_id}", right=Right.READ_CASES, response=Answer, query=Wish)
    async def thing(visit: Visit[Nothing, Wish]) -> Answer:
        """One thing."""
        return Answer(value=visit.query.after)

    @routes.change("POST", "/things", right=SIGNED_IN, body=Question, response=Answer, status=201)
    async def make_thing(visit: Visit[Question]) -> Answer:
        """Make a thing."""
        return Answer(value=visit.body.times)

    return routes


# --- no route without a right -----------------------------------------------------------------------------------------


def test_a_route_cannot_be_declared_without_its_right() -> None:
    routes = RouteTable("things")
    with pytest.raises(TypeError, match="right"):
        routes.get("/things", response=Answer)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="declares no right"):
        routes.get("/things", right=None, response=Answer)(_handler)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="declares no right"):
        routes.add(Route(method="GET", path="/things", need="read-cases", handler=_handler))  # type: ignore[arg-type]
    assert routes.routes == []


async def _handler(visit: Visit) -> Answer:
    return Answer(value=1)


async def test_an_application_with_a_route_beside_the_guard_does_not_start(tmp_path: Path) -> None:
    store = Store(f"sqlite+aiosqlite:///{tmp_path / 'a.db'}")
    options = HttpOptions(origins=own_origins(host="127.0.0.1", port=1))
    app = create_app(store=store, keyring=Keyring(bytes(32)), tables=[_table()], options=options)

    async def sneaky(_request: web.Request) -> web.Response:
        return web.Response(text="no right asked")

    app.router.add_get("/sneaky", sneaky)
    server = TestServer(app)
    with pytest.raises(UndeclaredRoute, match="/sneaky"):
        await server.start_server()
    await server.close()
    await store.close()


def test_the_same_route_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="declared twice"):
        all_routes([_table(), _table()])


# --- rights -----------------------------------------------------------------------------------------------------------


def test_an_administrator_sees_no_case_content_and_an_analyst_aggregates_alone() -> None:
    reading = {Right.READ_CASES, Right.WRITE_CASES, Right.SEE_CALLER}
    assert not rights_of([Role.ADMINISTRATOR]) & reading
    assert rights_of([Role.ANALYST]) == {Right.READ_FIGURES}
    assert rights_of([Role.DPO]) == {Right.READ_AUDIT}
    assert rights_of([]) == frozenset()


def test_roles_add_up_and_every_role_may_do_something() -> None:
    assert rights_of([Role.LISTENER, Role.SUPERVISOR]) == rights_of([Role.LISTENER]) | rights_of([Role.SUPERVISOR])
    assert all(rights_of([role]) for role in Role)


# --- the description --------------------------------------------------------------------------------------------------


def test_the_description_tells_paths_bodies_rights_and_errors() -> None:
    described = describe([_table()])
    get = described["paths"]["/api/v1/things/{thing_id}"]["get"]
    post = described["paths"]["/api/v1/things"]["post"]
    assert get["x-right"] == "read-cases"
    assert [(one["name"], one["in"], one["schema"]["type"]) for one in get["parameters"]] == [
        ("thing_id", "path", "integer"),
        ("after", "query", "integer"),
    ]
    assert post["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Question"}
    assert set(post["responses"]) == {"201", "401", "403", "413", "422", "503", "default"}
    assert {"Answer", "Question", "ErrorOut"} <= set(described["components"]["schemas"])


def _references(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set().union(*([{value["$ref"]}] if "$ref" in value else []), *map(_references, value.values()))
    return set().union(*map(_references, value)) if isinstance(value, list) else set()


def _whole(seed: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "service.cli.describe", "openapi"],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": seed},
    ).stdout


def test_the_whole_description_is_the_same_bytes_each_time_and_every_reference_is_defined() -> None:
    first = _whole("1")
    assert _whole("2") == first
    described = json.loads(first)
    parts = described["components"]
    defined = {f"#/components/{part}/{name}" for part in ("schemas", "responses") for name in parts[part]}
    assert _references(described) <= defined
    assert {"/api/v1/session", "/api/v1/contacts/{contact_id}/notes"} <= set(described["paths"])


# --- origins, addresses, numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://ecoute.example/app", "https://ecoute.example"),
        ("https://ecoute.example:443", "https://ecoute.example"),
        ("http://localhost:8080/", "http://localhost:8080"),
        ("ws://[::1]:8088/ws", "ws://[::1]:8088"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(url: str, origin: str) -> None:
    assert origin_of(url) == origin


def test_our_origins_are_the_public_address_and_this_machine() -> None:
    origins = own_origins(host="0.0.0.0", port=8080, public_url="https://ecoute.example/")  # noqa: S104 a setting
    assert "https://ecoute.example" in origins
    assert "http://localhost:8080" in origins
    assert not any("0.0.0.0" in origin for origin in origins)  # noqa: S104 a setting


def test_a_forwarded_address_is_believed_from_a_trusted_proxy_alone() -> None:
    trusting = HttpOptions(origins=frozenset(), trusted_proxies=_networks("127.0.0.0/8"))
    assert client_address("127.0.0.1", ["203.0.113.9, 192.0.2.7"], trusting) == "192.0.2.7"
    assert client_address("127.0.0.1", [], trusting) == "127.0.0.1"
    assert client_address("192.0.2.1", ["203.0.113.9"], trusting) == "192.0.2.1"
    assert client_address("127.0.0.1", ["nonsense"], trusting) == "nonsense"
    assert client_address("::ffff:127.0.0.1", ["192.0.2.7:50123"], trusting) == "192.0.2.7"
    assert client_address("127.0.0.1", ["[2001:db8::7]:443"], trusting) == "2001:db8::7"
    assert client_address("::ffff:192.0.2.1", [], trusting) == "192.0.2.1"
    assert client_address("127.0.0.1", ["192.0.2.7"], HttpOptions(origins=frozenset())) == "127.0.0.1"


@pytest.mark.parametrize(
    ("origins", "host", "encrypted"),
    [
        ({"https://ecoute.example", "http://localhost:8080"}, "ecoute.example", True),
        ({"https://ecoute.example", "http://localhost:8080"}, "localhost:8080", False),
        ({"https://ecoute.example:8443", "http://localhost:8080"}, "ecoute.example:8443", True),
        ({"https://ecoute.example", "http://ecoute.example"}, "ecoute.example", False),
        ({"https://ecoute.example"}, "other.example", False),
    ],
)
def test_a_host_is_ours_by_https_alone_as_far_as_our_addresses_say(
    origins: set[str], host: str, encrypted: bool
) -> None:
    assert asked_encrypted(host, HttpOptions(origins=frozenset(origins))) == encrypted


def _networks(*texts: str) -> tuple[Any, ...]:
    from ipaddress import ip_network

    return tuple(ip_network(text) for text in texts)


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        ("0639980101", "+33639980101"),
        ("+33639980101", "+33639980101"),
        ("0033639980101", "+33639980101"),
        ("", None),
        (None, None),
        ("0", None),
        ("12345678901234567890", None),
        ("anonymous", None),
    ],
)
def test_numbers_become_e164_and_nonsense_becomes_anonymous(raw: str | None, number: str | None) -> None:
    assert normalise(raw, "FR") == number


def test_a_public_route_is_one_that_says_so() -> None:
    assert {PUBLIC.value, SIGNED_IN.value} == {"public", "signed-in"}


def test_a_proxy_that_the_settings_do_not_name_is_told_once_with_what_it_does_to_the_limits() -> None:
    with structlog.testing.capture_logs() as said:
        unnamed = Clients(HttpOptions(origins=frozenset()))
        assert [unnamed.address("192.0.2.1", found) for found in ([], ["203.0.113.9"], ["203.0.113.8"])] == [
            "192.0.2.1"
        ] * 3
        named = Clients(HttpOptions(origins=frozenset(), trusted_proxies=_networks("192.0.2.0/24")))
        assert named.address("192.0.2.1", ["203.0.113.9"]) == "203.0.113.9"
    (line,) = said
    assert (line["action"], line["log_level"]) == ("proxy-not-named", "warning")
    assert "trusted_proxies" in line["event"]


def test_a_proxy_s_warning_is_not_used_up_by_somebody_from_afar_who_sends_its_header() -> None:
    clients = Clients(HttpOptions(origins=frozenset()))
    with structlog.testing.capture_logs() as said:
        for peer in ("2001:4860::1", "127.0.0.1", "10.0.0.4", "2001:4860::2", "127.0.0.1"):
            clients.address(peer, ["203.0.113.9"])
    assert [line["detail"] for line in said] == ["the internet", "this machine", "a private network"]
    assert "says that it came through a proxy" in said[0]["event"]
    assert "2001:4860" not in str(said)
