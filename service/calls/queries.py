"""All SQL about calls."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import BindParameter, ColumnElement, String, and_, bindparam, func, or_, select, type_coerce, update
from sqlalchemy.ext.asyncio import AsyncSession

from pbx.facts import EndedBy
from pbx.journal import Position
from service.calls.fold import Record, without_presumed
from service.calls.model import Call, JournalPosition, QueueLogPosition, StoredFact
from service.calls.told import Told
from service.cases.model import Contact
from service.store.sql import insert_once

_KEYS = ("pbx", "call_id", "what", "ordinal")


async def facts_of(session: AsyncSession, pbx: str, call_ids: Collection[str]) -> dict[str, list[Told]]:
    """Stored facts of these calls, by call id."""
    found: dict[str, list[Told]] = {call_id: [] for call_id in call_ids}
    for call_id, what, ordinal, at, detail in await session.execute(_FACTS_OF, {"pbx": pbx, "calls": list(found)}):
        found[call_id].append(Told(what, ordinal, at, detail))
    return found


async def calls_without_beginning(session: AsyncSession, pbx: str, call_ids: Collection[str]) -> set[str]:
    """Those of these calls whose entry is not stored: who called is not known of them."""
    entries = select(StoredFact.call_id).where(StoredFact.pbx == pbx, StoredFact.what == "entered")
    return set(call_ids) - set(await session.scalars(entries.where(StoredFact.call_id.in_(call_ids))))


async def store_facts(session: AsyncSession, pbx: str, facts: Iterable[tuple[str, Told]]) -> None:
    """Store facts (call id, fact); what is there already stays as it is."""
    rows = [
        {
            "pbx": pbx,
            "call_id": call_id,
            "what": fact.what,
            "ordinal": fact.ordinal,
            "at": fact.at,
            "detail": dict(fact.detail),
        }
        for call_id, fact in facts
    ]
    await insert_once(session, StoredFact, rows, keys=_KEYS)


async def calls_by_id(session: AsyncSession, pbx: str, call_ids: Collection[str]) -> dict[str, Call]:
    """Rows of these calls that exist."""
    rows = await session.scalars(_CALLS_BY_ID, {"pbx": pbx, "calls": list(call_ids)})
    return {row.call_id: row for row in rows}


# Asked with every batch of facts: putting a statement together costs SQLAlchemy more than SQLite its answer.
_CALLS: Final[BindParameter[Sequence[str]]] = bindparam("calls", expanding=True)
_FACTS_OF: Final = select(
    StoredFact.call_id, StoredFact.what, StoredFact.ordinal, StoredFact.at, StoredFact.detail
).where(StoredFact.pbx == bindparam("pbx"), StoredFact.call_id.in_(_CALLS))
_CALLS_BY_ID: Final = select(Call).where(Call.pbx == bindparam("pbx"), Call.call_id.in_(_CALLS))


def put_record(session: AsyncSession, pbx: str, call_id: str, row: Call | None, record: Record) -> Call:
    """Make the call's row say what the record says."""
    if row is None:
        row = Call(pbx=pbx, call_id=call_id)
        session.add(row)
    for name in _COLUMNS:
        setattr(row, name, getattr(record, name))
    return row


_COLUMNS: Final = tuple(field.name for field in fields(Record))


async def open_calls(session: AsyncSession, pbx: str) -> dict[str, datetime]:
    """Calls whose end is not stored: id → arrival."""
    statement = select(Call.call_id, Call.arrived_at).where(Call.pbx == pbx, Call.ended_at.is_(None))
    return {row.call_id: row.arrived_at for row in await session.execute(statement)}


async def journal_position(session: AsyncSession, pbx: str) -> Position:
    """Where to read the PBX's journal from; its beginning if it was never read."""
    row = await session.get(JournalPosition, pbx)
    return Position() if row is None else Position(row.inode, row.offset, row.began)


async def put_journal_position(session: AsyncSession, pbx: str, position: Position, at: datetime) -> None:
    """To be committed together with the facts that make it safe."""
    await _put_position(session, JournalPosition, pbx, position, at)


async def purged_position(session: AsyncSession, pbx: str) -> Position:
    """Up to where the callers' tokens in the PBX's journal were overwritten."""
    row = await session.get(JournalPosition, pbx)
    return Position() if row is None else Position(row.purged_inode, row.purged_offset, row.purged_began)


async def put_purged_position(session: AsyncSession, pbx: str, position: Position) -> None:
    """To be committed once it is on the disk."""
    values = {"purged_inode": position.inode, "purged_offset": position.offset, "purged_began": position.began}
    await session.execute(update(JournalPosition).where(JournalPosition.pbx == pbx).values(**values))


