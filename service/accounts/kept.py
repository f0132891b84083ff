"""What is left of an account that was deactivated while its listener was in a contact: that contact, until they let go.

Deactivation ends sign-in, queues and every session but the one that has the phone. That one opens what its contact
needs (viewer.py, `in_contact` of routes) and nothing where there is no contact: a call that was answered at the very
instant, and is not in the database yet, finds it still. It ends with the writing-up, by `ecoute listeners sign-out`, or
some hours after the call (sessions.KEPT_AFTER_CALL). Nothing here ends the call.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts import queries
from service.accounts.model import Account, SignedInSession
from service.accounts.sessions import KEPT_AFTER_CALL, SESSION_LASTS, holder_of
from service.audit import queries as audit
from service.audit.model import Action
from service.audit.use_cases import Act, append
from service.keys import Keyring


async def held_by(session: AsyncSession, account_id: int, at: datetime) -> tuple[SignedInSession | None, int | None]:
    """The session that has the account's phone, and the contact that it holds; none where there is none."""
    holder = holder_of(await queries.sessions_of(session, account_id, at - SESSION_LASTS))
    if holder is None:
        return None, None
    return holder, await queries.held_contact(session, holder, ended_after=at - KEPT_AFTER_CALL)


async def leave(session: AsyncSession, account: Account, at: datetime) -> list[Act]:
    """Sessions of an account that is deactivated end, but the one that has its phone. What is to be on the trail."""
    holder, contact = await held_by(session, account.id, at)
    await queries.end_sessions(session, account.id, at, spare=None if holder is None else holder.id)
    return [] if contact is None else [Act(action=Action.SESSION_KEPT, subject="contact", subject_id=contact)]


async def come_back(session: AsyncSession, account: Account, at: datetime) -> None:
    """Coming back opens no old session; who is still in their contact goes on with all rights."""
    holder, contact = await held_by(session, account.id, at)
    spare = holder.id if holder is not None and contact is not None else None
    await queries.end_sessions(session, account.id, at, spare=spare)


async def let_go(session: AsyncSession, account_id: int, at: datetime) -> list[Act]:
    """An administrator ends what was kept, at once. What is to be on the trail."""
    _, contact = await held_by(session, account_id, at)
    return [] if contact is None else [Act(action=Action.SESSION_RELEASED, subject="contact", subject_id=contact)]


async def release(session: AsyncSession, keyring: Keyring, in_call: Collection[int], at: datetime) -> None:
    """What holds no contact any more ends. `in_call`: accounts on a call, whose contact may be on its way still."""
    ended: list[tuple[Act, int | None]] = []
    for row in await queries.sessions_of_ended_accounts(session):
        held = await queries.held_contact(session, row, ended_after=at - KEPT_AFTER_CALL)
        if held is not None or row.account_id in in_call:
            continue
        await queries.end_sessions(session, row.account_id, at, only=row.id)
        last = await queries.last_contact(session, row.account_id)
        if last is None or not await audit.noted(
            session, Action.SESSION_KEPT, "contact", last.contact_id, since=row.made_at
        ):
            continue
        by_them = last.released_at is not None
        act = Act(action=Action.SESSION_RELEASED, subject="contact", subject_id=last.contact_id)
        ended.append((act, row.account_id if by_them else None))
    for act, by in ended:  # after all sessions: whoever holds one of them may be waiting for the trail's end
        await append(session, keyring, [act], account_id=by, at=at)
