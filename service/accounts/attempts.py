"""Limits on guessing: every attempt counts as failed before it is looked at, and is forgiven once it was right.

Attempts of the same instant are counted one after the other, on both databases, so that none slips past the limit.
To count is to write, and anybody may try: a doorway in memory lets no more in than leaves others the database.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts import queries, sessions
from service.accounts.model import FailedSignIn
from service.audit import queries as audit
from service.audit.model import Action
from service.audit.use_cases import Act, append
from service.errors import TooMany
from service.http.options import parsed_address
from service.http.throttle import Crowd, Throttle
from service.keys import Keyring
from service.store.engine import Store
from service.store.sql import one_at_a_time

#: Failed attempts are counted over this time…
WINDOW: Final = timedelta(minutes=15)
#: …for a name from one address (a listener who mistypes), a name from anywhere (so that guessing from many addresses
#: ends; high, so that nobody can lock a listener out easily), and an address with any names.
LIMIT_PAIR: Final = 6
LIMIT_NAME: Final = 60
LIMIT_ADDRESS: Final = 30
#: …and for what is asked of somebody whose password was right: a code, or their password once more. From one source (a
#: browser that was signed in to the account, else an address), so that nobody else's guesses keep the owner out…
LIMIT_KNOWN: Final = 6
#: …and from all strange addresses together: of a million codes three fit, so that a day of guessing finds one in 200
#: cases. Their own browsers, and recovery codes (79 bits), are let in beyond it.
LIMIT_STRANGERS: Final = 18
#: Refused attempts of an account that are put on the trail, at most, in the time above.
NOTED_MOST: Final = 6
#: Requests to sign in from one address, before anything is looked at. A house's people share theirs: thirty who come
#: back within a minute, each with a wrong password first, then the right one, then a code, ask 90 times. Behind a proxy
#: that the settings do not name a whole line has one: a hundred people. Five a second cost the database little.
PER_MINUTE: Final = 300
#: Sign-ins under way in this process. Each writes two or three times: notes wait behind a few of them, never behind all
#: who ask. And attempts that were not looked at yet stay far below LIMIT_ADDRESS, so that a house's people who sign in
#: at the same instant do not count as guesses of one another.
AT_ONCE: Final = 8
#: …and that wait for their turn: the rest of such a team. Each costs an argon2, two at a time: thirty at one instant
#: have taken from 7 to 12 s on two cores that others kept busy, and a page waits 10. More would wait in vain.
WAITING: Final = 32
#: browsers from an address that asks too often, of which is looked whether they were signed in here before
_LOOKED_AT: Final = 4
_BUSY_SECONDS: Final = 5
#: Whoever asks anew as soon as they were answered is refused late: their mere requests would leave no time for others'.
LATE_SECONDS: Final = 3.0
#: …but so many at most are held; the others are refused at once
_HELD_MOST: Final = 2000
_SITE_BITS: Final = 64
_LOCK: Final = 5_170_533_134  # any number of our own


def name_index(keyring: Keyring, name: str) -> str:
    """What attempts to sign in with a name are counted under. `name`: folded."""
    return keyring.attempt_index(f"name:{name}")


def counted_as(address: str) -> str:
    """What an address is counted as: a site has a /64 of IPv6 at least, and may change within it at will."""
    parsed = parsed_address(address)
    if parsed is None:
        return address
    return str(parsed) if parsed.version == 4 else str(ip_network((parsed, _SITE_BITS), strict=False))


class Doorway:
    """Before the store is asked: an address at a pace, few at once. Forgotten when the process ends: the store is not.

    A browser that was signed in here has a pace of its own: no guesses of others at its address keep it out.
    """

    def __init__(self, late_seconds: float = LATE_SECONDS) -> None:
        self._pace, self._crowd, self._looked_at = Throttle(), Crowd(AT_ONCE, WAITING), Crowd(_LOOKED_AT, 0)
        self._late_seconds, self._held = late_seconds, 0

    @asynccontextmanager
    async def passed(self, store: Store, address: str, browser_had: str | None, now: float) -> AsyncIterator[None]:
        """A sign-in is under way. `now`: monotonic seconds. TooMany `address-too-often`, `sign-in-too-often`."""
        wait = self._wait(counted_as(address), now)
        if wait > 0 and not await self._is_known(store, browser_had, now):
            await self._late()
            raise _address_full(wait)
        if self._crowd.full:
            await self._late()
            raise _busy()
        async with self._crowd.turn():
            yield

    async def _is_known(self, store: Store, browser_had: str | None, now: float) -> bool:
        if browser_had is None or self._looked_at.full:
            return False
        async with self._looked_at.turn(), store.reading() as session:
            known = await queries.session_of_any_token(session, sessions.hash_of(browser_had))
        return known is not None and self._wait(known.id, now) == 0

    async def _late(self) -> None:
        if self._held >= _HELD_MOST:
            return
        self._held += 1
        try:
            await asyncio.sleep(self._late_seconds)
        finally:
            self._held -= 1

    def _wait(self, whence: int | str, now: float) -> float:
        return self._pace.wait(whence, "sign-in", PER_MINUTE, now)


async def count(
    session: AsyncSession, name_index: str, source_index: str, at: datetime, *, their_browser: bool = False
) -> FailedSignIn:
    """One more attempt to sign in; to be committed before the password is looked at.

    TooMany `sign-in-too-often`; `address-too-often` where other names filled the address: a new password opens nothing.

    `source_index`: of an address. `their_browser`: it was signed in to this very account, and is a source of its own.
    No guesses of others lock it out, neither from many addresses nor from its own: a house has one for all.
    """
    since = await _begin(session, at)
    own = await queries.failure(session, since, LIMIT_PAIR, username_index=name_index, address_index=source_index)
    full, address = [own], None
    if not their_browser:
        full.append(await queries.failure(session, since, LIMIT_NAME, username_index=name_index))
        address = await queries.failure(session, since, LIMIT_ADDRESS, address_index=source_index)
    _let_pass([*full, address], at, of_others=address is not None and own is None)
    return await _add(session, name_index, source_index, at)


async def count_known(
    session: AsyncSession, name_index: str, source_index: str, at: datetime, *, strange: bool = False
) -> FailedSignIn:
    """One more attempt of somebody whose password was right; to be committed before it is looked at.

    `source_index`: from where. `strange`: from where nobody signed in to the account before, and what is tried can be
    guessed: counted together with all others like it (`name_index` is theirs alone then).
    """
    since = await _begin(session, at)
    full = [await queries.failure(session, since, LIMIT_KNOWN, username_index=name_index, address_index=source_index)]
    if strange:
        full.append(await queries.failure(session, since, LIMIT_STRANGERS, username_index=name_index))
    _let_pass(full, at)
    return await _add(session, name_index, source_index, at)


async def note_refused(
    session: AsyncSession, keyring: Keyring, action: Action, *, account_id: int | None, name_index: str, at: datetime
) -> None:
    """A refused attempt is on the trail, where its owner sees it; of many in a short time only the first.

    None: nobody has this name. Takes as long, a write and a commit: names cannot be told from the time it takes.
    """
    one_more = await queries.failure(session, at - WINDOW, NOTED_MOST + 1, username_index=name_index)
    if account_id is None or one_more is not None:
        await audit.touch_head(session)
        return
    act = Act(action=action, subject="account", subject_id=account_id)
    await append(session, keyring, [act], account_id=None, at=at)


async def _begin(session: AsyncSession, at: datetime) -> datetime:
    await one_at_a_time(session, _LOCK)
    since = at - WINDOW
    await queries.forget_failures(session, since)
    return since


async def _add(session: AsyncSession, name_index: str, address_index: str, at: datetime) -> FailedSignIn:
    attempt = FailedSignIn(username_index=name_index, address_index=address_index, at=at)
    session.add(attempt)
    await session.flush()
    return attempt


def _let_pass(full: Collection[datetime | None], at: datetime, *, of_others: bool = False) -> None:
    """`full`: of each limit that is reached, the failure that has to lapse before one more attempt passes.

    `of_others`: what others did would stand in the way of a new password as well.
    """
    reached = [one for one in full if one is not None]
    if not reached:
        return
    seconds = max(1, math.ceil((max(reached) + WINDOW - at).total_seconds()))
    if of_others:
        raise _address_full(seconds)
    message = f"Too many attempts: {_minutes(seconds)}, or ask the administrator for a new password."
    raise TooMany("sign-in-too-often", message, details={"retry_after_seconds": seconds})


def _address_full(seconds: float) -> TooMany:
    message = f"Too many attempts from this address: {_minutes(seconds)}."
    return TooMany("address-too-often", message, details={"retry_after_seconds": seconds})


def _busy() -> TooMany:
    message = "Very many sign in at this moment: try again in a few seconds."
    return TooMany("sign-in-too-often", message, details={"retry_after_seconds": _BUSY_SECONDS})


def _minutes(seconds: float) -> str:
    return f"wait {math.ceil(seconds / 60)} min"
