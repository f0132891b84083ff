"""A centre and its coverage, as stored; and the routes that follow, as the PBX gets them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.store.base import Base, CentreId, words

#: a keypad has no 2A and 2B: who keys Corsica's postcode reaches the centre of the south
CORSICA_KEYED = "20"


class RouteKind(StrEnum):
    """How a caller is brought to a centre."""

    QUEUE = "queue"  # its volunteers sign in to a queue on this PBX, named by the centre's id
    TELEPHONE = "telephone"  # a person there presses 1


class Centre(Base):
    """`telephone`: E.164, for that kind of route."""

    __tablename__ = "centres"

    id: Mapped[CentreId] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    route: Mapped[RouteKind] = mapped_column(words(RouteKind))
    telephone: Mapped[str | None] = mapped_column(String(16))
    coverage: Mapped[list[Coverage]] = relationship(
        lazy="selectin", cascade="all, delete-orphan", order_by="Coverage.department"
    )


class Coverage(Base):
    """One department has one centre. `department`: the INSEE code, `01`…`95`, `2A`, `2B`, `971`…"""

    __tablename__ = "centre_departments"

    department: Mapped[str] = mapped_column(String(3), primary_key=True)
    centre_id: Mapped[CentreId] = mapped_column(ForeignKey("centres.id", ondelete="CASCADE"), index=True)


@dataclass(frozen=True, slots=True)
class Routes:
    """What decisions and the PBX need. `centres`: centre id → telephone, or empty for a queue here."""

    departments: Mapping[str, str] = field(default_factory=dict)
    centres: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, centres: Iterable[Centre]) -> Routes:
        """Of the stored centres. A centre to be telephoned without a number has no route."""
        reachable = {
            centre.id: centre.telephone or ""
            for centre in centres
            if centre.route is RouteKind.QUEUE or centre.telephone
        }
        departments = {
            row.department: centre.id for centre in centres for row in centre.coverage if centre.id in reachable
        }
        return cls(departments, reachable)

    def any(self) -> bool:
        """Is there any centre to offer?"""
        return bool(self.departments)

    def centre_of(self, department: str) -> str | None:
        """The centre that covers a department, if it can be reached."""
        return self.departments.get(department)

    def queues(self) -> list[str]:
        """Ids of the centres with a queue on this PBX, sorted."""
        return sorted(centre for centre, telephone in self.centres.items() if not telephone)

    def entries(self) -> dict[str, dict[str, str]]:
        """AstDB family → key → value, as the dialplan reads them (contract of `dialplan/`).

        In the order in which they are to be written: a service that is killed meanwhile leaves no department that leads
        to a centre without a way.
        """
        centres = {
            (f"{centre}/telephone" if telephone else f"{centre}/queue"): telephone or centre
            for centre, telephone in self.centres.items()
        }
        departments = dict(self.departments)
        corsica = departments.get("2A") or departments.get("2B")
        if corsica:
            departments[CORSICA_KEYED] = corsica
        return {"centre": centres, "department": departments}
