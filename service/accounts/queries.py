"""SQL of accounts, sessions, second steps and failed attempts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, delete, exists, false, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased, contains_eager

from service.accounts.model import Account, AccountRole, FailedSignIn, RecoveryCode, SecondStep, SignedInSession
from service.accounts.rights import Role
from service.cases.model import Contact, ContactParticipant


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


async def account_for_update(session: AsyncSession, account_id: int) -> Account:
    """The account, locked until the transaction ends."""
    statement = select(Account).where(Account.id == account_id).with_for_update(of=Account)
    return (await session.scalars(statement.execution_options(populate_existing=True))).one()


# --- sessions ---------------------------------------------------------------------------------------------------------


async def session_by_hash(
    session: AsyncSession, token_hash: str, *, used_after: datetime, confirmed_after: datetime
) -> SignedInSession | None:
    """The live session of a token, whether its account is active or not. The token before counts until the new one
    came back.

    `confirmed_after`: and a little longer, for requests that were under way.
    """
    not_yet_back = or_(SignedInSession.confirmed_at.is_(None), SignedInSession.confirmed_at > confirmed_after)
    return await session.scalar(
        select(SignedInSession)
        .join(SignedInSession.account)
        .options(contains_eager(SignedInSession.account))
        .where(
            or_(
                SignedInSession.token_hash == token_hash,
                and_(SignedInSession.previous_hash == token_hash, not_yet_back),
            ),
            SignedInSession.used_at > used_after,
            SignedInSession.ended_at.is_(None),
        )
    )


async def held_contact(session: AsyncSession, row: SignedInSession, *, ended_after: datetime) -> int | None:
    """The contact that a session holds: its account talks or writes in it, and has its phone in this session.

    `ended_after`: the writing-up of a call that was over before holds nothing any more.
    """
    if row.phone_asked_at is None:
        return None
    other = aliased(SignedInSession)
    later = or_(
        other.phone_asked_at > row.phone_asked_at, and_(other.phone_asked_at == row.phone_asked_at, other.id > row.id)
    )
    elsewhere = exists().where(other.account_id == row.account_id, other.ended_at.is_(None), later)
    return await session.scalar(
        select(ContactParticipant.contact_id)
        .join(Contact, Contact.id == ContactParticipant.contact_id)
        .where(
            ContactParticipant.account_id == row.account_id,
            ContactParticipant.released_at.is_(None),
            or_(Contact.ended_at.is_(None), Contact.ended_at > ended_after),
            ~elsewhere,
        )
        .order_by(ContactParticipant.joined_at.desc())
        .limit(1)
    )


async def last_contact(session: AsyncSession, account_id: int) -> ContactParticipant | None:
    """How the account took part in the contact that it answered last."""
    return await session.scalar(
        select(ContactParticipant)
        .where(ContactParticipant.account_id == account_id)
        .order_by(ContactParticipant.joined_at.desc())
        .limit(1)
    )


async def touch_session(session: AsyncSession, session_id: int, at: datetime) -> None:
    """The session is in use."""
    await session.execute(update(SignedInSession).where(SignedInSession.id == session_id).values(used_at=at))


async def confirm_token(session: AsyncSession, session_id: int, token_hash: str, at: datetime) -> None:
    """The new token came back: from now on the one before counts only for requests that were under way."""
    await session.execute(
        update(SignedInSession)
        .where(
            SignedInSession.id == session_id,
            SignedInSession.token_hash == token_hash,
            SignedInSession.confirmed_at.is_(None),
        )
        .values(confirmed_at=at)
    )


async def token_holds(session: AsyncSession, session_id: int, token_hash: str) -> bool:
    """Whether this is (still) the session's newest token, and the session goes on."""
    statement = select(SignedInSession.id).where(
        SignedInSession.id == session_id,
        SignedInSession.token_hash == token_hash,
        SignedInSession.ended_at.is_(None),
    )
    return await session.scalar(statement) is not None


async def session_of_any_token(session: AsyncSession, token_hash: str) -> SignedInSession | None:
    """The session whose newest token this is, or the one before: however long ago, and ended or not."""
    return await session.scalar(
        select(SignedInSession)
        .join(SignedInSession.account)
        .options(contains_eager(SignedInSession.account))
        .where(or_(SignedInSession.token_hash == token_hash, SignedInSession.previous_hash == token_hash))
    )


async def rotate_token(session: AsyncSession, session_id: int, old_hash: str, new_hash: str, at: datetime) -> None:
    """A new token. Nothing changes where another request was first."""
    renewed = {"previous_hash": old_hash, "token_hash": new_hash, "rotated_at": at, "confirmed_at": None, "used_at": at}
    await session.execute(
        update(SignedInSession)
        .where(SignedInSession.id == session_id, SignedInSession.token_hash == old_hash)
        .values(renewed)
    )


