"""How each route is called: the only part of the matrix that is written by hand. A route without one is a finding."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Any, Final

import pyotp

from pbx.commands import Command, EndConversation, PauseMember, RemoveMember
from service.cases.model import ContactParticipant
from tests.integration.rights.house import House, Viewer
from tests.integration.rights.records import NOW, Record

Prepare = Callable[[House, Viewer], Awaitable[dict[str, Any]]]


class About(Enum):
    """What a route's path or body names."""

    NOTHING = "-"
    READ = "record"  # a case or contact, to be read
    WRITE = "record to write in"
    LINK = "case to link to"
    LINKED = "contact to be linked"
    RINGING = "call that rings"
    SPEAKING = "caller who speaks"
    TALKING = "conversation"
    CALL = "call record"
    SESSION = "session"
    FOUND = "case looked for"


@dataclass(frozen=True, slots=True)
class Example:
    """How a route is called. `prepare`: makes the body where it depends on what was done before. `draft`: records.

    `look`: the body by which a record is looked for. `asks`: what the PBX is asked for, about the viewer alone;
    `asks_last`: when they have lost their rights.
    """

    about: About = About.NOTHING
    body: Mapping[str, Any] | None = None
    query: str = ""
    prepare: Prepare | None = None
    draft: bool = False
    status: int = 200
    path: str = ""  #: for a path that is a pattern
    look: Callable[[Record], dict[str, Any]] | None = None
    asks: type[Command] | None = None
    asks_last: type[Command] | None = None


async def _own_credentials(_house: House, viewer: Viewer) -> dict[str, Any]:
    body = {"username": viewer.username or "nobody", "password": viewer.password or "wrong"}
    return body | ({"code": pyotp.TOTP(viewer.secret).now()} if viewer.secret else {})


async def _own_password(_house: House, viewer: Viewer) -> dict[str, Any]:
    return {"password": viewer.password or "wrong"}


async def _own_code(_house: House, viewer: Viewer) -> dict[str, Any]:
    return {"code": pyotp.TOTP(viewer.secret).now() if viewer.secret else "000000"}


async def _next_code(_house: House, viewer: Viewer) -> dict[str, Any]:
    """The code of now was taken by confirming it."""
    following = pyotp.TOTP(viewer.secret).at(int(time.time()) + 30) if viewer.secret else "000000"
    return {"password": viewer.password or "wrong", "code": following}


async def _hung_up(house: House, viewer: Viewer) -> dict[str, Any]:
    """Nobody resumes in the middle of a conversation."""
    house.line().state.calls.pop(house.calls.get(("talks", viewer.account_id), ""), None)
    return {}


async def _answered_last(house: House, viewer: Viewer) -> dict[str, Any]:
    """Of all the contacts that the matrix gives them, the one whose caller is on the line."""
    held = house.held.get(viewer.account_id)
    async with house.store.transaction() as session:
        part = None if held is None else await session.get(ContactParticipant, (held.contact_id, viewer.account_id))
        if part is not None:
            part.joined_at = NOW + timedelta(minutes=1)
    return {}


Key = tuple[str, str]
_ONE: Final[dict[Key, Example | tuple[Example, ...]]] = {
    ("GET", "/healthz"): Example(),
    ("GET", "/readyz"): Example(),
    ("GET", "/metrics"): Example(),
    ("GET", "/api/v1/openapi.json"): Example(),
    ("GET", "/{path:.*}"): Example(path="/", status=503),  # not built here: a sentence says what to do
    ("GET", "/api/v1/session"): Example(),
    ("PATCH", "/api/v1/session"): Example(body={"locale": "en"}),
    ("GET", "/api/v1/account/sessions"): Example(),
    ("GET", "/api/v1/account/events"): Example(),
    ("GET", "/api/v1/account/second-step"): Example(),
    ("POST", "/api/v1/account/second-step"): Example(prepare=_own_password),
    ("POST", "/api/v1/account/second-step/confirm"): Example(prepare=_own_code),
    ("POST", "/api/v1/account/second-step/codes"): Example(prepare=_next_code),
    ("POST", "/api/v1/account/second-step/remove"): Example(prepare=_own_password),
    ("GET", "/api/v1/contacts/{contact_id}"): Example(About.READ),
    ("GET", "/api/v1/calls/{call_id}/contact"): Example(About.READ),
    ("GET", "/api/v1/cases/{case_id}"): Example(About.READ),
    ("PUT", "/api/v1/contacts/{contact_id}/notes"): Example(About.WRITE, {"text": "relu", "version": 1}),
    ("PUT", "/api/v1/contacts/{contact_id}/shield"): Example(About.WRITE, {"shielded": True}),
    ("POST", "/api/v1/cases/search"): (
        Example(body={"limit": 200}),
        Example(About.FOUND, look=lambda record: {"name": record.word, "limit": 1}),
        Example(About.FOUND, look=lambda record: {"reference": record.reference}),
    ),
    ("PUT", "/api/v1/cases/{case_id}/names"): Example(About.WRITE, {"caller": "Zoé", "person_concerned": None}),
    ("POST", "/api/v1/cases/{case_id}/keep"): Example(About.WRITE, {"department": "38"}, draft=True),
    ("POST", "/api/v1/cases/{case_id}/discard"): Example(About.WRITE, {"reason": "hoax"}, draft=True),
    ("POST", "/api/v1/contacts/{contact_id}/case"): Example(About.LINK, draft=True),
    ("GET", "/api/v1/drafts"): Example(),
    ("GET", "/api/v1/audit"): Example(query="?limit=1000"),
    ("GET", "/api/v1/audit/chain"): Example(),
    ("GET", "/api/v1/calls"): Example(query="?since=2020-01-01T00:00:00Z&limit=1000"),
    ("GET", "/api/v1/calls/{call_id}"): Example(About.CALL),
    ("GET", "/api/v1/calls/{call_id}/known"): Example(About.RINGING),
    ("POST", "/api/v1/calls/{call_id}/known/confirm"): Example(About.SPEAKING, prepare=_answered_last),
    ("POST", "/api/v1/calls/{call_id}/end"): Example(About.TALKING, asks=EndConversation, asks_last=EndConversation),
    ("POST", "/api/v1/phone"): Example(),
    ("POST", "/api/v1/listener/sign-in"): Example(),
    ("POST", "/api/v1/listener/sign-out"): Example(asks=RemoveMember),
    ("POST", "/api/v1/listener/pause"): Example(body={"reason": "break"}, asks=PauseMember),
    ("POST", "/api/v1/listener/resume"): Example(prepare=_hung_up, asks=PauseMember, asks_last=RemoveMember),
    ("GET", "/api/v1/live"): Example(status=101),
    # these end sessions: last, in this order
    ("POST", "/api/v1/session"): Example(prepare=_own_credentials),
    ("DELETE", "/api/v1/account/sessions/{session_id}"): Example(About.SESSION, status=204),
    ("POST", "/api/v1/account/sessions/end-others"): Example(),
    ("DELETE", "/api/v1/session"): Example(status=204),
}
#: every route, with one way of calling it or several
EXAMPLES: Final[dict[Key, tuple[Example, ...]]] = {
    key: one if isinstance(one, tuple) else (one,) for key, one in _ONE.items()
}
