"""How a feature declares its routes. A route without a declared right cannot exist: neither here nor in the app.

    routes = RouteTable("cases")

    @routes.change("PUT", "/contacts/{contact_id}/notes", right=Right.WRITE_CASES, body=NotesIn, response=NotesSaved,
                   reach=Reach.CASES, audits=(Action.NOTES_SAVED,))
    async def save_notes(visit: Visit[NotesIn]) -> NotesSaved:
        async with visit.app[STORE].transaction() as session:
            return await use_cases.save_notes(session, visit.viewer, visit.number("contact_id"), visit.body)

Paths are below `/api/v1`. The guard has signed in, allowed and parsed before the handler runs. What it returns is
validated against `response`; None answers 204. A WebSocket's handler returns the aiohttp response itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any, Final, Generic, Literal, TypeAlias, TypedDict

from aiohttp import web
from pydantic import BaseModel, ConfigDict, JsonValue
from typing_extensions import TypeVar, Unpack

from service.accounts.rights import Right
from service.accounts.viewer import Viewer
from service.audit.model import Action
from service.errors import NotFound, ServiceError, Unauthenticated

PREFIX: Final = "/api/v1"

#: How a handler may fail, for the API's description: kinds of error with their ids. The guard's own need no mention.
Fails: TypeAlias = Sequence[tuple[type[ServiceError], str]]


class Open(Enum):
    """For routes that ask for no particular right."""

    PUBLIC = "public"  # anybody, signed in or not
    SIGNED_IN = "signed-in"  # anybody who is signed in


PUBLIC: Final = Open.PUBLIC
SIGNED_IN: Final = Open.SIGNED_IN
Need: TypeAlias = Right | Open


class Reach(Enum):
    """Whose data a route's answers may hold. The matrix in tests/integration/rights holds each route to it."""

    NOBODY = "nothing about anybody"
    OWN = "one's own account, phone and call"
    CASES = "cases of one's team, and of the caller one is in contact with"
    LINE = "calls and listeners of the whole line, never what was said"
    LIVE = (
        "the `line` view alone (is it up), for an analyst as for all; with `take-calls` one's own state and call; with "
        "`write-cases` whether what one writes is saved; with `watch-line` calls, listeners and alarms of the whole "
        "line; never what was said"
    )
    TRAIL = "ids, of the whole line"


#: What a route puts on the audit trail when it did its work; or why it puts nothing there, in words.
Audits: TypeAlias = tuple[Action, ...] | str


class Promise(TypedDict, total=False):
    """What a route promises beside its right. `per_minute`: how often a session may ask; never on a call's way.

    `audits_also`: what it puts on the trail in some cases only.
    `in_contact`: a contact needs it. Whoever lost their rights in the middle of one (deactivated, or a second step is
    asked of them) keeps it until the contact is over; the handler holds them to that contact.
    """

    reach: Reach
    audits: Audits
    audits_also: tuple[Action, ...]
    per_minute: int
    in_contact: bool


Method: TypeAlias = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class Wire(BaseModel):
    """Base of what travels: unknown fields are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def example(**fields: JsonValue) -> ConfigDict:
    """For a model's `model_config`: what the API's description shows of it. Nothing real."""
    return ConfigDict(json_schema_extra={"examples": [fields]})


class Nothing(Wire):
    """No body, or `{}`."""


class NoQuery(Wire):
    """No parameters after the `?`."""


B = TypeVar("B", bound=BaseModel, default=Nothing)
Q = TypeVar("Q", bound=BaseModel, default=NoQuery)
R = TypeVar("R", default=None)
M = TypeVar("M", bound=BaseModel, default=Nothing)


@dataclass(frozen=True)
class Visit(Generic[B, Q]):
    """One request that the guard let through. `body` and `query` are as the route declared them."""

    request: web.Request
    body: B
    query: Q
    signed_in: Viewer | None
    finishers: list[Callable[[web.StreamResponse], None]] = field(default_factory=list)

    def on_response(self, finish: Callable[[web.StreamResponse], None]) -> None:
        """Do something to the response before it goes out (a cookie)."""
        self.finishers.append(finish)

    @property
    def app(self) -> web.Application:
        return self.request.app

    @property
    def viewer(self) -> Viewer:
        """Who asks; on a PUBLIC route there may be nobody."""
        if self.signed_in is None:
            raise Unauthenticated("not-signed-in", "Sign in first.")
        return self.signed_in

    def word(self, name: str) -> str:
        """A part of the path, as text. A NUL is in none: PostgreSQL has no text with one."""
        word = self.request.match_info[name]
        if "\0" in word:
            raise _nothing_here()
        return word

    def number(self, name: str) -> int:
        """A part of the path that is a row's number."""
        text = self.word(name)
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            raise _nothing_here()
        return int(text)


def _nothing_here() -> NotFound:
    return NotFound("not-found", "There is nothing at this address.")


Handler: TypeAlias = Callable[[Visit[Any, Any]], Awaitable[Any]]
Declared: TypeAlias = Callable[[Visit[B, Q]], Awaitable[R]]
H = TypeVar("H", bound=Callable[..., Awaitable[Any]])


