"""Limits on guessing: every attempt counts as failed before it is looked at, and is forgiven once it was right.

Attempts of the same instant are counted one after the other, on both databases, so that none slips past the limit.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts import queries
from service.accounts.model import FailedSignIn
from service.errors import TooMany
from service.http.options import parsed_address
from service.store.sql import one_at_a_time

#: Failed attempts are counted over this time…
WINDOW: Final = timedelta(minutes=15)
#: …for a name from one address (a listener who mistypes), a name from anywhere (so that guessing from many addresses
#: ends; high, so that nobody can lock a listener out easily), and an address with any names.
LIMIT_PAIR: Final = 6
LIMIT_NAME: Final = 60
LIMIT_ADDRESS: Final = 30
#: …and for what is asked of somebody whose password was right: a code, or their password once more.
LIMIT_KNOWN: Final = 6
_SITE_BITS: Final = 64
_LOCK: Final = 5_170_533_134  # any number of our own


def counted_as(address: str) -> str:
    """What an address is counted as: a site has a /64 of IPv6 at least, and may change within it at will."""
    parsed = parsed_address(address)
    if parsed is None:
        return address
    return str(parsed) if parsed.version == 4 else str(ip_network((parsed, _SITE_BITS), strict=False))


async def count(
    session: AsyncSession, name_index: str, address_index: str, at: datetime, *, their_browser: bool = False
) -> FailedSignIn:
    """One more attempt to sign in; to be committed before the password is looked at. TooMany `sign-in-too-often`.

    `their_browser`: it was signed in to this very account. Those who guess from many addresses do not lock that out.
    """
    since = await _begin(session, at)
    too_often = (
        await queries.failures(session, since, username_index=name_index, address_index=address_index) >= LIMIT_PAIR
        or (not their_browser and await queries.failures(session, since, username_index=name_index) >= LIMIT_NAME)
        or await queries.failures(session, since, address_index=address_index) >= LIMIT_ADDRESS
    )
    if too_often:
        raise _too_often()
    return await _add(session, name_index, address_index, at)


async def count_known(session: AsyncSession, name_index: str, at: datetime) -> FailedSignIn:
    """One more attempt of somebody who is known, wherever they are; to be committed before it is looked at."""
    since = await _begin(session, at)
    if await queries.failures(session, since, username_index=name_index) >= LIMIT_KNOWN:
        raise _too_often()
    return await _add(session, name_index, "", at)


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


def _too_often() -> TooMany:
    return TooMany(
        "sign-in-too-often",
        "Too many attempts: wait a quarter of an hour, or ask the administrator for a new password.",
        details={"retry_after_seconds": int(WINDOW.total_seconds())},
    )
