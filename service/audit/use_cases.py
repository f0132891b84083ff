"""Appending to the audit trail, in the same transaction as the act itself. Checking it: chain.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit import queries
from service.audit.model import Action, AuditEntry, Written
from service.keys import Keyring


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Something to be put on the trail: ids alone."""

    action: Action
    subject: str
    subject_id: int | str


async def append(
    session: AsyncSession, keyring: Keyring, acts: Sequence[Act], *, account_id: int | None, at: datetime
) -> None:
    """Put acts on the trail, in the caller's transaction: no act without its entry, no entry without its act.

    Takes the chain's lock until that transaction ends: to be called last.
    """
    if not acts:
        return
    await session.flush()
    head = await queries.locked_head(session)
    for act in acts:
        entry = AuditEntry(
            seq=head.last_seq + 1,
            at=at,
            account_id=account_id,
            action=act.action,
            subject=act.subject,
            subject_id=str(act.subject_id),
        )
        entry.hash = keyring.audit_hash(head.last_hash, content_of(entry))
        session.add(entry)
        head.last_seq, head.last_hash = entry.seq, entry.hash
    await session.flush()


def content_of(entry: Written) -> bytes:
    """The entry's content in one unambiguous form; microseconds, UTC."""
    return msgspec.json.encode(
        [
            entry.seq,
            entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
            entry.account_id,
            entry.action.value,
            entry.subject,
            entry.subject_id,
        ]
    )
