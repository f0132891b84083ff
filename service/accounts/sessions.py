"""Sessions: found by the cookie's token, renewed while in use, ended here, elsewhere, or by an administrator.

Nothing here ends a call: a phone that is in one stays known to the PBX until the call is over (listeners/phones.py).
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts import queries
from service.accounts.model import Account, SignedInSession
from service.accounts.viewer import Viewer
from service.audit import queries as audit
from service.audit.model import Action
from service.audit.use_cases import Act, append
from service.errors import NotFound
from service.keys import Keyring

#: A session lives this long after its last use. Long on purpose: nobody is signed out in the middle of anything.
SESSION_LASTS: Final = timedelta(days=30)
#: The token is renewed when it is older than this.
ROTATE_AFTER: Final = timedelta(days=1)
#: The token before still opens for so long after the new one came back: for requests that were under way.
OVERLAP: Final = timedelta(minutes=5)
#: An ended session is kept for so long, for a phone that is still in a call.
_ENDED_KEPT: Final = timedelta(days=2)
_TOUCH_AFTER: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSession:
    """`current`: by its newest token. `stale`: its use is to be noted. `due`: the token is to be renewed."""

    viewer: Viewer
    current: bool
    stale: bool
    due: bool


def new_token() -> tuple[str, str]:
    """For the cookie, and its hash for the store."""
    token = secrets.token_urlsafe(32)
    return token, hash_of(token)


def hash_of(token: str) -> str:
    """The token has 256 random bits: a plain hash suffices."""
    return hashlib.sha256(token.encode()).hexdigest()


async def viewer_of(session: AsyncSession, token: str, at: datetime) -> FoundSession | None:
    """Who the cookie's token belongs to; none: signed out, forgotten for long, or the account is no longer active."""
    hashed = hash_of(token)
    row = await queries.session_by_hash(session, hashed, used_after=at - SESSION_LASTS, confirmed_after=at - OVERLAP)
    if row is None:
        return None
    current = row.token_hash == hashed
    comes_back = current and row.previous_hash is not None and row.confirmed_at is None
    renewed = row.rotated_at or row.made_at
    lost = not current and row.confirmed_at is None  # perhaps: the new one is given again
    due = lost or (current and not comes_back and renewed <= at - ROTATE_AFTER)
    stale = comes_back or row.used_at < at - _TOUCH_AFTER
    return FoundSession(viewer=viewer(row.account, row), current=current, stale=stale, due=due)


async def touch(session: AsyncSession, found: FoundSession, token: str, at: datetime) -> None:
    """The session is in use: its life starts anew."""
    await queries.touch_session(session, found.viewer.session_id, at)
    if found.current:
        await queries.confirm_token(session, found.viewer.session_id, hash_of(token), at)


async def rotate(session: AsyncSession, keyring: Keyring, found: FoundSession, token: str, at: datetime) -> str | None:
    """The new token, for the cookie; none where it was renewed once more meanwhile.

    It follows from the old one: whoever asks again with that gets the same. So an answer that got lost costs nothing,
    and nobody who has the old token can take the new one from whoever has it already.
    """
    session_id = found.viewer.session_id
    following = keyring.next_token(session_id, token)
    fresh = base64.urlsafe_b64encode(following).rstrip(b"=").decode()
    if found.current:
        await queries.rotate_token(session, session_id, hash_of(token), hash_of(fresh), at)
    else:
        await queries.touch_session(session, session_id, at)
    return fresh if await queries.token_holds(session, session_id, hash_of(fresh)) else None


async def holds(session: AsyncSession, found: FoundSession, token: str) -> bool:
    """Whether a browser may (still) be given this token: it is the newest, and the session did not end."""
    return await queries.token_holds(session, found.viewer.session_id, hash_of(token))


async def replayed(session: AsyncSession, token: str, at: datetime) -> int | None:
    """The account whose token from before its renewal was sent, long after the new one came back; none: no such thing.

    Two browsers had the token then, so it was stolen, or a browser was put back to an older state. The trail says so
    once for each renewal; the session goes on, and one who signs in with that browser ends it (`replace`).
    """
    row = await queries.session_of_any_token(session, hash_of(token))
    if row is None or row.previous_hash != hash_of(token) or row.ended_at is not None or row.rotated_at is None:
        return None
    if row.confirmed_at is None or row.confirmed_at > at - OVERLAP:
        return None
    noted = await audit.noted(session, Action.TOKEN_REPLAYED, "account", row.account_id, since=row.rotated_at)
    return None if noted else row.account_id


