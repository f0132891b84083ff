"""Names of a draft that turns out to be a known case, where those of the case are as long as can be, or longer."""

from __future__ import annotations

import pytest

from service.accounts.rights import Role
from service.accounts.viewer import Viewer
from service.cases import editing
from service.cases.schemas import NAMES_LENGTH, CaseNames
from service.errors import Conflict, NotFound
from service.keys import Keyring
from service.store.engine import Store
from tests.integration.store.conftest import NOW, Hire
from tests.integration.store.test_store_names import answered, named

NAMES = [f"{chr(97 + n)}{'x' * 195}" for n in range(21)]
LONG = " ; ".join(NAMES)


async def _draft_with(store: Store, keyring: Keyring, viewer: Viewer, call: str, name: str) -> tuple[int, int]:
    case_id, contact_id = await answered(store, keyring, viewer, call)
    await named(store, keyring, viewer, case_id, CaseNames(caller=None, person_concerned=name))
    return case_id, contact_id


async def _names(store: Store, keyring: Keyring, viewer: Viewer, case_id: int) -> CaseNames:
    async with store.transaction() as session:
        return (await editing.read_case(session, keyring, viewer, case_id, NOW)).names


async def test_a_draft_that_adds_no_name_is_linked_also_to_a_case_whose_names_are_too_long_already(
    store: Store, keyring: Keyring, hire: Hire
) -> None:
    assert len(LONG) > NAMES_LENGTH
    camille = await hire("camille", Role.LISTENER)
    known, _ = await _draft_with(store, keyring, camille, "known", LONG)
    same, contact = await _draft_with(store, keyring, camille, "same", f"{NAMES[3].upper()} ; {NAMES[0]}")
    async with store.transaction() as session:
        await editing.link(session, keyring, camille, contact, case_id=known, at=NOW)
    assert (await _names(store, keyring, camille, known)).person_concerned == LONG
    with pytest.raises(NotFound):
        await _names(store, keyring, camille, same)

    _, another = await _draft_with(store, keyring, camille, "another", "Zita")
    with pytest.raises(Conflict, match="names-too-long"):
        async with store.transaction() as session:
            await editing.link(session, keyring, camille, another, case_id=known, at=NOW)
    assert (await _names(store, keyring, camille, known)).person_concerned == LONG
