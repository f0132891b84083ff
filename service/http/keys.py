"""What handlers find in the application: `visit.app[STORE]`, typed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from aiohttp import web

from service.accounts.attempts import Doorway
from service.accounts.viewer import Viewer
from service.http.options import Clients, HttpOptions
from service.http.throttle import Throttle
from service.keys import Keyring
from service.store.engine import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactChanged:
    """A contact or its case was changed by somebody, and committed."""

    contact_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownChanged(ContactChanged):
    """So did what is known of callers: who is on the line is looked up anew.

    `shielded`: the contact's number (its keyed hash), where nothing is to be shown of it any more.
    """

    shielded: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded:
    """Somebody signed out: the session's sockets are to be closed. A call of theirs goes on."""

    session_id: int


Change: TypeAlias = ContactChanged | SessionEnded
Publish: TypeAlias = Callable[[Change], None]
Left: TypeAlias = Callable[[Viewer], Awaitable[None]]

STORE: web.AppKey[Store] = web.AppKey("store", Store)
KEYRING: web.AppKey[Keyring] = web.AppKey("keyring", Keyring)
#: called after the commit; must not block
PUBLISH: web.AppKey[Publish] = web.AppKey("publish", Callable)  # type: ignore[arg-type]
#: awaited after the commit: somebody signed out, and no session of theirs has their phone any more
LEFT: web.AppKey[Left] = web.AppKey("left", Callable)  # type: ignore[arg-type]
#: the time, always with UTC
CLOCK: web.AppKey[Callable[[], datetime]] = web.AppKey("clock", Callable)  # type: ignore[arg-type]
THROTTLE: web.AppKey[Throttle] = web.AppKey("throttle", Throttle)
OPTIONS: web.AppKey[HttpOptions] = web.AppKey("options", HttpOptions)
CLIENTS: web.AppKey[Clients] = web.AppKey("clients", Clients)
DOORWAY: web.AppKey[Doorway] = web.AppKey("doorway", Doorway)
