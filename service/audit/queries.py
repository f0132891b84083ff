"""The audit trail's SQL."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.model import AuditEntry, AuditHead
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


async def head(session: AsyncSession) -> AuditHead | None:
    """The end of the chain; none before the first entry."""
    return await session.get(AuditHead, 1)


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
