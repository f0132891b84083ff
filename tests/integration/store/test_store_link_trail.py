"""That a contact was put on another case is on the trail of both cases, and of names that came along."""

from __future__ import annotations

import pytest

from service.accounts.rights import Role
from service.accounts.viewer import Viewer
from service.audit import queries as audit
from service.audit.model import Action
from service.cases import editing
from service.cases.schemas import CaseNames
from service.keys import Keyring
from service.store.engine import Store
from tests.integration.store.conftest import NOW, Hire
from tests.integration.store.test_store_names import answered, kept, named

ZOE, NOUR = (CaseNames(caller=name, person_concerned=None) for name in ("Zoé Exemple", "Nour Exemple"))


@pytest.fixture
async def camille(hire: Hire) -> Viewer:
    return await hire("camille", Role.LISTENER)


async def put(
    store: Store, keyring: Keyring, viewer: Viewer, contact_id: int, case_id: int
) -> list[tuple[Action, str, str]]:
    """The contact is put on the case: what that puts on the trail."""
    async with store.transaction() as session:
        before = len(await audit.entries(session))
        await editing.link(session, keyring, viewer, contact_id, case_id=case_id, at=NOW)
        entries = (await audit.entries(session))[before:]
    assert {(entry.account_id, entry.at) for entry in entries} <= {(viewer.account_id, NOW)}
    return [(entry.action, entry.subject, entry.subject_id) for entry in entries]


def linked(contact: int, *cases: int) -> list[tuple[Action, str, str]]:
    about = [("contact", str(contact)), *(("case", str(case)) for case in cases)]
    return [(Action.CONTACT_LINKED, subject, subject_id) for subject, subject_id in about]


async def test_the_draft_that_goes_and_the_case_that_gets_its_names_are_both_on_the_trail(
    store: Store, keyring: Keyring, camille: Viewer
) -> None:
    known, _ = await answered(store, keyring, camille, "known")
    await named(store, keyring, camille, known, ZOE)
    draft, contact = await answered(store, keyring, camille, "draft")
    await named(store, keyring, camille, draft, NOUR)
    saved = (Action.NAMES_SAVED, "case", str(known))
    assert await put(store, keyring, camille, contact, known) == [*linked(contact, draft, known), saved]


@pytest.mark.parametrize("names", [None, ZOE], ids=["without a name", "with the same name"])
async def test_no_names_are_on_the_trail_where_none_came_along(
    store: Store, keyring: Keyring, camille: Viewer, names: CaseNames | None
) -> None:
    known, _ = await answered(store, keyring, camille, "known")
    await named(store, keyring, camille, known, ZOE)
    draft, contact = await answered(store, keyring, camille, "draft")
    if names is not None:
        await named(store, keyring, camille, draft, names)
    assert await put(store, keyring, camille, contact, known) == linked(contact, draft, known)
    assert await put(store, keyring, camille, contact, known) == [], "it is there already"


async def test_a_case_that_a_contact_leaves_has_that_on_its_trail(
    store: Store, keyring: Keyring, camille: Viewer
) -> None:
    wrong, _ = await answered(store, keyring, camille, "wrong")
    right, _ = await answered(store, keyring, camille, "right")
    for case, names in ((wrong, ZOE), (right, NOUR)):
        await named(store, keyring, camille, case, names)
        await kept(store, keyring, camille, case, department="38", at=NOW)
    draft, contact = await answered(store, keyring, camille, "draft")
    assert await put(store, keyring, camille, contact, wrong) == linked(contact, draft, wrong)
    assert await put(store, keyring, camille, contact, right) == linked(contact, wrong, right), "its names stay"
    async with store.reading() as session:
        of_wrong = await audit.entries(session, subject="case", subject_id=str(wrong))
    assert [entry.action for entry in of_wrong].count(Action.CONTACT_LINKED) == 2, "it came, and it went"