async def end_sessions(
    session: AsyncSession, account_id: int, at: datetime, *, only: int | None = None, spare: int | None = None
) -> Sequence[int]:
    """End the account's sessions: all, `only` one, or all but `spare`. Ids of those that ended now."""
    statement = (
        update(SignedInSession)
        .where(SignedInSession.account_id == account_id, SignedInSession.ended_at.is_(None))
        .values(ended_at=at)
        .returning(SignedInSession.id)
    )
    if only is not None:
        statement = statement.where(SignedInSession.id == only)
    if spare is not None:
        statement = statement.where(SignedInSession.id != spare)
    return (await session.scalars(statement)).all()


async def forget_sessions(session: AsyncSession, *, used_before: datetime, ended_before: datetime) -> None:
    """Sign-ins that were forgotten, or ended some time ago."""
    await session.execute(
        delete(SignedInSession).where(
            or_(SignedInSession.used_at <= used_before, SignedInSession.ended_at <= ended_before)
        )
    )


async def sessions_of(session: AsyncSession, account_id: int, used_after: datetime) -> Sequence[SignedInSession]:
    """The account's live sessions, the last used first."""
    return (
        await session.scalars(
            select(SignedInSession)
            .where(
                SignedInSession.account_id == account_id,
                SignedInSession.ended_at.is_(None),
                SignedInSession.used_at > used_after,
            )
            .order_by(SignedInSession.used_at.desc(), SignedInSession.id.desc())
        )
    ).all()


async def sessions_by_id(session: AsyncSession, session_ids: Collection[int]) -> Sequence[SignedInSession]:
    """Those of these sessions that did not end, whether their accounts are active or not."""
    return (
        await session.scalars(
            select(SignedInSession).where(SignedInSession.id.in_(session_ids), SignedInSession.ended_at.is_(None))
        )
    ).all()


async def sessions_of_ended_accounts(session: AsyncSession) -> Sequence[SignedInSession]:
    """What was left of sessions when their accounts were deactivated, for a contact that was going on."""
    return (
        await session.scalars(
            select(SignedInSession)
            .join(SignedInSession.account)
            .options(contains_eager(SignedInSession.account))
            .where(~Account.active, SignedInSession.ended_at.is_(None))
        )
    ).all()


async def not_to_be_rung(session: AsyncSession, account_ids: Collection[int]) -> set[int]:
    """Which of these accounts are no longer active, have their phone where a second step is missing (the page there
    could show no caller), or nowhere any more: its session ended, no other took it. A phone that is no page's stays.
    """
    rows = await session.scalars(select(Account.id).where(Account.id.in_(account_ids), ~Account.active))
    ended = set(rows)
    phones = await session.execute(
        select(SignedInSession.account_id, or_(SignedInSession.must_enrol, SignedInSession.ended_at.is_not(None)))
        .where(SignedInSession.account_id.in_(account_ids), SignedInSession.phone_asked_at.is_not(None))
        .order_by(SignedInSession.ended_at.is_(None), SignedInSession.phone_asked_at, SignedInSession.id)
    )
    return ended | {account_id for account_id, missing in {row[0]: row[1] for row in phones}.items() if missing}


# --- phones -----------------------------------------------------------------------------------------------------------


def _phone_ids(used_after: datetime, in_call: Collection[int]) -> Select[int, int]:
    """(account, session) that asked for the phone last; ended ones only for accounts that are in a call."""
    holds = and_(SignedInSession.ended_at.is_(None), Account.active, SignedInSession.used_at > used_after)
    newest = (SignedInSession.phone_asked_at.desc(), SignedInSession.id.desc())
    ranked = (
        select(
            SignedInSession.account_id,
            SignedInSession.id,
            func.row_number().over(partition_by=SignedInSession.account_id, order_by=newest).label("rank"),
        )
        .join(Account, Account.id == SignedInSession.account_id)
        .where(SignedInSession.phone_asked_at.is_not(None), or_(holds, SignedInSession.account_id.in_(in_call)))
        .subquery()
    )
    return select(ranked.c.account_id, ranked.c.id).where(ranked.c.rank == 1).order_by(ranked.c.account_id)


async def phone_holders(session: AsyncSession, used_after: datetime, in_call: Collection[int]) -> dict[int, int]:
    """Account → the session that its phone belongs to."""
    rows = await session.execute(_phone_ids(used_after, in_call))
    return {row[0]: row[1] for row in rows}


async def phones_were_asked(session: AsyncSession) -> bool:
    """Whether any session, ended ones too, asked for a phone."""
    asked = select(SignedInSession.id).where(SignedInSession.phone_asked_at.is_not(None)).limit(1)
    return await session.scalar(asked) is not None


async def phone_sessions(
    session: AsyncSession, used_after: datetime, in_call: Collection[int]
) -> Sequence[SignedInSession]:
    """For each account the session that asked for the phone last, by account."""
    wanted = _phone_ids(used_after, in_call).subquery()
    return (
        await session.scalars(
            select(SignedInSession).join(wanted, wanted.c.id == SignedInSession.id).order_by(SignedInSession.account_id)
        )
    ).all()


