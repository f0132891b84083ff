"""Storing facts on SQLite and PostgreSQL: whatever comes twice or late, one record, one contact, one case."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from pbx.facts import (
    AnsweredVia,
    CallAnswered,
    CallEnded,
    CallEntered,
    CallFact,
    CallQueued,
    EndedBy,
    PbxConnected,
    Stage,
)
from pbx.journal import JournalReplay, Position, read
from service.accounts.rights import Role
from service.accounts.use_cases import make_account
from service.calls import queries, use_cases
from service.calls import recorder as recording
from service.calls.fold import instant
from service.calls.model import Call, NumberKind, Reason, Result, StoredFact
from service.calls.numbers import CallerNumbers
from service.calls.recorder import Recorder
from service.calls.use_cases import Archive, Recorded
from service.cases.model import Case, CaseNumber, Contact
from service.cases.use_cases import number_context
from service.keys import CallerKeyRing, Keyring, KeysError
from service.store.engine import Store
from tests.support.caller_tokens import KEY, ring, token
from tests.support.tasks import end
from tests.unit.pbx.ami_frames import eventful_call

CALL = "0f9c1f5e-0000-4000-8000-000000000001"


def facts(account_id: int, call_id: str = CALL, base: float = 1_750_000_000.0) -> list[CallFact]:
    """A call from entry to end. The number is hidden: opening tokens is the asterisk tests' matter."""
    common: dict[str, Any] = {"pbx": "pbx1", "call_id": call_id}
    return [
        CallEntered(
            **common, ordinal=1, at=base + 0.3, line="+33199003133", caller_token="withheld", arrived=int(base)
        ),
        CallQueued(**common, ordinal=2, at=base + 8, queue="national"),
        CallAnswered(
            **common,
            ordinal=3,
            at=base + 20,
            interface=f"PJSIP/l{account_id}",
            via=AnsweredVia.QUEUE,
            queue="national",
        ),
        CallEnded(**common, ordinal=4, at=base + 900, by=EndedBy.LISTENER, stage=Stage.TALKING),
    ]


@pytest.fixture
def archive(keyring: Keyring) -> Archive:
    return Archive("pbx1", keyring, CallerNumbers(CallerKeyRing(), "FR"))


@pytest.fixture
async def account_id(store: Store, keyring: Keyring) -> int:
    async with store.transaction() as session:
        made = await make_account(
            session,
            keyring,
            username="camille",
            display_name="Camille",
            roles={Role.LISTENER},
            at=datetime.now(UTC),
        )
    return made.account_id


async def store_batch(store: Store, archive: Archive, batch: Sequence[CallFact]) -> Recorded:
    async with store.transaction() as session:
        return await use_cases.record(session, archive, batch)


async def count(store: Store, model: Any) -> int:
    async with store.reading() as session:
        return await session.scalar(select(func.count()).select_from(model)) or 0


async def stored_call(store: Store) -> Call:
    async with store.reading() as session:
        return (await session.scalars(select(Call))).one()


async def test_each_order_of_batches_and_each_repetition_gives_the_same_record(
    store: Store, archive: Archive, account_id: int
) -> None:
    calls = []
    for number, order in enumerate(permutations(facts(account_id))):
        call_id = f"0f9c1f5e-0000-4000-8000-{number:012d}"
        for fact in [*order, *order]:
            await store_batch(store, archive, [replace(fact, call_id=call_id)])
        async with store.reading() as session:
            calls.append(await queries.call_by_id(session, call_id))
    shown = {(c.result, c.ended_by, c.wait_seconds, c.listener_id, c.arrived_at) for c in calls if c is not None}
    assert shown == {(Result.ANSWERED, EndedBy.LISTENER, 12.0, account_id, instant(1_750_000_000))}
    assert await count(store, Contact) == await count(store, Case) == len(calls) == 24
    async with store.reading() as session:
        ended = await session.scalar(select(func.count()).where(Contact.ended_at == instant(1_750_000_900.0)))
    assert ended == 24


@pytest.mark.parametrize("at_once", [True, False])
async def test_the_contact_of_an_answer_that_nobody_heard_is_over_too(
    store: Store, archive: Archive, account_id: int, at_once: bool
) -> None:
    entered, queued, answered, ended = facts(account_id)
    gone = [answered, replace(ended, at=answered.at + 0.001)]
    for batch in [[entered, queued, *gone]] if at_once else [[entered, queued, answered], gone[1:]]:
        await store_batch(store, archive, batch)
    call = await stored_call(store)
    assert (call.result, call.reason, call.answered_at) == (Result.FAULT, Reason.ENDED_UNHEARD, None)
    async with store.reading() as session:
        assert await session.scalar(select(Contact.ended_at)) == instant(answered.at + 0.001)


