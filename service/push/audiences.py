"""Who may see which live entity: decided here and nowhere else. Sending too widely is a privacy bug."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NewType

from service.accounts.rights import Right
from service.accounts.viewer import Viewer

#: A group of pages that see the same entities.
Audience = NewType("Audience", str)

EVERYBODY = Audience("everybody")
WATCHING = Audience("watching")
WRITING = Audience("writing")
_OWN: Final = "account:"


class Kind(StrEnum):
    """Kinds of live entities."""

    LINE = "line"
    ME = "me"
    OFFER = "offer"
    CONTACT = "contact"
    CALL = "call"
    LISTENER = "listener"
    ALARM = "alarm"
    NOTICE = "notice"


def own(account_id: int) -> Audience:
    """The pages of one listener: their state, the call that rings for them, their contact."""
    return Audience(f"{_OWN}{account_id}")


def is_own(audience: Audience) -> bool:
    """One listener's: few changes, and somebody's telephone rings meanwhile."""
    return audience.startswith(_OWN)


def audience_of(kind: Kind, account_id: int | None = None) -> Audience:
    """For whom an entity is made. `account_id`: of the listener whom a personal entity is about."""
    if kind is Kind.LINE:
        return EVERYBODY
    if kind in (Kind.CALL, Kind.LISTENER, Kind.ALARM):
        return WATCHING
    if kind is Kind.NOTICE:
        return WRITING
    if account_id is None:
        raise ValueError(f"a {kind} belongs to one listener")
    return own(account_id)


def audiences_for(viewer: Viewer) -> tuple[Audience, ...]:
    """What a page of this viewer gets."""
    found = [EVERYBODY]
    if viewer.may(Right.WATCH_LINE):
        found.append(WATCHING)
    if viewer.may(Right.WRITE_CASES) or viewer.listens:
        found.append(WRITING)
    if viewer.listens:
        found.append(own(viewer.account_id))
    return tuple(found)
