"""The table of who may ask for what, from what the routes declare.

`python -m service.cli.describe rights` prints it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from service.accounts.rights import Right, Role, rights_of
from service.http.pages import pages
from service.http.routing import PUBLIC, SIGNED_IN, Need, Route, RouteTable, all_routes
from service.http.system import system

_HEAD: Final = """# Who may ask for what

Written by `python -m service.cli.describe rights > docs/rights.md` from what each route declares; a test
holds it to the code, and another carries out every route for every role and centre (`tests/integration/rights`).

Beside its right, a route's answers reach only so far ("reaches"): a case is seen by its own team, and by a listener
while they are in contact with its caller; people of another centre cannot tell it from one that does not exist. Who
does not end their writing-up keeps that contact and its case; the caller's other cases close to them 12 hours after the
call. Call records and the board are of the whole line and hold nothing of what was said.

Nobody is thrown out of a conversation. Two kinds of sessions have lost the rights of their roles, and keep what the
contact needs that their listener is in ("in contact" in the table), for that contact alone: to see it, to write and
save its notes, to end the call and the writing-up. No other case, no search, no queue. The session must have the
listener's phone; a further one keeps nothing.

- **The account was deactivated** (`ecoute listeners deactivate`). Everything else is refused (`account-ended`), and
  nobody rings them any more. It ends with their writing-up, 12 hours after the call, or at once by
  `ecoute listeners sign-out`.
- **A second step is asked of one of the roles** (`accounts.totp_roles`) and the session was made without. That is
  looked at when the service starts, for sessions from before, too. They may set the step up, or present it by signing
  in once more; all else is refused (`second-step-missing`), and they leave the queues.

| route | right | who | in contact | reaches | on the audit trail | a minute |
|---|---|---|---|---|---|---|
"""


def rendered(tables: Sequence[RouteTable]) -> str:
    """The table, as Markdown."""
    routes = all_routes([*system({}, dict), *tables, pages(None)])
    return _HEAD + "".join(map(_row, sorted(routes, key=lambda route: (route.address, route.method))))


def _row(route: Route) -> str:
    kind = "WebSocket" if route.websocket else route.method
    reach = route.reach.value if route.reach is not None else "?"
    trail = ", ".join(route.audits) if isinstance(route.audits, tuple) else f"nothing: {route.audits}"
    if route.audits_also:
        trail += f" (in some cases also {', '.join(route.audits_also)})"
    pace = str(route.per_minute or "")
    kept = "kept" if route.in_contact else ""
    cells = (f"{kind} `{route.address}`", route.need.value, _who(route.need), kept, reach, trail, pace)
    return f"| {' | '.join(cells)} |\n"


def _who(need: Need) -> str:
    if need is PUBLIC:
        return "anybody"
    if need is SIGNED_IN:
        return "whoever is signed in"
    return ", ".join(role.value for role in Role if isinstance(need, Right) and need in rights_of({role}))