@dataclass(frozen=True, kw_only=True)
class Route:
    """One declared route. `conflict`: the shape of its 409, where it has one of its own. `sends`: of a WebSocket."""

    method: Method
    path: str
    need: Need
    handler: Handler
    body: type[BaseModel] = Nothing
    query: type[BaseModel] = NoQuery
    response: type[BaseModel] | None = None
    status: int = 200
    conflict: type[BaseModel] | None = None
    fails: Fails = ()
    websocket: bool = False
    sends: type[BaseModel] | None = None
    raw: bool = False  #: the handler makes the aiohttp response itself
    feature: str = ""
    prefix: str = PREFIX
    reach: Reach | None = None
    audits: Audits | None = None
    audits_also: tuple[Action, ...] = ()
    per_minute: int | None = None
    in_contact: bool = False

    @property
    def address(self) -> str:
        """The whole path, with names in braces."""
        return self.prefix + self.path

    @property
    def name(self) -> str:
        """The operation's name in the API's description."""
        return getattr(self.handler, "__name__", "route")

    @property
    def summary(self) -> str:
        """The first line of the handler's docstring."""
        return (self.handler.__doc__ or "").strip().split("\n", 1)[0]


@dataclass
class RouteTable:
    """A feature's routes. `schemas`: further models for the API's description."""

    feature: str
    prefix: str = PREFIX
    routes: list[Route] = field(default_factory=list)
    schemas: list[type[BaseModel]] = field(default_factory=list)

    def get(
        self,
        path: str,
        *,
        right: Need,
        response: type[M],
        query: type[Q] = NoQuery,  # type: ignore[assignment]
        fails: Fails = (),
        **promise: Unpack[Promise],
    ) -> Callable[[Declared[Nothing, Q, M]], Declared[Nothing, Q, M]]:
        """Declare a route that reads."""
        return self._declare(
            partial(Route, method="GET", path=path, need=right, query=query, response=response, fails=fails, **promise)
        )

    def change(
        self,
        method: Literal["POST", "PUT", "PATCH"],
        path: str,
        *,
        right: Need,
        response: type[M],
        body: type[B] = Nothing,  # type: ignore[assignment]
        status: int = 200,
        conflict: type[BaseModel] | None = None,
        fails: Fails = (),
        **promise: Unpack[Promise],
    ) -> Callable[[Declared[B, NoQuery, M]], Declared[B, NoQuery, M]]:
        """Declare a route that changes something. The guard checks its origin."""
        return self._declare(
            partial(
                Route,
                method=method,
                path=path,
                need=right,
                body=body,
                response=response,
                status=status,
                conflict=conflict,
                fails=fails,
                **promise,
            )
        )

    def delete(
        self, path: str, *, right: Need, fails: Fails = (), **promise: Unpack[Promise]
    ) -> Callable[[Declared[Nothing, NoQuery, None]], Declared[Nothing, NoQuery, None]]:
        """Declare a route that takes something away; answers 204."""
        return self._declare(partial(Route, method="DELETE", path=path, need=right, status=204, fails=fails, **promise))

    def websocket(
        self,
        path: str,
        *,
        right: Need,
        sends: type[BaseModel] | None = None,
        fails: Fails = (),
        **promise: Unpack[Promise],
    ) -> Callable[[Declared[Nothing, NoQuery, web.StreamResponse]], Declared[Nothing, NoQuery, web.StreamResponse]]:
        """Declare a WebSocket. The guard checks its origin before the handler prepares it. `sends`: one message."""
        return self._declare(
            partial(
                Route,
                method="GET",
                path=path,
                need=right,
                websocket=True,
                raw=True,
                sends=sends,
                fails=fails,
                **promise,
            )
        )

    def raw(
        self, path: str, *, right: Need, **promise: Unpack[Promise]
    ) -> Callable[[Declared[Nothing, NoQuery, web.StreamResponse]], Declared[Nothing, NoQuery, web.StreamResponse]]:
        """Declare a GET that answers something else than JSON of a declared shape."""
        return self._declare(partial(Route, method="GET", path=path, need=right, raw=True, **promise))

    def _declare(self, route: partial[Route]) -> Callable[[H], H]:
        """The route exists once its handler is there."""

        def declare(handler: H) -> H:
            self.add(route(handler=handler, feature=self.feature, prefix=self.prefix))
            return handler

        return declare

    def add(self, route: Route) -> None:
        """Declare a route by value."""
        if not isinstance(route.need, (Right, Open)):
            raise TypeError(f"{route.method} {route.path} declares no right")
        self.routes.append(route)


def all_routes(tables: Sequence[RouteTable]) -> list[Route]:
    """The routes of all features; the same method and path twice is an error."""
    seen: dict[tuple[str, str], Route] = {}
    for table in tables:
        for route in table.routes:
            key = (route.method, route.prefix + route.path)
            if key in seen:
                raise ValueError(f"{route.method} {route.path} is declared twice")
            seen[key] = route
    return list(seen.values())
