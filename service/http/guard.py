"""The one place where a request is let in: origin, session, right, how often, size and shape, in this order."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as TurnTimeout

from service.accounts import sessions
from service.accounts.rights import Right
from service.accounts.sessions import FoundSession
from service.accounts.viewer import Viewer
from service.errors import Forbidden, Unauthenticated, Unfit
from service.http.cookie import set_cookie, token_of
from service.http.errors import ClientWent, unfit
from service.http.keys import CLOCK, KEYRING, OPTIONS, PUBLISH, STORE, THROTTLE, SessionEnded
from service.http.routing import PUBLIC, NoQuery, Nothing, Route, Visit

#: what a store that cannot be written raises: it refuses, somebody else holds it, or its file or server is gone
_NOT_WRITTEN: Final = (DBAPIError, TurnTimeout, ConnectionError)
_SAFE: Final = frozenset({"GET", "HEAD"})
#: in whose name a page of ours asks: two tabs share one cookie, and somebody else may have signed in in the other
_ASKS_AS: Final = "X-Ecoute-Account"

Finishers: TypeAlias = list[Callable[[web.StreamResponse], None]]
#: whose session, and the token that their browser is to have
_Renewal: TypeAlias = tuple[FoundSession, str]
_log = structlog.get_logger(__name__)


def endpoint(route: Route) -> Handler:
    """The aiohttp handler of a declared route. Every declared route is reached through this, and only so."""

    async def handle(request: web.Request) -> web.StreamResponse:
        started = time.monotonic()
        _check_origin(request, route)
        finishers: Finishers = []
        viewer, renewal = await _viewer(request, route)
        _check_person(request, viewer)
        _check_right(route, viewer)
        _check_pace(request, route, viewer)
        visit: Visit[Any, Any] = Visit(
            request=request,
            body=await _body(request, route),
            query=_query(request, route),
            signed_in=viewer,
            finishers=finishers,
        )
        result = await route.handler(visit)
        response = _answer(route, result)
        if not response.prepared:
            if renewal is not None:
                await _hand_out(request, renewal, response)
            for finish in finishers:
                finish(response)
            milliseconds = round((time.monotonic() - started) * 1000, 1)
            _log.debug("answered", action="request", route=route.address, method=route.method, ms=milliseconds)
        return response

    return handle


def _check_origin(request: web.Request, route: Route) -> None:
    """No other site's page may send for a signed-in person, nor open our WebSocket."""
    if route.method in _SAFE and not route.websocket:
        return
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None:
        allowed = origin in request.app[OPTIONS].origins
    else:
        allowed = not route.websocket and request.headers.get("Sec-Fetch-Site") == "same-origin"
    if not allowed:
        raise Forbidden("origin-refused", "Open the page at its own address: this one is not among ours.")


async def _viewer(request: web.Request, route: Route) -> tuple[Viewer | None, _Renewal | None]:
    """Who asks. Nobody is looked for where anybody may ask: what caches may keep never carries a cookie."""
    token = token_of(request)
    if token is None or route.need is PUBLIC:
        return None, None
    store, now = request.app[STORE], request.app[CLOCK]()
    async with store.reading() as session:
        found = await sessions.viewer_of(session, token, now)
        replayed = found is None and await sessions.replayed(session, token, now)
    if found is None:
        if replayed:
            await _end_replayed(request, token)
        return None, None
    renewal = None
    if found.stale or (found.due and not route.websocket):
        try:
            renewal = await _keep(request, route, found, token)
        except _NOT_WRITTEN:  # a locked database must not keep a listener from their page; the next request tries again
            _log.warning("could not note that a session is in use", action="session-touch-failed")
    return found.viewer, renewal


async def _keep(request: web.Request, route: Route, found: FoundSession, token: str) -> _Renewal | None:
    """The session is in use: its life starts anew, its token is renewed when it is due. A WebSocket sets no cookie."""
    now = request.app[CLOCK]()
    given: str | None = token if found.current else None  # an old token must not replace the new one in the browser
    async with request.app[STORE].transaction() as session:
        if found.due and not route.websocket:
            given = await sessions.rotate(session, request.app[KEYRING], found, token, now)
        else:
            await sessions.touch(session, found, token, now)
    return None if given is None or route.websocket else (found, given)


