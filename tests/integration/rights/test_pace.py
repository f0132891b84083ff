"""A stolen session reads cases and calls no faster than a person does: each route has a limit, or a reason."""

from __future__ import annotations

import pytest

from service.audit.model import Action
from service.http.routing import Reach
from service.keys import Keyring
from service.store.engine import Store
from tests.integration.rights.house import API, Entry, every_route, open_house
from tests.integration.rights.test_doors import ON_A_CALLS_WAY

#: why some that may tell of somebody's case or call are not slowed down either
TOLD_TO_WHO_KNOWS = {
    "PUT /api/v1/contacts/{contact_id}/shield": "in a call, and urgent; answers with what was sent",
    "PUT /api/v1/cases/{case_id}/names": "in a call; answers with what was sent",
    "POST /api/v1/cases/{case_id}/keep": "once for each case that one may write in; answers with its reference",
    "POST /api/v1/cases/{case_id}/discard": "once for each case that one may write in; nothing of it is left",
}


def test_what_may_tell_of_somebody_has_a_limit_or_a_reason_for_none() -> None:
    tells = [route for route in every_route() if route.reach not in (Reach.NOBODY, Reach.OWN)]
    unlimited = {f"{route.method} {route.address}" for route in tells if route.per_minute is None}
    assert unlimited - set(ON_A_CALLS_WAY) == set(TOLD_TO_WHO_KNOWS)


@pytest.mark.parametrize(
    ("method", "path", "shows"),
    [("PUT", "notes", 409), ("POST", "case", 200)],
    ids=["notes that were changed elsewhere", "a contact that is put where it is"],
)
async def test_there_is_no_way_round_the_pace_of_reading_and_whoever_writes_is_not_slowed_down(
    sqlite_store: Store, keyring: Keyring, method: str, path: str, shows: int
) -> None:
    async with open_house(sqlite_store, keyring, casts=["listener"]) as house:
        viewer = house.viewers[0]
        held = house.held[viewer.account_id]
        contact = f"{API}/contacts/{held.contact_id}"
        body = {"text": "", "version": 777} if path == "notes" else {"case_id": held.case_id}
        await house.new_entries()
        shown = 0
        while shown < 600:
            async with viewer.client.request(method, f"{contact}/{path}", json=body) as response:
                if response.status == 429:
                    break
                assert response.status == shows
                assert "a dit" in await response.text(), "what is stored"
                shown += 1
        assert 60 < shown < 600
        reading = Entry(viewer.account_id, Action.CONTACT_READ, "contact", str(held.contact_id))
        read = [entry for entry in await house.new_entries() if entry == reading]
        assert len(read) == shown, "each that was shown is on the trail, and none that was not"
        for version in range(1, 200):
            async with viewer.client.put(f"{contact}/notes", json={"text": f"{version}", "version": version}) as saved:
                assert saved.status == 200, await saved.text()
