"""Who signs in again while departures are carried out, which may take seconds: they are rung, and their word stays."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from pbx.commands import Command, RemoveMember
from pbx.link import PbxLink, Reply
from service.accounts import signing, use_cases
from service.accounts.rights import Role
from service.drift import DriftWatch
from service.listeners.model import interface_of
from service.queues.wishes import Wishes
from service.store.engine import Store
from tests.fakes.links import TakingLink
from tests.integration.store.conftest import NOW
from tests.integration.store.test_store_departures import Stage, stage
from tests.unit.service_live.worlds import PBX, member

__all__ = ["stage"]


class SlowLink(TakingLink):
    """Something happens while the first membership ends."""

    def __init__(self, meanwhile: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self._meanwhile = meanwhile

    async def send(self, command: Command, *, timeout: float = 5.0) -> Reply:
        reply = await super().send(command, timeout=timeout)
        if len(self.taken) == 1:
            await self._meanwhile()
        return reply


@dataclass
class Person:
    """A listener who was signed out everywhere, and may come back."""

    stage: Stage
    wishes: Wishes
    username: str
    password: str
    account_id: int

    async def signs_in(self) -> None:
        """In a browser, whose page has their phone."""
        store, keyring, at = self.stage.store, self.stage.keyring, datetime.now(UTC)
        signed_in = await signing.sign_in(
            store, keyring, username=self.username, password=self.password, address="192.0.2.7", at=at
        )
        async with store.transaction() as session:
            await use_cases.take_phone(session, keyring, signed_in.viewer, at)
        await self.wishes.join(self.account_id, ["national"])

    async def is_signed_out(self) -> None:
        async with self.stage.store.transaction() as session:
            await use_cases.sign_out_everywhere(
                session, self.stage.keyring, username=self.username, at=datetime.now(UTC)
            )

    async def wants_to_be_rung(self) -> bool:
        wanted, _ = (await self.wishes.all())[self.account_id, "national"]
        return wanted


@pytest.fixture
async def lise(stage: Stage) -> Person:
    """Signed out everywhere a moment ago."""
    wishes = Wishes(stage.store)
    stage.departures._live.leave_queues = wishes.leave
    person = Person(stage, wishes, "lise", stage.password, stage.signed_in.viewer.account_id)
    await wishes.join(person.account_id, ["national"])
    await person.is_signed_out()
    return person


def removed(link: TakingLink) -> list[tuple[str, str]]:
    return [(one.interface, one.queue) for one in link.taken if isinstance(one, RemoveMember)]


@pytest.fixture
async def omar(stage: Stage, lise: Person) -> Person:
    """As Lise: signed out everywhere, and still in the queue."""
    async with stage.store.transaction() as session:
        made = await use_cases.make_account(
            session, stage.keyring, username="omar", display_name="Omar", roles=(Role.LISTENER,), at=NOW
        )
    person = Person(stage, lise.wishes, "omar", made.password, made.account_id)
    await person.signs_in()
    await person.is_signed_out()
    interface = interface_of(person.account_id)
    stage.departures._live.world.lines[PBX].state.members[interface] = member(interface)
    return person


class SlowWishes(Wishes):
    """While the word of the first who leaves is stored, the other of the two signs in."""

    def __init__(self, store: Store, two: tuple[Person, Person]) -> None:
        super().__init__(store)
        self.two = {one.account_id: one for one in two}
        for one in two:
            one.wishes = self
        self.left: list[Person] = []

    async def leave(self, account_id: int) -> None:
        (other,) = (one for one in self.two.values() if one.account_id != account_id)
        if not self.left:
            await other.signs_in()
        self.left.append(self.two[account_id])
        await super().leave(account_id)

    async def who_stays_wants_to_be_rung(self) -> bool:
        (leaver,) = self.left
        (other,) = (one for one in self.two.values() if one is not leaver)
        return await other.wants_to_be_rung()


async def test_who_is_back_while_the_word_of_another_is_stored_is_not_put_out(
    stage: Stage, lise: Person, omar: Person
) -> None:
    wishes = SlowWishes(stage.store, (lise, omar))
    stage.departures._live.leave_queues = wishes.leave
    await stage.departures.leave_queues()
    assert await wishes.who_stays_wants_to_be_rung()
    assert removed(stage.link) == [(interface_of(wishes.left[0].account_id), "national")]


async def test_who_is_back_while_a_look_stores_the_word_of_another_is_not_put_out(
    stage: Stage, lise: Person, omar: Person
) -> None:
    wishes, beside = SlowWishes(stage.store, (lise, omar)), cast("Any", None)
    watch = DriftWatch(
        stage.store,
        stage.departures._live,
        cast("PbxLink", stage.link),
        stage.layout,
        keys=beside,
        provisioning=beside,
        wishes=wishes,
    )
    await watch.sign_ins({"national": {}})
    assert await wishes.who_stays_wants_to_be_rung()


async def test_who_is_back_while_their_own_word_is_stored_is_not_put_out(stage: Stage, lise: Person) -> None:
    async def leave(account_id: int) -> None:
        await lise.wishes.leave(account_id)
        await lise.signs_in()

    stage.departures._live.leave_queues = leave
    await stage.departures.leave_queues()
    assert removed(stage.link) == []
    assert await lise.wants_to_be_rung()


async def test_who_is_back_while_one_of_their_queues_is_left_stays_in_the_next(stage: Stage, lise: Person) -> None:
    live = stage.departures._live
    slow = SlowLink(lise.signs_in)
    live.links[PBX] = slow  # type: ignore[assignment]
    interface = interface_of(lise.account_id)
    live.world.lines[PBX].state.members[interface].queues.add("centre-38")
    await stage.departures.leave_queues()
    assert removed(slow) == [(interface, "centre-38")]
    assert await lise.wants_to_be_rung()
