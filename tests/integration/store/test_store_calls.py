"""What is stored of a call, and how it is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from typing import Any

from alembic import command
from sqlalchemy import Connection, insert, select

from pbx.facts import PRESUMED, CallEnded, CallEntered, EndedBy, Stage
from service.calls import queries
from service.calls.exits import EXITS
from service.calls.fold import fold, told
from service.calls.model import Call, Reason, Result, StoredFact
from service.store.engine import Store
from service.store.upgrade import config
from tests.unit.service_live.test_fold import HOW_CALLS_END

PBX, CALL = "pbx1", "aaaaaaaa-0000-4000-8000-000000000001"


def ended(ordinal: int, at: float, by: EndedBy) -> CallEnded:
    return CallEnded(pbx=PBX, at=at, call_id=CALL, ordinal=ordinal, by=by, stage=Stage.WAITING)


async def test_a_stored_end_that_was_presumed_is_not_told_beside_the_one_that_the_dialplan_told(store: Store) -> None:
    entered = CallEntered(
        pbx=PBX, at=1000.0, call_id=CALL, ordinal=1, line="+33199003133", caller_token="none", arrived=1000
    )
    presumed, certain = ended(PRESUMED, 1050.0, EndedBy.FAULT), ended(4, 1060.0, EndedBy.CALLER)
    for facts, shown in (([entered, presumed], [entered, presumed]), ([certain], [entered, certain])):
        async with store.transaction() as session:
            await queries.store_facts(session, PBX, [(CALL, told(fact)) for fact in facts])
        async with store.reading() as session:
            found = await queries.timeline(session, PBX, CALL)
        assert [fact.key for fact in found] == [told(fact).key for fact in shown]


async def test_what_became_of_calls_from_before_it_was_kept_is_told_by_their_facts(store: Store) -> None:
    """But for a phone that rang as the caller left, which nobody told then."""
    expected: dict[str, tuple[Reason, int, int, int]] = {}
    async with store.transaction() as session:
        for number, (happened, (_, reason)) in enumerate(HOW_CALLS_END):
            call_id = f"aaaaaaaa-0000-4000-8000-{number:012}"
            kept = [replace(fact, ringing=False) if isinstance(fact, CallEnded) else fact for fact in happened]
            facts = [told(replace(fact, call_id=call_id)) for fact in kept]
            record = fold(facts)
            assert record.reason is not None
            assert record.reason is reason or reason is Reason.LEFT_RINGING
            await queries.store_facts(session, PBX, [(call_id, fact) for fact in facts])
            queries.put_record(session, PBX, call_id, None, record)
            expected[call_id] = (record.reason, record.visits, record.overflows, record.overflows_answered)

    await _as_from_before(store)
    async with store.reading() as session:
        calls = (await session.scalars(select(Call))).all()
    found = {call.call_id: (call.reason, call.visits, call.overflows, call.overflows_answered) for call in calls}
    assert found == expected
    assert {(call.waiting_seconds, call.talk_seconds) for call in calls} == {(None, None)}, "unknown, and not zero"


async def _as_from_before(store: Store) -> None:
    """The database as it was when nothing of what became of calls was kept, and migrated."""

    def down_and_up(connection: Connection) -> None:
        command.downgrade(config(connection), "0005")
        command.upgrade(config(connection), "head")

    async with store.engine.execution_options(ecoute_writes=True).begin() as connection:
        await connection.run_sync(down_and_up)


_BY_LISTENER, _BY_CENTRE = ("answered", {"via": "queue"}), ("answered", {"via": "centre-telephone"})
_AWAY: list[tuple[str, dict[str, str]]] = [("overflow", {}), ("centre-called", {})]
#: what may be stored of a call beside its row: word and detail, in order
_OLD_FACTS: Sequence[Sequence[tuple[str, dict[str, str]]]] = (
    [],
    [("queued", {})],
    [("closed", {})],
    [("queued", {}), _BY_LISTENER],
    [("queued", {}), _BY_LISTENER, ("listener-lost", {})],
    [("queued", {}), *_AWAY, _BY_CENTRE],
    [("queued", {}), _BY_LISTENER, ("listener-lost", {}), *_AWAY, _BY_CENTRE],
    [("queued", {}), *_AWAY, ("centre-refused", {"reason": "busy"})],
    [("queued", {}), *_AWAY, ("centre-refused", {"reason": "declined"}), ("queued", {})],
)


async def test_whatever_was_kept_of_a_call_it_ended_in_one_of_the_listed_ways(store: Store) -> None:
    at = datetime(2026, 9, 14, 10, 0, tzinfo=UTC)
    ends: list[tuple[EndedBy | None, Stage | None]] = [(None, None), *product(EndedBy, Stage)]
    rows: list[dict[str, Any]] = []
    facts: list[dict[str, Any]] = []
    old: dict[str, tuple[Result | None, EndedBy | None, bool]] = {}
    for number, (result, (by, stage), steps) in enumerate(product([None, *Result], ends, _OLD_FACTS)):
        key = {"pbx": PBX, "call_id": f"aaaaaaaa-0000-4000-8000-{number:012}"}
        ended_at = at if by else None
        rows.append({**key, "arrived_at": at, "ended_at": ended_at, "result": result, "ended_by": by})
        rows[-1]["ended_stage"] = stage
        facts += [
            {**key, "what": what, "ordinal": n, "at": at, "detail": detail}
            for n, (what, detail) in enumerate(steps, start=2)
        ]
        talked = result in {Result.ANSWERED, Result.CENTRE} or any(what == "answered" for what, _ in steps)
        old[key["call_id"]] = result, by, talked
    async with store.transaction() as session:
        await session.execute(insert(Call), rows)
        await session.execute(insert(StoredFact), facts)
    await _as_from_before(store)
    async with store.reading() as session:
        calls = (await session.scalars(select(Call))).all()
    assert len(calls) == len(rows)
    for call in calls:
        result, by, talked = old[call.call_id]
        assert (call.reason is None) == (by is None)
        assert call.reason is None or (call.result, call.reason) in EXITS, (result, by, call.result, call.reason)
        if by is None:
            assert call.result is result, "it is open"
        elif not talked and result is Result.ABANDONED and by in {EndedBy.LISTENER, EndedBy.CENTRE}:
            assert call.result in {Result.FAULT, Result.CLOSED}
        elif not talked and by is EndedBy.CLOSED:
            assert (call.result, call.reason) == (Result.CLOSED, Reason.NOTICE_HEARD)
