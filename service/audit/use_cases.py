"""Appending to the audit trail, in the same transaction as the act itself; and checking its chain."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit import queries
from service.audit.model import Action, AuditEntry
from service.keys import Keyring

_PAGE = 1_000


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
        entry.hash = keyring.audit_hash(head.last_hash, _content(entry))
        session.add(entry)
        head.last_seq, head.last_hash = entry.seq, entry.hash
    await session.flush()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainState:
    """`broken_at`: number of the first entry that was changed, taken out or put in; none: the chain holds."""

    entries: int
    broken_at: int | None


async def verify(session: AsyncSession, keyring: Keyring) -> ChainState:
    """Walk the whole chain."""
    head = await queries.head(session)
    if head is None:
        stray = await queries.entries(session, limit=1)
        return ChainState(entries=0, broken_at=stray[0].seq if stray else None)
    seq, previous, count = head.purged_seq, head.purged_hash, 0
    while page := await queries.entries(session, after=seq, limit=_PAGE):
        for entry in page:
            whole = entry.seq == seq + 1 and hmac.compare_digest(
                entry.hash, keyring.audit_hash(previous, _content(entry))
            )
            if not whole:
                return ChainState(entries=count, broken_at=entry.seq)
            seq, previous, count = entry.seq, entry.hash, count + 1
    ends = seq == head.last_seq and hmac.compare_digest(previous, head.last_hash)
    return ChainState(entries=count, broken_at=None if ends else seq + 1)


def _content(entry: AuditEntry) -> bytes:
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
