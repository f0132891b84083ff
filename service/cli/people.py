"""Accounts and centres from the command line, and the sample line's own; what else it does, on the audit trail."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from pbx.errors import SetupError
from service.accounts import kept, second_step, use_cases
from service.accounts import queries as account_queries
from service.accounts.rights import Role
from service.audit.model import Action
from service.audit.use_cases import Act, append
from service.centres import queries as centre_queries
from service.centres.use_cases import seed_sample
from service.errors import ServiceError
from service.keys import Keyring, KeysError
from service.keys.ring import key_id
from service.settings import Settings
from service.store.away import store_is_away, store_is_damaged, word_of
from service.store.engine import Store
from service.store.secrets import open_keys
from service.store.upgrade import is_newest

#: sign-in, name as colleagues see it, roles: nobody real
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
    with mendable(settings):
        store = Store(settings.store_url)
        try:
            await open_keys(store, settings.store.data_dir.absolute())
        finally:
            await store.close()


async def seed_centres(settings: Settings) -> None:
    """The sample directory, where there is no centre yet."""
    async with transaction(settings) as (session, _):
        await seed_sample(session)


async def create_sample_people(settings: Settings) -> list[SignIn]:
    """Three listeners and a supervisor, where there is no account yet; the sign-ins that were made."""
    async with transaction(settings) as (session, keyring):
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
    async with transaction(settings) as (session, _):
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
    async with transaction(settings) as (session, keyring):
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
    async with transaction(settings) as (session, keyring):
        return (await use_cases.new_password(session, keyring, username=username, at=datetime.now(UTC))).password


async def set_active(settings: Settings, username: str, *, active: bool) -> bool:
    """Somebody leaves, or comes back. False: they had already."""
    async with transaction(settings) as (session, keyring):
        return await use_cases.set_active(session, keyring, username=username, active=active, at=datetime.now(UTC))


async def keeps_contact(settings: Settings, username: str) -> bool:
    """Whether somebody who was deactivated is in a conversation, or still writes it up."""
    async with transaction(settings) as (session, _):
        account = await account_queries.account_by_username(session, use_cases.folded(username))
        if account is None or account.active:
            return False
        _, contact = await kept.held_by(session, account.id, datetime.now(UTC))
        return contact is not None


async def sign_out(settings: Settings, username: str) -> None:
    """Every session of the account ends."""
    async with transaction(settings) as (session, keyring):
        await use_cases.sign_out_everywhere(session, keyring, username=username, at=datetime.now(UTC))


async def reset_second_step(settings: Settings, username: str) -> str:
    """The account signs in with its password alone, until it sets up another second step. What came of it, in words."""
    async with transaction(settings) as (session, keyring):
        name = use_cases.folded(username)
        if not await second_step.reset(session, keyring, username=name, at=datetime.now(UTC)):
            return f"{username} had no second step: nothing was changed"
        account = await account_queries.account_by_username(session, name)
        done = f"{username} is signed out everywhere, and signs in with the password alone"
        if account is not None and account.roles & frozenset(settings.accounts.totp_roles):
            return f"{done}; their role asks for a second step: their pages open once they have set up a new one"
        return f"{done}, until they set up a new second step"


async def all_centres(settings: Settings) -> list[CentreRow]:
    """All centres, by id."""
    async with transaction(settings) as (session, _):
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
    return json.dumps([asdict(row) for row in rows], indent=2)  # escaped: nothing a terminal obeys


async def note(settings: Settings, *acts: Act) -> None:
    """On the audit trail: what was done from the command line, by nobody whom the service knows."""
    async with transaction(settings) as (session, keyring):
        await append(session, keyring, acts, account_id=None, at=datetime.now(UTC))


async def note_backup(settings: Settings, key: str) -> None:
    """The same, of a copy of the database of this master key. SetupError where it would be upgraded, or a key made."""
    if not key:
        raise SetupError("database-without-key", "The database has no master key yet.", "")
    with mendable(settings):
        store = Store(settings.store_url)
        try:
            async with store.engine.connect() as connection:
                is_ours = await connection.run_sync(is_newest)
        finally:
            await store.close()
    if not is_ours:
        raise SetupError("database-other", "The database is of another version of Écoute.", "")
    await note(settings, Act(action=Action.BACKUP_MADE, subject="store", subject_id=key))


async def key_in_use(settings: Settings) -> str:
    """Short name of the master key that seals."""
    async with opened(settings) as (_, keyring, _):
        return key_id(keyring.fingerprint)


@asynccontextmanager
async def transaction(settings: Settings) -> AsyncIterator[tuple[AsyncSession, Keyring]]:
    """A unit of work of a command. SetupError with what an administrator can do, where something is in the way."""
    async with opened(settings) as (store, keyring, _), store.transaction() as session:
        yield session, keyring


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[tuple[Store, Keyring, Path]]:
    """The store, its keyring and the data directory of the line that is here; none is made. SetupError likewise."""
    data_dir = settings.store.data_dir.absolute()
    if not data_dir.is_dir():
        raise SetupError(
            "no-line-here",
            f"There is no line here: {data_dir} does not exist.",
            "Go to the directory of its ecoute.toml, name that file with --config, or make one: ecoute init.",
        )
    refuse_lost_database(settings)
    with mendable(settings):
        store = Store(settings.store_url)
        try:
            yield store, await open_keys(store, data_dir), data_dir
        finally:
            await store.close()


def refuse_lost_database(settings: Settings) -> None:
    """SQLite would make an empty file in place of one that was lost, and every answer of a command be wrong."""
    url = _address(settings)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise SetupError(
            "no-database-here",
            f"There is no database at {url.database}.",
            "Restore it, or run `ecoute init` for a new line.",
        )


def _address(settings: Settings) -> URL:
    try:
        return make_url(settings.store_url)
    except (SQLAlchemyError, ValueError):  # without what was written: a password may be in it
        raise SetupError(
            "store-url-unfit",
            "The database's address, store.url in ecoute.toml, cannot be read.",
            "Write it like postgresql+asyncpg://user@host:5432/database; in a password, %40 stands for @.",
        ) from None


@contextmanager
def mendable(settings: Settings) -> Iterator[None]:
    """What an administrator can mend, in one sentence."""
    address = _address(settings)
    try:
        yield
    except ServiceError as error:
        raise SetupError(error.id, error.message, "") from None
    except KeysError as error:
        raise SetupError(error.id, str(error), "") from None
    except (SQLAlchemyError, OSError) as error:
        raise _store_error(address, error) from error


def _store_error(address: URL, error: Exception) -> SetupError:
    """`store-unreachable` may be over without anybody's hand on this machine; nothing else is."""
    if store_is_damaged(error):
        return SetupError(
            "store-damaged",
            f"The database {address.database} is damaged.",
            "Stop the service, put the file aside with those beside it (-wal, -shm), and restore the backup.",
        )
    sentence = f"The store {address.render_as_string(hide_password=True)} cannot be used ({word_of(error)})."
    if store_is_away(error):
        return SetupError(
            "store-unreachable",
            sentence,
            "See that the database runs and may be written, that there is room on the disk, and that store.url in "
            "ecoute.toml is right.",
        )
    return SetupError(
        "store-refuses",
        sentence,
        "See that store.url in ecoute.toml has the right user, password and database. If it has, the database is not "
        "as this version needs it: restore the backup from before the last upgrade, or tell whoever maintains Écoute.",
    )
