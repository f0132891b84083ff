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
    """The pages of one listener: their state, and their contact."""
    return Audience(f"{_OWN}{account_id}")


def rung(account_id: int, *, confined: bool = False) -> Audience:
    """Of these the ones that are told who rings; `confined`: those that are told that somebody does, and no more."""
    return Audience(f"{_OWN}{account_id}:{'confined' if confined else 'rung'}")


def is_own(audience: Audience) -> bool:
    """One listener's: few changes, and somebody's telephone rings meanwhile."""
    return audience.startswith(_OWN)


def audience_of(kind: Kind, account_id: int | None = None, *, confined: bool = False) -> Audience:
    """For whom an entity is made. `account_id`: of the listener whom a personal entity is about.

    `confined`: an offer for pages without the rights of their roles, which holds nothing of the caller.
    """
    if kind is Kind.LINE:
        return EVERYBODY
    if kind in (Kind.CALL, Kind.LISTENER, Kind.ALARM):
        return WATCHING
    if kind is Kind.NOTICE:
        return WRITING
    if account_id is None:
        raise ValueError(f"a {kind} belongs to one listener")
    return rung(account_id, confined=confined) if kind is Kind.OFFER else own(account_id)


def audiences_for(viewer: Viewer) -> tuple[Audience, ...]:
    """What a page of this viewer gets."""
    found = [EVERYBODY]
    if viewer.may(Right.WATCH_LINE):
        found.append(WATCHING)
    if viewer.may(Right.WRITE_CASES) or viewer.listens:
        found.append(WRITING)
    if viewer.listens:
        found += [own(viewer.account_id), rung(viewer.account_id, confined=viewer.confined)]
    return tuple(found)