async def note_replay(session: AsyncSession, keyring: Keyring, account_id: int, at: datetime) -> None:
    """On the trail, as the service's own: who sent it is not known."""
    act = Act(action=Action.TOKEN_REPLAYED, subject="account", subject_id=account_id)
    await append(session, keyring, [act], account_id=None, at=at)


async def replace(session: AsyncSession, row: SignedInSession, token: str | None, at: datetime) -> int | None:
    """`row` is the new session of a browser that had another one: that ends. The id of the one that ended.

    The same person's phone goes on as it is: they may be signing in again in the middle of a call. Not so where the
    token was replaced long ago: somebody else may have used the session since, and know the phone's password.
    """
    before = None if token is None else await queries.session_of_any_token(session, hash_of(token))
    if before is None or before.ended_at is not None:
        return None
    newest = before.token_hash == hash_of(token or "")
    opens = newest or before.confirmed_at is None or before.confirmed_at > at - OVERLAP
    if before.account_id == row.account_id and opens:
        row.phone_password, row.phone_asked_at = before.phone_password, before.phone_asked_at
        before.phone_asked_at = None
    before.ended_at = at
    return before.id


async def is_browser_of(session: AsyncSession, account_id: int, token: str | None) -> bool:
    """Whether a browser that sends this token was signed in to the account: its session may have ended."""
    row = None if token is None else await queries.session_of_any_token(session, hash_of(token))
    return row is not None and row.account_id == account_id


async def sign_out(session: AsyncSession, keyring: Keyring, viewer: Viewer, at: datetime) -> None:
    """This session ends; the account's others, and a call that is live, go on."""
    await queries.end_sessions(session, viewer.account_id, at, only=viewer.session_id)
    act = Act(action=Action.SIGNED_OUT, subject="account", subject_id=viewer.account_id)
    await append(session, keyring, [act], account_id=viewer.account_id, at=at)


async def end_one(session: AsyncSession, keyring: Keyring, viewer: Viewer, session_id: int, at: datetime) -> None:
    """End another of one's own sessions. NotFound `session-unknown`, also for somebody else's."""
    if not await queries.end_sessions(session, viewer.account_id, at, only=session_id):
        raise NotFound("session-unknown", "There is no such session of yours: it ended already.")
    await _note_ended(session, keyring, viewer, at)


async def end_others(session: AsyncSession, keyring: Keyring, viewer: Viewer, at: datetime) -> Sequence[int]:
    """Sign out everywhere but here. Ids of the sessions that ended."""
    ended = await queries.end_sessions(session, viewer.account_id, at, spare=viewer.session_id)
    await _note_ended(session, keyring, viewer, at)
    return ended


async def _note_ended(session: AsyncSession, keyring: Keyring, viewer: Viewer, at: datetime) -> None:
    act = Act(action=Action.SESSIONS_ENDED, subject="account", subject_id=viewer.account_id)
    await append(session, keyring, [act], account_id=viewer.account_id, at=at)


async def own(session: AsyncSession, viewer: Viewer, at: datetime) -> Sequence[SignedInSession]:
    """One's own sessions, the last used first."""
    return await queries.sessions_of(session, viewer.account_id, at - SESSION_LASTS)


async def forget_old(session: AsyncSession, at: datetime) -> None:
    """What nobody needs any more."""
    await queries.forget_sessions(session, used_before=at - SESSION_LASTS, ended_before=at - _ENDED_KEPT)


def viewer(account: Account, row: SignedInSession) -> Viewer:
    """The signed-in account."""
    return Viewer(
        account_id=account.id,
        session_id=row.id,
        username=account.username,
        display_name=account.display_name,
        locale=account.locale,
        roles=account.roles,
        centre=account.centre,
        must_enrol=row.must_enrol,
    )
