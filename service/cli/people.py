"""Accounts and centres from the command line, and the sample line's own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from pbx.errors import SetupError
from service.accounts import queries as account_queries
from service.accounts import use_cases
from service.accounts.rights import Role
from service.centres import queries as centre_queries
from service.centres.use_cases import seed_sample
from service.errors import ServiceError
from service.keys import Keyring, KeysError, load_keyring
from service.settings import Settings
from service.store.engine import Store

#: sign-in, name as colleagues see it, roles: nobody real (DOMAIN.md)
_SAMPLE_PEOPLE = (
    ("camille", "Camille Exemple", {Role.LISTENER}),
    ("dominique", "Dominique Exemple", {Role.LISTENER}),
    ("maxime", "Maxime Exemple", {Role.LISTENER}),
    ("superviseur", "Sacha Exemple", {Role.SUPERVISOR}),
)


@dataclass(frozen=True, slots=True)
class SignIn:
    """`password` is shown once and never stored in clear."""

    username: str
    password: str
    role: str


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account as an administrator sees it. `centre`: empty for the national team."""

    id: int
    username: str
    display_name: str
    roles: tuple[str, ...]
    centre: str
    active: bool


@dataclass(frozen=True, slots=True)
class CentreRow:
    """A centre as an administrator sees it. `reached_by`: `queue`, or its telephone."""

    id: str
    name: str
    departments: tuple[str, ...]
    reached_by: str


async def prepare_store(settings: Settings) -> None:
    """Brings the store to this version's schema, and makes the master key the first time."""
    with _mendable(settings):
        load_keyring(settings.store.data_dir.absolute())
        store = Store(settings.store_url)
        try:
            await store.upgrade()
        finally:
            await store.close()


async def seed_centres(settings: Settings) -> None:
    """The sample directory, where there is no centre yet."""
    async with _transaction(settings) as (session, _):
        await seed_sample(session)


async def create_sample_people(settings: Settings) -> list[SignIn]:
    """Three listeners and a supervisor, where there is no account yet; the sign-ins that were made."""
    async with _transaction(settings) as (session, keyring):
        if await account_queries.accounts(session):
            return []
        made: list[SignIn] = []
        for username, name, roles in _SAMPLE_PEOPLE:
            account = await use_cases.make_account(
                session, keyring, username=username, display_name=name, roles=roles, at=datetime.now(UTC)
            )
            made.append(SignIn(account.username, account.password, ", ".join(sorted(roles))))
        return made


async def accounts(settings: Settings) -> list[AccountRow]:
    """All accounts, by sign-in."""
    async with _transaction(settings) as (session, _):
        return [
            AccountRow(
                id=account.id,
                username=account.username,
                display_name=account.display_name,
                roles=tuple(sorted(account.roles)),
                centre=account.centre or "",
                active=account.active,
            )
            for account in await account_queries.accounts(session)
        ]


async def add(settings: Settings, username: str, display_name: str, roles: Sequence[str], centre: str) -> str:
    """A new account's random password."""
    known = {role.value for role in Role}
    if wrong := [role for role in roles if role not in known]:
        raise SetupError("role-unknown", f"There is no role {wrong[0]}.", f"Roles are {', '.join(sorted(known))}.")
    async with _transaction(settings) as (session, keyring):
        if centre and centre not in {known.id for known in await centre_queries.centres(session)}:
            raise SetupError(
                "centre-unknown", f"There is no centre {centre}.", "`ecoute centres list` shows those that there are."
            )
        made = await use_cases.make_account(
            session,
            keyring,
            username=username,
            display_name=display_name,
            roles={Role(role) for role in roles},
            at=datetime.now(UTC),
            centre=centre or None,
        )
        return made.password


async def reset(settings: Settings, username: str) -> str:
    """Another random password for an account."""
    async with _transaction(settings) as (session, keyring):
        return (await use_cases.new_password(session, keyring, username=username, at=datetime.now(UTC))).password


async def all_centres(settings: Settings) -> list[CentreRow]:
    """All centres, by id."""
    async with _transaction(settings) as (session, _):
        return [
            CentreRow(
                id=centre.id,
                name=centre.name,
                departments=tuple(row.department for row in centre.coverage),
                reached_by=centre.telephone or str(centre.route),
            )
            for centre in await centre_queries.centres(session)
        ]


def as_json(rows: Sequence[AccountRow]) -> str:
    """A list of objects, one for each account."""
    return json.dumps([asdict(row) for row in rows], indent=2, ensure_ascii=False)


@asynccontextmanager
async def _transaction(settings: Settings) -> AsyncIterator[tuple[AsyncSession, Keyring]]:
    data_dir = settings.store.data_dir.absolute()
    if not data_dir.is_dir():
        raise SetupError(
            "no-line-here",
            f"There is no line here: {data_dir} does not exist.",
            "Go to the directory of its ecoute.toml, name that file with --config, or make one: ecoute init.",
        )
    with _mendable(settings):
        keyring = load_keyring(data_dir)
        store = Store(settings.store_url)
        try:
            await store.upgrade()
            async with store.transaction() as session:
                yield session, keyring
        finally:
            await store.close()


@contextmanager
def _mendable(settings: Settings) -> Iterator[None]:
    """What an administrator can mend, in one sentence."""
    try:
        yield
    except ServiceError as error:
        raise SetupError(error.id, error.message, "") from None
    except KeysError as error:
        raise SetupError("keys", str(error), "") from None
    except (SQLAlchemyError, OSError) as error:
        where = make_url(settings.store_url).render_as_string(hide_password=True)
        raise SetupError(
            "store-unreachable",
            f"The store {where} cannot be used ({type(error).__name__}).",
            "See that the database runs, that there is room on the disk, and that store.url in ecoute.toml is right.",
        ) from error
