"""The questions of the matrix, made from the routes themselves, and what each must answer.

What must be answered follows from the route's right and the rule of who may see what, told here once more in a few
lines, independently of the service's SQL.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from service.accounts.rights import Right, Role
from service.http.routing import PUBLIC, Reach, Route
from tests.integration.rights.examples import EXAMPLES, About, Example
from tests.integration.rights.house import API, House, Viewer, every_route
from tests.integration.rights.records import TEAMS

_ORDER: Final = {key: number for number, key in enumerate(EXAMPLES)}
#: its records are foreign to all who ask
FOREIGN: Final = "centre-69"


class Tie(Enum):
    """What binds a viewer to a record, beside their team."""

    NONE = ""
    OWN = "in contact"
    CLOSED = "closed to them"  # they know somebody in it
    CALLS = "its caller calls them"  # another call from a number that was used in it
    SHIELDED = "its shielded number calls them"  # the same; who is speaking is not confirmed
    RELEASED = "once in contact"


@dataclass(frozen=True, slots=True)
class Cell:
    """One question: this route, by this viewer, about this team's record."""

    route: Route
    example: Example
    viewer: Viewer
    team: str | None = None
    tie: Tie = Tie.NONE

    @property
    def own(self) -> bool:
        return self.tie is Tie.OWN

    def __str__(self) -> str:
        whose = f"{self.viewer.cast} of {self.viewer.home or 'the national team'}"
        about = f" about {self.team or 'a national'}'s {self.example.about.value}"
        if self.example.about is About.NOTHING:
            about = ""
        if self.tie is not Tie.NONE:
            about += f" ({self.tie.value})"
        return f"{self.route.method} {self.route.address} by {whose}{about}"


def undeclared() -> list[str]:
    """Routes that cannot be judged: no example, no reach, or nothing said of the audit trail."""
    found = []
    for route in every_route():
        name = f"{route.method} {route.address}"
        if (route.method, route.address) not in EXAMPLES:
            found.append(f"{name}: no example of how it is called: add it to EXAMPLES")
        if route.reach is None:
            found.append(f"{name}: does not say whose data its answers may hold (reach=)")
        if route.audits is None:
            found.append(f"{name}: does not say what it puts on the audit trail (audits=)")
        elif route.reach is Reach.CASES and not isinstance(route.audits, tuple):
            found.append(f"{name}: reaches cases and leaves no trace on the audit trail")
    return found


def cells_of(house: House) -> list[Cell]:
    """All of them, in an order in which none takes away what another needs."""
    routes = sorted(every_route(), key=lambda route: _ORDER[route.method, route.address])
    asked = [(route, example) for route in routes for example in EXAMPLES[route.method, route.address]]
    return [cell for route, example in asked for viewer in house.viewers for cell in _of(route, example, viewer)]


def _of(route: Route, example: Example, viewer: Viewer) -> list[Cell]:
    about, takes_calls = example.about, Right.TAKE_CALLS in viewer.rights
    if about is About.NOTHING:
        return [Cell(route, example, viewer)]
    found = [Cell(route, example, viewer, team) for team in TEAMS]
    if viewer.left:
        ties: list[Tie] = [Tie.OWN] if about is About.TALKING else []
        if about in (About.READ, About.WRITE, About.FOUND):
            ties = [Tie.OWN, Tie.RELEASED]
        return found + [Cell(route, example, viewer, viewer.home, tie) for tie in ties]
    if takes_calls or about is About.SESSION:
        found.append(Cell(route, example, viewer, viewer.home, Tie.OWN))
    if about in (About.READ, About.WRITE, About.FOUND):
        found.append(Cell(route, example, viewer, viewer.home, Tie.CLOSED))
        if takes_calls:
            found += [Cell(route, example, viewer, FOREIGN, tie) for tie in (Tie.CALLS, Tie.SHIELDED, Tie.RELEASED)]
    if about is About.LINK and viewer.cast != "nobody":
        linked = Example(About.LINKED, draft=True)
        found += [Cell(route, linked, viewer, team) for team in TEAMS if team != viewer.home]
    return found


def expected(cell: Cell) -> int:
    """The status that the rule of who may see what asks for."""
    route, viewer, need = cell.route, cell.viewer, cell.route.need
    if need is PUBLIC:
        unknown = route.address == f"{API}/session" and (viewer.left or viewer.cast == "nobody")
        return 401 if unknown else cell.example.status
    if viewer.cast == "nobody":
        return 401
    if viewer.left:
        return _of_what_is_left(cell)
    if isinstance(need, Right) and need not in viewer.rights:
        return 403
    return _of_record(cell)


def _of_what_is_left(cell: Cell) -> int:
    """Their one contact, by the routes that it needs; nothing else is there, not even their team's."""
    if not cell.route.in_contact:
        return 403
    if cell.own or cell.example.about is About.NOTHING:
        return cell.example.status
    return 403 if cell.example.about is About.TALKING else 404


def visible(cell: Cell) -> bool:
    """The viewer may know that the cell's record exists."""
    if cell.viewer.left:
        return cell.own
    if cell.tie in (Tie.OWN, Tie.CALLS):
        return True
    if cell.tie in (Tie.SHIELDED, Tie.CLOSED):
        return False
    return cell.team == cell.viewer.home


def _of_record(cell: Cell) -> int:
    about, viewer, good = cell.example.about, cell.viewer, cell.example.status
    if cell.own or about in (About.NOTHING, About.CALL, About.FOUND):
        return good
    if about is About.TALKING:
        return 403
    if cell.tie is Tie.RELEASED and cell.example.draft:
        return good  # their last words, and what becomes of their draft
    if about in (About.RINGING, About.SPEAKING, About.SESSION) or not visible(cell):
        return 404
    team = cell.team == viewer.home
    writes = (team and Role.COORDINATOR in viewer.roles) or (about is About.LINK and Role.LISTENER in viewer.roles)
    return good if about is About.READ or writes else 403