async def _hand_out(request: web.Request, renewal: _Renewal, response: web.StreamResponse) -> None:
    """The cookie's life starts anew. An answer that took long must not put a token back that was renewed meanwhile."""
    found, token = renewal
    try:
        async with request.app[STORE].reading() as session:
            holds = await sessions.holds(session, found, token)
    except _NOT_WRITTEN:  # the next request gets it
        return
    if holds:
        set_cookie(response, token)


async def _end_replayed(request: web.Request, token: str) -> None:
    app = request.app
    try:
        async with app[STORE].transaction() as session:
            replay = await sessions.end_replayed(session, app[KEYRING], token, app[CLOCK]())
    except _NOT_WRITTEN:  # whoever sends it again is noted then
        _log.warning("could not end a session whose old token was sent", action="token-replay-not-noted")
        return
    if replay is None:
        return
    if replay.ended:
        app[PUBLISH](SessionEnded(session_id=replay.session_id))
    if replay.noted:
        account_id = replay.account_id
        _log.warning("a session's old token was sent after its renewal", action="token-replayed", account_id=account_id)


def _check_person(request: web.Request, viewer: Viewer | None) -> None:
    """What one person wrote is never taken in another one's name. Who says nothing (a script) is not asked."""
    asks_as = request.headers.get(_ASKS_AS)
    if viewer is not None and asks_as is not None and asks_as != str(viewer.account_id):
        raise Unauthenticated("another-account", "Somebody else signed in in this browser: load the page again.")


def _check_right(route: Route, viewer: Viewer | None) -> None:
    if route.need is PUBLIC:
        return
    if viewer is None:
        raise Unauthenticated("not-signed-in", "Sign in first.")
    if route.in_contact and viewer.contact is not None:
        return
    if viewer.ended and not route.in_contact:
        raise Forbidden(
            "account-ended", "Your account was closed: this call and its notes are yours until you end your writing-up."
        )
    if isinstance(route.need, Right) and viewer.must_enrol:
        raise Forbidden("second-step-missing", "Set up the second step of your sign-in first: your role asks for it.")
    if isinstance(route.need, Right) and not viewer.may(route.need):
        raise Forbidden("right-missing", "Your account may not do this: ask the administrator for the role it needs.")


def _check_pace(request: web.Request, route: Route, viewer: Viewer | None) -> None:
    """What is dear is asked for at a person's pace. Nothing that keeps a call alive has a limit."""
    if route.per_minute is not None and viewer is not None:
        request.app[THROTTLE].take(viewer.session_id, route.address, route.per_minute, time.monotonic())


async def _body(request: web.Request, route: Route) -> BaseModel:
    if route.method in _SAFE:
        return Nothing()
    try:
        raw = await request.read()
    except OSError as error:  # of their connection; the database's come later
        raise ClientWent from error
    except web.RequestPayloadError:  # is not compressed, or cut into pieces, as its headers say
        raise _not_json() from None
    if raw and request.content_type != "application/json":
        raise _not_json()
    if not raw and route.body is Nothing:
        return Nothing()
    try:
        return route.body.model_validate_json(raw or b"{}")
    except ValidationError as error:
        raise unfit(error, "body") from None


def _not_json() -> Unfit:
    return Unfit("body-not-json", "Send JSON, with the content type application/json.")


def _query(request: web.Request, route: Route) -> BaseModel:
    if route.query is NoQuery:
        return NoQuery()
    try:
        return route.query.model_validate(dict(request.query))
    except ValidationError as error:
        raise unfit(error, "query") from None


def _answer(route: Route, result: object) -> web.StreamResponse:
    if isinstance(result, web.StreamResponse):
        return result
    if result is None and route.response is None:
        return web.Response(status=204)
    if route.response is None or not isinstance(result, route.response):
        raise TypeError(f"{route.method} {route.address} answered {type(result).__name__}")
    return web.Response(body=result.model_dump_json().encode(), status=route.status, content_type="application/json")
