"""What is known about a caller before anybody speaks: kept in memory while the call lives. Pure.

A number used before is not a person identified: this opens nothing by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.cases.schemas import Known

ANONYMOUS = Known(number="anonymous", shielded=False, contacts=0, last_contact_at=None, cases=[])
#: not looked up yet, or the database does not say: that it is the first time is not known
UNAVAILABLE = Known(number="unavailable", shielded=False, contacts=0, last_contact_at=None, cases=[])
#: not looked up yet for this listener: one case is closed to them, which they must not tell from there being none
UNKNOWN = Known(number="unknown", shielded=False, contacts=0, last_contact_at=None, cases=[])


@dataclass(frozen=True, slots=True)
class KnownCaller:
    """`closed_to`: volunteers who must not know of one of the cases (they know somebody in it)."""

    known: Known
    closed_to: frozenset[int] = frozenset()

    @property
    def department(self) -> str:
        """Of the cases found, where it is one and the same; nothing is decided by a number that the accused may use."""
        departments = {case.department for case in self.known.cases if case.department}
        return departments.pop() if len(departments) == 1 and not self.known.shielded else ""

    def for_page(self) -> Mapping[str, Any]:
        """JSON values for the listener's page."""
        return self.known.model_dump(mode="json")
