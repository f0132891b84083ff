"""Who leaves: their pages close, nobody rings them, and the PBX forgets their phone once their call is over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from pbx.commands import Command, ReloadPhones, RemoveMember
from pbx.layout import Layout
from pbx.link import CommandRefused, Reply
from service.accounts import sessions, signing, use_cases
from service.accounts.model import SignedInSession
from service.accounts.rights import Role
from service.accounts.signing import SignedIn
from service.keys import Keyring
from service.listeners.departures import Departures
from service.listeners.phones import Phones
from service.push.audiences import EVERYBODY
from service.push.hub import Reader
from service.queues.wishes import Wishes
from service.store.engine import Store
from tests.fakes.links import TakingLink
from tests.integration.rights.house import quiet_line
from tests.integration.store.conftest import NOW
from tests.unit.service_live.live_pages import Inbox
from tests.unit.service_live.worlds import PBX, member, talking


@dataclass
class Stage:
    """A listener with a phone and a page, who serves the queue, and what looks after departures."""

    store: Store
    keyring: Keyring
    signed_in: SignedIn
    password: str
    phones: Phones
    link: TakingLink
    layout: Layout
    departures: Departures
    reader: Reader

    def known_phones(self) -> list[str]:
        """Endpoints in the PBX's file."""
        text = self.layout.phones.read_text(encoding="utf-8") if self.layout.phones.exists() else ""
        return sorted({line[1 : line.index("]")] for line in text.splitlines() if line.startswith("[")})

    async def look(self) -> None:
        """One round."""
        parts = self.departures
        for part in (parts.leave_queues, parts.release, parts.close_pages, parts.forget_phones):
            await part()


def _now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
async def stage(store: Store, keyring: Keyring, tmp_path: Path) -> Stage:
    async with store.transaction() as session:
        made = await use_cases.make_account(
            session, keyring, username="lise", display_name="Lise", roles=(Role.LISTENER,), at=NOW
        )
    at = _now()
    signed_in = await signing.sign_in(
        store, keyring, username="lise", password=made.password, address="192.0.2.7", at=at
    )
    async with store.transaction() as session:
        await use_cases.take_phone(session, keyring, signed_in.viewer, at)
    live = quiet_line(store, keyring)
    link = live.links[PBX]
    assert isinstance(link, TakingLink)
    layout = Layout.of(tmp_path, PBX)
    layout.phones.parent.mkdir(parents=True)
    phones = Phones(store, keyring, link, layout, in_call=live.world.accounts_in_call)
    await phones.synchronise()
    departures = Departures(store, keyring, live)
    departures.phones.append(phones)
    interface = f"PJSIP/l{made.account_id}"
    line = live.world.lines[PBX]
    line.state.members[interface] = member(interface)
    line.state.calls["c1"] = talking("c1", interface)
    reader = Reader([EVERYBODY], made.account_id, signed_in.viewer.session_id)
    live.board.join(reader, Inbox())
    return Stage(store, keyring, signed_in, made.password, phones, link, layout, departures, reader)


async def test_while_nothing_ends_nothing_is_touched(stage: Stage) -> None:
    endpoint = f"l{stage.signed_in.viewer.account_id}"
    assert stage.known_phones() == [endpoint]
    asked = len(stage.link.taken)
    await stage.look()
    assert len(stage.link.taken) == asked
    assert not stage.reader.dismissed


async def test_who_leaves_in_mid_call_keeps_the_phone_until_the_call_is_over(stage: Stage) -> None:
    account_id = stage.signed_in.viewer.account_id
    async with stage.store.transaction() as session:
        await use_cases.set_active(session, stage.keyring, username="lise", active=False, at=_now())
    await stage.look()
    assert stage.reader.dismissed, "the page is closed"
    assert [one for one in stage.link.taken if isinstance(one, RemoveMember)], "nobody rings them"
    assert stage.known_phones() == [f"l{account_id}"], "the conversation goes on"
    await stage.phones.synchronise()  # as when a colleague signs in meanwhile
    assert stage.known_phones() == [f"l{account_id}"]
    del stage.departures._live.world.lines[PBX].state.calls["c1"]
    await stage.look()
    assert stage.known_phones() == ["l0"], "the file is never empty: an account that is nobody's stands in it"
    assert isinstance(stage.link.taken[-1], ReloadPhones)


async def test_signing_out_everywhere_closes_pages_and_takes_the_phone(stage: Stage) -> None:
    async with stage.store.transaction() as session:
        await use_cases.sign_out_everywhere(session, stage.keyring, username="lise", at=_now())
    del stage.departures._live.world.lines[PBX].state.calls["c1"]
    await stage.look()
    assert stage.reader.dismissed
    assert stage.known_phones() == ["l0"]


async def test_after_a_restart_a_phone_that_should_be_gone_goes(stage: Stage) -> None:
    async with stage.store.transaction() as session:
        await use_cases.set_active(session, stage.keyring, username="lise", active=False, at=_now())
    fresh = Phones(stage.store, stage.keyring, stage.link, stage.layout, in_call=lambda: ())  # type: ignore[arg-type]
    await fresh.synchronise()
    assert stage.known_phones() == ["l0"]


