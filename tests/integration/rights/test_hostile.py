"""Whatever is sent, nothing fails: each route with values that no page sends, by somebody who may do everything."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import delete
from structlog.testing import capture_logs
from yarl import URL

from service.accounts.model import FailedSignIn
from service.http.routing import PUBLIC, Route
from service.keys import Keyring
from service.store.engine import Store
from tests.integration.rights.examples import EXAMPLES
from tests.integration.rights.house import House, Viewer, every_route, open_house

#: past what a row's number may be, on either database
_PAST: Final = 2**63
_INSTANTS: Final = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00+23:59")
_WORDS: Final = ("\0", "a\0b", "'\"\\%_;--", "1\r\n", "-1", "x" * 5_000, "9" * 18, str(_PAST))
#: in an address: also bytes that are no text
_IN_ADDRESSES: Final = ("%ED%A0%80", "%FF", "%", *(quote(word, safe="") for word in _WORDS))
_IN_QUERIES: Final = (*_IN_ADDRESSES, *(quote(one, safe="") for one in _INSTANTS))
_IN_BODIES: Final[tuple[Any, ...]] = (
    *_WORDS, *_INSTANTS, "0001-01-01", "9999-12-31", 0, -1, _PAST - 1, _PAST, -_PAST - 1, 10**30, 1e308,
    True, None, [], {}, ["\0"],
)  # fmt: skip
_BODIES: Final = (b"\xff", b"\0", b'{"a":', b"[" * 20_000, b"null", b'"\\ud800"', b'{"\\u0000": 1}')


@dataclass(frozen=True, slots=True)
class Sent:
    """One request."""

    route: Route
    address: str
    body: bytes | None = None

    def __str__(self) -> str:
        return f"{self.route.method} {self.address[:120]} {(self.body or b'')[:80]!r}"


def _sent(route: Route, words: dict[str, Any], body: dict[str, Any]) -> Iterator[Sent]:
    pattern = route.address.replace("{path:.*}", "{path}")
    own = pattern.format(**words)
    if "{" in pattern:
        for word in _IN_ADDRESSES:
            yield Sent(route, pattern.format(**dict.fromkeys(words, word)), b"{}" if route.method != "GET" else None)
    for name in route.query.model_fields:
        yield from (Sent(route, f"{own}?{name}={word}") for word in _IN_QUERIES)
    if route.method == "GET":
        yield from (Sent(route, f"{own}?{more}") for more in ("%00=%00", "subject=case&subject_id=%00"))
        return
    yield from (Sent(route, own, raw) for raw in _BODIES)
    for name in route.body.model_fields:
        for value in _IN_BODIES:
            yield Sent(route, own, json.dumps(body | {name: value}).encode())


async def _status(house: House, viewer: Viewer, sent: Sent) -> int:
    url = URL(str(house.base).rstrip("/") + sent.address, encoded=True)
    headers = {"Content-Type": "application/json"}
    async with viewer.client.request(sent.route.method, url, data=sent.body, headers=headers) as response:
        await response.read()
        return response.status


async def _answered(house: House, viewer: Viewer, sent: Sent) -> int:
    """Past the pace of a session and past the limit on guesses, by somebody who is signed in: the route is reached."""
    status = await _status(house, viewer, sent)
    if status not in (401, 429):
        return status
    async with house.store.transaction() as session:
        await session.execute(delete(FailedSignIn))
    if sent.route.need is not PUBLIC:
        await house.sign_in(viewer)
    return await _status(house, viewer, sent)


async def _body(house: House, viewer: Viewer, route: Route) -> dict[str, Any]:
    """One that fits."""
    if route.need is PUBLIC:
        return {"username": "nobody", "password": "guessed", "code": "123456"}
    example = EXAMPLES[route.method, route.address][0]
    if example.prepare is not None:
        return await example.prepare(house, viewer)
    return dict(example.body or {})


async def _all_answered(house: House) -> AsyncIterator[tuple[Sent, int]]:
    """Strangers come last: whoever is signed in stays so."""
    viewer, stranger = house.viewers[0], house.viewers[-1]
    held = house.held[viewer.account_id]
    words = {"contact_id": held.contact_id, "case_id": held.case_id, "call_id": held.call_id}
    words |= {"session_id": 5, "path": "x"}
    routes = [route for route in every_route() if not route.websocket]
    for route in sorted(routes, key=lambda route: route.need is PUBLIC):
        who = stranger if route.need is PUBLIC else viewer
        for sent in _sent(route, words, await _body(house, who, route)):
            yield sent, await _answered(house, who, sent)


async def test_no_route_fails_whatever_is_sent(store: Store, keyring: Keyring, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<!doctype html>", encoding="utf-8")
    failed, seen = [], set()
    with capture_logs():  # a line for each of thousands of requests takes longer than the request
        async with open_house(store, keyring, casts=["every role"], pages=tmp_path) as house:
            async for sent, status in _all_answered(house):
                seen.add(status)
                if status >= 500:
                    failed.append(f"{status} {sent}")
    assert not failed, "\n".join(failed)
    assert {200, 401, 404, 409, 422} <= seen, "each kind of route was reached"
