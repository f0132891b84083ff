"""Making accounts, signing in and out, and the phone that belongs to a session."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts import passwords, queries
from service.accounts.model import Account, AccountRole, FailedSignIn, SignedInSession
from service.accounts.rights import Role
from service.accounts.viewer import Viewer
from service.audit.model import Action
from service.audit.use_cases import Act, append
from service.errors import Conflict, NotFound, TooMany, Unauthenticated, Unfit
from service.keys import Keyring
from service.store.engine import Store

#: A session lives this long after its last use. Long on purpose: nobody is signed out in the middle of anything.
SESSION_LASTS: Final = timedelta(days=30)
_TOUCH_AFTER: Final = timedelta(minutes=10)

#: Failed sign-ins are counted over this time…
_WINDOW: Final = timedelta(minutes=15)
#: …for a name from one address (a listener who mistypes), a name from anywhere (so that guessing from many addresses
#: ends; high, so that nobody can lock a listener out easily), and an address with any names.
_LIMIT_PAIR: Final = 6
_LIMIT_NAME: Final = 60
_LIMIT_ADDRESS: Final = 30

_USERNAME: Final = re.compile(r"^[a-z0-9][a-z0-9._-]{1,62}$")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """`password`: in clear, to be shown once and never stored."""

    account_id: int
    username: str
    password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """`token`: for the cookie, to be shown to nobody else."""

    viewer: Viewer
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSession:
    """`stale`: its use was noted some time ago; to be noted again."""

    viewer: Viewer
    stale: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneAccount:
    """A phone as the PBX must know it: endpoint `l12` and its password."""

    account_id: int
    endpoint: str
    password: str

    def __repr__(self) -> str:
        return f"PhoneAccount({self.endpoint})"


def folded(username: str) -> str:
    """Names are the same in capitals."""
    return username.strip().casefold()


async def make_account(
    session: AsyncSession,
    keyring: Keyring,
    *,
    username: str,
    display_name: str,
    roles: Collection[Role],
    at: datetime,
    locale: str = "fr",
    centre: str | None = None,
    made_by: int | None = None,
) -> NewAccount:
    """An account with a random password. Conflict `username-taken`; Unfit for a name that cannot be typed safely."""
    name = folded(username)
    if not _USERNAME.fullmatch(name):
        raise Unfit("username-unfit", "Use 2 to 63 letters, digits, dots and hyphens.", field="username")
    if await queries.account_by_username(session, name) is not None:
        raise Conflict("username-taken", "There is an account with this name: choose another.", field="username")
    password = passwords.random_password()
    account = Account(
        username=name,
        display_name=display_name.strip() or name,
        password_hash=await passwords.hashed(password),
        locale=locale,
        centre=centre,
        active=True,
        made_at=at,
        role_rows=[AccountRole(role=role) for role in sorted(set(roles))],
    )
    session.add(account)
    await session.flush()
    act = Act(action=Action.ACCOUNT_MADE, subject="account", subject_id=account.id)
    await append(session, keyring, [act], account_id=made_by, at=at)
    return NewAccount(account_id=account.id, username=name, password=password)


async def new_password(session: AsyncSession, keyring: Keyring, *, username: str, at: datetime) -> NewAccount:
    """Another random password; whoever was signed in with the old one no longer is. A call that goes on goes on."""
    account = await queries.account_by_username(session, folded(username))
    if account is None:
        raise NotFound("account-unknown", "There is no account with this name.", field="username")
    password = passwords.random_password()
    account.password_hash = await passwords.hashed(password)
    for signed_in in await queries.sessions_of(session, account.id):
        await queries.delete_session(session, signed_in.id)
    act = Act(action=Action.ACCOUNT_CHANGED, subject="account", subject_id=account.id)
    await append(session, keyring, [act], account_id=None, at=at)
    return NewAccount(account_id=account.id, username=account.username, password=password)


async def sign_in(
    store: Store, keyring: Keyring, *, username: str, password: str, address: str, at: datetime
) -> SignedIn:
    """A new session with a new phone password. Takes the store: the attempt counts before the password is looked at.

    Unauthenticated `sign-in-refused` whatever was wrong, in the same time; TooMany `sign-in-too-often`.
    """
    name = folded(username)
    name_index, address_index = keyring.attempt_index(f"name:{name}"), keyring.attempt_index(f"address:{address}")
    async with store.transaction() as session:
        await _count_attempt(session, name_index, address_index, at)
        account = await queries.account_by_username(session, name)
    stored = account.password_hash if account is not None and account.active else None
    if not await passwords.fits(password, stored) or account is None:
        raise Unauthenticated("sign-in-refused", "Name or password is wrong: try again.")
    renewed = await passwords.hashed(password) if passwords.outdated(account.password_hash) else None
    token = secrets.token_urlsafe(32)
    async with store.transaction() as session:
        await queries.forgive(session, name_index, address_index)
        await queries.delete_sessions_before(session, at - SESSION_LASTS)
        row = SignedInSession(
            token_hash=_token_hash(token),
            account_id=account.id,
            made_at=at,
            used_at=at,
            phone_password=keyring.seal(secrets.token_urlsafe(24), f"phone:{account.id}"),
        )
        session.add(row)
        await session.flush()
        if renewed is not None:
            (await session.get_one(Account, account.id)).password_hash = renewed
        act = Act(action=Action.SIGNED_IN, subject="account", subject_id=account.id)
        await append(session, keyring, [act], account_id=account.id, at=at)
    return SignedIn(viewer=_viewer(account, row.id), token=token)


async def _count_attempt(session: AsyncSession, name_index: str, address_index: str, at: datetime) -> None:
    """Every attempt counts as failed until its password fitted."""
    since = at - _WINDOW
    await queries.forget_failures(session, since)
    too_often = (
        await queries.failures(session, since, username_index=name_index, address_index=address_index) >= _LIMIT_PAIR
        or await queries.failures(session, since, username_index=name_index) >= _LIMIT_NAME
        or await queries.failures(session, since, address_index=address_index) >= _LIMIT_ADDRESS
    )
    if too_often:
        raise TooMany(
            "sign-in-too-often",
            "Too many attempts: wait a quarter of an hour, or ask the administrator for a new password.",
            details={"retry_after_seconds": int(_WINDOW.total_seconds())},
        )
    session.add(FailedSignIn(username_index=name_index, address_index=address_index, at=at))


async def sign_out(session: AsyncSession, keyring: Keyring, viewer: Viewer, at: datetime) -> None:
    """This session ends; the account's others, and a call that is live, go on."""
    await queries.delete_session(session, viewer.session_id)
    act = Act(action=Action.SIGNED_OUT, subject="account", subject_id=viewer.account_id)
    await append(session, keyring, [act], account_id=viewer.account_id, at=at)


