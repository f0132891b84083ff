"""Who loses their rights in the middle of a contact keeps what it needs, until it is over: deactivated, or asked for a
second step.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pyotp
import pytest

from service.accounts import kept, second_step, sessions, signing, use_cases
from service.accounts.rights import Role
from service.accounts.signing import SignedIn
from service.accounts.use_cases import NewAccount
from service.accounts.viewer import Standing, Viewer
from service.audit import queries as audit
from service.audit.model import Action
from service.cases import queries as cases
from service.cases.use_cases import end_contacts, end_writing
from service.errors import Unauthenticated
from service.keys import Keyring
from service.store.engine import Store
from tests.integration.store.conftest import NOW
from tests.support.contacts import open_contact

HOUR = timedelta(hours=1)
ROLES = {Role.LISTENER, Role.SUPERVISOR}
OF_SESSIONS = (Action.SESSION_KEPT, Action.SESSION_RELEASED, Action.SECOND_STEP_ASKED)


class Desk:
    """A listener at two browsers: the phone is in the second."""

    def __init__(self, store: Store, keyring: Keyring, made: NewAccount) -> None:
        self.store, self.keyring, self.made = store, keyring, made
        self.other: SignedIn
        self.here: SignedIn

    async def sign_in(self, at: datetime = NOW, code: str | None = None, had: str | None = None) -> SignedIn:
        return await signing.sign_in(
            self.store,
            self.keyring,
            username="lise",
            password=self.made.password,
            address="192.0.2.7",
            at=at,
            code=code,
            browser_had=had,
        )

    async def answers(self, call_id: str = "c1", at: datetime = NOW) -> int:
        async with self.store.transaction() as session:
            opened = await open_contact(
                session,
                self.keyring,
                pbx="pbx1",
                call_id=call_id,
                account_id=self.made.account_id,
                number="+33639980101",
                line="+33199003133",
                at=at,
            )
        return opened.contact_id

    async def active(self, active: bool, at: datetime = NOW) -> None:
        async with self.store.transaction() as session:
            await use_cases.set_active(session, self.keyring, username="lise", active=active, at=at)

    async def finds(self, who: SignedIn, at: datetime = NOW) -> Viewer | None:
        async with self.store.reading() as session:
            found = await sessions.viewer_of(session, who.token, at)
            listed = await sessions.standings(session, [who.viewer.session_id], at)
        viewer = None if found is None else found.viewer
        assert listed.get(who.viewer.session_id) == (None if viewer is None else viewer.standing)
        return viewer

    async def sweep(self, at: datetime = NOW, in_call: tuple[int, ...] = ()) -> None:
        async with self.store.transaction() as session:
            await kept.release(session, self.keyring, in_call, at)

    async def writes_no_more(self, at: datetime = NOW) -> None:
        async with self.store.transaction() as session:
            await end_writing(session, self.made.account_id, at)

    async def trail(self) -> list[tuple[str, str, int | None]]:
        async with self.store.reading() as session:
            entries = await audit.entries(session)
        return [(one.action.value, one.subject_id, one.account_id) for one in entries if one.action in OF_SESSIONS]


@pytest.fixture
async def desk(store: Store, keyring: Keyring) -> Desk:
    async with store.transaction() as session:
        made = await use_cases.make_account(session, keyring, username="lise", display_name="Lise", roles=ROLES, at=NOW)
    desk = Desk(store, keyring, made)
    desk.other, desk.here = await desk.sign_in(), await desk.sign_in()
    async with store.transaction() as session:
        await use_cases.take_phone(session, keyring, desk.other.viewer, NOW - HOUR)
        await use_cases.take_phone(session, keyring, desk.here.viewer, NOW)
    return desk


# --- deactivated ------------------------------------------------------------------------------------------------------


async def test_who_is_deactivated_in_a_contact_keeps_it_where_their_phone_is_and_nothing_else(desk: Desk) -> None:
    earlier = await desk.answers("c0")
    contact = await desk.answers("c1", NOW + HOUR)
    await desk.active(False)
    viewer = await desk.finds(desk.here)
    assert viewer is not None
    assert (viewer.standing, viewer.contact, viewer.rights, viewer.listens) == (
        Standing.CONTACT,
        contact,
        frozenset(),
        True,
    )
    assert await desk.finds(desk.other) is None
    with pytest.raises(Unauthenticated):
        await desk.sign_in()
    async with desk.store.reading() as session:
        seen = await cases.contact_for(session, viewer, contact)
        assert seen is not None
        assert seen.writable
        assert await cases.contact_for(session, viewer, earlier) is None, "they took part, and are in it no more"
        assert await cases.case_for(session, viewer, seen.case.id) is None
    assert await desk.trail() == [("session.kept", str(contact), None)]


async def test_it_is_over_when_they_end_their_writing_up(desk: Desk) -> None:
    contact = await desk.answers()
    await desk.active(False)
    await desk.sweep()
    assert await desk.finds(desk.here) is not None, "nothing ends it meanwhile"
    await desk.writes_no_more()
    assert await desk.finds(desk.here) is None
    await desk.sweep()
    await desk.sweep()
    assert (await desk.trail())[1:] == [("session.released", str(contact), desk.made.account_id)]


async def test_it_is_over_at_once_when_an_administrator_says_so(desk: Desk) -> None:
    contact = await desk.answers()
    await desk.active(False)
    async with desk.store.transaction() as session:
        await use_cases.sign_out_everywhere(session, desk.keyring, username="lise", at=NOW)
    assert await desk.finds(desk.here) is None
    await desk.sweep()
    assert (await desk.trail())[1:] == [("session.released", str(contact), None)]


async def test_it_is_over_hours_after_the_call_and_never_before_its_end(desk: Desk) -> None:
    contact = await desk.answers()
    await desk.active(False)
    assert await desk.finds(desk.here, NOW + 48 * HOUR) is not None, "however long they talk"
    async with desk.store.transaction() as session:
        await end_contacts(session, "pbx1", {"c1": NOW + 48 * HOUR})
    assert await desk.finds(desk.here, NOW + 59 * HOUR) is not None
    assert await desk.finds(desk.here, NOW + 60 * HOUR) is None
    await desk.sweep(NOW + 60 * HOUR)
    assert (await desk.trail())[1:] == [("session.released", str(contact), None)]


async def test_a_call_that_they_answered_at_the_very_instant_finds_its_page(desk: Desk) -> None:
    await desk.active(False)
    assert await desk.finds(desk.here) is None, "there is no contact yet"
    await desk.sweep(in_call=(desk.made.account_id,))
    contact = await desk.answers()
    viewer = await desk.finds(desk.here)
    assert viewer is not None
    assert viewer.contact == contact
    await desk.writes_no_more()
    await desk.sweep()
    await desk.answers("c2", NOW + HOUR)
    assert await desk.finds(desk.here) is None


async def test_coming_back_in_the_middle_of_it_gives_all_rights_back_and_opens_no_other_session(desk: Desk) -> None:
    await desk.answers()
    await desk.active(False)
    await desk.active(True)
    viewer = await desk.finds(desk.here)
    assert viewer is not None
    assert viewer.standing is Standing.FULL
    assert await desk.finds(desk.other) is None
    await desk.writes_no_more()
    await desk.active(False)
    await desk.active(True)
    assert await desk.finds(desk.here) is None, "without a contact an old session stays closed"


# --- a second step asked of sessions from before ------------------------------------------------------------------


async def _ask(desk: Desk, *roles: Role) -> int:
    return await second_step.ask_of_sessions(desk.store, desk.keyring, roles, NOW)


async def test_sessions_from_before_lose_their_rights_at_the_next_start_and_a_contact_is_finished(desk: Desk) -> None:
    assert await _ask(desk, Role.DPO) == 0, "no role of theirs"
    contact = await desk.answers()
    assert await _ask(desk, Role.SUPERVISOR) == 1
    assert await _ask(desk, Role.SUPERVISOR) == 0, "once"
    here, other = await desk.finds(desk.here), await desk.finds(desk.other)
    assert here is not None
    assert other is not None
    assert (here.standing, here.contact) == (Standing.CONTACT, contact)
    assert (other.standing, other.rights) == (Standing.NONE, frozenset())
    await desk.writes_no_more()
    here = await desk.finds(desk.here)
    assert here is not None
    assert here.standing is Standing.NONE
    assert await desk.trail() == [("second-step.asked", str(desk.made.account_id), None)]
    assert await _ask(desk) == 0
    here = await desk.finds(desk.here)
    assert here is not None
    assert here.standing is Standing.FULL, "the settings ask for it no more"


async def test_who_signs_in_without_the_step_holds_nobody_s_contact(desk: Desk) -> None:
    """A password alone must not open the conversation that its owner has elsewhere."""
    await _ask(desk, Role.LISTENER)
    thief = await signing.sign_in(
        desk.store,
        desk.keyring,
        username="lise",
        password=desk.made.password,
        address="198.51.100.7",
        at=NOW,
        step_asked_of={Role.LISTENER},
    )
    await desk.answers()
    viewer = await desk.finds(thief)
    assert viewer is not None
    assert viewer.standing is Standing.NONE


async def test_setting_it_up_gives_the_rights_back_and_is_not_asked_for_again_at_the_next_start(desk: Desk) -> None:
    await _ask(desk, Role.LISTENER)
    viewer = await desk.finds(desk.here)
    assert viewer is not None
    begun = await second_step.begin(desk.store, desk.keyring, viewer, password=desk.made.password, at=NOW)
    code = pyotp.TOTP(begun.secret).at(NOW)
    await second_step.confirm(desk.store, desk.keyring, viewer, code=code, at=NOW)
    assert await _ask(desk, Role.LISTENER) == 0
    viewer = await desk.finds(desk.here)
    assert viewer is not None
    assert viewer.standing is Standing.FULL
    assert await desk.finds(desk.other) is None, "a password alone had opened it"


async def test_a_session_from_before_a_step_that_its_owner_has_presents_it_by_signing_in(desk: Desk) -> None:
    """They set it up of their own accord in another browser; this one was never shown a code."""
    begun = await second_step.begin(desk.store, desk.keyring, desk.other.viewer, password=desk.made.password, at=NOW)
    telephone = pyotp.TOTP(begun.secret)
    later = NOW + timedelta(minutes=2)
    await second_step.confirm(desk.store, desk.keyring, desk.other.viewer, code=telephone.at(later), at=later)
    assert await _ask(desk, Role.LISTENER) == 1
    shown = {who: await desk.finds(who, later) for who in (desk.here, desk.other)}
    assert [viewer and viewer.standing for viewer in shown.values()] == [Standing.NONE, Standing.FULL]
    at = later + timedelta(minutes=1)
    again = await desk.sign_in(at, telephone.at(at), desk.here.token)
    assert again.replaced == desk.here.viewer.session_id
    assert await _ask(desk, Role.LISTENER) == 0
    viewer = await desk.finds(again, at)
    assert viewer is not None
    assert viewer.standing is Standing.FULL
    async with desk.store.transaction() as session:
        _, changed = await use_cases.take_phone(session, desk.keyring, again.viewer, at)
    assert not changed, "a call that goes on keeps its phone"
