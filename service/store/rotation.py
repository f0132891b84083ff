"""Rotation of the master key, while services run: every value is sealed anew under a new key, in small transactions.

    1. a new key file is made, and the store says that it is coming          (mark.next_fingerprint)
    2. every process of the service has read it                              (key_holders.knows)
    3. it seals what is new, in every process                                (mark.fingerprint, key_holders.seals_with)
    4. what older keys sealed is sealed anew; the keys that hash last, so that an unfinished rotation shows
    5. on its own, when the administrator says so: nothing is left under the old keys, their files are put away

Each step finds what an earlier run did: it may be killed at any instant and called again.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Column, LargeBinary, Table, bindparam, func, select, text, tuple_, type_coerce, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from service.keys import Keyring, KeysError, Sealed
from service.keys.files import new_master_key, only_rotation, retire_all_but
from service.keys.ring import HEAD_BYTES, key_id, sealed_by
from service.store.base import UNDER_CASE_KEY, SealedBytes
from service.store.engine import Store
from service.store.model import KeyHolder, MasterKeyMark, StoredKey
from service.store.tables import metadata

#: values sealed anew in one transaction: some milliseconds, so that nobody waits for us
BATCH: Final = 200
#: shorter than the second after which PostgreSQL takes whoever waits for us for deadlocked…
_TABLES_WAIT_MS: Final = 400
#: …and asked for so often: about as long as anybody waits for a lock
_TABLES_ASKED: Final = 12
_STATEMENT_TIMEOUT: Final = "57014"
#: between two transactions: SQLite lets in whoever asks first
_PAUSE_SECONDS: Final = 0.01
#: a process that lacks the key is waited for so long; then the rotation gives up, and nothing was sealed with it…
WAIT_SECONDS: Final = 120.0
#: …a process that was not seen for so long is not waited for; longer than the wait, so that none drops out during it…
_ABSENT_AFTER: Final = timedelta(seconds=WAIT_SECONDS + 60)
#: …and after so long it is dead: it may not have stopped an old key from being put away
DEAD_AFTER: Final = timedelta(minutes=15)
_LOOK_SECONDS: Final = 0.2
#: "sealed before there was a rotation", among ids of keys
OLD_FORM: Final = "old form"

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column whose values are sealed by the keyring. `old_context`: of its old form, by the row."""

    table: Table
    column: Column[Any]
    old_context: Callable[[Mapping[str, Any]], str] | None

    @property
    def keys(self) -> list[Column[Any]]:
        return list(self.table.primary_key.columns)


#: the columns that had the old form, and what their texts were bound to (no other may have it)
_OLD_CONTEXTS: Final[Mapping[tuple[str, str], Callable[[Mapping[str, Any]], str]]] = {
    ("sessions", "phone_password"): lambda row: f"phone:{row['account_id']}",
    ("caller_keys", "sealed"): lambda row: f"caller-key:{row['key_id']}",
    ("calls", "number"): lambda row: f"call:{row['call_id']}:number",
}


def sealed_columns() -> list[SealedColumn]:
    """Every column of the schema that a rotation has to reach: all `Sealed` ones but those under a case's own key."""
    found = [
        SealedColumn(table, column, _OLD_CONTEXTS.get((table.name, column.name)))
        for table in metadata().sorted_tables
        for column in table.columns
        if isinstance(column.type, SealedBytes) and not UNDER_CASE_KEY.items() <= column.info.items()
    ]
    return sorted(found, key=lambda one: one.table.name == StoredKey.__tablename__)


@dataclass(frozen=True, slots=True)
class Holder:
    """A process of the service. `seen_seconds`: since it was last seen."""

    machine: str
    knows: tuple[str, ...]
    seals_with: str
    seen_seconds: float


@dataclass(frozen=True, slots=True)
class Status:
    """`seals`: id of the key that seals; `coming`: of the one that a rotation made; `files`: of the files here.

    `values`: how many values each key has sealed; `holders`: the processes that run.
    """

    seals: str
    coming: str | None
    files: tuple[str, ...]
    values: Mapping[str, int]
    holders: tuple[Holder, ...]

    @property
    def elsewhere(self) -> int:
        """Values that another key than the one that seals has sealed."""
        return sum(count for name, count in self.values.items() if name != self.seals)


async def status(store: Store, keyring: Keyring) -> Status:
    """What is sealed with which key, and who runs."""
    async with store.reading() as session:
        mark = await session.get_one(MasterKeyMark, 1)
        return Status(
            seals=key_id(mark.fingerprint),
            coming=None if mark.next_fingerprint is None else key_id(mark.next_fingerprint),
            files=keyring.known,
            values=await _values(session),
            holders=tuple(await _holders(session, DEAD_AFTER)),
        )


