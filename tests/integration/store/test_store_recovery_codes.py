"""New recovery codes for somebody who used theirs up, on both databases: with password and telephone, and no less."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyotp
import pytest

from service.accounts import second_step, signing, use_cases
from service.accounts.rights import Role
from service.accounts.viewer import Viewer
from service.audit import queries as audit
from service.audit.model import Action
from service.errors import Conflict, ServiceError, TooMany, Unauthenticated, Unfit
from service.keys import Keyring
from service.store.engine import Store
from tests.integration.store.conftest import NOW

STEP = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody whose role asks for a second step. `codes`: those that came with it."""

    store: Store
    keyring: Keyring
    viewer: Viewer
    password: str
    telephone: pyotp.TOTP
    codes: list[str]

    async def sign_in(self, code: str, *, at: datetime = NOW) -> signing.SignedIn:
        return await signing.sign_in(
            self.store,
            self.keyring,
            username="lise",
            password=self.password,
            code=code,
            address="192.0.2.7",
            at=at,
            step_asked_of=(Role.LISTENER,),
        )

    async def renew(self, password: str, code: str, *, at: datetime = NOW) -> list[str]:
        return await second_step.renew_codes(self.store, self.keyring, self.viewer, password=password, code=code, at=at)

    async def left(self) -> int:
        async with self.store.reading() as session:
            return (await second_step.state(session, self.viewer.account_id)).recovery_codes_left

    async def acts(self) -> list[tuple[Action, int | None]]:
        async with self.store.reading() as session:
            return [(one.action, one.account_id) for one in await audit.entries(session)]


@pytest.fixture
async def lise(store: Store, keyring: Keyring) -> Person:
    async with store.transaction() as session:
        made = await use_cases.make_account(
            session, keyring, username="lise", display_name="Lise", roles=(Role.LISTENER,), at=NOW
        )
    before = NOW - 4 * STEP
    signed_in = await signing.sign_in(
        store, keyring, username="lise", password=made.password, address="192.0.2.7", at=before
    )
    begun = await second_step.begin(store, keyring, signed_in.viewer, password=made.password, at=before)
    telephone = pyotp.TOTP(begun.secret)
    codes = await second_step.confirm(store, keyring, signed_in.viewer, code=telephone.at(before), at=before)
    return Person(
        store=store,
        keyring=keyring,
        viewer=signed_in.viewer,
        password=made.password,
        telephone=telephone,
        codes=codes,
    )


async def test_who_used_up_their_recovery_codes_makes_others_and_those_from_before_open_nothing(lise: Person) -> None:
    for used in lise.codes[1:]:
        await lise.sign_in(used)
    fresh = await lise.renew(lise.password, lise.telephone.at(NOW))
    assert len(set(fresh) - set(lise.codes)) == 10
    assert await lise.left() == 10
    assert (await lise.sign_in(fresh[0])).viewer.username == "lise"
    with pytest.raises(Unauthenticated):
        await lise.sign_in(lise.codes[0])
    assert (Action.RECOVERY_CODES_MADE, lise.viewer.account_id) in await lise.acts()


async def test_the_telephone_s_code_is_taken_by_it_and_opens_nothing_else(lise: Person) -> None:
    code = lise.telephone.at(NOW)
    await lise.renew(lise.password, f"{code[:3]} {code[3:]}")
    with pytest.raises(Unauthenticated):
        await lise.sign_in(code)


@pytest.mark.parametrize("shown", ["000000", "recovery code", "taken"])
async def test_nothing_changes_without_what_the_telephone_shows_now_and_the_owner_learns_of_it(
    lise: Person, shown: str
) -> None:
    taken = lise.telephone.at(NOW - 4 * STEP)
    code = {"recovery code": lise.codes[0].replace("-", ""), "taken": taken}.get(shown, shown)
    with pytest.raises(Unfit) as wrong:
        await lise.renew(lise.password, code)
    assert (wrong.value.id, wrong.value.field) == ("code-wrong", "code")
    assert await lise.left() == 10
    assert (Action.CODE_REFUSED, None) in await lise.acts()
    assert await lise.sign_in(lise.codes[0]), "those from before hold on"


async def test_a_wrong_password_leaves_the_codes_and_the_telephone_s_code_as_they_were(lise: Person) -> None:
    with pytest.raises(Unfit) as wrong:
        await lise.renew("wrong", lise.telephone.at(NOW))
    assert (wrong.value.id, wrong.value.field) == ("password-wrong", "password")
    assert await lise.left() == 10
    assert await lise.renew(lise.password, lise.telephone.at(NOW))


async def test_guessing_the_code_is_stopped_and_keeps_nobody_from_signing_in(lise: Person) -> None:
    async def guess(code: str) -> str:
        try:
            await lise.renew(lise.password, code)
        except ServiceError as error:
            return error.id
        return "right"

    wrong = [f"{n:06}" for n in range(9)]
    found = await asyncio.gather(*(guess(code) for code in wrong if code != lise.telephone.at(NOW)))
    assert found.count("code-wrong") <= 6
    with pytest.raises(TooMany):
        await lise.renew(lise.password, lise.telephone.at(NOW))
    assert await lise.sign_in(lise.telephone.at(NOW))


async def test_of_two_at_the_same_instant_one_makes_them_and_those_it_showed_hold(lise: Person) -> None:
    code = lise.telephone.at(NOW)
    found = await asyncio.gather(*(lise.renew(lise.password, code) for _ in range(2)), return_exceptions=True)
    (shown,) = [one for one in found if isinstance(one, list)]
    assert [one.id for one in found if isinstance(one, ServiceError)] == ["code-wrong"]
    assert await lise.left() == 10
    assert await lise.sign_in(shown[0])


async def test_where_there_is_no_second_step_there_are_no_recovery_codes(lise: Person) -> None:
    await second_step.remove(lise.store, lise.keyring, lise.viewer, password=lise.password, asked_of_them=False, at=NOW)
    begun = await second_step.begin(lise.store, lise.keyring, lise.viewer, password=lise.password, at=NOW)
    with pytest.raises(Conflict) as off:
        await lise.renew(lise.password, pyotp.TOTP(begun.secret).at(NOW))
    assert off.value.id == "second-step-off"
    assert await lise.left() == 0
