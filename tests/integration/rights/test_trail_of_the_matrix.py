"""Entries of the audit trail about the wrong record, or lacking, planted one at a time: the matrix finds each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import pytest

from service.audit.model import Action
from service.audit.use_cases import Act, append
from service.keys import Keyring
from service.store.engine import Store
from tests.integration.rights import matrix
from tests.integration.rights.house import Entry, open_house

Mistake = Callable[[Sequence[Act]], list[Act]]


def _about_nothing(acts: Sequence[Act]) -> list[Act]:
    return [replace(act, subject_id=0) for act in acts]


def _without(position: int) -> Mistake:
    """One of the entries about the two cases of a link is not there."""

    def mistake(acts: Sequence[Act]) -> list[Act]:
        cases = [act for act in acts if act.action is Action.CONTACT_LINKED and act.subject == "case"]
        return [act for act in acts if not cases or act is not cases[position]]

    return mistake


#: what is wrong → where it is written, how, and in the answers of which route it shows
MISTAKES: Final[dict[str, tuple[str, Mistake, str]]] = {
    "a contact read, of nobody": ("editing", _about_nothing, "GET /api/v1/contacts/{contact_id}"),
    "notes of nobody": ("editing", _about_nothing, "PUT /api/v1/contacts/{contact_id}/notes"),
    "a number shielded, of nobody": ("editing", _about_nothing, "PUT /api/v1/contacts/{contact_id}/shield"),
    "a case read, of nobody": ("editing", _about_nothing, "GET /api/v1/cases/{case_id}"),
    "names of nobody": ("editing", _about_nothing, "PUT /api/v1/cases/{case_id}/names"),
    "a case kept, of nobody": ("editing", _about_nothing, "POST /api/v1/cases/{case_id}/keep"),
    "a case discarded, of nobody": ("editing", _about_nothing, "POST /api/v1/cases/{case_id}/discard"),
    "no entry of the draft": ("editing", _without(0), "POST /api/v1/contacts/{contact_id}/case"),
    "no entry of the case linked to": ("editing", _without(-1), "POST /api/v1/contacts/{contact_id}/case"),
    "a case shown, of nobody": ("use_cases", _about_nothing, "GET /api/v1/calls/{call_id}/known"),
    "a case found, of nobody": ("naming", _about_nothing, "POST /api/v1/cases/search"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_an_entry_about_another_record_or_none_is_found(
    sqlite_store: Store, keyring: Keyring, monkeypatch: pytest.MonkeyPatch, mistake: str
) -> None:
    module, makes, route = MISTAKES[mistake]

    async def writes(session: Any, keyring: Any, acts: Sequence[Act], **how: Any) -> None:
        await append(session, keyring, makes(acts), **how)

    async with open_house(sqlite_store, keyring, casts=["listener"]) as opened:
        address = route.partition(" ")[2]
        assert (await matrix.run(opened, only=address)).wrong == []
        monkeypatch.setattr(f"service.cases.{module}.append", writes)
        wrong = (await matrix.run(opened, only=address)).wrong
    assert any(one.startswith(f"{route} by listener") and "not on the trail" in one for one in wrong), wrong


async def test_an_offer_that_is_on_the_trail_as_another_case_s_is_found(sqlite_store: Store, keyring: Keyring) -> None:
    async with open_house(sqlite_store, keyring, casts=["listener"]) as opened:
        account_id = opened.viewers[0].account_id
        right = opened.offer(account_id)
        wrong = Entry(account_id, Action.CASE_SHOWN, "case", "0")
        opened.entries = [wrong if entry == right else entry for entry in opened.entries]
        report = await matrix.run(opened, only="/api/v1/live")
    assert [one.partition(": ")[2] for one in report.wrong] == ["a case was shown, and it is not on the trail"]
