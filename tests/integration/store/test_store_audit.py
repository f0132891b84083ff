"""The audit trail: append-only, chained, ids alone; purged after its time, and held to anchors outside the database."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.exc import DBAPIError

from service.audit import anchors, queries
from service.audit.chain import Anchor, head_anchor, months_before, purge, verify
from service.audit.model import Action, AuditEntry, AuditHead
from service.audit.use_cases import Act, append
from service.keys import Keyring
from service.store.engine import Store
from tests.integration.store.conftest import NOW
from tests.support.tasks import end

_REST = "at, account_id, action, subject, subject_id, hash"


async def _append(store: Store, keyring: Keyring, *cases: int) -> None:
    acts = [Act(action=Action.CASE_READ, subject="case", subject_id=case) for case in cases]
    async with store.transaction() as session:
        await append(session, keyring, acts, account_id=12, at=NOW)


async def _append_and_fail(store: Store, keyring: Keyring, case: int) -> None:
    async with store.transaction() as session:
        act = Act(action=Action.CASE_READ, subject="case", subject_id=case)
        await append(session, keyring, [act], account_id=1, at=NOW)
        _ = 1 / 0


async def _broken_at(store: Store, keyring: Keyring) -> int | None:
    return (await verify(store, keyring)).broken_at


async def _without_triggers(store: Store, *statements: str) -> None:
    """What somebody with the database in their hands could do."""
    async with store.transaction() as session:
        if store.dialect == "sqlite":
            await session.execute(text("DROP TRIGGER audit_entry_keep"))
            await session.execute(text("DROP TRIGGER audit_entry_purge"))
        else:
            await session.execute(text("ALTER TABLE audit_entries DISABLE TRIGGER ALL"))
        for statement in statements:
            await session.execute(text(statement))


async def test_entries_are_numbered_without_a_gap_and_the_chain_holds(store: Store, keyring: Keyring) -> None:
    await _append(store, keyring, 1, 2)
    await _append(store, keyring, 3)
    async with store.reading() as session:
        entries = await queries.entries(session)
    state = await verify(store, keyring)
    assert [(entry.seq, entry.subject_id) for entry in entries] == [(1, "1"), (2, "2"), (3, "3")]
    assert (state.entries, state.broken_at) == (3, None)


async def test_writers_at_once_make_one_chain(store: Store, keyring: Keyring) -> None:
    await asyncio.gather(*(_append(store, keyring, case) for case in range(20)))
    state = await verify(store, keyring)
    assert (state.entries, state.broken_at) == (20, None)


async def test_an_act_that_fails_leaves_no_entry(store: Store, keyring: Keyring) -> None:
    await _append(store, keyring, 1)
    with pytest.raises(ZeroDivisionError):
        await _append_and_fail(store, keyring, 2)
    await _append(store, keyring, 3)
    async with store.reading() as session:
        assert [entry.subject_id for entry in await queries.entries(session)] == ["1", "3"]
    assert await _broken_at(store, keyring) is None


@pytest.mark.parametrize(
    "statement",
    [update(AuditEntry).values(account_id=99), delete(AuditEntry), delete(AuditEntry).where(AuditEntry.seq == 2)],
    ids=["change", "delete all", "delete one"],
)
async def test_the_database_itself_refuses_to_change_or_delete(
    store: Store, keyring: Keyring, statement: object
) -> None:
    await _append(store, keyring, 1, 2)
    with pytest.raises(DBAPIError, match="append-only"):
        async with store.transaction() as session:
            await session.execute(statement)  # type: ignore[call-overload]


_OF_FIRST = f"SELECT 2, {_REST} FROM audit_entries WHERE seq = 1"  # noqa: S608
_OF_SECOND = f"SELECT rowid, 4, {_REST} FROM audit_entries WHERE seq = 2"  # noqa: S608
_SECOND = (
    "MERGE INTO audit_entries USING (VALUES (2)) AS other (seq) ON audit_entries.seq = other.seq WHEN MATCHED THEN"
)


@pytest.mark.parametrize(
    "statements",
    [
        {
            "sqlite": f"INSERT OR REPLACE INTO audit_entries {_OF_FIRST}",
            "postgresql": f"INSERT INTO audit_entries {_OF_FIRST} ON CONFLICT (seq) DO UPDATE SET hash = excluded.hash",
        },
        {
            "sqlite": f"REPLACE INTO audit_entries (rowid, seq, {_REST}) {_OF_SECOND}",
            "postgresql": f"{_SECOND} UPDATE SET seq = 4",
        },
        {
            "sqlite": f"INSERT INTO audit_entries {_OF_FIRST} ON CONFLICT DO UPDATE SET account_id = 99",
            "postgresql": f"{_SECOND} DELETE",
        },
        {
            "sqlite": "UPDATE OR REPLACE audit_entries SET seq = 1 WHERE seq = 2",
            "postgresql": "UPDATE audit_entries SET seq = 4 WHERE seq = 2",
        },
    ],
    ids=["the same number", "another number in its place", "a conflict that changes", "a change that takes a place"],
)
async def test_the_database_itself_refuses_an_entry_in_the_place_of_another(
    store: Store, keyring: Keyring, statements: dict[str, str]
) -> None:
    await _append(store, keyring, 1, 2)
    with pytest.raises(DBAPIError, match="append-only"):
        async with store.transaction() as session:
            await session.execute(text(statements[store.dialect]))
    await _append(store, keyring, 3)
    state = await verify(store, keyring)
    assert (state.entries, state.broken_at) == (3, None)


@pytest.mark.parametrize(
    ("statement", "broken_at"),
    [
        ("UPDATE audit_entries SET subject_id = '7' WHERE seq = 2", 2),
        ("UPDATE audit_entries SET account_id = NULL WHERE seq = 1", 1),
        ("UPDATE audit_entries SET action = 'case.kept' WHERE seq = 2", 2),
        ("DELETE FROM audit_entries WHERE seq = 1", 2),
        ("DELETE FROM audit_entries WHERE seq = 2", 3),
        ("DELETE FROM audit_entries WHERE seq = 3", 3),
        ("DELETE FROM audit_entries", 1),
        (f"INSERT INTO audit_entries SELECT 4, {_REST} FROM audit_entries LIMIT 1", 4),  # noqa: S608
        ("UPDATE audit_entries SET seq = CASE seq WHEN 2 THEN -3 ELSE -2 END WHERE seq > 1", -3),
    ],
    ids=["changed", "who", "what", "the first", "one taken out", "the last", "all gone", "put in", "turned round"],
)
async def test_tampering_with_the_database_is_found(
    store: Store, keyring: Keyring, statement: str, broken_at: int
) -> None:
    await _append(store, keyring, 1, 2, 3)
    await _without_triggers(store, statement)
    assert await _broken_at(store, keyring) == broken_at


async def test_the_chain_cannot_be_made_anew_without_the_key(store: Store, keyring: Keyring) -> None:
    await _append(store, Keyring(bytes(32)), 1, 2)
    assert await _broken_at(store, keyring) == 1


async def test_an_instant_of_another_zone_chains_like_its_utc(store: Store, keyring: Keyring) -> None:
    async with store.transaction() as session:
        act = Act(action=Action.CASE_READ, subject="case", subject_id=1)
        await append(session, keyring, [act], account_id=None, at=NOW + timedelta(microseconds=123457))
    assert await _broken_at(store, keyring) is None


# --- what an attacker with the file and much patience does ------------------------------------------------------------


async def test_two_entries_that_changed_places_are_found(store: Store, keyring: Keyring) -> None:
    await _append(store, keyring, 1, 2, 3)
    await _without_triggers(
        store,
        "UPDATE audit_entries SET seq = 1002 WHERE seq = 2",
        "UPDATE audit_entries SET seq = 2 WHERE seq = 3",
        "UPDATE audit_entries SET seq = 3 WHERE seq = 1002",
    )
    assert await _broken_at(store, keyring) == 2


async def test_an_entry_in_the_middle_taken_out_and_the_rest_moved_up_is_found(store: Store, keyring: Keyring) -> None:
    await _append(store, keyring, 1, 2, 3)
    await _without_triggers(
        store,
        "DELETE FROM audit_entries WHERE seq = 2",
        "UPDATE audit_entries SET seq = 2 WHERE seq = 3",
        "UPDATE audit_head SET last_seq = 2",
    )
    assert await _broken_at(store, keyring) == 2


async def test_a_purge_mark_moved_by_hand_hides_nothing(store: Store, keyring: Keyring) -> None:
    await _append(store, keyring, 1, 2, 3)
    await _without_triggers(
        store,
        "UPDATE audit_head SET purged_seq = 2, purged_hash = (SELECT hash FROM audit_entries WHERE seq = 2)",
        "DELETE FROM audit_entries WHERE seq <= 2",
    )
    assert await _broken_at(store, keyring) == 1


async def _anchor(store: Store) -> Anchor:
    async with store.reading() as session:
        found = await head_anchor(session, NOW)
    assert found is not None
    return found


async def _cut_off(store: Store, last: int) -> None:
    """The end is taken away, and the mark of the end with it."""
    async with store.reading() as session:
        hashed = (await session.get_one(AuditEntry, last)).hash
    await _without_triggers(store)
    async with store.transaction() as session:
        await session.execute(delete(AuditEntry).where(AuditEntry.seq > last))
        await session.execute(update(AuditHead).values(last_seq=last, last_hash=hashed))


async def test_an_end_cut_off_together_with_its_mark_is_found_by_an_anchor_alone(
    store: Store, keyring: Keyring
) -> None:
    await _append(store, keyring, 1, 2)
    early = await _anchor(store)
    await _append(store, keyring, 3, 4)
    late = await _anchor(store)
    await _cut_off(store, 3)
    alone = await verify(store, keyring)
    held = await verify(store, keyring, [early, late])
    assert alone.whole, "the chain cannot know: that is what anchors are for"
    assert (held.broken_at, held.missing_from, held.anchored) == (None, 4, 2)


async def test_an_older_copy_that_went_on_from_there_is_found_by_an_anchor(store: Store, keyring: Keyring) -> None:
    await _append(store, keyring, 1, 2)
    early = await _anchor(store)
    await _append(store, keyring, 3, 4)
    late = await _anchor(store)
    await _cut_off(store, 2)
    await _append(store, keyring, 5, 6, 7)
    assert (await verify(store, keyring)).whole
    held = await verify(store, keyring, [late, early])
    assert (held.whole, held.missing_from, held.anchored) == (False, 3, 2)


async def test_an_emptied_trail_is_found_by_an_anchor(store: Store, keyring: Keyring) -> None:
    await _append(store, keyring, 1)
    anchor = await _anchor(store)
    await _without_triggers(store, "DELETE FROM audit_entries", "DELETE FROM audit_head")
    assert (await verify(store, keyring)).whole
    assert (await verify(store, keyring, [anchor])).missing_from == 1


# --- anchors ----------------------------------------------------------------------------------------------------------


async def test_the_service_keeps_an_anchor_of_each_growth_that_cannot_be_invented(
    store: Store, keyring: Keyring, tmp_path: Path
) -> None:
    file = anchors.file_of(tmp_path)
    keeper = anchors.Anchors(store, keyring, file)
    await keeper.drop()
    assert anchors.read(file, keyring) == []
    for case in (1, 2):
        await _append(store, keyring, case)
        await keeper.drop()
        await keeper.drop()
    kept = anchors.read(file, keyring)
    assert [anchor.seq for anchor in kept] == [1, 2]
    assert kept[1].hash == (await _anchor(store)).hash
    assert anchors.parse(kept[1].text).hash == kept[1].hash
    assert file.stat().st_mode & 0o077 == 0
    with pytest.raises(anchors.AnchorsDamaged) as caught:
        anchors.read(file, Keyring(bytes(32)))
    assert caught.value.line == 1
    lines = file.read_bytes().replace(b'"seq":2', b'"seq":1')
    file.write_bytes(lines)
    with pytest.raises(anchors.AnchorsDamaged) as changed:
        anchors.read(file, keyring)
    assert changed.value.line == 2


async def test_half_a_line_that_a_power_cut_left_is_no_damage_and_goes_at_the_next_start(
    store: Store, keyring: Keyring, tmp_path: Path
) -> None:
    file = anchors.file_of(tmp_path)
    await _append(store, keyring, 1)
    await anchors.Anchors(store, keyring, file).drop()
    whole = file.read_bytes()
    file.write_bytes(whole + whole[:30])
    assert len(anchors.read(file, keyring)) == 1
    keeper = anchors.Anchors(store, keyring, file)
    task = asyncio.create_task(keeper.run())
    while len(anchors.read(file, keyring)) < 2:  # tidied, then noted again: this process had not yet
        await asyncio.sleep(0.01)
    await end(task)
    # Cancelled in the middle of its writing it notes the same once more: no harm.
    assert {anchor.seq for anchor in anchors.read(file, keyring)} == {1}


async def test_half_a_line_that_a_full_disk_left_goes_before_the_next_one_is_written(
    store: Store, keyring: Keyring, tmp_path: Path
) -> None:
    file = anchors.file_of(tmp_path)
    keeper = anchors.Anchors(store, keyring, file)
    await _append(store, keyring, 1)
    await keeper.drop()
    for case, torn in ((2, file.read_bytes()[:40]), (3, b"{")):
        with file.open("ab") as full:
            full.write(torn)
        await _append(store, keyring, case)
        await keeper.drop()
    assert [anchor.seq for anchor in anchors.read(file, keyring)] == [1, 2, 3]
    file.write_bytes(b"{")
    await _append(store, keyring, 4)
    await keeper.drop()
    assert [anchor.seq for anchor in anchors.read(file, keyring)] == [4]


def test_an_anchor_typed_from_paper_may_have_spaces() -> None:
    hashed = "ab" * 32
    assert anchors.parse(f" 12 34 : {hashed[:32].upper()} {hashed[32:]}\n") == Anchor(seq=1234, hash=hashed)


# --- the end of their time --------------------------------------------------------------------------------------------


async def _append_at(store: Store, keyring: Keyring, at: datetime, case: int) -> None:
    async with store.transaction() as session:
        act = Act(action=Action.CASE_READ, subject="case", subject_id=case)
        await append(session, keyring, [act], account_id=1, at=at)


async def test_entries_past_their_time_go_and_what_is_left_holds_again_and_again(
    store: Store, keyring: Keyring
) -> None:
    for month in range(1, 7):
        await _append_at(store, keyring, datetime(2025, month, 15, tzinfo=UTC), month)
    anchor = await _anchor(store)
    for now, left in ((datetime(2026, 3, 1, tzinfo=UTC), 5), (datetime(2026, 5, 1, tzinfo=UTC), 4)):
        async with store.transaction() as session:
            await purge(session, keyring, before=months_before(now, 12), at=now)
        state = await verify(store, keyring, [anchor])
        assert (state.whole, state.entries) == (True, left), state
    async with store.transaction() as session:
        assert await purge(session, keyring, before=datetime(2025, 4, 1, tzinfo=UTC), at=NOW) == 0
    async with store.reading() as session:
        noted = [one.subject_id for one in await queries.entries(session) if one.action is Action.TRAIL_PURGED]
    assert noted == ["2", "4"]


async def test_an_entry_that_is_not_past_its_time_keeps_all_that_follow_it(store: Store, keyring: Keyring) -> None:
    clock_went_back = [datetime(2026, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)]
    for case, at in enumerate(clock_went_back, 1):
        await _append_at(store, keyring, at, case)
    async with store.transaction() as session:
        assert await purge(session, keyring, before=datetime(2025, 1, 1, tzinfo=UTC), at=NOW) == 0


@pytest.mark.parametrize(
    ("at", "months", "before"),
    [
        ("2026-11-22", 12, "2025-11-22"),
        ("2026-03-31", 1, "2026-02-28"),
        ("2024-02-29", 12, "2023-02-28"),
        ("2026-01-15", 1, "2025-12-15"),
    ],
)
def test_months_are_counted_as_people_do(at: str, months: int, before: str) -> None:
    assert months_before(datetime.fromisoformat(f"{at}T00:00:00+00:00"), months).date().isoformat() == before
