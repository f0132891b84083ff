"""What happens while nobody listens is read from the PBX's journal, whatever is heard before that was possible."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from structlog.testing import capture_logs

from pbx.facts import PRESUMED, CallEnded, CallEntered, CallQueued, EndedBy, PbxConnected, PbxLost, Stage
from pbx.journal import Position
from service.calls import queries
from service.calls import recorder as recording
from service.calls.fold import instant
from service.calls.model import Call
from service.calls.numbers import CallerNumbers
from service.calls.recorder import Recorder
from service.calls.use_cases import Archive
from service.cases.model import ContactParticipant
from service.keys import CallerKeyRing, Keyring
from service.store.engine import Store
from tests.integration.live.test_recording import CALL, facts, hire_eight, nobody_looks
from tests.support.tasks import end
from tests.unit.pbx.ami_frames import Wire

BASE = 1_795_301_760.0


def call_id(n: int) -> str:
    return f"9d72c80a-0000-4000-8000-{n:012d}"


@dataclass
class Heard:
    """A recorder, the journal beside it, and the ids of the calls that the PBX has."""

    recorder: Recorder
    journal: Path
    live: list[str]

    def write(self, n: int, at: float, *steps: str) -> None:
        """Steps of a call, as the PBX writes them; the first is the `number`th of the call."""
        wire, caller = Wire(call_id(n)), (f"PJSIP/trunk-{n:08x}", f"pbx1-{BASE:.0f}.{n}")
        wire.at = at
        for step in steps:
            number, words = step.split(" ", 1)
            wire.step(int(number), words, caller)
        with self.journal.open("ab") as file:
            file.writelines(line.replace(b"pbx1-100.0", caller[1].encode()) for line in wire.journal)

    def comes_and_goes(self, n: int, at: float) -> None:
        """A whole call, which only the journal sees."""
        self.write(n, at, f"1 entered none +33199003133 {at:.0f}", "2 queued national", "3 ended caller waiting")

    def enters(self, n: int, at: float) -> None:
        """A call that the PBX tells of, too."""
        self.live.append(call_id(n))
        self.write(n, at, f"1 entered none +33199003133 {at:.0f}")
        self.recorder.offer([entered(n, at)])

    def sample(self, begin: float, until: float) -> None:
        """The seconds pass."""
        for at in range(int(begin), int(until)):
            self.recorder.sample(float(at))

    async def connect(self, at: float) -> None:
        self.recorder.offer([PbxConnected(pbx="pbx1", at=at, version="22.10.1")])
        await self.recorder.settled()


def entered(n: int, at: float) -> CallEntered:
    return CallEntered(
        pbx="pbx1", call_id=call_id(n), ordinal=1, at=at, line="+33199003133", caller_token="none", arrived=int(at)
    )


@pytest.fixture
async def heard(store: Store, keyring: Keyring, tmp_path: Path) -> AsyncIterator[Heard]:
    journal, live = tmp_path / "journal.json", list[str]()
    journal.touch()
    archive = Archive("pbx1", keyring, CallerNumbers(CallerKeyRing(), "FR"))
    recorder = Recorder(store, archive, journal, live=lambda: live, announce=nobody_looks)
    task = asyncio.create_task(recorder.run())
    yield Heard(recorder, journal, live)
    await end(task)


async def ends(store: Store) -> dict[int, EndedBy | None]:
    """Who ended each call, by its number."""
    async with store.reading() as session:
        rows = await session.execute(select(Call.call_id, Call.ended_by))
        return {int(row.call_id[-12:]): row.ended_by for row in rows}


# --- places -----------------------------------------------------------------------------------------------------------


async def test_a_call_within_the_gap_is_in_the_books_though_a_call_is_heard_before_the_snapshot(
    store: Store, heard: Heard
) -> None:
    await heard.connect(BASE)
    heard.sample(BASE, BASE + 8)
    heard.recorder.offer([PbxLost(pbx="pbx1", at=BASE + 8, reason="closed")])
    heard.sample(BASE + 8, BASE + 20)
    heard.comes_and_goes(1, BASE + 20)
    heard.sample(BASE + 30, BASE + 60)
    heard.enters(2, BASE + 61)  # the session has begun, its snapshot is not taken
    await heard.recorder.settled()
    await heard.connect(BASE + 62)
    assert await ends(store) == {1: EndedBy.CALLER, 2: None}


async def test_a_pbx_that_began_anew_hides_no_end_and_no_call_of_the_gap(store: Store, heard: Heard) -> None:
    await heard.connect(BASE)
    heard.enters(1, BASE + 5)
    await heard.recorder.settled()
    heard.sample(BASE + 5, BASE + 8)
    heard.recorder.offer([PbxLost(pbx="pbx1", at=BASE + 8, reason="closed")])
    heard.write(1, BASE + 9, "2 ended caller entry")
    heard.comes_and_goes(2, BASE + 20)
    heard.sample(BASE + 30, BASE + 60)
    heard.live.clear()
    died = CallEnded(
        pbx="pbx1", call_id=call_id(1), ordinal=PRESUMED, at=BASE + 61, by=EndedBy.FAULT, stage=Stage.ENTRY
    )
    heard.recorder.offer([died])  # of the session's beginning, before the snapshot
    await heard.recorder.settled()
    await heard.connect(BASE + 62)
    assert await ends(store) == {1: EndedBy.CALLER, 2: EndedBy.CALLER}


async def test_a_service_that_is_slow_to_connect_has_the_calls_of_its_absence(store: Store, heard: Heard) -> None:
    heard.comes_and_goes(1, BASE)
    heard.sample(BASE + 20, BASE + 30)
    heard.enters(2, BASE + 31)
    await heard.recorder.settled()
    async with store.reading() as session:
        assert await queries.journal_position(session, "pbx1") == Position()
    await heard.connect(BASE + 32)
    assert await ends(store) == {1: EndedBy.CALLER, 2: None}
    async with store.reading() as session:
        assert await queries.journal_position(session, "pbx1") != Position(), "now that it was read"


async def test_a_connection_lost_again_before_the_journal_was_read_makes_no_place_safe(
    store: Store, heard: Heard
) -> None:
    lost = PbxLost(pbx="pbx1", at=BASE + 8, reason="closed")
    heard.comes_and_goes(1, BASE)
    heard.recorder.offer([PbxConnected(pbx="pbx1", at=BASE + 8, version="22.10.1")])
    heard.recorder.offer([lost])
    heard.sample(BASE + 20, BASE + 30)
    heard.enters(2, BASE + 31)
    await heard.recorder.settled()
    assert heard.recorder.replays == 0, "nobody knows which calls live"
    assert not heard.recorder.complete
    async with store.reading() as session:
        assert await queries.journal_position(session, "pbx1") == Position()
    await heard.connect(BASE + 32)
    assert await ends(store) == {1: EndedBy.CALLER, 2: None}


async def test_after_the_journal_was_read_places_become_safe_again(store: Store, heard: Heard) -> None:
    await heard.connect(BASE)
    heard.sample(BASE, BASE + 5)
    heard.comes_and_goes(1, BASE + 6)
    heard.sample(BASE + 6, BASE + 20)
    heard.enters(2, BASE + 30)
    await heard.recorder.settled()
    async with store.reading() as session:
        place = await queries.journal_position(session, "pbx1")
    assert 0 < place.offset < heard.journal.stat().st_size


# --- one bad call, and what waits -------------------------------------------------------------------------------------


@pytest.fixture
def told() -> Iterator[Callable[[str], list[Any]]]:
    """What was logged of an action."""
    with capture_logs() as lines:
        yield lambda action: [line for line in lines if line.get("action") == action]


async def test_a_stored_call_that_is_damaged_keeps_no_other_from_its_end(
    store: Store, heard: Heard, told: Callable[[str], list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "LATE_LINES_SECONDS", 0.05)
    await heard.connect(BASE)
    for n in (1, 2):
        heard.recorder.offer([entered(n, BASE + n)])
        heard.recorder.offer([CallQueued(pbx="pbx1", call_id=call_id(n), ordinal=2, at=BASE + 5, queue="national")])
    await heard.recorder.settled()
    async with store.transaction() as session:
        damaged = "UPDATE call_facts SET detail = '{}' WHERE call_id = :call_id"
        await session.execute(text(damaged), {"call_id": call_id(1)})
    await asyncio.wait_for(heard.connect(BASE + 60), 30)
    async with asyncio.timeout(30):
        while not heard.recorder.complete:
            await asyncio.sleep(0.01)
    assert await ends(store) == {1: None, 2: EndedBy.FAULT}
    assert [line["call_id"] for line in told("record-failed")] == [call_id(1)]
    assert all("never send the journal" in line["event"] for line in told("record-failed"))
    heard.recorder.offer([entered(3, BASE + 61)])
    await heard.recorder.settled()
    assert await ends(store) == {1: None, 2: EndedBy.FAULT, 3: None}


async def test_a_reading_of_the_journal_that_fails_by_a_fault_of_ours_stops_no_record_and_is_tried_again(
    store: Store, heard: Heard, monkeypatch: pytest.MonkeyPatch, told: Callable[[str], list[Any]]
) -> None:
    class Broken:
        def __init__(self, _pbx: str) -> None:
            raise AttributeError("a fault of ours")

    monkeypatch.setattr(recording, "JOURNAL_RETRY_SECONDS", 0.05)
    heard.comes_and_goes(1, BASE)
    with monkeypatch.context() as broken:
        broken.setattr("service.calls.replay.JournalReplay", Broken)
        await asyncio.wait_for(heard.connect(BASE + 60), 30)
        heard.enters(2, BASE + 61)
        await asyncio.wait_for(heard.recorder.settled(), 30)
        assert await ends(store) == {2: None}
        assert heard.recorder.journal_unreadable
    async with asyncio.timeout(30):
        while not heard.recorder.replays:
            await asyncio.sleep(0.01)
    assert await ends(store) == {1: EndedBy.CALLER, 2: None}
    (line,) = told("journal-not-understood")
    assert line["exc_info"]
    assert "never send the journal" in line["event"], "callers' sealed numbers are in it"


async def test_a_fact_that_no_column_takes_costs_only_its_call(
    store: Store, heard: Heard, told: Callable[[str], list[Any]]
) -> None:
    await heard.connect(BASE)
    unheard_of: Any = object()
    bad = [
        replace(entered(1, BASE + 1), caller_token=unheard_of),  # an AttributeError
        CallQueued(pbx="pbx1", call_id=call_id(2), ordinal=2, at=BASE, queue=unheard_of),  # no JSON
        replace(entered(3, BASE + 3), ordinal=1 << 70),
    ]
    for fact in bad:
        heard.recorder.offer([fact, entered(9, BASE + 9)])
        await asyncio.wait_for(heard.recorder.settled(), 30)
    assert await ends(store) == {9: None}
    assert [line["call_id"] for line in told("record-failed")] == [call_id(n) for n in (1, 2, 3)]


async def test_what_cannot_be_stored_says_where_once(
    sqlite_store: Store, keyring: Keyring, tmp_path: Path, told: Callable[[str], list[Any]]
) -> None:
    (tmp_path / "journal.json").touch()
    archive = Archive("pbx1", keyring, CallerNumbers(CallerKeyRing(), "FR"))
    recorder = Recorder(sqlite_store, archive, tmp_path / "journal.json", live=list, announce=nobody_looks)
    file = sqlite_store.file
    assert file is not None
    await sqlite_store.ping()
    away = file.rename(file.with_suffix(".away"))
    task = asyncio.create_task(recorder.run())
    try:
        recorder.offer([entered(1, BASE)])
        async with asyncio.timeout(30):
            while len(told("store-retry")) < 3:
                await asyncio.sleep(0.01)
        assert [bool(line["exc_info"]) for line in told("store-retry")[:3]] == [True, False, False]
        away.replace(file)
        await asyncio.wait_for(recorder.settled(), 30)
    finally:
        await end(task)


@pytest.fixture
def locked(tmp_path: Path) -> Callable[[], sqlite3.Connection]:
    def lock() -> sqlite3.Connection:
        held = sqlite3.connect(tmp_path / "ecoute.db", isolation_level=None)
        held.execute("BEGIN IMMEDIATE")
        return held

    return lock


async def test_a_wrap_up_that_ends_while_the_queue_is_full_is_recorded(
    sqlite_store: Store, keyring: Keyring, tmp_path: Path, locked: Callable[[], sqlite3.Connection]
) -> None:
    """The journal knows nothing of it; and the contact may come from the journal alone."""
    await hire_eight(sqlite_store, keyring)
    journal, live = tmp_path / "journal.json", list[str]()
    journal.touch()
    archive = Archive("pbx1", keyring, CallerNumbers(CallerKeyRing(), "FR"))
    recorder = Recorder(sqlite_store, archive, journal, live=lambda: live, announce=nobody_looks, limit=1)
    happened = facts(2)
    task = asyncio.create_task(recorder.run())
    try:
        recorder.offer([PbxConnected(pbx="pbx1", at=happened[0].at, version="22.10.1")])
        await recorder.settled()
        live.append(CALL)
        recorder.offer(happened[:3])
        await recorder.settled()
        held = locked()
        recorder.offer(happened[3:])
        async with asyncio.timeout(30):
            while recorder.behind:
                await asyncio.sleep(0.01)
        recorder.offer([entered(8, happened[-1].at)])  # the queue is full now
        recorder.writing_ended(2, instant(happened[-1].at + 60))
        held.execute("ROLLBACK")
        held.close()
        live.clear()
        async with asyncio.timeout(20):
            while await still_in_contact(sqlite_store):
                await asyncio.sleep(0.02)
        assert EndedBy.LISTENER in (await ends(sqlite_store)).values()
    finally:
        await end(task)


async def still_in_contact(store: Store) -> bool:
    async with store.reading() as session:
        open_ = select(ContactParticipant.account_id).where(ContactParticipant.released_at.is_(None))
        return (await session.scalars(open_)).first() is not None
