"""Whatever is in the headers, or in notes: bytes that are no text, names that are no hosts, bodies that are not what
their headers say. Each is answered, and none of it fails; nothing that somebody typed is lost.
"""

from __future__ import annotations

import asyncio
from typing import Final

import pytest
from structlog.testing import capture_logs
from yarl import URL

from service.keys import Keyring
from service.store.engine import Store
from tests.integration.rights.house import API, open_house

_SIGN_IN: Final = b'{"username": "nobody", "password": "guessed"}'
_SESSION: Final = b"GET /api/v1/session"
#: request, its Host or none for the right one, further headers; what is answered
_REQUESTS: Final = {
    "a cookie that is no text": (_SESSION, None, b"Cookie: __Host-ecoute=\xff\xfe", 401),
    "a cookie with a NUL": (_SESSION, None, b'Cookie: __Host-ecoute="\\000"', 401),
    "a host that is none": (_SESSION, b"[", b"X-Any: 1", 401),
    "a host that is no text": (_SESSION, b"\xff", b"X-Any: 1", 401),
    "figures, of a host that is none": (b"GET /metrics", b"[", b"X-Any: 1", 403),
    "figures, with a token that is no text": (b"GET /metrics", None, b"Authorization: Bearer \xff", 403),
    "somebody who is no number": (_SESSION, None, b"X-Ecoute-Account: \xff", 401),
    "a way here that is no address": (b"POST /api/v1/session", None, b"X-Forwarded-For: \xff, [::1", 401),
    "a cookie that is no text, to sign in": (b"POST /api/v1/session", None, b"Cookie: __Host-ecoute=\xff", 401),
    "a body that is not compressed": (b"POST /api/v1/session", None, b"Content-Encoding: gzip", 422),
    "a body that is not deflated": (b"POST /api/v1/session", None, b"Content-Encoding: deflate", 422),
    "a compression that nobody knows": (b"POST /api/v1/session", None, b"Content-Encoding: none", 401),
    "an upgrade to a socket": (b"GET /api/v1/live", None, b"Upgrade: websocket\r\nConnection: Upgrade", 401),
}


async def _status(base: URL, request: bytes, host: bytes | None, headers: bytes) -> int:
    own, origin = f"{base.host}:{base.port}".encode(), str(base.origin()).encode()
    lines = [request + b" HTTP/1.1", b"Host: " + (own if host is None else host), b"Origin: " + origin, headers]
    body = _SIGN_IN if request.startswith(b"POST") else b""
    if body:
        lines += [b"Content-Type: application/json", b"Content-Length: %d" % len(body)]
    reader, writer = await asyncio.open_connection(base.host, base.port)
    writer.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
    first = await asyncio.wait_for(reader.readline(), 30)
    writer.close()
    assert first, "the connection was closed without an answer"
    return int(first.split()[1])


async def test_every_request_is_answered_whatever_its_headers_say(sqlite_store: Store, keyring: Keyring) -> None:
    with capture_logs() as said:
        async with open_house(sqlite_store, keyring, casts=["listener"], metrics_token="figures") as house:
            found = {what: await _status(house.base, *asked[:3]) for what, asked in _REQUESTS.items()}
    assert found == {what: asked[3] for what, asked in _REQUESTS.items()}
    assert not [line for line in said if line.get("action") == "request-failed"]


@pytest.mark.parametrize("host", ["[", "localhost.example"])
async def test_figures_are_for_this_machine_by_its_own_name(sqlite_store: Store, keyring: Keyring, host: str) -> None:
    async with open_house(sqlite_store, keyring, casts=["listener"]) as house:
        assert await _status(house.base, b"GET /metrics", host.encode(), b"X-Any: 1") == 403
        assert await _status(house.base, b"GET /metrics", None, b"X-Any: 1") == 200


async def test_a_stray_control_character_costs_a_listener_neither_their_notes_nor_a_name(
    store: Store, keyring: Keyring
) -> None:
    typed = "elle dit\0 : \x07\x1b[1m « non » \u2028\u202e"
    async with open_house(store, keyring, casts=["listener"]) as house:
        held, client = house.held[house.viewers[0].account_id], house.viewers[0].client
        contact, case = f"{API}/contacts/{held.contact_id}", f"{API}/cases/{held.case_id}"
        async with client.put(f"{contact}/notes", json={"text": typed, "version": 1}) as response:
            assert response.status == 200, await response.text()
        names = {"caller": f"Zoé{typed}", "person_concerned": "\0"}
        async with client.put(f"{case}/names", json=names) as response:
            assert response.status == 200, await response.text()
        async with client.get(contact) as response:
            assert (await response.json())["notes"] == typed
        async with client.get(case) as response:
            assert (await response.json())["names"] == names
        async with client.post(f"{API}/cases/search", json={"name": "zoé\0"}) as response:
            assert response.status == 200, await response.text()
