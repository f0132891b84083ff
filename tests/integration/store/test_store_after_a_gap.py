"""What is kept for the time after a gap, on both databases: places, and what was compared."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import delete

from pbx.facts import CallEnded, CallEntered, CallFact, CallQueued, EndedBy, PbxConnected, Stage
from pbx.journal import Position
from service.calls import books_check, queries, use_cases
from service.calls.books import DifferenceKind
from service.calls.books_check import BooksCheck
from service.calls.log_faults import LOGGED_AT_ONCE
from service.calls.model import StoredFact
from service.calls.numbers import CallerNumbers
from service.calls.recorder import Recorder
from service.calls.use_cases import Archive, Recorded
from service.keys import CallerKeyRing, Keyring
from service.store.engine import Store
from tests.support.tasks import end
from tests.unit.pbx.ami_frames import Wire

BEGAN = 1_795_301_760
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def call_id(n: int) -> str:
    return f"9d72c80a-0000-4000-8000-{n:012d}"


@pytest.fixture
def archive(keyring: Keyring) -> Archive:
    return Archive("pbx1", keyring, CallerNumbers(CallerKeyRing(), "FR"))


def left_waiting(n: int) -> list[CallFact]:
    of_it = {"pbx": "pbx1", "call_id": call_id(n)}
    at = float(BEGAN + n)
    return [
        CallEntered(**of_it, ordinal=1, at=at, line="+33199003133", caller_token="none", arrived=int(at)),
        CallQueued(**of_it, ordinal=2, at=at + 2, queue="national"),
        CallEnded(**of_it, ordinal=3, at=at + 10, by=EndedBy.CALLER, stage=Stage.WAITING),  # type: ignore[arg-type]
    ]


def in_queue_log(n: int) -> str:
    at = BEGAN + n
    return (
        f"{at + 2}|pbx1-{at}.{n}|national|NONE|ENTERQUEUE||{call_id(n)}|1\n"
        f"{at + 10}|pbx1-{at}.{n}|national|NONE|ABANDON|1|1|8\n"
    )


async def record(store: Store, archive: Archive, *calls: Sequence[CallFact]) -> None:
    async with store.transaction() as session:
        await use_cases.record(session, archive, [fact for facts in calls for fact in facts])


# --- places -----------------------------------------------------------------------------------------------------------


async def test_a_place_is_kept_with_the_beginning_of_its_file(store: Store) -> None:
    place, purged, compared = Position(7, 8, 1_795_301_760_123_456), Position(5, 6, 9), Position(1, 2, 3)
    async with store.transaction() as session:
        await queries.put_journal_position(session, "pbx1", Position(1, 2), NOW)
        await queries.put_journal_position(session, "pbx1", place, NOW)
        await queries.put_purged_position(session, "pbx1", purged)
        await queries.put_queue_log_position(session, "pbx1", compared, NOW)
    async with store.reading() as session:
        assert await queries.journal_position(session, "pbx1") == place
        assert await queries.purged_position(session, "pbx1") == purged
        assert await queries.queue_log_position(session, "pbx1") == (compared, NOW)
        assert await queries.queue_log_position(session, "pbx2") == (Position(), None)


# --- the books and queue_log ------------------------------------------------------------------------------------------


async def check(books: BooksCheck, calls: int) -> list[tuple[str, DifferenceKind]]:
    """When the last of so many calls has been over for long enough."""
    found = await books.check(now=float(BEGAN + calls + 11 + books_check.SETTLED_SECONDS))
    return [(difference.call_id, difference.kind) for difference in found]


async def test_books_that_agree_with_queue_log_are_compared_once_and_a_restart_goes_on(
    store: Store, archive: Archive, tmp_path: Path
) -> None:
    log = tmp_path / "queue_log"
    log.write_text(in_queue_log(1) + in_queue_log(2))
    await record(store, archive, left_waiting(1), left_waiting(2))
    books = BooksCheck(store, "pbx1", log, live=list)
    assert await check(books, 2) == []
    assert books.compared == 2
    log.rename(tmp_path / "queue_log.1")
    log.write_text(in_queue_log(3))
    await record(store, archive, left_waiting(3))
    again = BooksCheck(store, "pbx1", log, live=list)
    assert await check(again, 3) == []
    assert again.compared == 1


async def test_what_differs_is_counted_by_kind_and_logged_by_the_call_s_id(
    store: Store, archive: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "queue_log"
    log.write_text(in_queue_log(1))
    await record(store, archive, left_waiting(1))
    books = BooksCheck(store, "pbx1", log, live=list)
    assert await check(books, 1) == []
    with log.open("a") as file:
        file.write(in_queue_log(2) + in_queue_log(3))
    await record(store, archive, left_waiting(2), left_waiting(4))  # 3 is in queue_log alone, 4 in the books alone
    async with store.transaction() as session:
        await session.execute(delete(StoredFact).where(StoredFact.call_id == call_id(2), StoredFact.what == "queued"))
    assert sorted(await check(books, 4)) == [
        (call_id(2), DifferenceKind.ENTERED),
        (call_id(3), DifferenceKind.UNKNOWN_CALL),
        (call_id(4), DifferenceKind.NOT_IN_QUEUE_LOG),
    ]
    assert books.differences == {"entered": 1, "unknown-call": 1, "not-in-queue-log": 1}
    assert books.unexplained == 3
    said = capsys.readouterr().out
    assert said.count("books-differ") == 3
    assert all(call_id(n) in said for n in (2, 3, 4))
    assert await check(books, 5) == [], "each is told once"


async def test_what_could_not_be_compared_for_a_moment_is_compared_later_and_no_difference_is_forgotten(
    store: Store, archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "queue_log"
    log.write_text(in_queue_log(1))
    await record(store, archive, left_waiting(1))
    books = BooksCheck(store, "pbx1", log, live=list)
    assert await check(books, 1) == []
    with log.open("a") as file:
        file.write(in_queue_log(2))  # in queue_log alone; 3 is in the books alone
    await record(store, archive, left_waiting(3))

    async def away(*_: object) -> None:
        raise OSError("the database is away")

    with monkeypatch.context() as broken:
        broken.setattr(queries, "ended_between", away)
        with pytest.raises(OSError, match="away"):
            await check(books, 3)
    assert books.differences == {"unknown-call": 1}, "found before the database went away"
    assert await check(books, 30) == [(call_id(3), DifferenceKind.NOT_IN_QUEUE_LOG)]
    assert books.differences == {"unknown-call": 1, "not-in-queue-log": 1}


async def test_a_call_that_lives_is_compared_when_it_is_over_and_the_place_waits_for_it(
    store: Store, archive: Archive, tmp_path: Path
) -> None:
    log = tmp_path / "queue_log"
    log.write_text(in_queue_log(1).splitlines()[0] + "\n" + in_queue_log(2))
    await record(store, archive, left_waiting(1)[:2], left_waiting(2))
    live = [call_id(1)]
    books = BooksCheck(store, "pbx1", log, live=lambda: live)
    assert await check(books, 2) == []
    assert books.compared == 1
    async with store.reading() as session:
        place, _ = await queries.queue_log_position(session, "pbx1")
    assert place.offset == 0, "a service that starts now reads of it again"
    live.clear()
    await record(store, archive, left_waiting(1))
    with log.open("a") as file:
        file.write(in_queue_log(1).splitlines()[1] + "\n")
    assert await check(books, 2) == []
    assert books.compared == 2


async def test_nothing_is_compared_before_the_journal_was_read(
    store: Store, archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(books_check, "LOOK_SECONDS", 0.01)
    log = tmp_path / "queue_log"
    log.write_text(in_queue_log(1))
    complete: list[bool] = []
    books = BooksCheck(store, "pbx1", log, live=list, complete=lambda: bool(complete))
    task = asyncio.create_task(books.run())
    try:
        await asyncio.sleep(0.2)
        assert books.compared == 0, "a call that ended in the gap is not in the books yet"
        await record(store, archive, left_waiting(1))
        complete.append(True)
        async with asyncio.timeout(10):
            while not books.compared:
                await asyncio.sleep(0.02)
        assert books.differences == {}
    finally:
        await end(task)


async def test_a_queue_log_that_cannot_be_read_ends_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(books_check, "LOOK_SECONDS", 0.01)
    (tmp_path / "queue_log").mkdir()  # reading it is an OSError, for root too
    task = asyncio.create_task(BooksCheck(store, "pbx1", tmp_path / "queue_log", live=list).run())
    try:
        said = ""
        async with asyncio.timeout(10):
            while "books-unchecked" not in said:
                await asyncio.sleep(0.05)
                said += capsys.readouterr().out
        await asyncio.sleep(0.2)
        assert (said + capsys.readouterr().out).count("books-unchecked") == 1
    finally:
        await end(task)


# --- the journal ------------------------------------------------------------------------------------------------------


def lines_of(n: int, *, over: bool = True) -> list[bytes]:
    """A call in the journal, with instants of its own."""
    wire = Wire(call_id(n))
    wire.at = float(BEGAN + n)
    caller = (f"PJSIP/trunk-{n:08x}", f"pbx1-{BEGAN}.{n}")
    wire.step(1, f"entered none +33199003133 {BEGAN + n}", caller)
    wire.step(2, "queued national", caller)
    if over:
        wire.step(3, "ended caller waiting", caller)
    return [line.replace(b"pbx1-100.0", caller[1].encode()) for line in wire.journal]


async def replayed(recorder: Recorder) -> None:
    recorder.offer([PbxConnected(pbx="pbx1", at=float(BEGAN), version="22.10.1")])
    task = asyncio.create_task(recorder.run())
    await asyncio.wait_for(recorder.settled(), 30)
    await end(task)


def a_recorder(store: Store, archive: Archive, journal: Path, live: Sequence[str] = ()) -> Recorder:
    async def nobody_looks(_: Recorded) -> None:
        pass

    return Recorder(store, archive, journal, live=lambda: live, announce=nobody_looks)


async def test_a_damaged_journal_is_read_around_and_each_fault_is_counted_once_and_named(
    store: Store, archive: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = tmp_path / "journal.json"
    secret = b"+33639981234 Somebody"
    junk = [secret + b"\n"] * (LOGGED_AT_ONCE + 5)
    journal.write_bytes(b"".join([*lines_of(1), *junk, b"\0" * 100, *lines_of(2)]))
    recorder = a_recorder(store, archive, journal)
    await replayed(recorder)
    async with store.reading() as session:
        assert set(await queries.calls_by_id(session, "pbx1", [call_id(1), call_id(2)])) == {call_id(1), call_id(2)}
    assert recorder.faults.counts == {"not-json": LOGGED_AT_ONCE + 5, "nul-bytes": 1}
    assert recorder.journal_faults == LOGGED_AT_ONCE + 6
    said = capsys.readouterr().out
    assert said.count("log-fault-more") == 1
    assert said.count("journal.json") == LOGGED_AT_ONCE
    assert str(len(b"".join(lines_of(1)))) in said, "where the first one is"
    assert "Somebody" not in said
    assert "639981234" not in said
    async with store.transaction() as session:
        await queries.put_journal_position(session, "pbx1", Position(), NOW)
    await replayed(recorder)
    assert recorder.journal_faults == LOGGED_AT_ONCE + 6, "read again, it is no news"


async def test_a_call_that_outlives_several_rotations_keeps_the_place_in_the_file_where_it_began(
    store: Store, archive: Archive, tmp_path: Path
) -> None:
    journal = tmp_path / "journal.json"
    journal.write_bytes(b"".join([*lines_of(1), *lines_of(5, over=False)]))
    live = [call_id(5)]
    recorder = a_recorder(store, archive, journal, live)
    await replayed(recorder)
    async with store.reading() as session:
        before = await queries.journal_position(session, "pbx1")
    for n in (6, 8):
        with journal.open("ab") as file:
            file.writelines(lines_of(n))
        with gzip.open(tmp_path / f"journal.json.{n}.gz", "wb") as packed:
            packed.write(journal.read_bytes())
        journal.unlink()
        journal.write_bytes(b"".join(lines_of(n + 1)))
    await replayed(a_recorder(store, archive, journal, live))
    async with store.reading() as session:
        found = await queries.calls_by_id(session, "pbx1", [call_id(n) for n in range(10)])
        assert {int(call[-2:]) for call in found} == {1, 5, 6, 7, 8, 9}
        assert found[call_id(5)].ended_at is None
        place = await queries.journal_position(session, "pbx1")
    assert (place.began, place.offset) == (before.began, before.offset), "its beginning may have to be read again"
    with journal.open("ab") as file:
        file.write(lines_of(5)[-1])
    live.clear()
    await replayed(a_recorder(store, archive, journal, live))
    async with store.reading() as session:
        (ended,) = (await queries.calls_by_id(session, "pbx1", [call_id(5)])).values()
        assert ended.ended_by is EndedBy.CALLER
        assert (await queries.journal_position(session, "pbx1")).began > place.began
