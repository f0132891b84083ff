"""Sessions that end at the same instant in two processes: one waits, and neither fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts import kept, queries
from service.accounts.model import Account, SignedInSession
from service.accounts.rights import Role
from service.accounts.use_cases import sign_out_everywhere
from service.accounts.viewer import Viewer
from service.audit.model import Action
from service.audit.use_cases import Act, append
from service.cases import use_cases as cases
from service.store.engine import Store
from service.store.secrets import open_keys
from tests.integration.store.conftest import NOW, Hire
from tests.integration.store.racing import Two, Work
from tests.integration.store.test_store_late_number import facts


@pytest.fixture
async def two(store: Store, tmp_path: Path, hire: Hire) -> AsyncIterator[Two]:
    keyring = await open_keys(store, tmp_path)
    two = Two(store, keyring, await hire("lise", Role.LISTENER), await hire("omar", Role.LISTENER))
    yield two
    await two.other.close()


async def keep(session: AsyncSession, two: Two, viewer: Viewer, at: datetime) -> None:
    """Their session goes on for the contact that they answered last; they have ended its writing-up by now."""
    await cases.end_writing(session, viewer.account_id, NOW + timedelta(days=400))
    sealed = two.keyring.seal("secret", f"phone:{viewer.account_id}")
    of_it = {"account_id": viewer.account_id, "phone_asked_at": at, "phone_password": sealed}
    session.add(SignedInSession(token_hash=f"{at}-{viewer.account_id}", made_at=at, used_at=at, **of_it))
    last = await queries.last_contact(session, viewer.account_id)
    assert last is not None
    act = Act(action=Action.SESSION_KEPT, subject="contact", subject_id=last.contact_id)
    await append(session, two.keyring, [act], account_id=None, at=at)


async def test_who_left_is_signed_out_everywhere_while_what_was_kept_for_them_is_let_go(two: Two, hire: Hire) -> None:
    left = [await hire(f"left-{n}", Role.LISTENER) for n in range(6)]
    async with two.store.transaction() as session:
        await session.execute(update(Account).where(Account.id.in_([v.account_id for v in left])).values(active=False))

    async def prepare(n: int) -> tuple[Work, Work]:
        for i, viewer in enumerate(left):
            await two.recorded(*facts(viewer, 10 * n + i))(two.store)
        async with two.store.transaction() as session:
            for viewer in left:
                await keep(session, two, viewer, NOW + timedelta(days=n))

        async def released(store: Store) -> None:
            async with store.transaction() as session:
                await kept.release(session, two.keyring, set(), NOW + timedelta(days=n))

        async def out(store: Store) -> None:
            for viewer in reversed(left):
                async with store.transaction() as session:
                    await sign_out_everywhere(session, two.keyring, username=viewer.username, at=NOW)

        return released, out

    assert await two.race(prepare)