async def queue_log_position(session: AsyncSession, pbx: str) -> tuple[Position, datetime | None]:
    """Up to where the PBX's queue_log was held against the books, and when that was."""
    row = await session.get(QueueLogPosition, pbx)
    return (Position(), None) if row is None else (Position(row.inode, row.offset, row.began), row.committed_at)


async def ended_between(session: AsyncSession, pbx: str, since: datetime, until: datetime) -> set[str]:
    """Ids of the calls that ended after `since`, at `until` at the latest."""
    statement = select(Call.call_id).where(Call.pbx == pbx, Call.ended_at > since, Call.ended_at <= until)
    return set(await session.scalars(statement))


async def put_queue_log_position(session: AsyncSession, pbx: str, position: Position, at: datetime) -> None:
    """Once no call before it is to be compared any more."""
    await _put_position(session, QueueLogPosition, pbx, position, at)


async def _put_position(
    session: AsyncSession, model: type[JournalPosition | QueueLogPosition], pbx: str, position: Position, at: datetime
) -> None:
    values = {"inode": position.inode, "offset": position.offset, "began": position.began, "committed_at": at}
    if not await insert_once(session, model, [{"pbx": pbx, **values}], keys=["pbx"]):
        await session.execute(update(model).where(model.pbx == pbx).values(**values))


async def call_by_id(session: AsyncSession, call_id: str) -> Call | None:
    """A call's record; ids are unique over all PBXs (UUID)."""
    found: Call | None = await session.scalar(select(Call).where(Call.call_id == call_id).limit(1))
    return found


async def timeline(session: AsyncSession, pbx: str, call_id: str) -> list[Told]:
    """Facts of a call in the order in which they happened."""
    facts = without_presumed((await facts_of(session, pbx, [call_id]))[call_id])
    return sorted(facts, key=lambda fact: (fact.at, fact.ordinal))


async def calls_since(session: AsyncSession, since: datetime, limit: int) -> Sequence[Call]:
    """Records of calls that arrived from `since` on, the newest first."""
    statement = select(Call).where(Call.arrived_at >= since).order_by(Call.arrived_at.desc()).limit(limit)
    return (await session.scalars(statement)).all()


async def forget_numbers(session: AsyncSession, call_ids: Sequence[str]) -> None:
    """The callers' numbers of these calls are gone: a discarded draft leaves counts only."""
    statement = update(Call).where(Call.call_id.in_(call_ids)).values(number=None, number_index=None)
    await session.execute(statement)


async def lock_contacts(session: AsyncSession, pbx: str, call_ids: Collection[str]) -> dict[str, Contact]:
    """The contacts of these calls as they are now, locked until the transaction ends; by call id.

    Everybody locks in one order: contacts, cases, calls, each by id; then what hangs on them, and the trail's end last.
    """
    rows = await session.scalars(_LOCK_CONTACTS, {"pbx": pbx, "calls": list(call_ids)})
    return {contact.call_id: contact for contact in rows}


_LOCK_CONTACTS: Final = (
    select(Contact)
    .where(Contact.pbx == bindparam("pbx"), Contact.call_id.in_(_CALLS))
    .order_by(Contact.id)
    .with_for_update()
    .execution_options(populate_existing=True)
)


class End(NamedTuple):
    """How a call ended, and nothing of who called. `ended_by`, `ended_stage`: words of the field, None: not told."""

    pbx: str
    call_id: str
    ended_at: datetime
    ended_by: str | None
    ended_stage: str | None


#: Who may end a call. A word that is not among them, `system` first of all, is no end that may be.
_MAY_END = (EndedBy.CALLER, EndedBy.LISTENER, EndedBy.CENTRE, EndedBy.CLOSED, EndedBy.FAULT)


def _ended_by() -> ColumnElement[str]:
    """As text: a word that this version does not know is a finding of the verifier, not an error."""
    return type_coerce(Call.ended_by, String)


async def count_ends(session: AsyncSession) -> dict[str, int]:
    """Calls that ended, by who ended them; `unknown` where nobody told."""
    statement = select(_ended_by(), func.count()).where(Call.ended_at.is_not(None)).group_by(Call.ended_by)
    return {by or "unknown": count for by, count in await session.execute(statement)}


async def odd_ends(session: AsyncSession) -> list[End]:
    """Calls whose end nobody who may end one has told; and those said to be closed after somebody had answered."""
    ended_by = _ended_by()
    odd = or_(
        ended_by.is_(None), ended_by.not_in(_MAY_END), and_(ended_by == EndedBy.CLOSED, Call.answered_at.is_not(None))
    )
    columns = (Call.pbx, Call.call_id, Call.ended_at, ended_by, type_coerce(Call.ended_stage, String))
    statement = select(*columns).where(Call.ended_at.is_not(None), odd).order_by(Call.ended_at)
    return [
        End(pbx, call_id, at, by, stage)
        for pbx, call_id, at, by, stage in await session.execute(statement)
        if at is not None
    ]
