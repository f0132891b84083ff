"""The second step of signing in: one-time codes by the clock (RFC 6238), each taken once; recovery codes beside them.

A code of the step before and after is taken, too: telephones' clocks are not exact. pyotp makes the codes, segno draws
the picture that a telephone reads.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pyotp
import segno
from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts import attempts, passwords, queries
from service.accounts.model import Account, RecoveryCode, SecondStep
from service.accounts.rights import Role
from service.accounts.viewer import Viewer
from service.audit.model import Action
from service.audit.use_cases import Act, append
from service.errors import Conflict, NotFound, Unauthenticated, Unfit
from service.keys import Keyring
from service.store.engine import Store

#: seconds that a code holds
STEP_SECONDS: Final = 30
_EARLIER, _LATER = -1, 1
_RECOVERY_CODES: Final = 10
_CODE, _RECOVERY_CODE = "code", "recovery-code"  # as what guesses are counted
_ISSUER: Final = "Écoute"
_BORDER: Final = 4  # quiet zone of a QR code, ISO/IEC 18004


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """`secret`: to be typed where a picture cannot be read. `picture`: SVG path data, `size` units wide and high."""

    secret: str
    uri: str
    picture: str
    size: int

    def __repr__(self) -> str:
        return "Enrolment(…)"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Whether a second step holds, and how many recovery codes are left."""

    on: bool
    recovery_codes_left: int


def step_of(at: datetime) -> int:
    """The number of the time step."""
    return int(at.timestamp()) // STEP_SECONDS


def matching_step(secret: str, code: str, at: datetime, last_step: int) -> int | None:
    """The step whose code this is, of now, the one before and the one after; never one that was taken already."""
    generator, now, found = pyotp.TOTP(secret), step_of(at), None
    for step in range(now + _EARLIER, now + _LATER + 1):
        if hmac.compare_digest(generator.generate_otp(step).encode(), code.encode()) and step > last_step:
            found = step
    return found


async def state(session: AsyncSession, account_id: int) -> State:
    """Of an account."""
    row = await queries.second_step(session, account_id)
    left = await queries.recovery_codes_left(session, account_id)
    return State(on=row is not None and row.confirmed_at is not None, recovery_codes_left=left)