class RefusingLink(TakingLink):
    """Knows one of the queues no more."""

    async def send(self, command: Command, *, timeout: float = 5.0) -> Reply:
        await super().send(command, timeout=timeout)
        if isinstance(command, RemoveMember) and command.queue == "centre-38":
            raise CommandRefused("no-such-queue", "No such queue")
        return Reply("taken")


async def test_a_queue_that_cannot_be_left_keeps_nobody_in_the_others(stage: Stage) -> None:
    account_id = stage.signed_in.viewer.account_id
    live = stage.departures._live
    refusing = RefusingLink()
    live.links[PBX] = refusing  # type: ignore[assignment]
    live.world.lines[PBX].state.members[f"PJSIP/l{account_id}"].queues.add("centre-38")
    async with stage.store.transaction() as session:
        await use_cases.set_active(session, stage.keyring, username="lise", active=False, at=_now())
    await stage.departures.leave_queues()
    assert [one.queue for one in refusing.taken if isinstance(one, RemoveMember)] == ["centre-38", "national"]


# --- a phone that went with its session -------------------------------------------------------------------------------


async def _sign_in(stage: Stage, *, had: str | None = None) -> SignedIn:
    """Once more, in another browser, or in the one that has this token."""
    return await signing.sign_in(
        stage.store,
        stage.keyring,
        username="lise",
        password=stage.password,
        address="192.0.2.7",
        at=_now(),
        browser_had=had,
    )


async def _end_elsewhere(stage: Stage) -> None:
    elsewhere = await _sign_in(stage)
    async with stage.store.transaction() as session:
        await sessions.end_one(session, stage.keyring, elsewhere.viewer, stage.signed_in.viewer.session_id, at=_now())


async def _end_others(stage: Stage) -> None:
    elsewhere = await _sign_in(stage)
    async with stage.store.transaction() as session:
        await sessions.end_others(session, stage.keyring, elsewhere.viewer, at=_now())


async def _sign_out_everywhere(stage: Stage) -> None:
    async with stage.store.transaction() as session:
        await use_cases.sign_out_everywhere(session, stage.keyring, username="lise", at=_now())


async def _new_password(stage: Stage) -> None:
    async with stage.store.transaction() as session:
        await use_cases.new_password(session, stage.keyring, username="lise", at=_now())


async def _somebody_else_in_the_same_browser(stage: Stage) -> None:
    async with stage.store.transaction() as session:
        other = await use_cases.make_account(
            session, stage.keyring, username="omar", display_name="Omar", roles=(Role.LISTENER,), at=_now()
        )
    await signing.sign_in(
        stage.store,
        stage.keyring,
        username="omar",
        password=other.password,
        address="192.0.2.7",
        at=_now(),
        browser_had=stage.signed_in.token,
    )


@pytest.mark.parametrize(
    "end",
    [_end_elsewhere, _end_others, _sign_out_everywhere, _new_password, _somebody_else_in_the_same_browser],
    ids=lambda end: end.__name__.strip("_"),
)
async def test_whose_phone_went_with_its_session_is_rung_no_more_and_comes_back_by_their_own_word(
    stage: Stage, end: Callable[[Stage], Awaitable[None]]
) -> None:
    account_id, live = stage.signed_in.viewer.account_id, stage.departures._live
    wishes = Wishes(stage.store)
    live.leave_queues = wishes.leave
    await wishes.join(account_id, ["national"])
    await stage.look()
    assert not [one for one in stage.link.taken if isinstance(one, RemoveMember)], "they are here"
    await end(stage)
    await stage.look()
    assert [one.queue for one in stage.link.taken if isinstance(one, RemoveMember)] == ["national"]
    assert [wanted for wanted, _ in (await wishes.all()).values()] == [False], "nothing puts them back"
    assert "c1" in live.world.lines[PBX].state.calls, "what they are in goes on"
    assert stage.known_phones() == [f"l{account_id}"]


async def test_whose_phone_is_taken_on_stays_in_the_queue(stage: Stage) -> None:
    again = await _sign_in(stage, had=stage.signed_in.token)  # in the same browser, in the middle of a call
    await stage.look()
    elsewhere = await _sign_in(stage)
    async with stage.store.transaction() as session:
        await use_cases.take_phone(session, stage.keyring, elsewhere.viewer, _now())
        await sessions.sign_out(session, stage.keyring, again.viewer, _now())
    await stage.look()
    assert not [one for one in stage.link.taken if isinstance(one, RemoveMember)]


async def test_whose_phone_is_no_page_s_stays_in_the_queue_when_their_page_is_closed(stage: Stage) -> None:
    async with stage.store.transaction() as session:
        await session.execute(update(SignedInSession).values(phone_asked_at=None))
        await sessions.sign_out(session, stage.keyring, stage.signed_in.viewer, _now())
    await stage.look()
    assert not [one for one in stage.link.taken if isinstance(one, RemoveMember)]
