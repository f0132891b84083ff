"""Mistakes of every kind, planted one at a time: the matrix finds each. What it does not find, it does not prove."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import and_, exists, or_, select

from service.accounts import queries as accounts
from service.accounts import use_cases as account_use_cases
from service.accounts.model import SignedInSession
from service.cases import naming, queries, visibility
from service.cases.model import Case, CaseNumber, Contact, ContactParticipant
from service.cases.schemas import CasesFound
from service.keys import Keyring
from service.listeners import routes as listener_routes
from service.store.engine import Store
from tests.integration.rights import matrix
from tests.integration.rights.house import open_house

SOME = ("listener", "coordinator")


async def _found(store: Store, keyring: Keyring, only: str) -> list[str]:
    """What leaks, of routes that begin so."""
    async with open_house(store, keyring, casts=SOME) as opened:
        return (await matrix.run(opened, only=only)).leaks


def _routes(leaks: list[str]) -> set[str]:
    return {leak.split(" by ", 1)[0] for leak in leaks}


# --- one's own things -------------------------------------------------------------------------------------------------


async def test_another_listeners_phone_is_found(
    sqlite_store: Store, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    take: Callable[..., Any] = account_use_cases.take_phone

    async def anothers(session: Any, keyring: Any, viewer: Any, at: Any) -> Any:
        phone, changed = await take(session, keyring, viewer, at)
        phones = await account_use_cases.phone_accounts(session, keyring, at)
        return next((one for one in phones if one.account_id != viewer.account_id), phone), changed

    monkeypatch.setattr(listener_routes, "take_phone", anothers)
    leaks = await _found(sqlite_store, keyring, "/api/v1/phone")
    assert any("tells another's endpoint" in leak for leak in leaks)


async def test_another_listeners_phone_password_alone_is_found(
    sqlite_store: Store, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    take: Callable[..., Any] = account_use_cases.take_phone
    first: list[str] = []

    async def same_for_all(session: Any, keyring: Any, viewer: Any, at: Any) -> Any:
        phone, changed = await take(session, keyring, viewer, at)
        first.append(phone.password)
        return replace(phone, password=first[0]), changed

    monkeypatch.setattr(listener_routes, "take_phone", same_for_all)
    leaks = await _found(sqlite_store, keyring, "/api/v1/phone")
    assert any("tells another's password" in leak for leak in leaks)


async def test_everybodys_sessions_in_one_list_are_found(
    sqlite_store: Store, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def everybodys(session: Any, _account_id: int, _used_after: Any) -> Any:
        return (await session.scalars(select(SignedInSession))).all()

    monkeypatch.setattr(accounts, "sessions_of", everybodys)
    leaks = await _found(sqlite_store, keyring, "/api/v1/account/sessions")
    assert any(leak.startswith("GET ") and "tells another's session_id" in leak for leak in leaks)


async def test_one_half_of_the_drafts_key_for_all_is_found(
    sqlite_store: Store, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    half: Callable[[Keyring, int], bytes] = Keyring.drafts_half
    monkeypatch.setattr(Keyring, "drafts_half", lambda self, _account_id: half(self, 0))
    leaks = await _found(sqlite_store, keyring, "/api/v1/drafts")
    assert any("tells another's secret" in leak for leak in leaks)


async def test_a_command_about_another_listener_is_found(
    sqlite_store: Store, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.listeners.use_cases.interface_of", lambda _account_id: "PJSIP/l1")
    leaks = await _found(sqlite_store, keyring, "/api/v1/listener")
    acts = ("sign-out", "pause", "resume")
    assert {f"POST /api/v1/listener/{act}" for act in acts} <= _routes(leaks)
    assert all("asked the PBX for" in leak for leak in leaks)


# --- cases looked for -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["words", "reference"])
async def test_a_search_that_forgot_whose_the_cases_are_is_found(
    sqlite_store: Store, keyring: Keyring, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    search: Callable[..., Any] = queries.search

    def forgets(viewer: Any, wanted: Any, limit: int) -> Any:
        """Whoever gives a name (a reference) finds it anywhere; the list alone is still one's own."""
        if not getattr(wanted, by):
            return search(viewer, wanted, limit)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(queries, "case_visible", lambda _viewer: Case.id.is_not(None))
            return search(viewer, wanted, limit)

    monkeypatch.setattr(queries, "search", forgets)
    leaks = await _found(sqlite_store, keyring, "/api/v1/cases/search")
    assert any("case looked for: tells of a record of" in leak for leak in leaks)
    assert all("case looked for" in leak for leak in leaks), "the list alone does not show this mistake"


async def test_a_search_that_counts_foreign_cases_is_found(
    sqlite_store: Store, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    search: Callable[..., Any] = naming.search

    async def tells(session: Any, keyring: Any, viewer: Any, asked: Any, **how: Any) -> CasesFound:
        found: CasesFound = await search(session, keyring, viewer, asked, **how)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(queries, "case_visible", lambda _viewer: Case.id.is_not(None))
            wanted = naming._wanted(keyring, asked, how["timezone"])
            fit = (await session.scalars(queries.search(viewer, wanted, 1000))).all()
        return found.model_copy(update={"more": len(fit) > len(found.cases)})

    monkeypatch.setattr(naming, "search", tells)
    leaks = await _found(sqlite_store, keyring, "/api/v1/cases/search")
    assert any("finds what they may not know of" in leak for leak in leaks), "that there is one"
    assert any("does not find that case alone" in leak for leak in leaks), "that there is another"


# --- who is in contact ------------------------------------------------------------------------------------------------


async def test_a_shielded_number_that_opens_its_cases_is_found(
    sqlite_store: Store, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unshielded(viewer: Any) -> Any:
        now = Contact.__table__.alias("contact_now")
        numbers = select(CaseNumber.number_index).where(CaseNumber.case_id == Case.id).correlate(Case)
        talks = and_(
            ContactParticipant.account_id == viewer.account_id,
            ContactParticipant.released_at.is_(None),
            ContactParticipant.contact_id == now.c.id,
        )
        return exists().where(talks, or_(now.c.case_id == Case.id, now.c.number_index.in_(numbers))).correlate(Case)

    monkeypatch.setattr(visibility, "_in_contact", unshielded)
    leaks = await _found(sqlite_store, keyring, "/api/v1/c")
    assert {"GET /api/v1/cases/{case_id}", "POST /api/v1/cases/search"} <= _routes(leaks)
    about = [leak for leak in leaks if leak.startswith(("GET ", "PUT "))]
    assert all("(its shielded number calls them)" in leak for leak in about)


async def test_whoever_once_took_part_and_reads_for_ever_is_found(
    sqlite_store: Store, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visibility, "takes_part", visibility._took_part)
    leaks = await _found(sqlite_store, keyring, "/api/v1/co")
    assert "GET /api/v1/contacts/{contact_id}" in _routes(leaks)
    assert any("once in contact" in leak for leak in leaks)
