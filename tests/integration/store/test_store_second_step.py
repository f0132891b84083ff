"""The second step of signing in, on both databases: RFC 6238 codes that are taken once, recovery codes, limits."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import pyotp
import pytest
from sqlalchemy import func, select, text

from service.accounts import second_step, sessions, signing, use_cases
from service.accounts.model import RecoveryCode, SecondStep, SignedInSession
from service.accounts.rights import Right, Role
from service.accounts.second_step import matching_step, step_of
from service.accounts.signing import SignedIn
from service.accounts.use_cases import NewAccount
from service.audit import queries as audit
from service.audit.model import Action
from service.errors import Conflict, ServiceError, TooMany, Unauthenticated, Unfit
from service.keys import Keyring
from service.store.engine import Store
from tests.integration.store.conftest import NOW

STEP = timedelta(seconds=30)
#: appendix B of RFC 6238: the secret, and (instant, last six digits of the code) for SHA-1
RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
RFC_CODES = [
    (59, "287082"),
    (1111111109, "081804"),
    (1111111111, "050471"),
    (1234567890, "005924"),
    (2000000000, "279037"),
    (20000000000, "353130"),
]


async def _sign_in(
    store: Store,
    keyring: Keyring,
    made: NewAccount,
    code: str | None = None,
    *,
    at: datetime = NOW,
    asked_of: Collection[Role] = (),
) -> SignedIn:
    return await signing.sign_in(
        store,
        keyring,
        username="lise",
        password=made.password,
        code=code,
        address="192.0.2.7",
        at=at,
        step_asked_of=asked_of,
    )


async def _enrolled(store: Store, keyring: Keyring) -> tuple[NewAccount, SignedIn, pyotp.TOTP, list[str]]:
    """Somebody with a second step, set up two minutes ago; their recovery codes."""
    async with store.transaction() as session:
        made = await use_cases.make_account(
            session, keyring, username="lise", display_name="Lise", roles=(Role.LISTENER,), at=NOW
        )
    signed_in = await _sign_in(store, keyring, made)
    before = NOW - 4 * STEP
    begun = await second_step.begin(store, keyring, signed_in.viewer, password=made.password, at=before)
    telephone = pyotp.TOTP(begun.secret)
    codes = await second_step.confirm(store, keyring, signed_in.viewer, code=telephone.at(before), at=before)
    return made, signed_in, telephone, codes


@pytest.mark.parametrize(("at", "code"), RFC_CODES)
def test_the_codes_are_those_of_the_standard(at: int, code: str) -> None:
    assert matching_step(RFC_SECRET, code, datetime.fromtimestamp(at, UTC), 0) == at // 30


@pytest.mark.parametrize(("late", "taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_one_step_off(late: int, taken: bool) -> None:
    code = pyotp.TOTP(RFC_SECRET).at(NOW)
    found = matching_step(RFC_SECRET, code, NOW + late * STEP, 0)
    assert found == (step_of(NOW) if taken else None)


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "000000 "])
def test_what_is_no_code_fits_nothing(code: str) -> None:
    assert matching_step(RFC_SECRET, code, NOW, 0) is None


async def test_the_password_alone_is_answered_by_asking_for_the_code_and_the_code_opens(
    store: Store, keyring: Keyring
) -> None:
    made, _, telephone, _ = await _enrolled(store, keyring)
    for _ in range(8):  # asking for the code is no failed attempt
        with pytest.raises(Unauthenticated) as caught:
            await _sign_in(store, keyring, made)
        assert caught.value.id == "second-step-needed"
    assert (await _sign_in(store, keyring, made, telephone.at(NOW))).viewer.username == "lise"


async def test_a_code_is_taken_once_even_by_two_at_the_same_instant(store: Store, keyring: Keyring) -> None:
    made, _, telephone, _ = await _enrolled(store, keyring)
    code = telephone.at(NOW)
    tries = (_sign_in(store, keyring, made, code) for _ in range(4))
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, SignedIn) for result in results) == 1
    refused = {result.id for result in results if isinstance(result, ServiceError)}
    assert refused == {"second-step-refused"}
    with pytest.raises(Unauthenticated):
        await _sign_in(store, keyring, made, code, at=NOW + STEP)
    with pytest.raises(Unauthenticated):  # nor an earlier one, once a later was taken
        await _sign_in(store, keyring, made, telephone.at(NOW - STEP), at=NOW)
    assert await _sign_in(store, keyring, made, telephone.at(NOW + STEP), at=NOW + STEP)


async def test_without_the_password_a_code_is_not_even_looked_at(store: Store, keyring: Keyring) -> None:
    made, _, telephone, _ = await _enrolled(store, keyring)
    with pytest.raises(Unauthenticated) as caught:
        await signing.sign_in(
            store,
            keyring,
            username="lise",
            password="wrong",
            code=telephone.at(NOW),
            address="192.0.2.7",
            at=NOW,
        )
    assert caught.value.id == "sign-in-refused"
    assert await _sign_in(store, keyring, made, telephone.at(NOW)), "it was not used up"


async def _guess(
    store: Store, keyring: Keyring, made: NewAccount, code: str, address: str, *, had: str | None = None
) -> str:
    """Somebody who knows the password tries a code: what came of it."""
    try:
        await signing.sign_in(
            store,
            keyring,
            username="lise",
            password=made.password,
            code=code,
            address=address,
            browser_had=had,
            at=NOW,
        )
    except ServiceError as error:
        return error.id
    return "opened"


async def test_guessing_codes_is_stopped_wherever_it_comes_from_and_however_many_at_once(
    store: Store, keyring: Keyring
) -> None:
    made, _, telephone, _ = await _enrolled(store, keyring)
    tries = (_guess(store, keyring, made, f"{n:06}", "198.51.100.7") for n in range(10))
    assert sorted(await asyncio.gather(*tries)) == ["second-step-refused"] * 6 + ["sign-in-too-often"] * 4
    tries = (_guess(store, keyring, made, f"{n:06}", f"203.0.113.{n}") for n in range(15))
    assert sorted(await asyncio.gather(*tries)) == ["second-step-refused"] * 12 + ["sign-in-too-often"] * 3
    assert await _guess(store, keyring, made, telephone.at(NOW), "203.0.113.99") == "sign-in-too-often"
    with pytest.raises(Unauthenticated):  # asking for the code does not give guesses back
        await _sign_in(store, keyring, made)
    with pytest.raises(TooMany):
        await _sign_in(store, keyring, made, telephone.at(NOW))
    later = NOW + timedelta(minutes=16)
    assert await _sign_in(store, keyring, made, telephone.at(later), at=later)


async def test_who_guesses_codes_from_one_address_keeps_the_owner_at_another_out_of_nothing(
    store: Store, keyring: Keyring
) -> None:
    made, _, telephone, _ = await _enrolled(store, keyring)
    for n in range(8):
        await _guess(store, keyring, made, f"{n:06}", "198.51.100.7")
    assert await _guess(store, keyring, made, telephone.at(NOW), "198.51.100.7") == "sign-in-too-often"
    assert await _guess(store, keyring, made, telephone.at(NOW), "192.0.2.7") == "opened"
    assert await _guess(store, keyring, made, telephone.at(NOW + STEP), "198.51.100.7") == "sign-in-too-often", (
        "the owner's success forgives nobody else's guesses"
    )


async def test_who_guesses_from_everywhere_keeps_out_neither_the_owner_s_browser_nor_a_recovery_code(
    store: Store, keyring: Keyring
) -> None:
    made, signed_in, telephone, codes = await _enrolled(store, keyring)
    for n in range(30):
        await _guess(store, keyring, made, f"{n:06}", f"198.51.100.{n}")
        await _guess(store, keyring, made, "wrong-wrong-wrong-wrong", f"198.51.100.{n}")
    assert await _guess(store, keyring, made, telephone.at(NOW), "192.0.2.7") == "sign-in-too-often", (
        "it may be a guess"
    )
    assert await _guess(store, keyring, made, telephone.at(NOW), "192.0.2.7", had=signed_in.token) == "opened"
    assert await _guess(store, keyring, made, codes[0], "192.0.2.8") == "opened"
    for n in range(6):
        await _guess(store, keyring, made, f"{n:06}", "192.0.2.9", had=signed_in.token)
    again = await _guess(store, keyring, made, telephone.at(NOW + STEP), "192.0.2.9", had=signed_in.token)
    assert again == "sign-in-too-often", "a browser's guesses are counted as well"


async def test_refused_codes_and_passwords_are_on_the_trail_but_not_all_of_many(store: Store, keyring: Keyring) -> None:
    made, signed_in, _, _ = await _enrolled(store, keyring)
    for n in range(12):
        await _guess(store, keyring, made, f"{n:06}", f"198.51.100.{n}")
        with pytest.raises(ServiceError):
            await signing.sign_in(store, keyring, username="lise", password="wrong", address=f"203.0.113.{n}", at=NOW)
        with pytest.raises(ServiceError):
            await signing.sign_in(store, keyring, username="nobody", password="wrong", address="192.0.2.1", at=NOW)
    async with store.reading() as session:
        entries = await audit.entries(session)
    refused = [(one.action, one.account_id, one.subject_id) for one in entries if one.action.endswith(".refused")]
    me = str(signed_in.viewer.account_id)
    assert sorted(refused) == [(Action.CODE_REFUSED, None, me)] * 6 + [(Action.SIGN_IN_REFUSED, None, me)] * 6


async def test_a_recovery_code_opens_once_and_is_on_the_trail(store: Store, keyring: Keyring) -> None:
    made, signed_in, _, codes = await _enrolled(store, keyring)
    assert len(set(codes)) == 10
    assert all(re.fullmatch(r"([a-z2-9]{4}-){3}[a-z2-9]{4}", code) for code in codes)
    assert await _sign_in(store, keyring, made, codes[0].upper().replace("-", " "))
    with pytest.raises(Unauthenticated):
        await _sign_in(store, keyring, made, codes[0])
    async with store.reading() as session:
        assert (await second_step.state(session, signed_in.viewer.account_id)).recovery_codes_left == 9
        used = [one.action for one in await audit.entries(session) if one.action is Action.RECOVERY_CODE_USED]
    assert len(used) == 1


async def test_neither_the_secret_nor_a_recovery_code_is_stored_in_clear(store: Store, keyring: Keyring) -> None:
    _, _, telephone, codes = await _enrolled(store, keyring)
    async with store.reading() as session:
        row = (await session.scalars(select(SecondStep))).one()
        hashes = (await session.scalars(select(RecoveryCode.code_hash))).all()
        everything = str((await session.execute(text("SELECT * FROM second_steps"))).all())
    assert telephone.secret.encode() not in bytes(row.secret)
    assert telephone.secret not in everything
    assert not any(code.replace("-", "") in hashed or code in hashed for code in codes for hashed in hashes)


async def test_it_holds_only_once_confirmed_with_a_right_code(store: Store, keyring: Keyring) -> None:
    async with store.transaction() as session:
        made = await use_cases.make_account(
            session, keyring, username="lise", display_name="Lise", roles=(Role.LISTENER,), at=NOW
        )
    viewer = (await _sign_in(store, keyring, made)).viewer
    with pytest.raises(Conflict):
        await second_step.confirm(store, keyring, viewer, code="123456", at=NOW)
    with pytest.raises(Unfit) as wrong:
        await second_step.begin(store, keyring, viewer, password="wrong", at=NOW)
    assert (wrong.value.id, wrong.value.field) == ("password-wrong", "password")
    await second_step.begin(store, keyring, viewer, password=made.password, at=NOW)
    begun = await second_step.begin(store, keyring, viewer, password=made.password, at=NOW)
    assert begun.uri.startswith("otpauth://totp/")
    assert begun.secret not in repr(begun)
    with pytest.raises(Unfit) as code:
        await second_step.confirm(store, keyring, viewer, code="000000", at=NOW)
    assert code.value.field == "code"
    assert await _sign_in(store, keyring, made), "not confirmed: the password suffices"
    await second_step.confirm(store, keyring, viewer, code=pyotp.TOTP(begun.secret).at(NOW), at=NOW)
    with pytest.raises(Conflict):
        await second_step.begin(store, keyring, viewer, password=made.password, at=NOW)
    with pytest.raises(Unauthenticated):
        await _sign_in(store, keyring, made)


async def test_it_is_removed_with_the_own_password_and_reset_by_an_administrator(
    store: Store, keyring: Keyring
) -> None:
    made, signed_in, telephone, codes = await _enrolled(store, keyring)
    with pytest.raises(Unfit):
        await second_step.remove(
            store, keyring, signed_in.viewer, password=telephone.at(NOW), asked_of_them=False, at=NOW
        )
    with pytest.raises(Conflict):
        await second_step.remove(store, keyring, signed_in.viewer, password=made.password, asked_of_them=True, at=NOW)
    await second_step.remove(store, keyring, signed_in.viewer, password=made.password, asked_of_them=False, at=NOW)
    viewer = (await _sign_in(store, keyring, made)).viewer
    begun = await second_step.begin(store, keyring, viewer, password=made.password, at=NOW)
    await second_step.confirm(store, keyring, viewer, code=pyotp.TOTP(begun.secret).at(NOW), at=NOW)
    async with store.transaction() as session:
        assert await second_step.reset(session, keyring, username="lise", at=NOW)
        assert not await second_step.reset(session, keyring, username="lise", at=NOW), "there was none any more"
    assert (await _sign_in(store, keyring, made)).viewer.account_id == made.account_id
    async with store.reading() as session:
        removed = [one for one in await audit.entries(session) if one.action is Action.SECOND_STEP_REMOVED]
        assert (await session.scalars(select(RecoveryCode))).all() == []
    assert [one.account_id for one in removed] == [made.account_id, None]
    assert codes


async def test_guessing_one_s_password_with_a_stolen_session_is_stopped(store: Store, keyring: Keyring) -> None:
    made, signed_in, _, _ = await _enrolled(store, keyring)

    async def guess() -> str:
        try:
            await second_step.check_own_password(store, keyring, signed_in.viewer, "wrong", NOW)
        except ServiceError as error:
            return error.id
        return "right"

    found = await asyncio.gather(*(guess() for _ in range(10)))
    assert sorted(found) == ["password-wrong"] * 6 + ["sign-in-too-often"] * 4
    with pytest.raises(TooMany):
        await second_step.check_own_password(store, keyring, signed_in.viewer, made.password, NOW)


async def test_a_role_that_asks_for_it_has_no_right_until_it_is_set_up(store: Store, keyring: Keyring) -> None:
    async with store.transaction() as session:
        made = await use_cases.make_account(
            session, keyring, username="lise", display_name="Lise", roles=(Role.LISTENER,), at=NOW
        )
    assert not (await _sign_in(store, keyring, made, asked_of={Role.DPO})).viewer.must_enrol
    viewer = (await _sign_in(store, keyring, made, asked_of={Role.LISTENER})).viewer
    assert viewer.must_enrol
    assert not viewer.may(Right.READ_CASES)
    begun = await second_step.begin(store, keyring, viewer, password=made.password, at=NOW)
    telephone = pyotp.TOTP(begun.secret)
    await second_step.confirm(store, keyring, viewer, code=telephone.at(NOW), at=NOW)
    later = NOW + STEP
    again = (await _sign_in(store, keyring, made, telephone.at(later), at=later, asked_of={Role.LISTENER})).viewer
    assert again.may(Right.READ_CASES)


async def test_setting_it_up_gives_rights_to_this_browser_alone_and_ends_the_others_that_lack_it(
    store: Store, keyring: Keyring
) -> None:
    async with store.transaction() as session:
        made = await use_cases.make_account(
            session, keyring, username="lise", display_name="Lise", roles=(Role.LISTENER,), at=NOW
        )
    from_before = await _sign_in(store, keyring, made)
    thief, owner = [await _sign_in(store, keyring, made, asked_of=(Role.LISTENER,)) for _ in range(2)]
    assert not thief.viewer.rights
    begun = await second_step.begin(store, keyring, owner.viewer, password=made.password, at=NOW)
    await second_step.confirm(store, keyring, owner.viewer, code=pyotp.TOTP(begun.secret).at(NOW), at=NOW)
    async with store.reading() as session:
        found = [await sessions.viewer_of(session, one.token, NOW) for one in (owner, thief, from_before)]
    assert [one is not None and bool(one.viewer.rights) for one in found] == [True, False, True]
    assert found[1] is None, "a password alone opened it"


@pytest.mark.parametrize("meanwhile", ["deactivated", "another password", "a second step"])
async def test_what_changes_while_a_password_is_looked_at_makes_no_session(
    store: Store, keyring: Keyring, meanwhile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with store.transaction() as session:
        made = await use_cases.make_account(
            session, keyring, username="lise", display_name="Lise", roles=(Role.LISTENER,), at=NOW
        )
    here = await _sign_in(store, keyring, made)
    looked = second_step.pass_at_sign_in

    async def interrupted(*args: Any, **more: Any) -> bool:
        enrolled = await looked(*args, **more)
        async with store.transaction() as session:
            if meanwhile == "deactivated":
                await use_cases.set_active(session, keyring, username="lise", active=False, at=NOW)
            elif meanwhile == "another password":
                await use_cases.new_password(session, keyring, username="lise", at=NOW)
        if meanwhile == "a second step":
            begun = await second_step.begin(store, keyring, here.viewer, password=made.password, at=NOW)
            await second_step.confirm(store, keyring, here.viewer, code=pyotp.TOTP(begun.secret).at(NOW), at=NOW)
        return enrolled

    monkeypatch.setattr(second_step, "pass_at_sign_in", interrupted)
    with pytest.raises(Unauthenticated) as caught:
        await _sign_in(store, keyring, made)
    assert caught.value.id == "sign-in-refused"
    async with store.reading() as session:
        found = await session.scalar(select(func.count()).select_from(SignedInSession))
    assert found == 1


async def test_a_new_password_lets_in_whose_codes_were_guessed_too_often(store: Store, keyring: Keyring) -> None:
    made, _, telephone, codes = await _enrolled(store, keyring)
    for n in range(7):
        await _guess(store, keyring, made, f"{n:06}", "192.0.2.7")
        await _guess(store, keyring, made, "wrong-wrong-wrong-wrong", "192.0.2.7")
    assert await _guess(store, keyring, made, telephone.at(NOW), "192.0.2.7") == "sign-in-too-often"
    async with store.transaction() as session:
        renewed = await use_cases.new_password(session, keyring, username="lise", at=NOW)
    assert await _guess(store, keyring, renewed, telephone.at(NOW), "192.0.2.7") == "opened"
    assert await _guess(store, keyring, renewed, codes[0], "192.0.2.7") == "opened"
