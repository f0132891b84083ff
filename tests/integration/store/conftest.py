"""Both databases for the tests of the store; people and callers of a small line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from service.accounts.rights import Role
from service.accounts.use_cases import make_account
from service.accounts.viewer import Viewer
from service.keys import Keyring
from service.store.engine import Store
from tests.support.stores import (
    keyring,
    postgres,
    postgres_template,
    sqlite_store,
    sqlite_template,
    store,
    store_url,
)

__all__ = ["keyring", "postgres", "postgres_template", "sqlite_store", "sqlite_template", "store", "store_url"]

Hire = Callable[..., Awaitable[Viewer]]
NOW = datetime(2026, 9, 14, 10, 0, tzinfo=UTC)


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
