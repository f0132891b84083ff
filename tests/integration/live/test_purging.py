"""Callers' tokens leave the journal once they are stored, and not a moment before; also when nobody rings any more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pbx.facts import CallEntered, EndedBy, PbxConnected
from pbx.journal import Position
from service.calls import purging, queries
from service.calls import recorder as recording
from service.calls.numbers import CallerNumbers
from service.calls.purging import JournalPurge
from service.calls.recorder import Recorder
from service.calls.use_cases import Archive, Recorded
from service.keys import CallerKeyRing, Keyring
from service.store.engine import Store
from tests.integration.live.test_recording import facts
from tests.support.tasks import end
from tests.unit.pbx.test_journal import TOKEN, told

BASE = 1_750_000_000.0


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "journal.json"
    path.write_bytes(told(TOKEN, 1) + told(TOKEN, 2))
    return path


async def commit(store: Store, position: Position) -> None:
    async with store.transaction() as session:
        await queries.put_journal_position(session, "pbx1", position, datetime.now(UTC))


async def committed(store: Store) -> Position:
    async with store.reading() as session:
        return await queries.journal_position(session, "pbx1")


async def purged(store: Store) -> Position:
    async with store.reading() as session:
        return await queries.purged_position(session, "pbx1")


async def test_only_what_the_database_has_committed_is_purged_and_a_restart_goes_on(
    store: Store, journal: Path
) -> None:
    before = journal.read_bytes()
    inode, half = journal.stat().st_ino, len(told(TOKEN, 1))
    await JournalPurge(store, "pbx1", journal).purge()
    assert journal.read_bytes() == before, "nothing is committed yet"
    await commit(store, Position(inode, half))
    await JournalPurge(store, "pbx1", journal).purge()
    assert journal.read_bytes()[half:] == before[half:]
    assert journal.read_bytes().count(TOKEN) == 1
    assert await purged(store) == Position(inode, half)
    await commit(store, Position(inode, 2 * half))
    await JournalPurge(store, "pbx1", journal).purge()
    assert TOKEN not in journal.read_bytes()
    assert len(journal.read_bytes()) == len(before)
    assert await purged(store) == await committed(store)


async def test_a_journal_that_cannot_be_written_is_told_once_and_tried_again(
    store: Store, journal: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(purging, "PURGE_SECONDS", 0.01)
    content = journal.read_bytes()
    journal.unlink()
    journal.mkdir()  # opening it is an OSError, for root too
    await commit(store, Position(journal.stat().st_ino, len(content)))
    task = asyncio.create_task(JournalPurge(store, "pbx1", journal).run())
    try:
        async with asyncio.timeout(10):
            said = ""
            while "journal-unpurged" not in said:
                await asyncio.sleep(0.05)
                said += capsys.readouterr().out
            journal.rmdir()
            journal.write_bytes(content)
            await commit(store, Position(journal.stat().st_ino, len(content)))
            while TOKEN in journal.read_bytes():
                await asyncio.sleep(0.05)
        assert (said + capsys.readouterr().out).count("journal-unpurged") == 1
    finally:
        await end(task)


@pytest.fixture
async def recorder(
    store: Store, keyring: Keyring, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Recorder]:
    async def nobody_looks(_: Recorded) -> None:
        pass

    monkeypatch.setattr(recording, "_QUIET_EVERY_SECONDS", 0.0)
    archive = Archive("pbx1", keyring, CallerNumbers(CallerKeyRing(), "FR"))
    made = Recorder(store, archive, journal, live=list, announce=nobody_looks)
    task = asyncio.create_task(made.run())
    begun = journal.read_bytes()
    journal.write_bytes(b"")
    made.offer([PbxConnected(pbx="pbx1", at=BASE - 100, version="22.10.1")])
    await made.settled()
    journal.write_bytes(begun)
    yield made
    await end(task)


async def heard(recorder: Recorder, at: float) -> None:
    recorder.heard(at)
    await recorder.settled()


async def test_a_place_becomes_safe_on_a_quiet_line_long_after_it_was_heard(
    store: Store, recorder: Recorder, journal: Path
) -> None:
    recorder.sample(BASE)
    await heard(recorder, BASE + 10)
    assert await committed(store) == Position(), "a connection that died unnoticed may have swallowed something"
    await heard(recorder, BASE + recording.QUIET_SECONDS + 3)
    assert await committed(store) == Position(journal.stat().st_ino, journal.stat().st_size, 1_500_000)


async def test_a_quiet_line_passes_no_call_that_is_open(store: Store, recorder: Recorder, journal: Path) -> None:
    recorder.sample(BASE - 10)
    before = journal.stat().st_size
    entered = next(fact for fact in facts(1, base=BASE) if isinstance(fact, CallEntered))
    recorder.offer([entered])
    await recorder.settled()
    with journal.open("ab") as file:
        file.write(told(TOKEN, 3))
    recorder.sample(BASE + 10)
    await heard(recorder, BASE + 500)
    assert (await committed(store)).offset == before
    recorder.offer([replace(fact, call_id=entered.call_id) for fact in facts(1, base=BASE)[1:2]])
    recorder.offer(facts(1, base=BASE)[-1:])
    await recorder.settled()
    recorder.sample(BASE + 600)
    await heard(recorder, BASE + 700)
    assert (await committed(store)).offset == journal.stat().st_size


async def test_nothing_becomes_safe_while_the_journal_has_to_be_read(
    store: Store, recorder: Recorder, journal: Path
) -> None:
    recorder.sample(BASE)
    journal.unlink()
    journal.mkdir()  # it cannot be read
    recorder.offer([PbxConnected(pbx="pbx1", at=BASE + 1, version="22.10.1")])
    await recorder.settled()
    await heard(recorder, BASE + 500)
    assert await committed(store) == Position()


def step(at: float, call_id: str, words: str) -> bytes:
    """A line of the journal; each call has a channel of its own."""
    told = {"eventtime": f"{at:.6f}", "eventtype": "STEP", "accountcode": call_id, "channame": "PJSIP/trunk-00000001"}
    extra = json.dumps({"extra": f"{call_id} {words}"})
    uid = f"pbx1-{int(call_id[0], 16)}.1"
    return json.dumps({**told, "uniqueid": uid, "linkedid": uid, "eventextra": extra}).encode() + b"\n"


async def test_a_call_that_died_with_the_pbx_makes_no_place_safe_that_a_waiting_call_began_before(
    store: Store, keyring: Keyring, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end is presumed at its last instant, which lies before the other began: the journal goes on beyond both."""

    async def nobody_looks(_: Recorded) -> None:
        pass

    monkeypatch.setattr(recording, "_QUIET_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(recording, "LATE_LINES_SECONDS", 0.05)
    died, waits = (f"{digit * 8}-0000-4000-8000-000000000001" for digit in "dc")
    entered = f"1 entered {TOKEN.decode()} +33199003133"
    before = step(BASE, died, f"{entered} {BASE:.0f}") + step(BASE + 1, died, "2 queued national")
    waiting = step(BASE + 30, waits, f"{entered} {BASE + 30:.0f}") + step(BASE + 31, waits, "2 queued national")
    journal.write_bytes(before + waiting)
    archive = Archive("pbx1", keyring, CallerNumbers(CallerKeyRing(), "FR"))
    recorder = Recorder(store, archive, journal, live=lambda: [waits], announce=nobody_looks)
    task = asyncio.create_task(recorder.run())
    try:
        recorder.offer([PbxConnected(pbx="pbx1", at=BASE + 40, version="22.10.1")])
        async with asyncio.timeout(30):
            while not recorder.complete:
                await asyncio.sleep(0.01)
        for seconds in (51, 62, 73):
            recorder.sample(BASE + seconds)
            await heard(recorder, BASE + seconds)
        async with store.reading() as session:
            dead = await queries.call_by_id(session, died)
        assert dead is not None
        assert dead.ended_by is EndedBy.FAULT
        await JournalPurge(store, "pbx1", journal).purge()
        assert TOKEN in journal.read_bytes()[len(before) :], "who waits is still needed"
        assert (await committed(store)).offset <= len(before)
    finally:
        await end(task)
