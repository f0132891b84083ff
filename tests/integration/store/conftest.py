"""Both databases for the tests of the store; people and callers of a small line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime

import pytest
from argon2 import PasswordHasher

from service.accounts import passwords
from service.accounts.rights import Role
from service.accounts.use_cases import make_account
from service.accounts.viewer import Viewer
from service.keys import Keyring
from service.store.engine import Store
from tests.integration.store.site import open_site, site
from tests.support.stores import (
    keyring,
    postgres,
    postgres_template,
    sqlite_store,
    sqlite_template,
    store,
    store_url,
)

__all__ = [
    "keyring",
    "open_site",
    "postgres",
    "postgres_template",
    "site",
    "sqlite_store",
    "sqlite_template",
    "store",
    "store_url",
]

Hire = Callable[..., Awaitable[Viewer]]
NOW = datetime(2026, 9, 14, 10, 0, tzinfo=UTC)


@pytest.fixture(scope="module", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """argon2id with the least work: these tests sign in hundreds of times. The real cost: tests/unit/service_base.

    Undone after each file: other tests of the same process are about the real cost.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        passwords._nobody.cache_clear()
        yield
    passwords._nobody.cache_clear()


@pytest.fixture
def hire(store: Store, keyring: Keyring) -> Hire:
    """Makes an account and gives it as the viewer that it is when signed in."""

    async def make(username: str, *roles: Role, centre: str | None = None) -> Viewer:
        async with store.transaction() as session:
            made = await make_account(
                session, keyring, username=username, display_name=username.title(), roles=roles, at=NOW, centre=centre
            )
        return Viewer(
            account_id=made.account_id,
            session_id=0,
            username=username,
            display_name=username.title(),
            locale="fr",
            roles=frozenset(roles),
            centre=centre,
        )

    return make
