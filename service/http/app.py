"""The aiohttp application: declared routes, the guard before each, errors and headers around all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeAlias

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from service.accounts.attempts import Doorway
from service.accounts.viewer import Viewer
from service.http import headers
from service.http.errors import CLIENT_WENT, errors
from service.http.guard import endpoint
from service.http.keys import (
    CLIENTS,
    CLOCK,
    DOORWAY,
    KEYRING,
    LEFT,
    OPTIONS,
    PUBLISH,
    STORE,
    THROTTLE,
    Change,
    Left,
    Publish,
)
from service.http.options import Clients, HttpOptions
from service.http.pages import pages
from service.http.routing import Route, RouteTable, all_routes
from service.http.system import HEALTH, Check, Health, NoHealth, system
from service.http.throttle import Throttle
from service.keys import Keyring
from service.store.engine import Store

#: method, route as declared, status, seconds
Answered: TypeAlias = Callable[[str, str, int, float], None]
_SWITCHED: Final = 101  #: to a live socket


class UndeclaredRoute(Exception):
    """A route was added behind the guard's back: declare it in a RouteTable, with its right."""


def _now() -> datetime:
    return datetime.now(UTC)


async def _rung_by_nobody(_viewer: Viewer) -> None:
    """Where there is no queue to leave."""


def _to_nobody(_change: Change) -> None:
    """Where nobody wants to hear of changes."""


def create_app(
    *,
    store: Store,
    keyring: Keyring,
    tables: Sequence[RouteTable],
    options: HttpOptions,
    readiness: Mapping[str, Check] | None = None,
    publish: Publish = _to_nobody,
    left: Left = _rung_by_nobody,
    health: Health | None = None,
    answered: Answered | None = None,
    clock: Callable[[], datetime] = _now,
) -> web.Application:
    """The application over an upgraded store.

    `readiness`: further checks of /readyz, by name. `publish`: called with ContactChanged and SessionEnded after their
    commit; must not block. `left`: awaited when somebody signed out and their phone went with it. `tables`: of all
    features; the app refuses to start with any route that is not declared. `health`: for /readyz and /metrics.
    `answered`: told of each request (method, route, status, seconds).
    """
    around = [errors] if answered is None else [_timed(answered), errors]
    app = web.Application(middlewares=around, client_max_size=options.max_body_bytes)
    app[HEALTH] = health or NoHealth()
    app[STORE], app[KEYRING], app[OPTIONS], app[PUBLISH], app[CLOCK] = store, keyring, options, publish, clock
    app[THROTTLE], app[DOORWAY], app[CLIENTS], app[LEFT] = Throttle(), Doorway(), Clients(options), left
    headers.install(app)
    checks: dict[str, Check] = {"store": store.ping, **(readiness or {})}
    everything = [*system(checks, partial(_described, tables)), *tables, pages(options.pages)]
    declared = {_register(app, route) for route in all_routes(everything)}

    async def refuse_undeclared(started: web.Application) -> None:
        for found in started.router.routes():
            if found.handler not in declared:
                raise UndeclaredRoute(f"{found.method} {found.resource.canonical if found.resource else ''}")

    app.on_startup.append(refuse_undeclared)
    return app


def _described(tables: Sequence[RouteTable]) -> dict[str, Any]:
    """What only who programs asks for: the service's start loads and makes nothing of it."""
    from service.http.openapi import describe

    return describe(tables)


def _timed(answered: Answered) -> Middleware:
    """Tells how each request went. A live socket lasts as long as its page: that is no answer's time."""

    @web.middleware
    async def timed(request: web.Request, handler: Handler) -> web.StreamResponse:
        started, status = time.perf_counter(), CLIENT_WENT
        try:
            response = await handler(request)
            status = response.status
        except web.HTTPException as error:
            status = error.status
            raise
        finally:
            if status != _SWITCHED:
                resource = request.match_info.route.resource
                route = resource.canonical if resource is not None else "none"
                answered(request.method, route, status, time.perf_counter() - started)
        return response

    return timed


def _register(app: web.Application, route: Route) -> object:
    handler = endpoint(route)
    app.router.add_route(route.method, route.address, handler)
    return handler