async def rotate(
    store: Store, keyring: Keyring, data_dir: Path, *, tell: Progress, wait_seconds: float = WAIT_SECONDS
) -> Status:
    """A new master key, and everything sealed anew with it; or an unfinished rotation is finished.

    KeysError `key-not-everywhere` when a process that runs did not get the new key within `wait_seconds`: nothing is
    sealed with it then, and this may be called again.
    """
    with only_rotation(data_dir):
        if await _is_unfinished(store):
            tell("A rotation was interrupted: finishing it")
        else:
            coming = await _announce(store, keyring, data_dir)
            tell(f"Master key {key_id(coming)} is made; waiting until every process has it")
            await _wait_for_all(store, coming, lambda holder: key_id(coming) in holder.knows, wait_seconds)
            await _switch(store, coming)
        current = await _current(store)
        keyring.seal_with(current)
        await _wait_for_all(store, current, lambda holder: holder.seals_with == key_id(current), wait_seconds)
        await _rewrap_all(store, keyring, tell)
        return await status(store, keyring)


async def retire(store: Store, data_dir: Path) -> list[Path]:
    """The files of the keys that seal nothing any more are put away; where they lie now.

    While it looks, nobody writes. KeysError `key-still-used` when something is left under an old key, or a process may
    still seal with it; `store-busy` when somebody writes for long.
    """
    with only_rotation(data_dir):
        async with store.transaction() as session:
            await _nobody_writes(session)
            mark = await session.get_one(MasterKeyMark, 1, populate_existing=True)
            current = key_id(mark.fingerprint)
            if mark.next_fingerprint is not None:
                raise _still_used("A rotation is under way")
            late = [one for one in await _holders(session, DEAD_AFTER) if one.seals_with != current]
            if late:
                raise _still_used(f"A process on {late[0].machine} still seals with master key {late[0].seals_with}")
            left = {name: count for name, count in (await _values(session)).items() if name != current}
            if left:
                name, count = next(iter(left.items()))
                raise _still_used(f"{count} values are still sealed with another master key ({name})")
            return await asyncio.to_thread(retire_all_but, data_dir, mark.fingerprint)


# --- steps ------------------------------------------------------------------------------------------------------------


async def _is_unfinished(store: Store) -> bool:
    """Something is under a key that sealed before. The old form alone is no sign: it is as old as the store."""
    async with store.reading() as session:
        mark = await session.get_one(MasterKeyMark, 1)
        return bool((await _values(session)).keys() - {key_id(mark.fingerprint), OLD_FORM})


async def _announce(store: Store, keyring: Keyring, data_dir: Path) -> str:
    """The file first, then the mark: a key that the store speaks of is there."""
    async with store.transaction() as session:
        mark = await session.get_one(MasterKeyMark, 1, with_for_update=True, populate_existing=True)
        coming = mark.next_fingerprint
        if coming is None:
            coming = mark.next_fingerprint = await asyncio.to_thread(new_master_key, data_dir)
    if not keyring.knows(coming):
        raise KeysError(
            "master-key-missing",
            f"A rotation made master key {key_id(coming)}, but its file is not here: copy it from the machine where "
            f"the rotation began to {keyring.place / f'master-{key_id(coming)}.key'}.",
        )
    return coming


async def _switch(store: Store, coming: str) -> None:
    async with store.transaction() as session:
        mark = await session.get_one(MasterKeyMark, 1, with_for_update=True, populate_existing=True)
        if mark.next_fingerprint == coming:
            mark.fingerprint, mark.next_fingerprint = coming, None


async def _current(store: Store) -> str:
    async with store.reading() as session:
        return (await session.get_one(MasterKeyMark, 1)).fingerprint


async def _wait_for_all(store: Store, fingerprint: str, ready: Callable[[Holder], bool], wait_seconds: float) -> None:
    until = time.monotonic() + wait_seconds
    while True:
        async with store.reading() as session:
            waiting = [one for one in await _holders(session, _ABSENT_AFTER) if not ready(one)]
        if not waiting:
            return
        if time.monotonic() > until:
            raise KeysError(
                "key-not-everywhere",
                f"A process on {waiting[0].machine} has not taken master key {key_id(fingerprint)}: see that its "
                f"secrets directory holds master-{key_id(fingerprint)}.key, or stop it; then run this again.",
            )
        await asyncio.sleep(_LOOK_SECONDS)


