"""Who is asking: the signed-in account, as every use-case and query gets it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from service.accounts.rights import Right, Role, rights_of


class Standing(StrEnum):
    """How much of an account's rights its session has."""

    FULL = "full"
    CONTACT = "contact"  # what the contact that they are in needs, and no more
    NONE = "none"  # setting up, or presenting, the second step


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """`centre`: of the account's team; None is the national team. `session_id`: of the session that asks.

    `must_enrol`: signed in without the second step that a role of theirs asks for; no right until it is set up.
    `ended`: the account was deactivated. Nobody is cut off by either: `contact` is the one that they are in, held by
    this session (it has their phone); of that they keep what it needs. Looked up for these two alone, else none.
    """

    account_id: int
    session_id: int
    username: str
    display_name: str
    locale: str
    roles: frozenset[Role]
    centre: str | None
    must_enrol: bool = False
    ended: bool = False
    contact: int | None = None

    @property
    def standing(self) -> Standing:
        if not self.confined:
            return Standing.FULL
        return Standing.NONE if self.contact is None else Standing.CONTACT

    @property
    def confined(self) -> bool:
        """Without the rights of their roles."""
        return self.must_enrol or self.ended

    @cached_property
    def rights(self) -> frozenset[Right]:
        return frozenset() if self.confined else rights_of(self.roles)

    @property
    def listens(self) -> bool:
        """Has a listener's page: to take calls, or to finish the contact that they are in."""
        return self.may(Right.TAKE_CALLS) or self.contact is not None

    def may(self, right: Right) -> bool:
        return right in self.rights