# --- at sign-in -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a code comes from. `browser`: the session of this very account that it was, or is, signed in by; none: a
    strange one.
    """

    address: str
    browser: int | None

    def __str__(self) -> str:
        return f"address:{self.address}" if self.browser is None else f"session:{self.browser}"


async def pass_at_sign_in(
    store: Store, keyring: Keyring, account_id: int, *, source: Source, attempt_id: int, code: str | None, at: datetime
) -> bool:
    """True where the account has a second step and the code was right; False where it has none.

    `attempt_id`: of the password's attempt, taken back: the password was right, and codes are counted by themselves.
    Whoever guesses them keeps nobody out but their own source (attempts.py).
    """
    typed = None if code is None else code.replace(" ", "").replace("-", "").lower()
    index, source_index = _codes_of(keyring, account_id, typed), keyring.attempt_index(f"source:{source}")
    async with store.transaction() as session:
        row = await queries.second_step(session, account_id)
        if row is None or row.confirmed_at is None:
            return False
        await queries.take_back_attempt(session, attempt_id)
        if typed is not None:
            strange = source.browser is None and _is_code(typed)
            await attempts.count_known(session, index, source_index, at, strange=strange)
    if typed is None:
        raise Unauthenticated("second-step-needed", "Your telephone's code is needed as well.")
    async with store.transaction() as session:
        right = await _use(session, keyring, account_id, typed, at)
        if right:
            await queries.forgive(session, index, source_index)
        else:
            await attempts.note_refused(
                session, keyring, Action.CODE_REFUSED, account_id=account_id, name_index=index, at=at
            )
    if not right:
        raise Unauthenticated("second-step-refused", "This code does not fit, or was used already: take the next one.")
    return True


async def forgive(session: AsyncSession, keyring: Keyring, account_id: int) -> None:
    """Codes that were guessed: whoever did knows the password no more."""
    for kind in (_CODE, _RECOVERY_CODE):
        await queries.forgive(session, keyring.attempt_index(f"{kind}:{account_id}"))


def _is_code(typed: str) -> bool:
    """Of the telephone; else it can be a recovery code alone."""
    return typed.isascii() and typed.isdigit()


async def _use(session: AsyncSession, keyring: Keyring, account_id: int, typed: str, at: datetime) -> bool:
    """Take a code, for good."""
    row = await queries.second_step(session, account_id, lock=True)
    if row is None:
        return False
    if _is_code(typed):
        step = matching_step(_open(keyring, row), typed, at, row.last_step)
        if step is not None:
            row.last_step = step
        return step is not None
    if not await queries.use_recovery_code(session, account_id, _code_hash(account_id, typed), at):
        return False
    act = Act(action=Action.RECOVERY_CODE_USED, subject="account", subject_id=account_id)
    await append(session, keyring, [act], account_id=account_id, at=at)
    return True


# --- sessions from before ---------------------------------------------------------------------------------------------


async def ask_of_sessions(store: Store, keyring: Keyring, roles: Collection[Role], at: datetime) -> int:
    """What the settings ask for, at the start of the service, asked of sessions that were made without it.

    They may set up or present the second step (by signing in once more), and finish the contact that they are in;
    nothing else. How many accounts lost their rights by it now; they are on the trail.
    """
    async with store.transaction() as session:
        asked = await queries.ask_second_step(session, roles)
        acts = [Act(action=Action.SECOND_STEP_ASKED, subject="account", subject_id=found) for found in asked]
        await append(session, keyring, acts, account_id=None, at=at)
    return len(asked)


# --- setting it up, and taking it away --------------------------------------------------------------------------------


async def begin(store: Store, keyring: Keyring, viewer: Viewer, *, password: str, at: datetime) -> Enrolment:
    """A new secret for one's telephone; holds once a code of it was confirmed. Unfit `password-wrong`.

    Conflict `second-step-on` where there is one: take it away first.
    """
    await check_own_password(store, keyring, viewer, password, at)
    secret = pyotp.random_base32()
    async with store.transaction() as session:
        row = await queries.second_step(session, viewer.account_id, lock=True)
        if row is not None and row.confirmed_at is not None:
            raise Conflict("second-step-on", "There is a second step already: remove it first.")
        await queries.remove_second_step(session, viewer.account_id)
        sealed = keyring.seal(secret, _context(viewer.account_id))
        session.add(SecondStep(account_id=viewer.account_id, secret=sealed, made_at=at, last_step=0))
    uri = pyotp.TOTP(secret).provisioning_uri(name=viewer.username, issuer_name=_ISSUER)
    picture, size = _picture(uri)
    return Enrolment(secret=secret, uri=uri, picture=picture, size=size)


async def confirm(store: Store, keyring: Keyring, viewer: Viewer, *, code: str, at: datetime) -> list[str]:
    """The telephone makes the right codes: from now on they are asked for. Recovery codes, to be shown once.

    Unfit `code-wrong`; Conflict `second-step-not-begun`.
    """
    index, source = _own_attempts(keyring, "confirm", viewer)
    async with store.transaction() as session:
        await attempts.count_known(session, index, source, at)
    async with store.transaction() as session:
        row = await queries.second_step(session, viewer.account_id, lock=True)
        if row is None or row.confirmed_at is not None:
            raise Conflict("second-step-not-begun", "Begin anew: there is no second step to confirm.")
        step = matching_step(_open(keyring, row), code.replace(" ", ""), at, row.last_step)
        if step is None:
            raise _code_wrong()
        row.confirmed_at, row.last_step = at, step
        codes = _new_codes(session, viewer.account_id)
        await queries.release_session(session, viewer.account_id, viewer.session_id, at)
        await queries.forgive(session, index, source)
        act = Act(action=Action.SECOND_STEP_SET, subject="account", subject_id=viewer.account_id)
        await append(session, keyring, [act], account_id=viewer.account_id, at=at)
    return codes


async def renew_codes(
    store: Store, keyring: Keyring, viewer: Viewer, *, password: str, code: str, at: datetime
) -> list[str]:
    """Other recovery codes, to be shown once; those from before hold no more. `code`: what the telephone shows now.

    Unfit `password-wrong`, `code-wrong`; Conflict `second-step-off` where there is none.
    """
    await check_own_password(store, keyring, viewer, password, at)
    index, source = _own_attempts(keyring, "recovery-codes", viewer)
    async with store.transaction() as session:
        await attempts.count_known(session, index, source, at)
    typed = code.replace(" ", "")
    async with store.transaction() as session:
        row = await queries.second_step(session, viewer.account_id, lock=True)
        if row is None or row.confirmed_at is None:
            raise Conflict("second-step-off", "There is no second step: set one up first, recovery codes come with it.")
        right = _is_code(typed) and await _use(session, keyring, viewer.account_id, typed, at)
        if not right:
            await attempts.note_refused(
                session, keyring, Action.CODE_REFUSED, account_id=viewer.account_id, name_index=index, at=at
            )
        else:
            await queries.remove_recovery_codes(session, viewer.account_id)
            codes = _new_codes(session, viewer.account_id)
            await queries.forgive(session, index, source)
            act = Act(action=Action.RECOVERY_CODES_MADE, subject="account", subject_id=viewer.account_id)
            await append(session, keyring, [act], account_id=viewer.account_id, at=at)
    if not right:
        raise _code_wrong()
    return codes


async def remove(
    store: Store, keyring: Keyring, viewer: Viewer, *, password: str, asked_of_them: bool, at: datetime
) -> None:
    """Sign in with the password alone again. Conflict `second-step-required` where a role of theirs asks for it."""
    if asked_of_them:
        raise Conflict("second-step-required", "Your role asks for a second step: the administrator can reset it.")
    await check_own_password(store, keyring, viewer, password, at)
    async with store.transaction() as session:
        await _remove(session, keyring, viewer.account_id, by=viewer.account_id, at=at)


async def reset(session: AsyncSession, keyring: Keyring, *, username: str, at: datetime) -> bool:
    """By an administrator, for somebody who lost telephone and recovery codes. Whoever is signed in no longer is.

    False: there was none, and nothing was done.
    """
    account = await queries.account_by_username(session, username)
    if account is None:
        raise NotFound("account-unknown", "There is no account with this name.", field="username")
    step = await queries.second_step(session, account.id)
    if step is None or step.confirmed_at is None:
        return False
    await queries.end_sessions(session, account.id, at)
    await _remove(session, keyring, account.id, by=None, at=at)
    return True


async def check_own_password(store: Store, keyring: Keyring, viewer: Viewer, password: str, at: datetime) -> None:
    """Whether it is them: asked again before what a stolen session must not do. Unfit `password-wrong`."""
    index, source = _own_attempts(keyring, "own-password", viewer)
    async with store.transaction() as session:
        await attempts.count_known(session, index, source, at)
        account = await session.get_one(Account, viewer.account_id)
    if not await passwords.fits(password, account.password_hash):
        raise Unfit("password-wrong", "That is not your password: try again.", field="password")
    async with store.transaction() as session:
        await queries.forgive(session, index, source)


async def _remove(session: AsyncSession, keyring: Keyring, account_id: int, *, by: int | None, at: datetime) -> None:
    await queries.remove_second_step(session, account_id)
    act = Act(action=Action.SECOND_STEP_REMOVED, subject="account", subject_id=account_id)
    await append(session, keyring, [act], account_id=by, at=at)


def _new_codes(session: AsyncSession, account_id: int) -> list[str]:
    """As they are shown; the store has their hashes."""
    codes = [passwords.random_code() for _ in range(_RECOVERY_CODES)]
    hashes = [_code_hash(account_id, shown.replace("-", "")) for shown in codes]
    session.add_all(RecoveryCode(account_id=account_id, code_hash=hashed) for hashed in hashes)
    return codes


def _code_wrong() -> Unfit:
    return Unfit("code-wrong", "This code does not fit: take the one that is shown now.", field="code")


def _picture(uri: str) -> tuple[str, int]:
    """The QR code as SVG path data, one square per dark module; no markup that a page would have to trust."""
    code = segno.make(uri, error="m", micro=False)
    rows = list(code.matrix_iter(border=_BORDER))
    squares = (f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, dark in enumerate(row) if dark)
    return "".join(squares), len(rows)


def _open(keyring: Keyring, row: SecondStep) -> str:
    return keyring.open(row.secret, _context(row.account_id))


def _context(account_id: int) -> str:
    return f"second-step:{account_id}"


def _codes_of(keyring: Keyring, account_id: int, typed: str | None) -> str:
    """Guesses of recovery codes are hopeless, and fill no place among those of codes."""
    kind = _CODE if typed is None or _is_code(typed) else _RECOVERY_CODE
    return keyring.attempt_index(f"{kind}:{account_id}")


def _own_attempts(keyring: Keyring, what: str, viewer: Viewer) -> tuple[str, str]:
    """Of whoever is signed in, by session: a stolen one locks out no other."""
    return keyring.attempt_index(f"{what}:{viewer.account_id}"), keyring.attempt_index(f"session:{viewer.session_id}")


def _code_hash(account_id: int, code: str) -> str:
    return hashlib.sha256(f"{account_id}:{code}".encode()).hexdigest()
