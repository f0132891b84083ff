"""What a route puts on the audit trail in some cases only is declared as well, and is on the trail in those."""

from __future__ import annotations

from typing import Any, TypeAlias

from service.audit.model import Action
from service.http.routing import PREFIX, Route
from service.keys import Keyring
from service.store.engine import Store
from tests.integration.rights.house import House, every_route, open_house

#: an action, its subject's kind and id
About: TypeAlias = tuple[Action, str, str]


def _route(asked: str) -> Route:
    method, address = asked.split()
    return next(route for route in every_route() if (route.method, route.address) == (method, PREFIX + address))


async def _puts(house: House, asked: str, words: dict[str, Any], body: Any) -> set[About]:
    """What it put on the trail, all of it declared; of this what it puts there in some cases only."""
    route, viewer = _route(asked), house.viewers[0]
    await house.new_entries()
    url = route.address.format(**words)
    async with viewer.client.request(route.method, url, json=body) as response:
        assert response.status in (200, 409), await response.text()
    put = {entry[1:] for entry in await house.new_entries() if entry.account_id == viewer.account_id}
    declared = route.audits if isinstance(route.audits, tuple) else ()
    assert {action for action, *_ in put} <= {*declared, *route.audits_also}
    return {about for about in put if about[0] in route.audits_also}


async def test_what_is_put_on_the_trail_in_some_cases_only_is_declared_too(
    sqlite_store: Store, keyring: Keyring
) -> None:
    async with open_house(sqlite_store, keyring, casts=("listener",)) as house:
        account_id = house.viewers[0].account_id
        held, talks = house.held[account_id], house.calls["talks", account_id]
        contact = {"contact_id": held.contact_id}
        async with house.store.transaction() as session:
            house.registry.shield(session, held)
            draft = house.registry.make(session, None, draft=True, in_contact=account_id)
            case = house.registry.make(session, None)
        found = {
            *await _puts(house, "POST /calls/{call_id}/known/confirm", {"call_id": talks}, {}),
            *await _puts(house, "PUT /contacts/{contact_id}/shield", contact, {"shielded": False}),
            *await _puts(house, "PUT /contacts/{contact_id}/notes", contact, {"text": "autre", "version": 9}),
            *await _puts(
                house,
                "POST /contacts/{contact_id}/case",
                {"contact_id": draft.contact_id},
                {"case_id": case.case_id},
            ),
        }
    assert found == {
        (Action.SPEAKER_CONFIRMED, "call", talks),
        (Action.NUMBER_UNSHIELDED, "contact", str(held.contact_id)),
        (Action.CONTACT_READ, "contact", str(held.contact_id)),
        (Action.NAMES_SAVED, "case", str(case.case_id)),
    }
    assert {action for action, *_ in found} == {action for route in every_route() for action in route.audits_also}