# --- second step ------------------------------------------------------------------------------------------------------


async def second_step(session: AsyncSession, account_id: int, *, lock: bool = False) -> SecondStep | None:
    """The account's second step, confirmed or not. `lock`: until the transaction ends."""
    statement = select(SecondStep).where(SecondStep.account_id == account_id)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return await session.scalar(statement)


async def remove_second_step(session: AsyncSession, account_id: int) -> None:
    """With its recovery codes."""
    await remove_recovery_codes(session, account_id)
    await session.execute(delete(SecondStep).where(SecondStep.account_id == account_id))


async def remove_recovery_codes(session: AsyncSession, account_id: int) -> None:
    """Used or not."""
    await session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account_id))


async def use_recovery_code(session: AsyncSession, account_id: int, code_hash: str, at: datetime) -> bool:
    """Once; false where there is none such, or it was used."""
    used = await session.scalars(
        update(RecoveryCode)
        .where(
            RecoveryCode.account_id == account_id, RecoveryCode.code_hash == code_hash, RecoveryCode.used_at.is_(None)
        )
        .values(used_at=at)
        .returning(RecoveryCode.account_id)
    )
    return bool(used.all())


async def recovery_codes_left(session: AsyncSession, account_id: int) -> int:
    """How many were not used yet."""
    statement = select(func.count()).where(RecoveryCode.account_id == account_id, RecoveryCode.used_at.is_(None))
    return await session.scalar(statement) or 0


async def release_session(session: AsyncSession, account_id: int, session_id: int, at: datetime) -> None:
    """The second step is set up: this session has its rights. The account's others that lack it end: who has them
    showed a password, and no code.

    This one counts as made now, with the code that was just right (`ask_second_step`).
    """
    shown = {"must_enrol": False, "made_at": at}
    await session.execute(update(SignedInSession).where(SignedInSession.id == session_id).values(shown))
    await session.execute(
        update(SignedInSession)
        .where(
            SignedInSession.account_id == account_id,
            SignedInSession.must_enrol,
            SignedInSession.ended_at.is_(None),
        )
        .values(ended_at=at)
    )


async def ask_second_step(session: AsyncSession, roles: Collection[Role]) -> Sequence[int]:
    """Sessions from before have the rights that today's settings give them: none, where a role of theirs asks for a
    second step and they were made without. Accounts of those that lose their rights by it.

    A session was made with the step when it is not older than it: from then on nobody signs in without.
    """
    has_role: ColumnElement[bool] = false()
    if roles:
        mine = exists().where(AccountRole.account_id == SignedInSession.account_id, AccountRole.role.in_(roles))
        has_role = mine.correlate(SignedInSession)
    shown = (
        exists()
        .where(
            SecondStep.account_id == SignedInSession.account_id,
            SecondStep.confirmed_at.is_not(None),
            SecondStep.confirmed_at <= SignedInSession.made_at,
        )
        .correlate(SignedInSession)
    )
    live = SignedInSession.ended_at.is_(None)
    change = update(SignedInSession).execution_options(synchronize_session=False)
    await session.execute(
        change.where(live, SignedInSession.must_enrol, or_(~has_role, shown)).values(must_enrol=False)
    )
    asked = await session.scalars(
        change.where(live, ~SignedInSession.must_enrol, has_role, ~shown)
        .values(must_enrol=True)
        .returning(SignedInSession.account_id)
    )
    return sorted(set(asked))


# --- attempts ---------------------------------------------------------------------------------------------------------


async def failure(
    session: AsyncSession,
    since: datetime,
    rank: int,
    *,
    username_index: str | None = None,
    address_index: str | None = None,
) -> datetime | None:
    """Of the sign-ins that failed since then, for a name, an address, or a name from an address: when the `rank`-th
    did, counted back from the newest. None: there are fewer.
    """
    statement = select(FailedSignIn.at).where(FailedSignIn.at > since)
    if username_index is not None:
        statement = statement.where(FailedSignIn.username_index == username_index)
    if address_index is not None:
        statement = statement.where(FailedSignIn.address_index == address_index)
    return await session.scalar(statement.order_by(FailedSignIn.at.desc()).offset(rank - 1).limit(1))


async def forget_failures(session: AsyncSession, before: datetime) -> None:
    """Older ones count no more."""
    await session.execute(delete(FailedSignIn).where(FailedSignIn.at <= before))


async def forgive(session: AsyncSession, username_index: str, address_index: str | None = None) -> None:
    """They knew the password after all; without `address_index`: wherever it was tried from, they have another now."""
    forgiven = delete(FailedSignIn).where(FailedSignIn.username_index == username_index)
    if address_index is not None:
        forgiven = forgiven.where(FailedSignIn.address_index == address_index)
    await session.execute(forgiven)


async def take_back_attempt(session: AsyncSession, attempt_id: int) -> None:
    """This one did not fail."""
    await session.execute(delete(FailedSignIn).where(FailedSignIn.id == attempt_id))
