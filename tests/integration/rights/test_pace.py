"""A stolen session reads cases and calls no faster than a person does: each route has a limit, or a reason."""

from __future__ import annotations

from service.http.routing import Reach
from tests.integration.rights.house import every_route
from tests.integration.rights.test_doors import ON_A_CALLS_WAY

#: why some that may tell of somebody's case or call are not slowed down either
TOLD_TO_WHO_KNOWS = {
    "POST /api/v1/contacts/{contact_id}/case": "in a call; answers with a contact that one may write in",
    "PUT /api/v1/contacts/{contact_id}/shield": "in a call, and urgent; answers with what was sent",
    "PUT /api/v1/cases/{case_id}/names": "in a call; answers with what was sent",
    "POST /api/v1/cases/{case_id}/keep": "once for each case that one may write in; answers with its reference",
    "POST /api/v1/cases/{case_id}/discard": "once for each case that one may write in; nothing of it is left",
}


def test_what_may_tell_of_somebody_has_a_limit_or_a_reason_for_none() -> None:
    tells = [route for route in every_route() if route.reach not in (Reach.NOBODY, Reach.OWN)]
    unlimited = {f"{route.method} {route.address}" for route in tells if route.per_minute is None}
    assert unlimited - set(ON_A_CALLS_WAY) == set(TOLD_TO_WHO_KNOWS)
