"""The audit trail's SQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.model import Action, AuditEntry, AuditHead, Written
from service.store.sql import insert_once

_START = {"id": 1, "last_seq": 0, "last_hash": b"", "purged_seq": 0, "purged_hash": b""}


async def locked_head(session: AsyncSession) -> AuditHead:
    """The end of the chain, locked until the transaction ends; made when it is not there."""
    statement = select(AuditHead).where(AuditHead.id == 1).with_for_update().execution_options(populate_existing=True)
    head = await session.scalar(statement)
    if head is None:
        await insert_once(session, AuditHead, [_START], keys=["id"])
        head = (await session.scalars(statement)).one()
    return head


async def touch_head(session: AsyncSession) -> None:
    """A write that changes nothing: what takes as long as an entry, and is none."""
    await locked_head(session)
    await session.execute(update(AuditHead).where(AuditHead.id == 1).values(last_seq=AuditHead.last_seq))


async def head(session: AsyncSession) -> AuditHead | None:
    """The end of the chain; none before the first entry."""
    return await session.get(AuditHead, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Entries in order, and the head as it was at the same instant."""

    purged_seq: int
    purged_hash: bytes
    last_seq: int
    last_hash: bytes
    entries: Sequence[Written]


async def stretch(session: AsyncSession, *, after: int, limit: int) -> Stretch | None:
    """None where there is no head. One statement: PostgreSQL sees each one's own instant."""
    columns = (
        AuditEntry.seq,
        AuditEntry.at,
        AuditEntry.account_id,
        AuditEntry.action,
        AuditEntry.subject,
        AuditEntry.subject_id,
        AuditEntry.hash,
    )
    next_ones = select(*columns).where(AuditEntry.seq > after).order_by(AuditEntry.seq).limit(limit).subquery()
    rows: Sequence[Any] = (
        await session.execute(
            select(*next_ones.c, AuditHead.purged_seq, AuditHead.purged_hash, AuditHead.last_seq, AuditHead.last_hash)
            .select_from(AuditHead)
            .outerjoin(next_ones, true())
            .where(AuditHead.id == 1)
            .order_by(next_ones.c.seq)
        )
    ).all()
    if not rows:
        return None
    purged_seq, purged_hash, last_seq, last_hash = rows[0][len(columns) :]
    found = () if rows[0].seq is None else rows
    return Stretch(
        purged_seq=purged_seq, purged_hash=purged_hash, last_seq=last_seq, last_hash=last_hash, entries=found
    )


async def entries(
    session: AsyncSession,
    *,
    after: int = 0,
    limit: int = 500,
    subject: str | None = None,
    subject_id: str | None = None,
) -> Sequence[AuditEntry]:
    """Entries in order, after a number; of one subject where it is named."""
    statement = select(AuditEntry).where(AuditEntry.seq > after).order_by(AuditEntry.seq).limit(limit)
    if subject is not None:
        statement = statement.where(AuditEntry.subject == subject)
    if subject_id is not None:
        statement = statement.where(AuditEntry.subject_id == subject_id)
    return (await session.scalars(statement)).all()


async def noted(session: AsyncSession, action: Action, subject: str, subject_id: int, *, since: datetime) -> bool:
    """Whether this is on the trail since then."""
    statement = select(AuditEntry.seq).where(
        AuditEntry.subject == subject,
        AuditEntry.subject_id == str(subject_id),
        AuditEntry.action == action,
        AuditEntry.at >= since,
    )
    return await session.scalar(statement.limit(1)) is not None


async def of_subject(
    session: AsyncSession, subject: str, subject_id: int, actions: Collection[Action], *, since: datetime, limit: int
) -> Sequence[AuditEntry]:
    """The newest entries of one subject, of these acts, since then; the newest first."""
    statement = (
        select(AuditEntry)
        .where(
            AuditEntry.subject == subject,
            AuditEntry.subject_id == str(subject_id),
            AuditEntry.action.in_(actions),
            AuditEntry.at >= since,
        )
        .order_by(AuditEntry.seq.desc())
        .limit(limit)
    )
    return (await session.scalars(statement)).all()


async def count_of_subject(
    session: AsyncSession, subject: str, subject_id: int, actions: Collection[Action], *, since: datetime
) -> int:
    """How many entries there are of one subject, of these acts, since then."""
    statement = select(func.count()).where(
        AuditEntry.subject == subject,
        AuditEntry.subject_id == str(subject_id),
        AuditEntry.action.in_(actions),
        AuditEntry.at >= since,
    )
    return await session.scalar(statement) or 0


async def last_before(session: AsyncSession, before: datetime) -> AuditEntry | None:
    """The entry before the first one that is not older: clocks may have gone back, numbers have not."""
    first_kept = select(func.min(AuditEntry.seq)).where(AuditEntry.at >= before).scalar_subquery()
    return await session.scalar(
        select(AuditEntry)
        .where(AuditEntry.seq < func.coalesce(first_kept, AuditEntry.seq + 1))
        .order_by(AuditEntry.seq.desc())
        .limit(1)
    )


async def delete_up_to(session: AsyncSession, seq: int) -> None:
    """What the purge mark lets go."""
    await session.execute(delete(AuditEntry).where(AuditEntry.seq <= seq))
