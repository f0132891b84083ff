"""Sessions: found by the cookie's token, renewed while in use, ended here, elsewhere, or by an administrator.

Nothing here ends a call: a phone that is in one stays known to the PBX until the call is over (listeners/phones.py).
Whoever is deactivated in a contact keeps what that contact needs, in the session that has their phone, until they end
their writing-up: kept.py.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from dataclasses import replace as replace_value
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts import queries
from service.accounts.model import Account, SignedInSession
from service.accounts.viewer import Standing, Viewer
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
#: What a contact needs is kept for so long after its call: nobody's writing-up is ended by it, but a session of
#: somebody who left does not stay for ever. From the end of one day's last opening slot to the next day's first.
KEPT_AFTER_CALL: Final = timedelta(hours=12)
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
    """Who the cookie's token belongs to; none: signed out, forgotten for long, or the account is no longer active.

    But who is in a contact is found still, with what the contact needs.
    """
    hashed = hash_of(token)
    row = await queries.session_by_hash(session, hashed, used_after=at - SESSION_LASTS, confirmed_after=at - OVERLAP)
    person = None if row is None else await person_of(session, row, at)
    if row is None or person is None:
        return None
    current = row.token_hash == hashed
    comes_back = current and row.previous_hash is not None and row.confirmed_at is None
    renewed = row.rotated_at or row.made_at
    lost = not current and row.confirmed_at is None  # perhaps: the new one is given again
    due = lost or (current and not comes_back and renewed <= at - ROTATE_AFTER)
    stale = comes_back or row.used_at < at - _TOUCH_AFTER
    return FoundSession(viewer=person, current=current, stale=stale, due=due)


async def person_of(session: AsyncSession, row: SignedInSession, at: datetime) -> Viewer | None:
    """Who a session that did not end belongs to, with what they may do now; none: it opens nothing."""
    person = viewer(row.account, row)
    if not person.confined:
        return person
    contact = await queries.held_contact(session, row, ended_after=at - KEPT_AFTER_CALL)
    return None if person.ended and contact is None else replace_value(person, contact=contact)


async def standings(session: AsyncSession, session_ids: Collection[int], at: datetime) -> dict[int, Standing]:
    """How much each of these sessions may do now; those that are over are missing."""
    found = {row.id: await person_of(session, row, at) for row in await queries.sessions_by_id(session, session_ids)}
    return {session_id: person.standing for session_id, person in found.items() if person is not None}


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


async def replayed(session: AsyncSession, token: str, at: datetime) -> bool:
    """Whether a session's token from before its renewal was sent, long after the new one came back.

    Two browsers had the token then, so it was stolen, or a browser was put back to an older state: `end_replayed`.
    """
    row = await queries.session_of_any_token(session, hash_of(token))
    if row is None or row.previous_hash != hash_of(token) or row.ended_at is not None or row.rotated_at is None:
        return False
    return row.confirmed_at is not None and row.confirmed_at <= at - OVERLAP


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """`ended`: the session is over; else it holds a contact. `noted`: on the trail now, for the first time."""

    account_id: int
    session_id: int
    ended: bool
    noted: bool


async def end_replayed(session: AsyncSession, keyring: Keyring, token: str, at: datetime) -> Replay | None:
    """Whoever has the session's new token has it no more: it is not known which of the two browsers is the person's.

    Nobody loses a call by it: a session that holds a contact goes on, and ends when the old token is sent again later.
    On the trail once for each renewal, as the service's own: who sent it is not known. None: it was ended meanwhile.
    """
    if not await replayed(session, token, at):
        return None
    row = await queries.session_of_any_token(session, hash_of(token))
    if row is None or row.rotated_at is None:
        return None
    held = await queries.held_contact(session, row, ended_after=at - KEPT_AFTER_CALL)
    ended = held is None and bool(await queries.end_sessions(session, row.account_id, at, only=row.id))
    noted = await audit.noted(session, Action.TOKEN_REPLAYED, "account", row.account_id, since=row.rotated_at)
    acts = [] if noted else [Act(action=Action.TOKEN_REPLAYED, subject="account", subject_id=row.account_id)]
    if ended:
        acts.append(Act(action=Action.SESSIONS_ENDED, subject="account", subject_id=row.account_id))
    await append(session, keyring, acts, account_id=None, at=at)
    return Replay(account_id=row.account_id, session_id=row.id, ended=ended, noted=not noted)


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


async def browser_of(session: AsyncSession, account_id: int, token: str | None) -> int | None:
    """The session by which a browser that sends this token was signed in to the account: it may have ended."""
    row = None if token is None else await queries.session_of_any_token(session, hash_of(token))
    return row.id if row is not None and row.account_id == account_id else None


async def sign_out(session: AsyncSession, keyring: Keyring, viewer: Viewer, at: datetime) -> bool:
    """This session ends; the account's others, and a call that is live, go on.

    Whether their phone goes with it: this session had it, and no other takes it on.
    """
    rows = await own(session, viewer, at)
    holder = holder_of(rows)
    others = [row for row in rows if row.id != viewer.session_id]
    await queries.end_sessions(session, viewer.account_id, at, only=viewer.session_id)
    acts = [Act(action=Action.SIGNED_OUT, subject="account", subject_id=viewer.account_id)]
    if viewer.ended and viewer.contact is not None:
        acts.append(Act(action=Action.SESSION_RELEASED, subject="contact", subject_id=viewer.contact))
    await append(session, keyring, acts, account_id=viewer.account_id, at=at)
    return holder is not None and holder_of(others) is None


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


def holder_of(rows: Collection[SignedInSession]) -> SignedInSession | None:
    """Of an account's sessions that did not end, the one that has its phone: it asked last. SQL of it: queries.py."""
    asked = [(row.phone_asked_at, row.id, row) for row in rows if row.phone_asked_at is not None]
    return max(asked, key=lambda one: one[:2])[-1] if asked else None


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
        ended=not account.active,
    )