async def test_facts_and_all_that_follows_are_committed_together_or_not_at_all(
    store: Store, archive: Archive, account_id: int
) -> None:
    async def killed() -> None:
        async with store.transaction() as session:
            await use_cases.record(session, archive, facts(account_id), Position(1, 77))
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        await killed()
    assert [await count(store, model) for model in (Call, StoredFact, Contact, Case)] == [0, 0, 0, 0]
    async with store.reading() as session:
        assert await queries.journal_position(session, "pbx1") == Position()


async def test_a_hidden_number_stays_hidden(store: Store, archive: Archive, account_id: int) -> None:
    await store_batch(store, archive, facts(account_id))
    call = await stored_call(store)
    assert (call.number_kind, call.number, call.number_index) == (NumberKind.WITHHELD, None, None)


async def test_a_number_that_was_discarded_does_not_come_back_from_the_journal(
    store: Store, keyring: Keyring, account_id: int
) -> None:
    archive = Archive("pbx1", keyring, CallerNumbers(ring(("k1", KEY)), "FR"))
    entered, *others = facts(account_id)
    assert isinstance(entered, CallEntered)
    happened = [replace(entered, caller_token=token("0639980101")), *others]
    await store_batch(store, archive, happened)
    assert (await stored_call(store)).number_index is not None
    async with store.transaction() as session:
        await queries.forget_numbers(session, [CALL])
    await store_batch(store, archive, happened)
    call = await stored_call(store)
    assert (call.number_kind, call.number, call.number_index) == (NumberKind.GIVEN, None, None)


async def test_the_number_of_an_answered_call_lies_under_its_case_s_key_alone(
    store: Store, keyring: Keyring, account_id: int
) -> None:
    archive = Archive("pbx1", keyring, CallerNumbers(ring(("k1", KEY)), "FR"))
    entered, *others = facts(account_id)
    assert isinstance(entered, CallEntered)
    await store_batch(store, archive, [replace(entered, caller_token=token("0639980101"))])
    waiting = await stored_call(store)
    assert waiting.number is not None, "until somebody answers, the call has it"
    await store_batch(store, archive, others)
    answered = await stored_call(store)
    assert (answered.number, answered.number_kind) == (None, NumberKind.GIVEN)
    assert answered.number_index == waiting.number_index
    async with store.reading() as session:
        case = (await session.scalars(select(Case))).one()
        number = (await session.scalars(select(CaseNumber))).one()
    assert case.wrapped_key is not None
    assert keyring.unwrap(case.wrapped_key).open(number.sealed, number_context(case.id)) == "+33639980101"
    with pytest.raises(KeysError):
        keyring.open(number.sealed, number_context(case.id))


@pytest.mark.parametrize(
    ("via", "queue"),
    [
        (AnsweredVia.QUEUE, "national"),
        (AnsweredVia.CENTRE_QUEUE, "centre-38"),
        (AnsweredVia.CENTRE_TELEPHONE, "centre-38"),
    ],
)
async def test_a_draft_is_of_the_team_through_whose_queue_it_was_answered(
    store: Store, archive: Archive, account_id: int, via: AnsweredVia, queue: str
) -> None:
    entered, queued, answered, _end = facts(account_id)
    assert isinstance(answered, CallAnswered)
    interface = queue if via is AnsweredVia.CENTRE_TELEPHONE else answered.interface
    await store_batch(store, archive, [entered, queued, replace(answered, via=via, queue=queue, interface=interface)])
    async with store.reading() as session:
        centre = (await session.scalars(select(Case.centre))).one()
    assert centre == (None if queue == "national" else queue)


async def test_a_call_that_vanished_ends_once_and_its_real_end_outranks_that(
    store: Store, archive: Archive, account_id: int
) -> None:
    happened = facts(account_id)
    await store_batch(store, archive, happened[:3])
    for _ in range(2):
        async with store.transaction() as session:
            await use_cases.end_vanished(session, archive, [CALL])
    call = await stored_call(store)
    assert (call.ended_by, call.ended_at) == (EndedBy.FAULT, instant(1_750_000_020.0))
    assert await count(store, StoredFact) == 4
    await store_batch(store, archive, happened[3:])
    call = await stored_call(store)
    assert (call.ended_by, call.ended_at) == (EndedBy.LISTENER, instant(1_750_000_900.0))


@pytest.fixture
def recorder(store: Store, archive: Archive, tmp_path: Path) -> Recorder:
    async def announce(_recorded: Recorded) -> None:
        """Nobody looks."""

    journal = tmp_path / "journal.json"
    journal.write_text("")
    return Recorder(store, archive, journal, live=list, announce=announce)


async def running(recorder: Recorder, work: Callable[[], Awaitable[None]]) -> None:
    """`work` while the recorder runs."""
    task = asyncio.create_task(recorder.run())
    try:
        await asyncio.wait_for(work(), 30)
    finally:
        await end(task)