async def viewer_of(session: AsyncSession, token: str, at: datetime) -> FoundSession | None:
    """Who the cookie's token belongs to; none: signed out, forgotten for long, or the account is no longer active."""
    row = await queries.session_by_hash(session, _token_hash(token), at - SESSION_LASTS)
    if row is None:
        return None
    return FoundSession(viewer=_viewer(row.account, row.id), stale=row.used_at < at - _TOUCH_AFTER)


async def touch(session: AsyncSession, session_id: int, at: datetime) -> None:
    """The session is in use: its life starts anew."""
    await queries.touch_session(session, session_id, at)


async def choose_locale(session: AsyncSession, viewer: Viewer, locale: str) -> None:
    """The language of the account's pages."""
    (await session.get_one(Account, viewer.account_id)).locale = locale


def endpoint_of(account_id: int) -> str:
    """The PJSIP endpoint of an account's phone."""
    return f"l{account_id}"


async def take_phone(
    session: AsyncSession, keyring: Keyring, viewer: Viewer, at: datetime
) -> tuple[PhoneAccount, bool]:
    """The account's phone, for the session that asks; and whether its password is another than before.

    An account has one phone: the session that asked last. The password is the same as long as the session lives.
    """
    rows = await queries.sessions_of(session, viewer.account_id)
    mine = next((row for row in rows if row.id == viewer.session_id), None)
    if mine is None:
        raise Unauthenticated("not-signed-in", "Sign in first.")
    asked = [row for row in rows if row.phone_asked_at is not None]
    holder = max(asked, key=lambda row: (row.phone_asked_at or at, row.id), default=None)
    changed = holder is None or holder.id != mine.id
    if changed:
        mine.phone_asked_at = at
    return _phone(keyring, mine), changed


async def phone_accounts(session: AsyncSession, keyring: Keyring, at: datetime) -> list[PhoneAccount]:
    """Every phone that the PBX must know now."""
    return [_phone(keyring, row) for row in await queries.phone_sessions(session, at - SESSION_LASTS)]


def _phone(keyring: Keyring, row: SignedInSession) -> PhoneAccount:
    return PhoneAccount(
        account_id=row.account_id,
        endpoint=endpoint_of(row.account_id),
        password=keyring.open(row.phone_password, f"phone:{row.account_id}"),
    )


def _viewer(account: Account, session_id: int) -> Viewer:
    return Viewer(
        account_id=account.id,
        session_id=session_id,
        username=account.username,
        display_name=account.display_name,
        locale=account.locale,
        roles=account.roles,
        centre=account.centre,
    )


def _token_hash(token: str) -> str:
    """The token has 256 random bits: a plain hash suffices."""
    return hashlib.sha256(token.encode()).hexdigest()
