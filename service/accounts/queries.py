"""SQL of accounts, sessions and failed sign-ins."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts.model import Account, FailedSignIn, SignedInSession


async def account_by_username(session: AsyncSession, username: str) -> Account | None:
    """`username`: already folded."""
    return await session.scalar(select(Account).where(Account.username == username))


async def accounts(session: AsyncSession) -> Sequence[Account]:
    """All accounts, by username."""
    return (await session.scalars(select(Account).order_by(Account.username))).all()


async def display_names(session: AsyncSession) -> dict[int, str]:
    """Account id → name as shown to colleagues."""
    rows = await session.execute(select(Account.id, Account.display_name))
    return {row.id: row.display_name for row in rows}


async def session_by_hash(session: AsyncSession, token_hash: str, used_after: datetime) -> SignedInSession | None:
    """The live session of a token, its account active."""
    return await session.scalar(
        select(SignedInSession)
        .join(SignedInSession.account)
        .where(
            SignedInSession.token_hash == token_hash,
            SignedInSession.used_at > used_after,
            Account.active,
        )
    )


async def touch_session(session: AsyncSession, session_id: int, at: datetime) -> None:
    """The session is in use."""
    await session.execute(update(SignedInSession).where(SignedInSession.id == session_id).values(used_at=at))


async def delete_session(session: AsyncSession, session_id: int) -> None:
    """Signed out."""
    await session.execute(delete(SignedInSession).where(SignedInSession.id == session_id))


async def delete_sessions_before(session: AsyncSession, used_before: datetime) -> None:
    """Forgotten sign-ins."""
    await session.execute(delete(SignedInSession).where(SignedInSession.used_at <= used_before))


async def sessions_of(session: AsyncSession, account_id: int) -> Sequence[SignedInSession]:
    """The account's sessions."""
    return (await session.scalars(select(SignedInSession).where(SignedInSession.account_id == account_id))).all()


async def phone_sessions(session: AsyncSession, used_after: datetime) -> Sequence[SignedInSession]:
    """For each active account the session that asked for the phone last, by account."""
    ranked = (
        select(
            SignedInSession.id,
            func.row_number()
            .over(
                partition_by=SignedInSession.account_id,
                order_by=(SignedInSession.phone_asked_at.desc(), SignedInSession.id.desc()),
            )
            .label("rank"),
        )
        .where(SignedInSession.phone_asked_at.is_not(None), SignedInSession.used_at > used_after)
        .subquery()
    )
    return (
        await session.scalars(
            select(SignedInSession)
            .join(ranked, ranked.c.id == SignedInSession.id)
            .join(SignedInSession.account)
            .where(ranked.c.rank == 1, Account.active)
            .order_by(SignedInSession.account_id)
        )
    ).all()


async def failures(
    session: AsyncSession, since: datetime, *, username_index: str | None = None, address_index: str | None = None
) -> int:
    """How many sign-ins failed since then, for a name, an address, or a name from an address."""
    statement = select(func.count()).select_from(FailedSignIn).where(FailedSignIn.at > since)
    if username_index is not None:
        statement = statement.where(FailedSignIn.username_index == username_index)
    if address_index is not None:
        statement = statement.where(FailedSignIn.address_index == address_index)
    return await session.scalar(statement) or 0


async def forget_failures(session: AsyncSession, before: datetime) -> None:
    """Older ones count no more."""
    await session.execute(delete(FailedSignIn).where(FailedSignIn.at <= before))


async def forgive(session: AsyncSession, username_index: str, address_index: str) -> None:
    """They knew the password after all."""
    await session.execute(
        delete(FailedSignIn).where(
            FailedSignIn.username_index == username_index, FailedSignIn.address_index == address_index
        )
    )