async def test_the_recorder_stores_in_batches_and_remembers_a_safe_place(
    store: Store, recorder: Recorder, account_id: int
) -> None:
    async def work() -> None:
        recorder.sample(1_749_999_990.0)
        for number in range(300):
            recorder.offer(facts(account_id, f"0f9c1f5e-0000-4000-8000-{number:012d}", 1_750_000_000.0 + number))
        await recorder.settled()

    await running(recorder, work)
    assert await count(store, Call) == await count(store, Contact) == 300


async def test_one_call_that_cannot_be_stored_costs_only_itself(
    store: Store, recorder: Recorder, account_id: int
) -> None:
    broken = replace(facts(account_id, "broken")[0], at=1e17)

    async def work() -> None:
        recorder.offer([broken, *facts(account_id)])
        await recorder.settled()

    await running(recorder, work)
    assert await count(store, Call) == 1


async def test_after_a_connection_calls_that_live_no_more_are_ended(
    store: Store, archive: Archive, recorder: Recorder, account_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "LATE_LINES_SECONDS", 0.05)
    await store_batch(store, archive, facts(account_id)[:3])

    async def work() -> None:
        recorder.offer([PbxConnected(pbx="pbx1", at=1_750_000_100.0, version="22.10.1")])
        while not recorder.complete:
            await asyncio.sleep(0.01)

    await running(recorder, work)
    call = await stored_call(store)
    assert (call.result, call.ended_by) == (Result.ANSWERED, EndedBy.FAULT)


async def test_a_number_too_large_for_the_database_costs_only_its_call(
    sqlite_store: Store, archive: Archive, keyring: Keyring, tmp_path: Path
) -> None:
    await hire_eight(sqlite_store, keyring)
    recorder = Recorder(sqlite_store, archive, tmp_path / "journal.json", live=list, announce=nobody_looks)

    async def work() -> None:
        recorder.offer([replace(facts(2, "broken")[0], ordinal=1 << 70), *facts(2)])
        await recorder.settled()

    await running(recorder, work)
    assert (await stored_call(sqlite_store)).call_id == CALL


async def test_a_journal_that_cannot_be_read_stops_no_record_and_is_read_as_soon_as_it_can_be(
    sqlite_store: Store, archive: Archive, keyring: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hire_eight(sqlite_store, keyring)
    monkeypatch.setattr(recording, "JOURNAL_RETRY_SECONDS", 0.5)
    journal = tmp_path / "journal.json"
    journal.mkdir()  # opening it is an OSError, for root too
    recorder = Recorder(sqlite_store, archive, journal, live=list, announce=nobody_looks)
    other = "0f9c1f5e-0000-4000-8000-000000000002"

    async def work() -> None:
        recorder.sample(1_749_999_990.0)
        recorder.offer([PbxConnected(pbx="pbx1", at=1_750_000_000.0, version="22.10.1")])
        recorder.offer(facts(2, other))
        await recorder.settled()
        assert await count(sqlite_store, Call) == 1
        assert recorder.replays == 0
        async with sqlite_store.reading() as session:
            assert await queries.journal_position(session, "pbx1") == Position(), "what is in the journal is not safe"
        journal.rmdir()
        journal.write_bytes(b"".join(eventful_call(CALL).journal))
        while not recorder.replays:  # with nothing more happening on the line
            await asyncio.sleep(0.01)

    await running(recorder, work)
    async with sqlite_store.reading() as session:
        assert await queries.call_by_id(session, CALL) is not None
        assert (await queries.journal_position(session, "pbx1")).offset == journal.stat().st_size


async def test_the_journal_tells_who_calls_of_calls_that_were_there_before_the_service(
    sqlite_store: Store, archive: Archive, keyring: Keyring, tmp_path: Path
) -> None:
    await hire_eight(sqlite_store, keyring)
    journal = tmp_path / "journal.json"
    journal.write_bytes(b"".join(eventful_call(CALL).journal))
    events, _place = read(journal, Position())
    (entered,) = (fact for fact in JournalReplay("pbx1").feed(events) if isinstance(fact, CallEntered))
    told: list[tuple[str, str]] = []
    recorder = Recorder(
        sqlite_store,
        archive,
        journal,
        live=lambda: [CALL],
        announce=nobody_looks,
        remember=lambda call_id, token: told.append((call_id, token)),
    )

    async def work() -> None:
        recorder.offer([PbxConnected(pbx="pbx1", at=1_750_000_100.0, version="22.10.1")])
        await recorder.settled()

    await running(recorder, work)
    assert entered.caller_token
    assert told == [(CALL, entered.caller_token)]


async def nobody_looks(_recorded: Recorded) -> None:
    """Nobody does."""


async def hire_eight(store: Store, keyring: Keyring) -> None:
    """The listeners of the eventful call are accounts 2 and 7."""
    for number in range(1, 9):
        async with store.transaction() as session:
            await make_account(
                session,
                keyring,
                username=f"listener{number}",
                display_name=f"Listener {number}",
                roles={Role.LISTENER},
                at=datetime.now(UTC),
            )