async def _rewrap_all(store: Store, keyring: Keyring, tell: Progress) -> None:
    async with store.reading() as session:
        total = sum(count for name, count in (await _values(session)).items() if name != keyring.known[0])
    done, told_at = 0, time.monotonic()
    # Others lock rows in an order of their own. What they hold is left for later and then taken one by one: whoever
    # waits and holds nothing is in nobody's way.
    for one, most in itertools.product(sealed_columns(), (BATCH, 1)):
        after: Sequence[Any] | None = None
        while True:
            async with store.transaction() as session:
                rows = await _batch(session, keyring, one, after, most)
                await _rewrap(session, keyring, one, rows)
            if not rows:
                break
            done, after = done + len(rows), [rows[-1][key.name] for key in one.keys]
            if time.monotonic() - told_at >= 1:
                told_at = time.monotonic()
                tell(f"Sealed anew: {done} of {total}")
            await asyncio.sleep(_PAUSE_SECONDS)
    tell(f"Sealed anew: {done} of {total}")


async def _batch(
    session: AsyncSession, keyring: Keyring, one: SealedColumn, after: Sequence[Any] | None, most: int
) -> Sequence[Mapping[str, Any]]:
    """The next rows, by primary key, whose value another key has sealed. Only a single one is waited for."""
    statement = (
        select(*one.table.columns)
        .where(one.column.is_not(None), _head(one.column) != keyring.head)
        .order_by(*one.keys)
        .limit(most)
        .with_for_update(key_share=True, skip_locked=most > 1)
    )
    if after is not None:
        statement = statement.where(tuple_(*one.keys) > tuple_(*after))
    return [dict(row) for row in (await session.execute(statement)).mappings()]


async def _rewrap(
    session: AsyncSession, keyring: Keyring, one: SealedColumn, rows: Sequence[Mapping[str, Any]]
) -> None:
    """A value that somebody changed or erased meanwhile stays as they left it."""
    if not rows:
        return
    statement = update(one.table).where(one.column == bindparam("was", type_=SealedBytes()))
    for key in one.keys:
        statement = statement.where(key == bindparam(f"key_{key.name}", type_=key.type))
    changes = []
    for row in rows:
        was: Sealed = row[one.column.name]
        change = {f"key_{key.name}": row[key.name] for key in one.keys}
        changes.append(change | {"was": was, "anew": _anew(keyring, one, row)})
    anew = {one.column: bindparam("anew", type_=SealedBytes())}
    await (await session.connection()).execute(statement.values(anew), changes)


def _anew(keyring: Keyring, one: SealedColumn, row: Mapping[str, Any]) -> Sealed:
    try:
        return keyring.rewrap(row[one.column.name], None if one.old_context is None else one.old_context(row))
    except KeysError as error:
        place = ", ".join(f"{key.name} {row[key.name]}" for key in one.keys)
        raise KeysError(error.id, f"{error} It lies in {one.table.name}.{one.column.name}, {place}.") from None


# --- what there is ----------------------------------------------------------------------------------------------------


def _head(column: Column[Any]) -> Any:
    return type_coerce(func.substr(column, 1, HEAD_BYTES), LargeBinary())


async def _values(session: AsyncSession) -> dict[str, int]:
    """Id of each master key (or `OLD_FORM`) → how many values it has sealed."""
    found: Counter[str] = Counter()
    for one in sealed_columns():
        head = _head(one.column)
        statement = select(head, func.count()).where(one.column.is_not(None)).group_by(head)
        for first_bytes, count in await session.execute(statement):
            found[sealed_by(first_bytes) or OLD_FORM] += count
    return dict(found)


async def _holders(session: AsyncSession, absent_after: timedelta) -> list[Holder]:
    now = datetime.now(UTC)
    rows = await session.scalars(select(KeyHolder).where(KeyHolder.seen_at > now - absent_after))
    return [
        Holder(row.machine, tuple(row.knows.split()), row.seals_with, (now - row.seen_at).total_seconds())
        for row in rows
    ]


async def _nobody_writes(session: AsyncSession) -> None:
    """Until the transaction ends; who began to write is waited for. On SQLite a writer is alone anyway.

    Writers come to these tables in several orders: one that waits for us, while we wait for it, would be made to fail.
    So we give way before, and ask again.
    """
    if session.get_bind().dialect.name != "postgresql":
        return
    names = ", ".join(sorted({one.table.name for one in sealed_columns()} | {MasterKeyMark.__tablename__}))
    for _ in range(_TABLES_ASKED):
        try:
            async with session.begin_nested():
                await session.execute(text(f"SET LOCAL statement_timeout = {_TABLES_WAIT_MS}"))
                await session.execute(text(f"LOCK TABLE {names} IN SHARE MODE"))
                await session.execute(text("SET LOCAL statement_timeout TO DEFAULT"))
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _STATEMENT_TIMEOUT:
                raise
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            return
    raise KeysError(
        "store-busy",
        "Somebody has written into the database for seconds: nothing was put away. Run `ecoute keys retire` again.",
    )


def _still_used(why: str) -> KeysError:
    return KeysError("key-still-used", f"{why}: run `ecoute keys rotate` again, then retire.")
