"""What a route puts on the audit trail in some cases only is declared as well, and is on the trail in those."""

from __future__ import annotations

from typing import Any

from service.audit.model import Action
from service.http.routing import PREFIX, Route
from service.keys import Keyring
from service.store.engine import Store
from tests.integration.rights.house import House, every_route, open_house


def _route(asked: str) -> Route:
    method, address = asked.split()
    return next(route for route in every_route() if (route.method, route.address) == (method, PREFIX + address))


async def _puts(house: House, asked: str, words: dict[str, Any], body: Any) -> set[Action]:
    """What it put on the trail, all of it declared; of this what it puts there in some cases only."""
    route, viewer = _route(asked), house.viewers[0]
    await house.new_entries()
    url = route.address.format(**words)
    async with viewer.client.request(route.method, url, json=body) as response:
        assert response.status in (200, 409), await response.text()
    put = {action for account_id, action in await house.new_entries() if account_id == viewer.account_id}
    declared = route.audits if isinstance(route.audits, tuple) else ()
    assert put <= {*declared, *route.audits_also}
    return put & set(route.audits_also)


async def test_what_is_put_on_the_trail_in_some_cases_only_is_declared_too(
    sqlite_store: Store, keyring: Keyring
) -> None:
    async with open_house(sqlite_store, keyring, casts=("listener",)) as house:
        account_id = house.viewers[0].account_id
        contact = {"contact_id": house.held[account_id].contact_id}
        async with house.store.transaction() as session:
            house.registry.shield(session, house.held[account_id])
        talks = {"call_id": house.calls["talks", account_id]}
        found = {
            *await _puts(house, "POST /calls/{call_id}/known/confirm", talks, {}),
            *await _puts(house, "PUT /contacts/{contact_id}/shield", contact, {"shielded": False}),
            *await _puts(house, "PUT /contacts/{contact_id}/notes", contact, {"text": "autre", "version": 9}),
        }
    assert found == {Action.SPEAKER_CONFIRMED, Action.NUMBER_UNSHIELDED, Action.CONTACT_READ}
    assert found == {action for route in every_route() for action in route.audits_also}
