"""The service's half of the key of drafts in browsers: each account's own, and the same as long as the store lives."""

from __future__ import annotations

import base64
import os
from typing import Any

import pytest

from service.accounts import queries
from service.accounts.rights import Role
from service.keys import Keyring
from service.keys.ring import HASHING
from tests.integration.store.site import API, Site


async def keeping(site: Site, username: str, role: Role) -> tuple[int, Any]:
    _, client = await site.signed_in(username, role)
    async with client.get(f"{API}/drafts") as response:
        assert response.headers["Cache-Control"] == "no-store"
        return response.status, await response.json()


async def test_each_listener_gets_a_half_of_their_own_and_the_same_one_again(site: Site) -> None:
    status, lise = await keeping(site, "lise", Role.LISTENER)
    _, marc = await keeping(site, "marc", Role.LISTENER)
    assert status == 200
    assert lise["keep_days"] == 30
    assert len(base64.b64decode(lise["secret"], validate=True)) == 32
    assert lise["secret"] != marc["secret"]
    assert base64.b64decode(lise["secret"]) == site.keyring.drafts_half(await _id(site, "lise"))


async def _id(site: Site, username: str) -> int:
    async with site.store.reading() as session:
        found = await queries.account_by_username(session, username)
    assert found is not None
    return found.id


@pytest.mark.parametrize("role", [Role.ANALYST, Role.DPO, Role.ADMINISTRATOR])
async def test_who_writes_no_notes_gets_none(site: Site, role: Role) -> None:
    status, refused = await keeping(site, "ada", role)
    assert (status, refused["error"]["id"]) == (403, "right-missing")


async def test_nobody_gets_one_without_signing_in(site: Site) -> None:
    client = await site.visitor()
    async with client.get(f"{API}/drafts") as response:
        assert response.status == 401


def test_drafts_open_after_the_master_key_was_rotated() -> None:
    old, new = os.urandom(32), os.urandom(32)
    before = Keyring(old)
    stored = {purpose: before.new_hashing_key(purpose, as_derived=False) for purpose in HASHING}
    before.unlock(stored)
    after = Keyring(new, old, locked=True)
    after.unlock(stored)
    assert after.drafts_half(7) == before.drafts_half(7) != before.drafts_half(8)
