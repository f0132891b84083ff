"""Who is asking: the signed-in account, as every use-case and query gets it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from service.accounts.rights import Right, Role, rights_of


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """`centre`: of the account's team; None is the national team. `session_id`: of the session that asks.

    `must_enrol`: signed in without the second step that a role of theirs asks for; no right until it is set up.
    """

    account_id: int
    session_id: int
    username: str
    display_name: str
    locale: str
    roles: frozenset[Role]
    centre: str | None
    must_enrol: bool = False

    @cached_property
    def rights(self) -> frozenset[Right]:
        return frozenset() if self.must_enrol else rights_of(self.roles)

    def may(self, right: Right) -> bool:
        return right in self.rights
