"""What people do with contacts and cases: notes, keep, discard, link; and who may see which."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from service.accounts.rights import Role
from service.accounts.viewer import Viewer
from service.audit import queries as audit
from service.cases import editing, queries, use_cases
from service.cases.model import Case, CaseClosedTo, CaseNumber, CaseStatus, Contact, DiscardReason, ShieldedNumber
from service.cases.schemas import CaseState, ContactOut, NotesSaved, StoredNotes
from service.errors import Conflict, Forbidden, NotFound
from service.keys import Keyring
from service.store.engine import Store
from tests.integration.store.conftest import NOW, Hire
from tests.integration.store.test_store_contacts import CALLER, SOON, answer

PARIS = ZoneInfo("Europe/Paris")


async def save(
    store: Store, keyring: Keyring, viewer: Viewer, contact_id: int, notes: tuple[str, int]
) -> NotesSaved | StoredNotes:
    async with store.transaction() as session:
        return await editing.save_notes(
            session, keyring, viewer, contact_id, text=notes[0], version=notes[1], at=NOW + SOON
        )


async def read(store: Store, keyring: Keyring, viewer: Viewer, contact_id: int) -> ContactOut:
    async with store.transaction() as session:
        return await editing.read_contact(session, keyring, viewer, contact_id, NOW)


async def keep(
    store: Store, keyring: Keyring, viewer: Viewer, case_id: int, department: str = "38", *, at: datetime = NOW
) -> CaseState:
    async with store.transaction() as session:
        return await editing.keep(session, keyring, viewer, case_id, department=department, at=at, timezone=PARIS)


async def discard(store: Store, keyring: Keyring, viewer: Viewer, case_id: int) -> CaseState:
    async with store.transaction() as session:
        return await editing.discard(session, keyring, viewer, case_id, reason=DiscardReason.WRONG_NUMBER, at=NOW)


async def link(store: Store, keyring: Keyring, viewer: Viewer, contact_id: int, case_id: int) -> None:
    async with store.transaction() as session:
        await editing.link(session, keyring, viewer, contact_id, case_id=case_id, at=NOW)


# --- notes ------------------------------------------------------------------------------------------------------------


async def test_notes_saved_are_read_again_and_lie_encrypted(store: Store, keyring: Keyring, hire: Hire) -> None:
    lise = await hire("lise", Role.LISTENER)
    opened = await answer(store, keyring, lise)
    first = await save(store, keyring, lise, opened.contact_id, ("Elle parle de son frère.", 0))
    second = await save(store, keyring, lise, opened.contact_id, ("Elle parle de son frère, à voix basse.", 1))
    assert (first.version, second.version) == (1, 2)
    shown = await read(store, keyring, lise, opened.contact_id)
    assert (shown.notes, shown.notes_version) == ("Elle parle de son frère, à voix basse.", 2)
    async with store.reading() as session:
        stored = (await session.scalars(select(Contact.notes))).one()
    assert stored is not None
    assert "frère".encode() not in bytes(stored)


async def test_a_stale_save_gets_what_is_stored_and_overwrites_nothing(
    store: Store, keyring: Keyring, hire: Hire
) -> None:
    lise, paul = await hire("lise", Role.LISTENER), await hire("paul", Role.LISTENER)
    opened = await answer(store, keyring, lise, call_id="call-1")
    await answer(store, keyring, paul, call_id="call-1", at=NOW + SOON)
    await save(store, keyring, lise, opened.contact_id, ("de Lise", 0))
    stale = await save(store, keyring, paul, opened.contact_id, ("de Paul", 0))
    assert isinstance(stale, StoredNotes)
    assert (stale.text, stale.version) == ("de Lise", 1)
    assert (await read(store, keyring, paul, opened.contact_id)).notes == "de Lise"


async def test_a_save_repeated_because_its_answer_was_lost_is_a_save(
    store: Store, keyring: Keyring, hire: Hire
) -> None:
    lise = await hire("lise", Role.LISTENER)
    opened = await answer(store, keyring, lise)
    first = await save(store, keyring, lise, opened.contact_id, ("une phrase", 0))
    assert await save(store, keyring, lise, opened.contact_id, ("une phrase", 0)) == first


async def test_of_two_saves_at_once_one_is_told_of_the_other(store: Store, keyring: Keyring, hire: Hire) -> None:
    lise = await hire("lise", Role.LISTENER)
    opened = await answer(store, keyring, lise)
    results = await asyncio.gather(
        *(save(store, keyring, lise, opened.contact_id, (f"texte {n}", 0)) for n in range(6))
    )
    saved = [result for result in results if not isinstance(result, StoredNotes)]
    assert len(saved) == 1
    assert (await read(store, keyring, lise, opened.contact_id)).notes_version == 1


async def test_only_who_took_part_may_write(store: Store, keyring: Keyring, hire: Hire) -> None:
    lise, paul = await hire("lise", Role.LISTENER), await hire("paul", Role.LISTENER)
    opened = await answer(store, keyring, lise)
    with pytest.raises(Forbidden):
        await save(store, keyring, paul, opened.contact_id, ("de Paul", 0))
    with pytest.raises(Forbidden):
        await keep(store, keyring, paul, opened.case_id)
    with pytest.raises(Forbidden):
        await discard(store, keyring, paul, opened.case_id)


async def test_notes_can_be_written_after_the_call_and_after_the_writing_up(
    store: Store, keyring: Keyring, hire: Hire
) -> None:
    lise = await hire("lise", Role.LISTENER)
    opened = await answer(store, keyring, lise, call_id="call-1")
    async with store.transaction() as session:
        await use_cases.end_contacts(session, "pbx1", {"call-1": NOW})
        await use_cases.end_writing(session, lise.account_id, NOW + SOON)
    assert (await save(store, keyring, lise, opened.contact_id, ("après coup", 0))).version == 1


async def test_a_listener_of_a_centre_writes_their_draft_to_its_end_and_no_case_of_another_team(
    store: Store, keyring: Keyring, hire: Hire
) -> None:
    ines = await hire("ines", Role.LISTENER, centre="centre-38")
    omar = await hire("omar", Role.LISTENER, centre="centre-38")
    lise = await hire("lise", Role.LISTENER)
    opened = await answer(store, keyring, ines)  # through the national queue, which she serves too
    async with store.transaction() as session:
        await use_cases.end_writing(session, ines.account_id, NOW + SOON)
    assert (await save(store, keyring, ines, opened.contact_id, ("ses derniers mots", 0))).version == 1
    with pytest.raises(NotFound):
        await save(store, keyring, omar, opened.contact_id, ("pas à lui", 1))
    async with store.transaction() as session:
        session.add(CaseClosedTo(case_id=opened.case_id, account_id=ines.account_id))
    with pytest.raises(NotFound):
        await save(store, keyring, ines, opened.contact_id, ("fermé", 1))
    async with store.transaction() as session:
        await session.delete(await session.get_one(CaseClosedTo, (opened.case_id, ines.account_id)))
    await answer(store, keyring, lise, call_id="next", at=NOW + SOON)
    await keep(store, keyring, ines, opened.case_id)
    with pytest.raises(NotFound):
        await save(store, keyring, ines, opened.contact_id, ("un dossier national", 1))


# --- keep and discard -------------------------------------------------------------------------------------------------


async def test_a_kept_draft_gets_the_next_reference_of_year_and_department(
    store: Store, keyring: Keyring, hire: Hire
) -> None:
    lise = await hire("lise", Role.LISTENER)
    drafts = [(await answer(store, keyring, lise, at=NOW + n * SOON)).case_id for n in range(4)]
    kept = [
        await keep(store, keyring, lise, drafts[0]),
        await keep(store, keyring, lise, drafts[1]),
        await keep(store, keyring, lise, drafts[2], "2A"),
        await keep(store, keyring, lise, drafts[3], at=datetime(2026, 12, 31, 23, 30, tzinfo=UTC)),
    ]
    references = [state.reference for state in kept]
    assert references == ["2026-38-00001", "2026-38-00002", "2026-2A-00001", "2027-38-00001"], "the year is Paris's"
    assert {state.status for state in kept} == {CaseStatus.OPEN}


async def test_drafts_kept_at_once_get_different_references_without_a_gap(
    store: Store, keyring: Keyring, hire: Hire
) -> None:
    lise = await hire("lise", Role.LISTENER)
    drafts = [(await answer(store, keyring, lise, at=NOW + n * SOON)).case_id for n in range(10)]
    states = await asyncio.gather(*(keep(store, keyring, lise, case_id) for case_id in drafts))
    assert sorted(str(state.reference) for state in states) == [f"2026-38-{n:05}" for n in range(1, 11)]


async def test_keeping_twice_at_once_is_keeping_once(store: Store, keyring: Keyring, hire: Hire) -> None:
    lise = await hire("lise", Role.LISTENER)
    opened = await answer(store, keyring, lise)
    states = await asyncio.gather(*(keep(store, keyring, lise, opened.case_id) for _ in range(5)))
    assert {state.reference for state in states} == {"2026-38-00001"}
    with pytest.raises(Conflict) as caught:
        await keep(store, keyring, lise, opened.case_id, "73")
    assert caught.value.id == "case-decided"


async def test_a_discarded_draft_leaves_counts_only(store: Store, keyring: Keyring, hire: Hire) -> None:
    lise = await hire("lise", Role.LISTENER)
    opened = await answer(store, keyring, lise)
    await save(store, keyring, lise, opened.contact_id, ("une blague d'enfants", 0))
    assert (await discard(store, keyring, lise, opened.case_id)).status is CaseStatus.DISCARDED
    assert (await discard(store, keyring, lise, opened.case_id)).status is CaseStatus.DISCARDED
    async with store.reading() as session:
        case, contact = await session.get_one(Case, opened.case_id), await session.get_one(Contact, opened.contact_id)
        numbers = await session.scalar(select(func.count()).select_from(CaseNumber))
    assert (case.wrapped_key, contact.notes, contact.number_index, numbers) == (None, None, None, 0)
    assert (case.discard_reason, contact.started_at) == (DiscardReason.WRONG_NUMBER, NOW)
    with pytest.raises(Conflict) as caught:
        await save(store, keyring, lise, opened.contact_id, ("encore", 1))
    assert caught.value.id == "case-discarded"


async def test_a_kept_case_is_not_discarded(store: Store, keyring: Keyring, hire: Hire) -> None:
    lise = await hire("lise", Role.LISTENER)
    opened = await answer(store, keyring, lise)
    await keep(store, keyring, lise, opened.case_id)
    with pytest.raises(Conflict):
        await discard(store, keyring, lise, opened.case_id)


async def test_of_keeping_and_discarding_at_once_exactly_one_happens(
    store: Store, keyring: Keyring, hire: Hire
) -> None:
    lise = await hire("lise", Role.LISTENER)
    opened = await answer(store, keyring, lise)
    both = await asyncio.gather(
        keep(store, keyring, lise, opened.case_id),
        discard(store, keyring, lise, opened.case_id),
        return_exceptions=True,
    )
    assert sorted(isinstance(result, Conflict) for result in both) == [False, True]


# --- link -------------------------------------------------------------------------------------------------------------


async def _known_case_and_new_contact(store: Store, keyring: Keyring, lise: Viewer) -> tuple[int, int, int]:
    first = await answer(store, keyring, lise, call_id="call-1")
    await keep(store, keyring, lise, first.case_id)
    second = await answer(store, keyring, lise, call_id="call-2", number="+33639980177", at=NOW + SOON)
    await save(store, keyring, lise, second.contact_id, ("il rappelle d'un autre téléphone", 0))
    return first.case_id, second.contact_id, second.case_id


async def test_a_linked_contact_takes_notes_and_number_along_and_its_draft_disappears(
    store: Store, keyring: Keyring, hire: Hire
) -> None:
    lise = await hire("lise", Role.LISTENER)
    known_case, contact_id, draft = await _known_case_and_new_contact(store, keyring, lise)
    await link(store, keyring, lise, contact_id, known_case)
    await link(store, keyring, lise, contact_id, known_case)
    shown = await read(store, keyring, lise, contact_id)
    assert (shown.case_id, shown.notes) == (known_case, "il rappelle d'un autre téléphone")
    assert (await save(store, keyring, lise, contact_id, ("la suite", 1))).version == 2
    async with store.reading() as session:
        assert await session.get(Case, draft) is None
        rows = (await session.scalars(select(CaseNumber).where(CaseNumber.case_id == known_case))).all()
        case = await session.get_one(Case, known_case)
    assert case.wrapped_key is not None
    key = keyring.unwrap(case.wrapped_key)
    numbers = {key.open(row.sealed, use_cases.number_context(known_case)) for row in rows}
    assert numbers == {CALLER, "+33639980177"}
    assert case.last_contact_at == NOW + SOON


async def test_saving_and_linking_at_once_loses_no_notes(store: Store, keyring: Keyring, hire: Hire) -> None:
    lise = await hire("lise", Role.LISTENER)
    known_case, contact_id, _ = await _known_case_and_new_contact(store, keyring, lise)
    await asyncio.gather(
        link(store, keyring, lise, contact_id, known_case),
        save(store, keyring, lise, contact_id, ("pendant ce temps", 1)),
    )
    shown = await read(store, keyring, lise, contact_id)
    assert (shown.case_id, shown.notes) == (known_case, "pendant ce temps")


async def test_a_contact_is_never_linked_to_a_draft_that_is_being_discarded(
    store: Store, keyring: Keyring, hire: Hire
) -> None:
    lise = await hire("lise", Role.LISTENER)
    for n in range(12):
        first = await answer(store, keyring, lise, call_id=f"call-{n}-1", at=NOW + 2 * n * SOON)
        second = await answer(store, keyring, lise, call_id=f"call-{n}-2", at=NOW + (2 * n + 1) * SOON)
        await save(store, keyring, lise, second.contact_id, ("à garder", 0))
        results = await asyncio.gather(
            discard(store, keyring, lise, first.case_id),
            link(store, keyring, lise, second.contact_id, first.case_id),
            return_exceptions=True,
        )
        assert sorted(isinstance(result, Conflict | NotFound) for result in results) == [False, True]
        assert (await read(store, keyring, lise, second.contact_id)).notes == "à garder"


async def test_a_contact_is_not_linked_to_a_case_that_one_may_not_see(
    store: Store, keyring: Keyring, hire: Hire
) -> None:
    lise = await hire("lise", Role.LISTENER)
    theirs = await answer(store, keyring, None, number="+33639980133", centre="centre-73")
    opened = await answer(store, keyring, lise)
    with pytest.raises(NotFound):
        await link(store, keyring, lise, opened.contact_id, theirs.case_id)


# --- who may see what -------------------------------------------------------------------------------------------------


async def _sees(store: Store, viewer: Viewer, case_id: int) -> bool:
    async with store.reading() as session:
        return await queries.case_for(session, viewer, case_id) is not None


async def test_a_national_case_is_seen_by_the_national_team_alone(store: Store, keyring: Keyring, hire: Hire) -> None:
    opened = await answer(store, keyring, None)
    assert await _sees(store, await hire("lise", Role.LISTENER), opened.case_id)
    assert await _sees(store, await hire("sam", Role.SUPERVISOR), opened.case_id)
    assert not await _sees(store, await hire("ines", Role.COORDINATOR, centre="centre-38"), opened.case_id)


@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.ANALYST, Role.DPO])
async def test_some_roles_see_no_case_at_all(store: Store, keyring: Keyring, hire: Hire, role: Role) -> None:
    opened = await answer(store, keyring, None)
    assert not await _sees(store, await hire("somebody", role), opened.case_id)


async def test_a_listener_sees_another_team_s_case_while_in_contact_with_its_caller_and_not_after(
    store: Store, keyring: Keyring, hire: Hire
) -> None:
    lise = await hire("lise", Role.LISTENER)
    theirs = await answer(store, keyring, None, centre="centre-38")
    assert not await _sees(store, lise, theirs.case_id)
    await answer(store, keyring, lise, call_id="call-2", at=NOW + SOON)
    assert await _sees(store, lise, theirs.case_id)
    async with store.transaction() as session:
        await use_cases.end_writing(session, lise.account_id, NOW + 2 * SOON)
    assert not await _sees(store, lise, theirs.case_id)


async def test_being_in_contact_from_a_shielded_number_opens_nothing_before_the_speaker_is_confirmed(
    store: Store, keyring: Keyring, hire: Hire
) -> None:
    lise = await hire("lise", Role.LISTENER)
    theirs = await answer(store, keyring, None, centre="centre-38")
    index = keyring.blind_index(CALLER)
    async with store.transaction() as session:
        session.add(ShieldedNumber(number_index=index, shielded_at=NOW))
    await answer(store, keyring, lise, call_id="call-2", at=NOW + SOON)
    assert not await _sees(store, lise, theirs.case_id)
    async with store.transaction() as session:
        await use_cases.show_known(
            session, keyring, lise, call_id="call-2", number_index=index, confirmed=True, at=NOW + SOON
        )
    assert await _sees(store, lise, theirs.case_id)


async def test_a_case_closed_to_a_volunteer_does_not_exist_for_them(store: Store, keyring: Keyring, hire: Hire) -> None:
    lise, paul = await hire("lise", Role.LISTENER), await hire("paul", Role.LISTENER)
    opened = await answer(store, keyring, lise)
    async with store.transaction() as session:
        session.add(CaseClosedTo(case_id=opened.case_id, account_id=paul.account_id))
    assert not await _sees(store, paul, opened.case_id)
    with pytest.raises(NotFound):
        await read(store, keyring, paul, opened.contact_id)


async def test_a_coordinator_writes_in_the_contacts_of_their_centre(store: Store, keyring: Keyring, hire: Hire) -> None:
    ines = await hire("ines", Role.COORDINATOR, centre="centre-38")
    opened = await answer(store, keyring, None, centre="centre-38")
    assert (await save(store, keyring, ines, opened.contact_id, ("rappelée mardi", 0))).version == 1
    assert (await keep(store, keyring, ines, opened.case_id)).reference == "2026-38-00001"


async def test_each_read_is_on_the_audit_trail_and_holds_no_content(store: Store, keyring: Keyring, hire: Hire) -> None:
    lise = await hire("lise", Role.LISTENER)
    opened = await answer(store, keyring, lise)
    await save(store, keyring, lise, opened.contact_id, ("un secret", 0))
    await save(store, keyring, lise, opened.contact_id, ("un secret de plus", 1))
    await read(store, keyring, lise, opened.contact_id)
    async with store.transaction() as session:
        shown = await editing.read_case(session, keyring, lise, opened.case_id, NOW + timedelta(hours=1))
        entries = [entry for entry in await audit.entries(session) if entry.subject != "account"]
    assert [contact.has_notes for contact in shown.contacts] == [True]
    assert [(entry.action, entry.subject_id, entry.account_id) for entry in entries] == [
        ("notes.saved", str(opened.contact_id), lise.account_id),
        ("contact.read", str(opened.contact_id), lise.account_id),
        ("case.read", str(opened.case_id), lise.account_id),
    ]


@pytest.mark.parametrize(("hours", "open_"), [(11, True), (13, False)])
async def test_what_the_caller_s_number_opens_closes_hours_after_the_call_and_the_writing_stays(
    store: Store, keyring: Keyring, hire: Hire, hours: int, open_: bool
) -> None:
    lise = await hire("lise", Role.LISTENER, centre="centre-73")
    theirs = await answer(store, keyring, None, centre="centre-38")
    mine = await answer(store, keyring, lise, call_id="call-2", at=NOW + SOON)
    ended = datetime.now(UTC) - timedelta(hours=hours)
    async with store.transaction() as session:
        await use_cases.end_contacts(session, "pbx1", {"call-2": ended})
    assert await _sees(store, lise, theirs.case_id) is open_
    assert await _sees(store, lise, mine.case_id)
    assert (await save(store, keyring, lise, mine.contact_id, ("je n'ai pas cliqué", 0))).version == 1
