"""Who wants to be rung, on both databases: words in the order in which they were said, and what a look finds."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pbx.commands import AddMember, Command, RemoveMember
from pbx.facts import Stage
from pbx.layout import Layout
from pbx.replies import MemberListed
from service.accounts.rights import Role
from service.accounts.use_cases import make_account
from service.drift import DriftWatch
from service.keys import Keyring
from service.listeners.use_cases import resume
from service.live import Live
from service.push.views import ListenerContact
from service.queues import queries as queue_queries
from service.queues import wishes as wishes_module
from service.queues.wishes import Wishes
from service.store.engine import Store
from tests.fakes.links import TakingLink
from tests.integration.rights.house import quiet_line
from tests.unit.service_live.worlds import PBX, talking

NOW = datetime(2026, 11, 22, tzinfo=UTC)


async def an_account(store: Store, keyring: Keyring) -> int:
    async with store.transaction() as session:
        made = await make_account(
            session, keyring, username="camille", display_name="Camille", roles={Role.LISTENER}, at=NOW
        )
    return made.account_id


async def wanted(wishes: Wishes) -> dict[tuple[int, str], bool]:
    return {key: on for key, (on, _) in (await wishes.all()).items()}


async def test_a_listener_s_last_word_is_kept(store: Store, keyring: Keyring) -> None:
    account = await an_account(store, keyring)
    wishes = Wishes(store)
    await wishes.join(account, ["national", "centre-38"])
    assert await wanted(Wishes(store)) == {(account, "national"): True, (account, "centre-38"): True}
    await wishes.leave(account)
    assert await wanted(Wishes(store)) == {(account, "national"): False, (account, "centre-38"): False}
    await wishes.join(account, ["national"])
    assert await wanted(Wishes(store)) == {(account, "national"): True, (account, "centre-38"): False}


async def test_whoever_leaves_has_left_also_while_the_database_takes_nothing(
    store: Store, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await an_account(store, keyring)
    wishes = Wishes(store)
    await wishes.join(account, ["national"])
    with monkeypatch.context() as away:
        away.setattr(store, "transaction", None)  # calling it fails
        await wishes.leave(account)
        assert await wanted(wishes) == {(account, "national"): False}
        assert await wanted(Wishes(store)) == {(account, "national"): True}, "not stored yet"
    await wishes.keep()
    assert await wanted(Wishes(store)) == {(account, "national"): False}


class Clock:
    """In place of `datetime` where words are stamped: it shows what it is set to."""

    def __init__(self) -> None:
        self.shows = NOW

    def now(self, _zone: object) -> datetime:
        return self.shows


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(wishes_module, "datetime", made)
    return made


async def test_a_later_word_counts_also_on_a_clock_that_was_set_back(
    store: Store, keyring: Keyring, clock: Clock
) -> None:
    account = await an_account(store, keyring)
    wishes = Wishes(store)
    await wishes.join(account, ["national"])
    clock.shows -= timedelta(minutes=40)
    await wishes.leave(account)
    assert await wanted(wishes) == await wanted(Wishes(store)) == {(account, "national"): False}
    clock.shows -= timedelta(minutes=40)
    await wishes.join(account, ["national"])
    assert await wanted(wishes) == await wanted(Wishes(store)) == {(account, "national"): True}


async def test_words_that_the_database_did_not_take_count_in_the_order_in_which_they_were_said(
    store: Store, keyring: Keyring, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await an_account(store, keyring)
    wishes = Wishes(store)
    await wishes.join(account, ["centre-05"])
    with monkeypatch.context() as away:
        away.setattr(store, "transaction", None)  # calling it fails
        await wishes.join(account, ["national", "centre-38"])
        clock.shows -= timedelta(minutes=40)
        await wishes.leave(account)
        clock.shows -= timedelta(minutes=40)
        await wishes.join(account, ["national"])
    said = {(account, "national"): True, (account, "centre-38"): False, (account, "centre-05"): False}
    assert await wanted(wishes) == said
    await wishes.keep()
    assert await wanted(Wishes(store)) == said


async def test_an_earlier_word_that_is_slow_to_be_stored_is_not_stored_over_a_later_one(
    store: Store, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await an_account(store, keyring)
    wishes = Wishes(store)
    put, slow, go_on = queue_queries.put_wishes, asyncio.Event(), asyncio.Event()

    async def slowly(session: Any, said: Any) -> None:
        if not slow.is_set():
            slow.set()
            await go_on.wait()
        await put(session, said)

    monkeypatch.setattr(queue_queries, "put_wishes", slowly)
    joining = asyncio.create_task(wishes.join(account, ["national"]))
    await slow.wait()
    leaving = asyncio.create_task(wishes.leave(account))
    await asyncio.wait([leaving], timeout=0.3)
    go_on.set()
    await asyncio.gather(joining, leaving)
    assert await wanted(wishes) == await wanted(Wishes(store)) == {(account, "national"): False}


FREE = MemberListed(0, paused=False, reason="")


class Watched:
    """A PBX that is looked at: what it lists is told by hand."""

    def __init__(self, store: Store, keyring: Keyring, directory: Path, account: int) -> None:
        self.live: Live = quiet_line(store, keyring)
        self.wishes = Wishes(store)
        self.interface = f"PJSIP/l{account}"
        beside: Any = None
        link: Any = TakingLink()
        self.watch = DriftWatch(
            store, self.live, link, Layout(directory), keys=beside, provisioning=beside, wishes=self.wishes
        )

    async def look(self, *members: str) -> list[Command]:
        """The mends of sign-ins. `members`: interfaces that the national queue lists, free."""
        there = {"national": dict.fromkeys(members, FREE)}
        return [command for drift in await self.watch.sign_ins(there) for command in drift.mend]


@pytest.mark.parametrize("busy", ["talks", "writes", "is rung"])
async def test_whoever_the_pbx_forgot_in_contact_is_let_in_again_paused(
    store: Store, keyring: Keyring, tmp_path: Path, clock: Clock, busy: str
) -> None:
    account = await an_account(store, keyring)
    pbx = Watched(store, keyring, tmp_path, account)
    await pbx.wishes.join(account, ["national"])
    assert await pbx.look(pbx.interface) == [], "free"
    call = talking("c1", pbx.interface)
    if busy == "writes":
        pbx.live.views.set_contact(account, ListenerContact(7, "c1", {"contact_id": 7}))
    elif busy == "talks":
        pbx.live.world.lines[PBX].state.calls["c1"] = call
    else:
        call.stage, call.listener = Stage.WAITING, ""
        call.ringing[pbx.interface] = "PJSIP/l1-0001"
        pbx.live.world.lines[PBX].state.calls["c1"] = call
    (back,) = await pbx.look()
    assert isinstance(back, AddMember)
    assert (back.interface, back.paused, back.pause_reason) == (pbx.interface, True, "wrap-up")


async def test_whoever_leaves_on_a_clock_that_was_set_back_is_not_let_in_again_and_is_let_out(
    store: Store, keyring: Keyring, tmp_path: Path
) -> None:
    account = await an_account(store, keyring)
    pbx = Watched(store, keyring, tmp_path, account)
    async with store.transaction() as session:  # before the clock was set back
        ahead = datetime.now(UTC) + timedelta(hours=1)
        await queue_queries.put_wishes(session, {(account, "national"): (True, ahead)})
    (back,) = await pbx.look()
    assert isinstance(back, AddMember), "what is wanted is no news, although it was said in what is now the future"
    await pbx.wishes.leave(account)
    async with store.transaction() as session:
        ((key, (on, at)),) = (await queue_queries.wishes(session)).items()
        await queue_queries.put_wishes(session, {key: (on, at - timedelta(seconds=4))})  # it is on its way no more
    assert await pbx.look() == []
    (out,) = await pbx.look(pbx.interface)
    assert isinstance(out, RemoveMember)


async def test_who_signed_in_by_other_means_is_adopted_in_the_second_look_and_never_once_they_left(
    store: Store, keyring: Keyring, tmp_path: Path
) -> None:
    account = await an_account(store, keyring)
    pbx = Watched(store, keyring, tmp_path, account)
    assert await pbx.look(pbx.interface, "PJSIP/l999") == []
    assert await wanted(pbx.wishes) == {}, "once is not enough: they may be leaving"
    await pbx.look()
    await pbx.look(pbx.interface, "PJSIP/l999")
    assert await wanted(pbx.wishes) == {}
    await pbx.look(pbx.interface, "PJSIP/l999")
    assert await wanted(Wishes(store)) == {(account, "national"): True}, "and l999 is nobody's phone"
    await pbx.wishes.keep()


async def test_a_sign_out_between_the_reading_of_members_and_of_words_is_no_sign_in(
    store: Store, keyring: Keyring, tmp_path: Path
) -> None:
    account = await an_account(store, keyring)
    pbx = Watched(store, keyring, tmp_path, account)
    await pbx.look(pbx.interface)
    await pbx.wishes.leave(account)  # the members of the second look were read already
    await pbx.look(pbx.interface)
    assert not (await wanted(Wishes(store))).get((account, "national"), False)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(("pause", "back_in"), [("wrap-up", ""), ("reconnecting", ""), ("meal", "meal")])
async def test_who_ended_their_writing_while_they_were_out_of_the_queue_is_let_in_again_to_be_rung(
    store: Store, keyring: Keyring, tmp_path: Path, pause: str, back_in: str
) -> None:
    account = await an_account(store, keyring)
    pbx = Watched(store, keyring, tmp_path, account)
    pbx.live.forget_wrapups.append(pbx.watch.forget_wrapup)
    await pbx.wishes.join(account, ["national"])
    await pbx.watch.sign_ins({"national": {pbx.interface: MemberListed(0, paused=True, reason=pause)}})
    pbx.live.views.set_contact(account, ListenerContact(7, "c1", {"contact_id": 7}))
    viewer: Any = SimpleNamespace(account_id=account, confined=False)
    await resume(pbx.live, viewer)
    (back,) = await pbx.look()
    assert isinstance(back, AddMember)
    assert (back.paused, back.pause_reason) == (bool(back_in), back_in)
