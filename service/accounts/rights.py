"""Role → rights (docs/rights.md shows what follows). A route names the right it needs; the guard asks here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What somebody is on the line. An account may have several."""

    LISTENER = "listener"
    SUPERVISOR = "supervisor"
    COORDINATOR = "coordinator"
    ANALYST = "analyst"
    DPO = "dpo"
    ADMINISTRATOR = "administrator"


class Right(StrEnum):
    """What one may do. Which cases one may see is decided on top of it, case by case (`service/cases/queries.py`)."""

    TAKE_CALLS = "take-calls"  # a phone of one's own, sign in to the queue, pause, end one's own call
    SEE_CALLER = "see-caller"  # what is known about the caller one is in contact with
    READ_CASES = "read-cases"
    WRITE_CASES = "write-cases"  # notes, keep, discard, link
    WATCH_LINE = "watch-line"  # the live board: waiting calls, listeners, calls in progress
    READ_CALLS = "read-calls"  # call records with their timeline, never their content
    READ_FIGURES = "read-figures"  # suppressed aggregates
    READ_AUDIT = "read-audit"
    MANAGE_ACCOUNTS = "manage-accounts"
    MANAGE_LINE = "manage-line"  # centres, routes, settings


_OF_ROLE: Final[Mapping[Role, frozenset[Right]]] = {
    Role.LISTENER: frozenset({Right.TAKE_CALLS, Right.SEE_CALLER, Right.READ_CASES, Right.WRITE_CASES}),
    Role.SUPERVISOR: frozenset({Right.WATCH_LINE, Right.READ_CALLS, Right.READ_CASES, Right.READ_FIGURES}),
    Role.COORDINATOR: frozenset({Right.READ_CASES, Right.WRITE_CASES, Right.READ_FIGURES}),
    Role.ANALYST: frozenset({Right.READ_FIGURES}),
    Role.DPO: frozenset({Right.READ_AUDIT}),
    Role.ADMINISTRATOR: frozenset({Right.MANAGE_ACCOUNTS, Right.MANAGE_LINE}),
}


def rights_of(roles: Iterable[Role]) -> frozenset[Right]:
    """All that these roles may do together."""
    return frozenset().union(*(_OF_ROLE[role] for role in roles))
