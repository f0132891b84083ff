"""What the recorder does when not all can be stored: it waits for a key, and passes no call that is not stored."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

from pbx.facts import CallEntered, CallFact, EndedBy, PbxConnected
from pbx.journal import JournalReplay, Position, read
from service.calls import queries
from service.calls.fold import instant
from service.calls.model import Result, StoredFact
from service.calls.numbers import CallerNumbers
from service.calls.recorder import Recorder
from service.calls.use_cases import Archive, Recorded
from service.cases.model import Case, Contact
from service.keys import CallerKeyRing, Keyring
from service.store.engine import Store
from service.store.rotation import rotate
from service.store.secrets import open_keys
from tests.integration.live.test_recording import CALL, count, facts, hire_eight, nobody_looks, running, stored_call
from tests.support.caller_tokens import KEY, ring, token
from tests.unit.pbx.ami_frames import eventful_call


async def test_a_call_whose_key_is_not_here_yet_waits_for_it_and_is_no_fault(
    sqlite_store: Store, tmp_path: Path
) -> None:
    """The number lies under a key that another machine made; this one has its file with the wrong rights, at first."""
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    ours = await open_keys(sqlite_store, here)
    await hire_eight(sqlite_store, ours)
    shutil.copytree(here / "secrets", elsewhere / "secrets")
    theirs = await open_keys(sqlite_store, elsewhere)
    await rotate(sqlite_store, ours, here, tell=lambda _: None)
    (made,) = (here / "secrets").glob("master-*.key")
    copy = elsewhere / "secrets" / made.name
    entered, *others = facts(2)
    assert isinstance(entered, CallEntered)
    entered = replace(entered, caller_token=token("0639980101"))
    recorders = [
        Recorder(
            sqlite_store,
            Archive("pbx1", keyring, CallerNumbers(ring(("k1", KEY)), "FR")),
            tmp_path / "journal.json",
            live=list,
            announce=nobody_looks,
        )
        for keyring in (ours, theirs)
    ]

    async def arrives() -> None:
        recorders[0].offer([entered])
        await recorders[0].settled()

    async def is_answered() -> None:
        recorders[1].offer(others)
        settled = asyncio.create_task(recorders[1].settled())
        for wrong in ("missing", "exposed"):
            if wrong == "exposed":
                shutil.copy(made, copy)
                copy.chmod(0o644)
            await asyncio.sleep(0.5)  # nothing to wait for: that it goes on waiting is what is asked
            assert not settled.done(), wrong
            assert (await stored_call(sqlite_store)).ended_at is None
        copy.chmod(0o600)
        await settled

    await running(recorders[0], arrives)
    await running(recorders[1], is_answered)
    call = await stored_call(sqlite_store)
    assert (call.result, call.ended_at) == (Result.ANSWERED, instant(1_750_000_900.0))
    assert await count(sqlite_store, Contact) == 1


async def test_no_place_is_safe_before_each_call_of_a_batch_that_was_taken_apart_is_stored(
    sqlite_store: Store, keyring: Keyring, tmp_path: Path
) -> None:
    await hire_eight(sqlite_store, keyring)
    journal, base = tmp_path / "journal.json", 1_750_000_000.0
    journal.touch()
    other = "0f9c1f5e-0000-4000-8000-000000000002"
    seen: list[tuple[bool, Position]] = []

    async def look(_recorded: Recorded) -> None:
        async with sqlite_store.reading() as session:
            has_all = await queries.call_by_id(session, other) is not None
            seen.append((has_all, await queries.journal_position(session, "pbx1")))

    archive = Archive("pbx1", keyring, CallerNumbers(CallerKeyRing(), "FR"))
    recorder = Recorder(sqlite_store, archive, journal, live=list, announce=look)
    broken = replace(facts(2, "broken")[0], at=1e17)

    async def work() -> None:
        recorder.offer([PbxConnected(pbx="pbx1", at=base - 200, version="22.10.1")])
        await recorder.settled()
        seen.clear()
        journal.write_bytes(b"x" * 9 + b"\n")
        recorder.sample(base - 100)
        journal.write_bytes(b"x" * 9 + b"\n" + b"x" * 489 + b"\n")
        recorder.sample(base + 500)
        recorder.offer([broken, *facts(2), *facts(2, other, base + 1)[:2]])  # the other one goes on
        await recorder.settled()

    before = Position(journal.stat().st_ino, 10)
    await running(recorder, work)
    assert [place for has_all, place in seen if not has_all] == [Position()]
    async with sqlite_store.reading() as session:
        assert await queries.journal_position(session, "pbx1") == before
        assert await queries.call_by_id(session, CALL) is not None
        assert await queries.call_by_id(session, other) is not None


async def test_what_found_no_room_while_the_database_was_locked_is_read_from_the_journal(
    sqlite_store: Store, keyring: Keyring, tmp_path: Path
) -> None:
    await hire_eight(sqlite_store, keyring)
    journal = tmp_path / "journal.json"
    archive = Archive("pbx1", keyring, CallerNumbers(CallerKeyRing(), "FR"))
    recorder = Recorder(sqlite_store, archive, journal, live=list, announce=nobody_looks, limit=2)
    lock = sqlite3.connect(tmp_path / "ecoute.db", isolation_level=None)
    happened: list[CallFact] = []

    async def work() -> None:
        recorder.offer([PbxConnected(pbx="pbx1", at=900.0, version="22.10.1")])
        await recorder.settled()
        assert recorder.replays == 1
        lock.execute("BEGIN IMMEDIATE")
        journal.write_bytes(b"".join(eventful_call(CALL).journal))
        events, _place = read(journal, Position())
        happened.extend(JournalReplay("pbx1").feed(events))
        for fact in happened:
            recorder.offer([fact])
            await asyncio.sleep(0)
        assert recorder.behind <= 2
        lock.execute("ROLLBACK")
        await recorder.settled()

    await running(recorder, work)
    lock.close()
    assert await count(sqlite_store, StoredFact) == len(happened)
    call = await stored_call(sqlite_store)
    assert (call.result, call.ended_by, call.centre) == (Result.ANSWERED, EndedBy.CENTRE, "centre-73")
    assert await count(sqlite_store, Contact) == await count(sqlite_store, Case) == 1
    assert recorder.replays == 2
