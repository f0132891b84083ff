"""The table of who may ask for what, from what the routes declare.

python -m service.http.rights > docs/rights.md      # the same routes, the same bytes
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Final

from service.accounts.rights import Right, Role, rights_of
from service.http.pages import pages
from service.http.routing import PUBLIC, SIGNED_IN, Need, Route, RouteTable, all_routes
from service.http.system import system

_HEAD: Final = """# Who may ask for what

Written by `python -m service.http.rights > docs/rights.md` from what each route declares; a test holds it to the code,
and another carries out every route for every role and centre (`tests/integration/rights`).

Beside its right, a route's answers reach only so far ("reaches"): a case is seen by its own team, and by a listener
while they are in contact with its caller; people of another centre cannot tell it from one that does not exist. Call
records and the board are of the whole line and hold nothing of what was said. An account that lacks a second step which
one of its roles asks for (`accounts.totp_roles`) has no right but to set it up, from its next sign-in: sessions from
before the setting go on as they are, so that nobody loses a call by it. `ecoute listeners sign-out` ends them.

| route | right | who | reaches | on the audit trail | a minute |
|---|---|---|---|---|---|
"""


def rendered(tables: Sequence[RouteTable]) -> str:
    """The table, as Markdown."""
    routes = all_routes([*system({}, {}), *tables, pages(None)])
    return _HEAD + "".join(map(_row, sorted(routes, key=lambda route: (route.address, route.method))))


def _row(route: Route) -> str:
    kind = "WebSocket" if route.websocket else route.method
    reach = route.reach.value if route.reach is not None else "?"
    trail = ", ".join(route.audits) if isinstance(route.audits, tuple) else f"nothing: {route.audits}"
    pace = str(route.per_minute or "")
    cells = (f"{kind} `{route.address}`", route.need.value, _who(route.need), reach, trail, pace)
    return f"| {' | '.join(cells)} |\n"


def _who(need: Need) -> str:
    if need is PUBLIC:
        return "anybody"
    if need is SIGNED_IN:
        return "whoever is signed in"
    return ", ".join(role.value for role in Role if isinstance(need, Right) and need in rights_of({role}))


def main() -> None:
    """Print the table of the whole API."""
    print(rendered(importlib.import_module("service.app").ROUTE_TABLES), end="")


if __name__ == "__main__":
    main()
