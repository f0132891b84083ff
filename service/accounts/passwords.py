"""Passwords: argon2id, off the event loop, few at a time (each takes 64 MiB)."""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_HASHER: Final = PasswordHasher()
_WORKERS: Final = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")
#: no letters or digits that look alike: people type these from paper
_READABLE: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS: Final = 4
_GROUP: Final = 5


def random_password() -> str:
    """A password to be shown once: `k7mpq-…`, 98 bits."""
    return _random(_GROUPS, _GROUP)


def random_code() -> str:
    """A recovery code, to be written down: `k7mp-…`, 79 bits."""
    return _random(4, 4)


def _random(groups: int, letters: int) -> str:
    return "-".join("".join(secrets.choice(_READABLE) for _ in range(letters)) for _ in range(groups))


async def hashed(password: str) -> str:
    """For storing."""
    return await asyncio.get_running_loop().run_in_executor(_WORKERS, _HASHER.hash, password)


async def fits(password: str, stored: str | None) -> bool:
    """Whether the password is the stored one. Takes as long for an account that does not exist (`stored` none)."""
    return await asyncio.get_running_loop().run_in_executor(_WORKERS, _fits, password, stored)


def outdated(stored: str) -> bool:
    """Whether the hash was made with weaker parameters than today's."""
    return _HASHER.check_needs_rehash(stored)


def _fits(password: str, stored: str | None) -> bool:
    try:
        return _HASHER.verify(stored or _nobody(), password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobody() -> str:
    """The hash that unknown names are compared with."""
    return _HASHER.hash(secrets.token_hex(16))
