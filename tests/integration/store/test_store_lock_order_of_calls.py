"""The recorder and whoever works on the same contact at the same instant: one waits, and neither fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from service.accounts.rights import Role
from service.store.engine import Store
from service.store.secrets import open_keys
from tests.integration.store.conftest import Hire
from tests.integration.store.racing import Two, Work
from tests.integration.store.test_store_late_number import BASE, facts, the_contact


@pytest.fixture
async def two(store: Store, tmp_path: Path, hire: Hire) -> AsyncIterator[Two]:
    keyring = await open_keys(store, tmp_path)
    two = Two(store, keyring, await hire("lise", Role.LISTENER), await hire("omar", Role.LISTENER))
    yield two
    await two.other.close()


async def test_a_draft_is_discarded_while_its_call_ends_and_another_is_answered(two: Two) -> None:
    async def prepare(n: int) -> tuple[Work, Work]:
        _, case = await two.answered(2 * n)
        return two.discarded(case), two.recorded(facts(two.lise, 2 * n)[3], *facts(two.omar, 2 * n + 1)[:3])

    assert await two.race(prepare)


async def test_a_draft_is_discarded_while_its_call_ends_and_another_s_number_is_told_late(two: Two) -> None:
    async def prepare(n: int) -> tuple[Work, Work]:
        _, case = await two.answered(2 * n)
        await two.recorded(*facts(two.omar, 2 * n + 1)[1:3])(two.store)
        return two.discarded(case), two.recorded(facts(two.lise, 2 * n)[3], facts(two.omar, 2 * n + 1)[0])

    assert await two.race(prepare)


async def test_a_draft_is_discarded_while_its_number_is_told_late(two: Two) -> None:
    async def prepare(n: int) -> tuple[Work, Work]:
        entered, queued, answered, ended = facts(two.lise, n)
        await two.recorded(queued, answered)(two.store)
        case = (await the_contact(two.store, n)).case_id
        return two.discarded(case), two.recorded(entered, ended)

    assert await two.race(prepare)


async def test_a_draft_is_discarded_while_a_colleague_answers_its_call_as_well(two: Two) -> None:
    async def prepare(n: int) -> tuple[Work, Work]:
        _, case = await two.answered(n)
        by_omar = replace(facts(two.omar, n)[2], ordinal=5, at=BASE + 60)
        return two.discarded(case), two.recorded(replace(facts(two.lise, n)[3], ordinal=6), by_omar)

    assert await two.race(prepare)


async def test_a_case_of_two_contacts_is_named_while_both_calls_end_the_later_one_first(two: Two) -> None:
    async def prepare(n: int) -> tuple[Work, Work]:
        (_, case), (later, _) = await two.answered(2 * n), await two.answered(2 * n + 1)
        await two.linked(later, case)(two.store)
        return two.named(case), two.recorded(facts(two.lise, 2 * n + 1)[3], facts(two.lise, 2 * n)[3])

    assert await two.race(prepare)


async def test_a_contact_is_linked_while_both_calls_end(two: Two) -> None:
    async def prepare(n: int) -> tuple[Work, Work]:
        (_, case), (later, _) = await two.answered(2 * n), await two.answered(2 * n + 1)
        return two.linked(later, case), two.recorded(facts(two.lise, 2 * n + 1)[3], facts(two.lise, 2 * n)[3])

    assert await two.race(prepare)
