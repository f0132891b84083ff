"""Both databases for the matrix of rights."""

from __future__ import annotations

from tests.integration.store.conftest import cheap_passwords
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
    "cheap_passwords",
    "keyring",
    "postgres",
    "postgres_template",
    "sqlite_store",
    "sqlite_template",
    "store",
    "store_url",
]
