"""Signing in: password, then the second step where the account has one; then a session with a new phone password."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts import attempts, passwords, queries, second_step, sessions
from service.accounts.model import Account, SignedInSession
from service.accounts.rights import Role
from service.accounts.use_cases import folded, phone_context
from service.accounts.viewer import Viewer
from service.audit.model import Action
from service.audit.use_cases import Act, append
from service.errors import Unauthenticated
from service.keys import Keyring
from service.store.engine import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """`token`: for the cookie, to be shown to nobody else. `replaced`: session of the same browser that ended."""

    viewer: Viewer
    token: str
    replaced: int | None = None

    def __repr__(self) -> str:
        return f"SignedIn({self.viewer.account_id})"


async def sign_in(
    store: Store,
    keyring: Keyring,
    *,
    username: str,
    password: str,
    address: str,
    at: datetime,
    code: str | None = None,
    browser_had: str | None = None,
    step_asked_of: Collection[Role] = (),
) -> SignedIn:
    """A new session. Takes the store: an attempt counts before it is looked at.

    `code`: of the second step, or a recovery code. `browser_had`: the token that the browser sent. `step_asked_of`:
    roles that need a second step; who lacks it gets a session that can do nothing but set it up.

    Unauthenticated `sign-in-refused` whatever was wrong, in the same time; `second-step-needed` once the password was
    right; `second-step-refused`; TooMany `sign-in-too-often`, `address-too-often`.
    """
    name = folded(username)
    name_index = attempts.name_index(keyring, name)
    async with store.transaction() as session:
        account = await queries.account_by_username(session, name)
        theirs = None if account is None else await sessions.browser_of(session, account.id, browser_had)
        source = second_step.Source(address=attempts.counted_as(address), browser=theirs)
        source_index = keyring.attempt_index(str(source))
        attempt = await attempts.count(session, name_index, source_index, at, their_browser=theirs is not None)
    stored = account.password_hash if account is not None and account.active else None
    if not await passwords.fits(password, stored) or account is None:
        whose = None if account is None else account.id
        async with store.transaction() as session:
            await attempts.note_refused(
                session, keyring, Action.SIGN_IN_REFUSED, account_id=whose, name_index=name_index, at=at
            )
        raise Unauthenticated("sign-in-refused", "Name or password is wrong: try again.")
    enrolled = await second_step.pass_at_sign_in(
        store, keyring, account.id, source=source, attempt_id=attempt.id, code=code, at=at
    )
    renewed = await passwords.hashed(password) if passwords.outdated(account.password_hash) else None
    token, token_hash = sessions.new_token()
    async with store.transaction() as session:
        account = await _still(session, account, enrolled=enrolled)
        await queries.forgive(session, name_index, source_index)
        await sessions.forget_old(session, at)
        row = SignedInSession(
            token_hash=token_hash,
            account_id=account.id,
            made_at=at,
            used_at=at,
            must_enrol=not enrolled and bool(account.roles & set(step_asked_of)),
            phone_password=keyring.seal(secrets.token_urlsafe(24), phone_context(account.id)),
        )
        replaced = await sessions.replace(session, row, browser_had, at)
        session.add(row)
        await session.flush()
        if renewed is not None:
            account.password_hash = renewed
        act = Act(action=Action.SIGNED_IN, subject="account", subject_id=account.id)
        await append(session, keyring, [act], account_id=account.id, at=at)
    return SignedIn(viewer=sessions.viewer(account, row), token=token, replaced=replaced)


async def _still(session: AsyncSession, seen: Account, *, enrolled: bool) -> Account:
    """The account, locked, and as it was when password and code were looked at, which takes a while.

    Who lost it meanwhile (deactivated, another password, a second step set or reset) gets no session.
    """
    account = await queries.account_for_update(session, seen.id)
    step = await second_step.state(session, seen.id)
    if not account.active or account.password_hash != seen.password_hash or step.on != enrolled:
        raise Unauthenticated("sign-in-refused", "Name or password is wrong: try again.")
    return account
