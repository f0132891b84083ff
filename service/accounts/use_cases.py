"""Making and ending accounts, and the phone that belongs to a session. Signing in: signing.py, sessions.py."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts import attempts, kept, passwords, queries, second_step
from service.accounts.model import Account, AccountRole, SignedInSession
from service.accounts.rights import Role
from service.accounts.sessions import SESSION_LASTS, holder_of
from service.accounts.viewer import Viewer
from service.audit.model import Action
from service.audit.use_cases import Act, append
from service.errors import Conflict, NotFound, Unauthenticated, Unfit
from service.keys import Keyring

_USERNAME: Final = re.compile(r"^[a-z0-9][a-z0-9._-]{1,62}$")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """`password`: in clear, to be shown once and never stored."""

    account_id: int
    username: str
    password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneAccount:
    """A phone as the PBX must know it: endpoint `l12` and its password. `session_id`: whose phone it is."""

    account_id: int
    session_id: int
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
    """Another random password; whoever was signed in with the old one no longer is. A call that goes on goes on.

    What was tried with the old one is forgiven: who is told to ask for another password can sign in with it.
    """
    account = await queries.account_by_username(session, folded(username))
    if account is None:
        raise _unknown()
    password = passwords.random_password()
    account.password_hash = await passwords.hashed(password)
    await queries.end_sessions(session, account.id, at)
    await queries.forgive(session, attempts.name_index(keyring, account.username))
    await second_step.forgive(session, keyring, account.id)
    act = Act(action=Action.ACCOUNT_CHANGED, subject="account", subject_id=account.id)
    await append(session, keyring, [act], account_id=None, at=at)
    return NewAccount(account_id=account.id, username=account.username, password=password)


async def set_active(session: AsyncSession, keyring: Keyring, *, username: str, active: bool, at: datetime) -> bool:
    """Somebody leaves, or comes back. Sessions end at once; a conversation that is going on does not (kept.py).

    The service that runs takes them out of the queues and closes their pages (listeners/departures.py). False: they had
    already.
    """
    account = await queries.account_by_username(session, folded(username))
    if account is None:
        raise _unknown()
    if account.active == active:
        return False
    account.active = active
    action = Action.ACCOUNT_RETURNED if active else Action.ACCOUNT_ENDED
    acts = [Act(action=action, subject="account", subject_id=account.id)]
    if active:
        await kept.come_back(session, account, at)
    else:
        acts += await kept.leave(session, account, at)
    await append(session, keyring, acts, account_id=None, at=at)
    return True


async def sign_out_everywhere(session: AsyncSession, keyring: Keyring, *, username: str, at: datetime) -> None:
    """By an administrator: every session of the account ends, what was kept for a contact too; a call does not."""
    account = await queries.account_by_username(session, folded(username))
    if account is None:
        raise _unknown()
    acts = [Act(action=Action.SESSIONS_ENDED, subject="account", subject_id=account.id)]
    if not account.active:
        acts += await kept.let_go(session, account.id, at)
    await queries.end_sessions(session, account.id, at)
    await append(session, keyring, acts, account_id=None, at=at)


def _unknown() -> NotFound:
    return NotFound("account-unknown", "There is no account with this name.", field="username")


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
    rows = await queries.sessions_of(session, viewer.account_id, at - SESSION_LASTS)
    mine = next((row for row in rows if row.id == viewer.session_id), None)
    if mine is None:
        raise Unauthenticated("not-signed-in", "Sign in first.")
    holder = holder_of(rows)
    changed = holder is None or holder.id != mine.id
    if changed:
        mine.phone_asked_at = at
    return _phone(keyring, mine), changed


async def phone_accounts(
    session: AsyncSession, keyring: Keyring, at: datetime, *, in_call: Collection[int] = ()
) -> list[PhoneAccount]:
    """Every phone that the PBX must know now. `in_call`: accounts whose phone stays, whatever became of its session."""
    return [_phone(keyring, row) for row in await queries.phone_sessions(session, at - SESSION_LASTS, in_call)]


async def phone_holders(session: AsyncSession, at: datetime, in_call: Collection[int]) -> dict[int, int]:
    """The same, cheaply: account → session."""
    return await queries.phone_holders(session, at - SESSION_LASTS, in_call)


async def phones_were_asked(session: AsyncSession) -> bool:
    """Whether any phone was ever handed out, as far as is remembered."""
    return await queries.phones_were_asked(session)


def phone_context(account_id: int) -> str:
    """What a phone's password is sealed as."""
    return f"phone:{account_id}"


def _phone(keyring: Keyring, row: SignedInSession) -> PhoneAccount:
    return PhoneAccount(
        account_id=row.account_id,
        session_id=row.id,
        endpoint=endpoint_of(row.account_id),
        password=keyring.open(row.phone_password, phone_context(row.account_id)),
    )
