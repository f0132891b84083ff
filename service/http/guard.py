"""The one place where a request is let in: origin, session, right, size and shape, in this order."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import DBAPIError

from service.accounts import use_cases as accounts
from service.accounts.rights import Right
from service.accounts.viewer import Viewer
from service.errors import Forbidden, Unauthenticated, Unfit
from service.http.cookie import set_cookie, token_of
from service.http.errors import unfit
from service.http.keys import CLOCK, OPTIONS, STORE
from service.http.routing import PUBLIC, NoQuery, Nothing, Route, Visit

_SAFE: Final = frozenset({"GET", "HEAD"})

Finishers: TypeAlias = list[Callable[[web.StreamResponse], None]]
_log = structlog.get_logger(__name__)


def endpoint(route: Route) -> Handler:
    """The aiohttp handler of a declared route. Every declared route is reached through this, and only so."""

    async def handle(request: web.Request) -> web.StreamResponse:
        started = time.monotonic()
        _check_origin(request, route)
        finishers: Finishers = []
        viewer = await _viewer(request, finishers)
        _check_right(route, viewer)
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


async def _viewer(request: web.Request, finishers: Finishers) -> Viewer | None:
    token = token_of(request)
    if token is None:
        return None
    store, now = request.app[STORE], request.app[CLOCK]()
    async with store.reading() as session:
        found = await accounts.viewer_of(session, token, now)
    if found is None:
        return None
    if found.stale:
        try:
            async with store.transaction() as session:
                await accounts.touch(session, found.viewer.session_id, now)
            finishers.append(lambda response: set_cookie(response, token))
        except DBAPIError:  # a locked database must not keep a listener from their page; the next request tries again
            _log.warning("could not note that a session is in use", action="session-touch-failed")
    return found.viewer


def _check_right(route: Route, viewer: Viewer | None) -> None:
    if route.need is PUBLIC:
        return
    if viewer is None:
        raise Unauthenticated("not-signed-in", "Sign in first.")
    if isinstance(route.need, Right) and not viewer.may(route.need):
        raise Forbidden("right-missing", "Your account may not do this: ask the administrator for the role it needs.")


async def _body(request: web.Request, route: Route) -> BaseModel:
    if route.method in _SAFE:
        return Nothing()
    raw = await request.read()
    if raw and request.content_type != "application/json":
        raise Unfit("body-not-json", "Send JSON, with the content type application/json.")
    if not raw and route.body is Nothing:
        return Nothing()
    try:
        return route.body.model_validate_json(raw or b"{}")
    except ValidationError as error:
        raise unfit(error, "body") from None


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
