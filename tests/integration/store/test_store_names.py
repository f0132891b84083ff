"""Cases found by reference, department, status, dates and name, without a name in clear and by index alone."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import ClauseElement, Executable, Select, select, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from service.accounts.rights import Role
from service.accounts.viewer import Viewer
from service.audit.model import Action, AuditEntry
from service.cases import editing, naming, queries
from service.cases.model import Case, CaseName, CaseNameWord, CaseStatus, Contact, DiscardReason, Whose
from service.cases.queries import Wanted
from service.cases.schemas import CaseNames, CasesFound, SearchIn
from service.errors import Conflict, Forbidden, NotFound, Unfit
from service.keys import Keyring
from service.store.engine import Store
from tests.integration.store.conftest import NOW, Hire
from tests.integration.store.site import Site
from tests.support.contacts import open_contact

PARIS = ZoneInfo("Europe/Paris")
ZOE = CaseNames(caller="Zoé Lefèvre-Marchand", person_concerned="Mme Irène Marchand")


@pytest.fixture
async def camille(hire: Hire) -> Viewer:
    return await hire("camille", Role.LISTENER)


async def answered(
    store: Store, keyring: Keyring, viewer: Viewer, call: str, *, at: datetime = NOW, centre: str | None = None
) -> tuple[int, int]:
    """A call that the viewer took: its case and contact."""
    async with store.transaction() as session:
        opened = await open_contact(
            session,
            keyring,
            pbx="pbx1",
            call_id=call,
            account_id=viewer.account_id,
            number=None,
            line="+33199003133",
            at=at,
            centre=centre,
        )
    return opened.case_id, opened.contact_id


async def named(store: Store, keyring: Keyring, viewer: Viewer, case_id: int, names: CaseNames = ZOE) -> None:
    async with store.transaction() as session:
        await editing.save_names(session, keyring, viewer, case_id, names=names, at=NOW)


async def kept(store: Store, keyring: Keyring, viewer: Viewer, case_id: int, *, department: str, at: datetime) -> str:
    async with store.transaction() as session:
        state = await editing.keep(session, keyring, viewer, case_id, department=department, at=at, timezone=PARIS)
    assert state.reference is not None
    return state.reference


async def look(store: Store, keyring: Keyring, viewer: Viewer, **asked: object) -> CasesFound:
    async with store.transaction() as session:
        return await naming.search(session, keyring, viewer, SearchIn.model_validate(asked), at=NOW, timezone=PARIS)


async def ids(store: Store, keyring: Keyring, viewer: Viewer, **asked: object) -> list[int]:
    return [case.case_id for case in (await look(store, keyring, viewer, **asked)).cases]


async def test_a_case_is_found_by_any_words_of_one_name_and_by_no_mix_of_two(
    store: Store, keyring: Keyring, camille: Viewer
) -> None:
    case_id, _ = await answered(store, keyring, camille, "c1")
    await named(store, keyring, camille, case_id)
    await answered(store, keyring, camille, "c2")
    for name in ("zoe", "LEFEVRE", "marchand zoé", "Irene MARCHAND", "Madame Marchand"):
        assert await ids(store, keyring, camille, name=name) == [case_id], name
    for name in ("zo", "Irène Lefèvre", "Zoé Martin"):
        assert await ids(store, keyring, camille, name=name) == [], name
    with pytest.raises(Unfit):
        await look(store, keyring, camille, name="?!")


async def test_no_name_is_stored_in_clear_and_equal_names_are_not_equal_texts(
    store: Store, keyring: Keyring, camille: Viewer
) -> None:
    for call in ("c1", "c2"):
        case_id, _ = await answered(store, keyring, camille, call)
        await named(store, keyring, camille, case_id)
    async with store.reading() as session:
        sealed = [bytes(value) for value in await session.scalars(select(CaseName.sealed))]
        words = list(await session.scalars(select(CaseNameWord.word_index)))
    assert len(set(sealed)) == 4
    assert not [value for value in sealed if "Zoé".encode() in value or b"Marchand" in value]
    assert {len(word) for word in words} == {64}
    assert keyring.name_index("zoe") in words
    assert keyring.blind_index("zoe") not in words


async def test_names_are_read_with_the_case_changed_and_taken_back(
    store: Store, keyring: Keyring, camille: Viewer
) -> None:
    case_id, _ = await answered(store, keyring, camille, "c1")
    async with store.transaction() as session:
        assert (await editing.read_case(session, keyring, camille, case_id, NOW)).names == CaseNames(
            caller=None, person_concerned=None
        )
    await named(store, keyring, camille, case_id)
    async with store.transaction() as session:
        assert (await editing.read_case(session, keyring, camille, case_id, NOW)).names == ZOE
    await named(store, keyring, camille, case_id, CaseNames(caller="Paul", person_concerned=None))
    assert await ids(store, keyring, camille, name="paul") == [case_id]
    assert await ids(store, keyring, camille, name="marchand") == []
    async with store.reading() as session:
        assert len((await session.scalars(select(CaseName))).all()) == 1


async def test_a_discarded_draft_keeps_no_name_and_no_word(store: Store, keyring: Keyring, camille: Viewer) -> None:
    case_id, _ = await answered(store, keyring, camille, "c1")
    await named(store, keyring, camille, case_id)
    async with store.transaction() as session:
        await editing.discard(session, keyring, camille, case_id, reason=DiscardReason.HOAX, at=NOW)
    async with store.reading() as session:
        assert (await session.scalars(select(CaseName))).all() == []
        assert (await session.scalars(select(CaseNameWord))).all() == []
    with pytest.raises((Conflict, NotFound)):
        await named(store, keyring, camille, case_id)


async def test_a_draft_that_turns_out_to_be_a_known_case_brings_its_names(
    store: Store, keyring: Keyring, camille: Viewer
) -> None:
    known, _ = await answered(store, keyring, camille, "c1")
    await named(store, keyring, camille, known, CaseNames(caller="Jeanne", person_concerned=None))
    draft, contact = await answered(store, keyring, camille, "c2")
    await named(store, keyring, camille, draft)
    async with store.transaction() as session:
        await editing.link(session, keyring, camille, contact, case_id=known, at=NOW)
    async with store.transaction() as session:
        names = (await editing.read_case(session, keyring, camille, known, NOW)).names
    assert names == CaseNames(caller="Jeanne ; Zoé Lefèvre-Marchand", person_concerned="Mme Irène Marchand")
    for name in ("jeanne", "zoe", "irene"):
        assert await ids(store, keyring, camille, name=name) == [known]
    async with store.reading() as session:
        assert set(await session.scalars(select(CaseName.case_id))) == {known}
        assert set(await session.scalars(select(CaseNameWord.case_id))) == {known}


async def test_two_people_whose_words_another_two_have_too_are_not_taken_for_them(
    store: Store, keyring: Keyring, camille: Viewer
) -> None:
    known, _ = await answered(store, keyring, camille, "c0")
    for n, name in enumerate(("Jean Martin", "Marie Dupont", "Jean Dupont", "dupont, MARIE")):
        draft, contact = await answered(store, keyring, camille, f"c{n + 1}")
        await named(store, keyring, camille, draft, CaseNames(caller=None, person_concerned=name))
        async with store.transaction() as session:
            await editing.link(session, keyring, camille, contact, case_id=known, at=NOW)
    async with store.transaction() as session:
        names = (await editing.read_case(session, keyring, camille, known, NOW)).names
    assert names.person_concerned == "Jean Martin ; Marie Dupont ; Jean Dupont"


async def joined(store: Store, keyring: Keyring, viewer: Viewer, *names: str) -> str | None:
    """What a person is called in a case to which drafts with these names were linked, one after the other."""
    known, _ = await answered(store, keyring, viewer, "first")
    for n, name in enumerate(names):
        draft, contact = await answered(store, keyring, viewer, f"c{n}")
        await named(store, keyring, viewer, draft, CaseNames(caller=None, person_concerned=name))
        async with store.transaction() as session:
            await editing.link(session, keyring, viewer, contact, case_id=known, at=NOW)
    async with store.transaction() as session:
        return (await editing.read_case(session, keyring, viewer, known, NOW)).names.person_concerned


async def test_a_name_without_letter_or_digit_is_kept_beside_others_once(
    store: Store, keyring: Keyring, camille: Viewer
) -> None:
    assert await joined(store, keyring, camille, "Durand", "?!", "?!", "DURAND") == "Durand ; ?!"


async def test_names_that_would_be_too_long_to_be_saved_again_are_not_joined_and_nothing_is_lost(
    store: Store, keyring: Keyring, camille: Viewer
) -> None:
    names = [f"{chr(97 + n)}{'x' * 195}" for n in range(21)]
    with pytest.raises(Conflict, match="names-too-long"):
        await joined(store, keyring, camille, *names)
    async with store.reading() as session:
        drafts = select(CaseName.case_id).order_by(CaseName.case_id)
        assert len((await session.scalars(drafts)).all()) == 2, "the case's and the draft's, as they were"


async def test_cases_are_found_by_reference_department_status_and_days(
    store: Store, keyring: Keyring, camille: Viewer
) -> None:
    made: list[int] = []
    references: list[str] = []
    for n, department in enumerate(("38", "2A", "38")):
        at = NOW + timedelta(days=n)
        case_id, _ = await answered(store, keyring, camille, f"c{n}", at=at)
        references.append(await kept(store, keyring, camille, case_id, department=department, at=at))
        made.append(case_id)
    draft, _ = await answered(store, keyring, camille, "draft", at=NOW + timedelta(days=3))
    first, corsica, last = made
    assert references == ["2026-38-00001", "2026-2A-00001", "2026-38-00002"]
    assert await ids(store, keyring, camille) == [draft, last, corsica, first], "the latest first"
    assert await ids(store, keyring, camille, reference=" 2026/38/2 ") == [last]
    assert await ids(store, keyring, camille, reference="2026-2a-00001") == [corsica]
    assert await ids(store, keyring, camille, department="38") == [last, first]
    assert await ids(store, keyring, camille, department="38", opened_to="2026-09-14") == [first]
    assert await ids(store, keyring, camille, status="draft") == [draft]
    assert await ids(store, keyring, camille, opened_from="2026-09-15", opened_to="2026-09-16") == [last, corsica]
    found = await look(store, keyring, camille, limit=2)
    assert ([case.case_id for case in found.cases], found.more) == ([draft, last], True)
    with pytest.raises(Unfit):
        await look(store, keyring, camille, reference="38")


async def test_a_day_is_that_of_the_line_s_place(store: Store, keyring: Keyring, camille: Viewer) -> None:
    late = datetime(2026, 9, 13, 22, 30, tzinfo=UTC)  # half past midnight in Paris
    case_id, _ = await answered(store, keyring, camille, "c1", at=late)
    assert await ids(store, keyring, camille, opened_from="2026-09-14", opened_to="2026-09-14") == [case_id]
    assert await ids(store, keyring, camille, opened_to="2026-09-13") == []


async def test_people_of_another_centre_do_not_see_that_a_case_exists(
    store: Store, keyring: Keyring, camille: Viewer, hire: Hire
) -> None:
    case_id, _ = await answered(store, keyring, camille, "c1", centre="centre-38")
    await named(store, keyring, camille, case_id)
    reference = await kept(store, keyring, camille, case_id, department="38", at=NOW)
    async with store.transaction() as session:  # the call is over, and written up
        await queries.release(session, camille.account_id, NOW + timedelta(hours=1))
    own = await hire("own", Role.COORDINATOR, centre="centre-38")
    foreign = await hire("foreign", Role.COORDINATOR, centre="centre-69")
    analyst = await hire("analyst", Role.ANALYST)
    asked: list[dict[str, object]] = [
        {},
        {"name": "zoe"},
        {"reference": reference},
        {"department": "38"},
        {"status": "open"},
        {"opened_from": date(2026, 9, 1)},
    ]
    for one in asked:
        assert await ids(store, keyring, own, **one) == [case_id], one
        for stranger in (foreign, analyst, camille):
            found = await look(store, keyring, stranger, **one)
            assert (found.cases, found.more) == ([], False), (stranger.username, one)
    for stranger in (foreign, analyst):
        with pytest.raises((NotFound, Forbidden)):
            await named(store, keyring, stranger, case_id)


async def test_every_case_that_a_search_shows_is_on_the_audit_trail(
    store: Store, keyring: Keyring, camille: Viewer
) -> None:
    shown = [(await answered(store, keyring, camille, f"c{n}"))[0] for n in range(3)]
    await named(store, keyring, camille, shown[0])
    await look(store, keyring, camille, limit=2)
    async with store.reading() as session:
        rows = (await session.scalars(select(AuditEntry).where(AuditEntry.action == Action.CASE_SHOWN))).all()
        saved = (await session.scalars(select(AuditEntry).where(AuditEntry.action == Action.NAMES_SAVED))).all()
    assert sorted(int(row.subject_id) for row in rows) == sorted(shown)[1:]
    assert [(row.account_id, row.subject_id) for row in saved] == [(camille.account_id, str(shown[0]))]


async def test_every_search_is_on_the_audit_trail_even_when_nothing_is_found(
    store: Store, keyring: Keyring, camille: Viewer
) -> None:
    assert (await look(store, keyring, camille, name="Inconnue")).cases == []
    assert (await look(store, keyring, camille, reference="2026-38-00777")).cases == []
    async with store.reading() as session:
        rows = (await session.scalars(select(AuditEntry).where(AuditEntry.account_id == camille.account_id))).all()
    mine = str(camille.account_id)
    assert [(row.action, row.subject, row.subject_id) for row in rows] == [
        (Action.CASE_SEARCHED, "account", mine),
        (Action.CASE_SEARCHED, "account", mine),
    ], "that they looked, and not for what"


# --- plans ------------------------------------------------------------------------------------------------------------

#: what is looked for, and the index by which it is found; SQLite names that of a unique column itself
PLANS = {
    "reference": (Wanted(reference="2026-38-00001"), r"uq_cases_reference|sqlite_autoindex_cases_1"),
    "department": (Wanted(department="38"), r"ix_cases_department_opened_at"),
    "status": (Wanted(status=CaseStatus.DRAFT), r"ix_cases_status_opened_at|ix_cases_centre_status"),
    "days": (Wanted(opened_from=NOW, opened_before=NOW + timedelta(days=1)), r"ix_cases_opened_at"),
    "name": (Wanted(words=frozenset({"a" * 64, "b" * 64})), r"ix_case_name_words_word_index_case_id_whose"),
}


@pytest.mark.parametrize("way", PLANS)
async def test_each_way_of_looking_goes_by_its_index(store: Store, hire: Hire, keyring: Keyring, way: str) -> None:
    viewer = await hire("supervisor", Role.SUPERVISOR)
    wanted, index = PLANS[way]
    async with store.transaction() as session:
        for n in range(400):
            session.add(
                Case(
                    status=CaseStatus.OPEN if n % 40 else CaseStatus.DRAFT,
                    department=f"{n % 90 + 1:02}",
                    reference=f"2026-{n % 90 + 1:02}-{n:05}",
                    centre=None if n % 4 else f"centre-{n % 50}",
                    opened_at=NOW + timedelta(hours=n),
                    last_contact_at=NOW,
                )
            )
        await session.flush()
        for case_id in await session.scalars(select(Case.id)):
            session.add(CaseNameWord(case_id=case_id, whose=Whose.CALLER, word_index=keyring.name_index(str(case_id))))
    async with store.transaction() as session:
        await session.execute(text("ANALYZE"))
        if store.dialect == "postgresql":
            await session.execute(text("SET LOCAL enable_seqscan = off"))  # the table is small: it would not matter
        plan = "\n".join(str(row[-1]) for row in await session.execute(Explain(queries.search(viewer, wanted, 50))))
    assert re.search(index, plan), plan
    assert not re.search(r"Seq Scan on cases|SCAN cases", plan), plan


class Explain(Executable, ClauseElement):
    """The plan of a statement, with its values bound as the service binds them."""

    inherit_cache = False

    def __init__(self, statement: Select[Case]) -> None:
        self.statement = statement


@compiles(Explain, "sqlite")
def _explain_sqlite(element: Explain, compiler: SQLCompiler, **options: Any) -> str:
    return f"EXPLAIN QUERY PLAN {compiler.process(element.statement, **options)}"


@compiles(Explain, "postgresql")
def _explain_postgresql(element: Explain, compiler: SQLCompiler, **options: Any) -> str:
    return f"EXPLAIN {compiler.process(element.statement, **options)}"


# --- over the wire ----------------------------------------------------------------------------------------------------


async def test_names_and_searches_over_the_wire(site: Site) -> None:
    account_id, listener = await site.signed_in("camille", Role.LISTENER)
    opened = await site.answered(account_id)
    async with listener.put(
        f"/api/v1/cases/{opened.case_id}/names", json={"caller": "  Zoé  ", "person_concerned": None}
    ) as response:
        assert (response.status, await response.json()) == (200, {"caller": "Zoé", "person_concerned": None})
    async with listener.post("/api/v1/cases/search", json={"name": "ZOE"}) as response:
        assert response.status == 200
        assert [case["case_id"] for case in (await response.json())["cases"]] == [opened.case_id]
    async with listener.get(f"/api/v1/cases/{opened.case_id}") as response:
        assert (await response.json())["names"] == {"caller": "Zoé", "person_concerned": None}
    for body in ({"name": ""}, {"name": "x" * 201}, {"department": "99"}, {"nothing": 1}, {"reference": "1"}):
        async with listener.post("/api/v1/cases/search", json=body) as response:
            assert response.status == 422, body
            assert "x" * 20 not in await response.text()
    async with site.store.reading() as session:
        assert (await session.scalars(select(Contact.id))).all()


async def test_names_that_contacts_joined_are_saved_again_as_they_were_read_and_each_is_found(site: Site) -> None:
    account_id, listener = await site.signed_in("camille", Role.LISTENER)
    names = [f"{first} {' '.join(chr(97 + n) * 10 for n in range(17))}" for first in ("Ange", "Zita")]
    for call_id, name in zip(("c1", "c2"), names, strict=True):
        opened = await site.answered(account_id, call_id)
        body = {"caller": None, "person_concerned": name}
        async with listener.put(f"/api/v1/cases/{opened.case_id}/names", json=body) as response:
            assert response.status == 200
        if call_id == "c1":
            known = opened.case_id
    path = f"/api/v1/contacts/{opened.contact_id}/case"
    async with listener.post(path, json={"case_id": known}) as response:
        assert response.status == 200, await response.text()
    async with listener.get(f"/api/v1/cases/{known}") as response:
        read = (await response.json())["names"]
    assert read == {"caller": None, "person_concerned": " ; ".join(names)}
    async with listener.put(f"/api/v1/cases/{known}/names", json=read) as response:
        assert (response.status, await response.json()) == (200, read)
    for name in names:
        async with listener.post("/api/v1/cases/search", json={"name": name.split()[0]}) as response:
            assert [case["case_id"] for case in (await response.json())["cases"]] == [known]
    too_long = {"caller": "x" * 4001, "person_concerned": None}
    async with listener.put(f"/api/v1/cases/{known}/names", json=too_long) as response:
        assert response.status == 422
