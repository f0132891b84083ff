"""Records of calls, and what is known about the caller one is in contact with."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts.rights import Right
from service.accounts.sessions import KEPT_AFTER_CALL
from service.audit.model import Action
from service.calls import queries
from service.calls.fold import journey_of
from service.calls.model import Call
from service.calls.schemas import CallOut, CallsOut, CallsQuery, CallSummary, Happened, QueueVisit
from service.cases import queries as case_queries
from service.cases import use_cases as cases
from service.cases.schemas import Known
from service.errors import NotFound, Unfit
from service.http.keys import CLOCK, KEYRING, PUBLISH, STORE, ContactChanged
from service.http.routing import Nothing, Reach, RouteTable, Visit
from service.listeners.model import interface_of
from service.live import LIVE, Live

routes = RouteTable("calls")
_NO_CONTENT = "the telephony of a call, never what was said"


@routes.get(
    "/calls",
    right=Right.READ_CALLS,
    response=CallsOut,
    query=CallsQuery,
    reach=Reach.LINE,
    audits=_NO_CONTENT,
    per_minute=60,
    fails=[(Unfit, "time-without-zone")],
)
async def calls(visit: Visit[Nothing, CallsQuery]) -> CallsOut:
    """Records of calls that arrived lately."""
    since = visit.query.since
    if since is None:
        since = visit.app[CLOCK]() - timedelta(days=1)
    elif since.tzinfo is None:
        raise Unfit("time-without-zone", "Write the time with its zone, as 2026-03-01T08:00:00Z.", field="since")
    async with visit.app[STORE].reading() as session:
        found = await queries.calls_since(session, since.astimezone(UTC), visit.query.limit)
    return CallsOut(calls=[CallSummary(**_summary(call, visit.app[LIVE])) for call in found])


@routes.get(
    "/calls/{call_id}",
    right=Right.READ_CALLS,
    response=CallOut,
    reach=Reach.LINE,
    audits=_NO_CONTENT,
    per_minute=120,
    fails=[(NotFound, "call-unknown")],
)
async def call(visit: Visit) -> CallOut:
    """The record of a call with its timeline."""
    async with visit.app[STORE].reading() as session:
        found = await queries.call_by_id(session, visit.word("call_id"))
        if found is None:
            raise NotFound("call-unknown", "There is no record of this call.")
        facts = await queries.timeline(session, found.pbx, found.call_id)
    timeline = [Happened(at=fact.at, what=fact.what, detail=dict(fact.detail)) for fact in facts]
    visits = [QueueVisit(**asdict(one)) for one in journey_of(facts).visits]
    return CallOut(**_summary(found, visit.app[LIVE]), queue_visits=visits, timeline=timeline)


@routes.get(
    "/calls/{call_id}/known",
    right=Right.SEE_CALLER,
    response=Known,
    reach=Reach.CASES,
    audits=(Action.CASE_SHOWN,),
    fails=[(NotFound, "call-not-yours")],
)
async def known(visit: Visit) -> Known:
    """What is known about the caller's number; only for the listener who is rung or in contact. Audited."""
    app, call_id = visit.app, visit.word("call_id")
    async with app[STORE].transaction() as session:
        row = await queries.call_by_id(session, call_id)
        account_id = visit.viewer.account_id
        rung = _is_rung_or_talks(app[LIVE], call_id, account_id)
        if not rung and not (row is not None and await _is_in_contact(session, row, account_id, app[CLOCK]())):
            raise NotFound("call-not-yours", "This call does not ring for you, and you are not in contact with it.")
        return await cases.show_known(
            session,
            app[KEYRING],
            visit.viewer,
            call_id=call_id,
            number_index=row.number_index if row is not None else _index_of_live_call(app[LIVE], call_id),
            confirmed=False,
            at=app[CLOCK](),
        )


@routes.change(
    "POST",
    "/calls/{call_id}/known/confirm",
    right=Right.SEE_CALLER,
    body=Nothing,
    response=Known,
    reach=Reach.CASES,
    audits=(Action.CASE_SHOWN,),
    audits_also=(Action.SPEAKER_CONFIRMED,),
    fails=[(NotFound, "call-not-yours")],
)
async def confirm_speaker(visit: Visit) -> Known:
    """Say that one has checked who is speaking, and learn what a shielded number hides: once one talks. Audited."""
    app, call_id, now = visit.app, visit.word("call_id"), visit.app[CLOCK]()
    async with app[STORE].transaction() as session:
        row = await queries.call_by_id(session, call_id)
        account_id = visit.viewer.account_id
        if row is None or not await _is_in_contact(session, row, account_id, now):
            raise NotFound(
                "call-not-yours", "You are not in contact with this caller: confirm who is speaking once you talk."
            )
        shown = await cases.show_known(
            session, app[KEYRING], visit.viewer, call_id=call_id, number_index=row.number_index, confirmed=True, at=now
        )
        contact_id = await case_queries.current_contact_of(session, account_id)
    if contact_id is not None:
        app[PUBLISH](ContactChanged(contact_id=contact_id))
    return shown


async def _is_in_contact(session: AsyncSession, row: Call, account_id: int, at: datetime) -> bool:
    """Still writing about this very call: to belong to the same team is not enough to learn of a caller.

    Nor is a writing-up that nobody ended, hours after the call (cases/visibility.py).
    """
    contact = (await case_queries.contacts_of_calls(session, row.pbx, [row.call_id])).get(row.call_id)
    if contact is None or (contact.ended_at is not None and contact.ended_at <= at - KEPT_AFTER_CALL):
        return False
    return contact.id == await case_queries.current_contact_of(session, account_id)


def _is_rung_or_talks(live: Live, call_id: str, account_id: int) -> bool:
    found = live.world.find_call(call_id)
    interface = interface_of(account_id)
    return found is not None and (interface in found[1].ringing or found[1].listener == interface)


def _index_of_live_call(live: Live, call_id: str) -> str | None:
    """Where the record is not stored yet."""
    found = live.world.find_call(call_id)
    return live.lookup.index_of(found[1].caller_token) if found is not None else None


def _summary(found: Call, live: Live) -> dict[str, object]:
    person = live.world.people.get(found.listener_id) if found.listener_id is not None else None
    return {
        "call_id": found.call_id,
        "pbx": found.pbx,
        "line": found.line,
        "arrived_at": found.arrived_at,
        "answered_at": found.answered_at,
        "ended_at": found.ended_at,
        "result": found.result,
        "reason": found.reason,
        "ended_by": found.ended_by,
        "listener_id": found.listener_id,
        "listener": person.name if person is not None else None,
        "wait_seconds": found.wait_seconds,
        "waiting_seconds": found.waiting_seconds,
        "talk_seconds": found.talk_seconds,
        "visits": found.visits,
        "overflows": found.overflows,
        "overflows_answered": found.overflows_answered,
        "centre": found.centre,
        "department": found.department,
    }
