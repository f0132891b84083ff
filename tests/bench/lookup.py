"""Row d: growth. The median lookup of a caller with 10³ … 10⁶ cases, on SQLite and on PostgreSQL, by index alone.

What is measured is what runs while a phone begins to ring: everything that the pop-up shows of a number. Each size is a
database of its own; the sizes take turns. The plan of every statement is asked of the database and must name indexes.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import statistics
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import event, make_url, text

from service.accounts.rights import Role
from service.accounts.use_cases import make_account
from service.calls.lookup import caller_of
from service.keys import Keyring
from service.store.engine import Store
from tests.bench import processes
from tests.bench.row import Bench, Row, did_not_run
from tests.support.postgres import running_postgres

GOAL: Final = 1.2
_GOAL: Final = f"median within {GOAL} x, by index alone"
_NO_CALL: Final = "00000000-0000-4000-8000-000000000000"
_WARM_UP: Final = 50
#: PostgreSQL would write what is filled in twice, and once more at each of many checkpoints: nobody would miss it
_QUICK_SERVER: Final = {
    "max_wal_size": "'8GB'",
    "checkpoint_timeout": "'1h'",
    "full_page_writes": "off",
    "autovacuum": "off",
}
_TABLES: Final = "'cases', 'case_numbers', 'contacts', 'shielded_numbers', 'case_closed_to'"

_HASH: Final = {"sqlite": "lower(hex(randomblob(32)))", "postgresql": "md5(n::text) || md5((-n)::text)"}
_NUMBERS: Final = {
    "sqlite": "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {cases}) SELECT n FROM c)",
    "postgresql": "(SELECT generate_series(1, {cases}) AS n)",
}
_BLOB: Final = {"sqlite": "randomblob(60)", "postgresql": "decode(repeat('ab', 60), 'hex')"}
_AT: Final = {"sqlite": "'2026-03-01 10:00:00.000000'", "postgresql": "timestamptz '2026-03-01 10:00:00+00'"}


@dataclass(frozen=True, slots=True)
class Filled:
    """A database with its cases, and numbers of some of them."""

    store: Store
    numbers: Sequence[str]


def measure(bench: Bench) -> Sequence[Row]:
    """A row for each database."""
    return [_row(bench, "SQLite"), _row(bench, "PostgreSQL")]


def _row(bench: Bench, kind: str) -> Row:
    name = f"lookup of a caller, {kind}: most cases over fewest"
    bench.say(name)
    try:
        with _databases(bench, kind) as urls:
            return asyncio.run(_measure(bench, name, urls))
    except RuntimeError as error:
        return did_not_run(name, _GOAL, str(error))


@contextmanager
def _databases(bench: Bench, kind: str) -> Iterator[Mapping[int, str]]:
    """Addresses of empty databases, by how many cases they are to have."""
    sizes: Sequence[int] = bench.size.cases
    if kind == "SQLite":
        yield {cases: f"sqlite+aiosqlite:///{bench.folder}/lookup-{cases}.db" for cases in sizes}
        return
    with running_postgres() as server:
        for name, value in _QUICK_SERVER.items():
            server.sql(f"ALTER SYSTEM SET {name} = {value}")
        server.sql("SELECT pg_reload_conf()")
        for cases in sizes:
            server.sql(f"CREATE DATABASE lookup_{cases}")
        yield {cases: server.url(f"lookup_{cases}") for cases in sizes}


async def _measure(bench: Bench, name: str, urls: Mapping[int, str]) -> Row:
    async with _filled(urls) as databases:
        plans = set(await _plan(databases[max(databases)]))
        taken = await _lookups(databases, bench.size.lookups)
    medians = {cases: statistics.median(times) * 1000 for cases, times in taken.items()}
    few, many = min(medians), max(medians)
    ratio = medians[many] / medians[few]
    scans = sorted(line for line in plans if _is_scan(line))
    return Row(
        name=name,
        value=medians[many],
        unit="ms",
        peer=f"the same with {few:,} cases",
        peer_value=medians[few],
        ratio=ratio,
        goal=_GOAL,
        holds=ratio <= GOAL and not scans,
        n=bench.size.lookups * len(urls),
        note=(
            f"medians: {', '.join(f'{cases:,} cases {ms:.3f} ms' for cases, ms in medians.items())}; sizes "
            f"interleaved, {bench.size.lookups} lookups each, every number known with one case and one contact; "
            f"ratio is time over time, smaller is better; "
            f"plan: {'scans: ' + '; '.join(scans) if scans else _found(plans)}; {processes.load()}"
        ),
    )


# --- databases ------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _filled(urls: Mapping[int, str]) -> AsyncIterator[dict[int, Filled]]:
    stores: dict[int, Filled] = {}
    try:
        for cases, url in urls.items():
            store = Store(url)
            await store.upgrade()
            stores[cases] = Filled(store, await _fill(store, cases))
        yield stores
    finally:
        for filled in stores.values():
            await filled.store.close()


async def _fill(store: Store, cases: int) -> Sequence[str]:
    """Each case with a number and a contact from it; some of the numbers."""
    kind = store.dialect
    source, at, blob = _NUMBERS[kind].format(cases=cases), _AT[kind], _BLOB[kind]
    filling = {
        "cases (id, status, reference, department, opened_at, last_contact_at, wrapped_key)": (
            f"SELECT n, 'open', 'R' || n, '38', {at}, {at}, {blob} FROM {source} AS numbers"  # noqa: S608
        ),
        "case_numbers (case_id, number_index, sealed, first_at)": (
            f"SELECT n, {_HASH[kind]}, {blob}, {at} FROM {source} AS numbers"  # noqa: S608
        ),
        "contacts (pbx, call_id, case_id, line, number_index, started_at, notes_version)": (
            f"SELECT 'pbx1', 'call-' || case_id, case_id, '+33199003133', number_index, {at}, 0 FROM case_numbers"  # noqa: S608
        ),
        # numbers that the accused may use, elsewhere; and cases closed to somebody
        "shielded_numbers (number_index, shielded_at)": f"SELECT 'x' || n, {at} FROM {source} AS numbers",  # noqa: S608
        "case_closed_to (case_id, account_id)": f"SELECT n, {await _somebody(store)} FROM {source} AS numbers",  # noqa: S608
    }
    statements = [f"INSERT INTO {table} {rows}" for table, rows in filling.items()]
    if kind == "sqlite":
        await store.engine.dispose()
        await asyncio.to_thread(_fill_quickly, make_url(store.url).database or "", statements)
    else:
        await _fill_postgresql(store, statements)
    wanted = random.Random(cases).sample(range(1, cases + 1), min(cases, 500))  # noqa: S311 - which ones is all the same
    async with store.reading() as session:
        rows = await session.execute(
            text(f"SELECT number_index FROM case_numbers WHERE case_id IN ({','.join(map(str, wanted))})")  # noqa: S608
        )
        numbers = [row[0] for row in rows]
    if kind == "postgresql":
        async with store.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            await connection.execute(text("VACUUM ANALYZE"))
    return numbers


def _fill_quickly(database: str, statements: Sequence[str]) -> None:
    """What nobody would miss needs not be safe against a power cut; a million rows need a large cache."""
    connection = sqlite3.connect(database, isolation_level=None)
    for pragma in ("synchronous=OFF", "cache_size=-500000", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}")
    for statement in ("BEGIN", *statements, "COMMIT", "ANALYZE", "PRAGMA wal_checkpoint(TRUNCATE)"):
        connection.execute(statement)
    connection.close()


async def _fill_postgresql(store: Store, statements: Sequence[str]) -> None:
    """Foreign keys are not looked at one by one, and indexes are made once all rows are there."""
    made = text(
        "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i"  # noqa: S608
        f" WHERE i.indrelid::regclass::text IN ({_TABLES})"
        " AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)"
    )
    async with store.transaction() as session:
        for quick in ("session_replication_role = replica", "maintenance_work_mem = '512MB'"):
            await session.execute(text(f"SET LOCAL {quick}"))
        indexes = [(name, definition) for name, definition in await session.execute(made)]
        drops = [f"DROP INDEX {name}" for name, _ in indexes]
        for statement in (*drops, *statements, *(definition for _, definition in indexes)):
            await session.execute(text(statement))


async def _somebody(store: Store) -> int:
    """An account, by its id."""
    async with store.transaction() as session:
        made = await make_account(
            session,
            Keyring(bytes(32)),
            username="somebody",
            display_name="Somebody",
            roles={Role.LISTENER},
            at=datetime.now(UTC),
        )
    return made.account_id


# --- lookups --------------------------------------------------------------------------------------------------------


async def _look_up(filled: Filled, number: str) -> None:
    async with filled.store.reading() as session:
        found = await caller_of(session, number, account_id=None, call_id=_NO_CALL)
    assert len(found.known.cases) == found.known.contacts == 1, "every number is known"


async def _lookups(databases: Mapping[int, Filled], lookups: int) -> dict[int, list[float]]:
    """Seconds of each lookup, by size. The sizes take turns one by one, in another order each time, warm before."""
    taken: dict[int, list[float]] = {cases: [] for cases in databases}
    sizes = list(databases)
    order = random.Random(1)  # noqa: S311 - spreads what else the machine does
    for n in range(_WARM_UP + lookups):
        order.shuffle(sizes)
        for cases in sizes:
            numbers = databases[cases].numbers
            began = time.perf_counter()
            await _look_up(databases[cases], numbers[n % len(numbers)])
            if n >= _WARM_UP:
                taken[cases].append(time.perf_counter() - began)
    return taken


# --- plans ----------------------------------------------------------------------------------------------------------


async def _plan(filled: Filled) -> list[str]:
    """Every step of the plans of a lookup's statements, as the database tells them."""
    said: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if statement.startswith("SELECT"):
            said.append((statement, parameters))

    engine = filled.store.engine
    event.listen(engine.sync_engine, "before_cursor_execute", note)
    await _look_up(filled, filled.numbers[0])
    event.remove(engine.sync_engine, "before_cursor_execute", note)
    explain = "EXPLAIN QUERY PLAN " if filled.store.dialect == "sqlite" else "EXPLAIN "
    steps: list[str] = []
    async with engine.connect() as connection:
        for statement, parameters in said:
            rows = await connection.exec_driver_sql(explain + statement, parameters)
            steps += [str(row[-1]).strip() for row in rows]
    return steps


def _is_scan(step: str) -> bool:
    """A step that reads a table without an index, or rows that a covering index would spare. A case is read by its key.

    SQLite keeps a table in the order of its key: that is its index. PostgreSQL shows a case by its primary key's index.
    """
    if step.startswith(("SEARCH", "SCAN")):
        return "COVERING INDEX" not in step and "INTEGER PRIMARY KEY" not in step
    if "Seq Scan" in step:
        return True
    return "Index Scan" in step and "pk_cases" not in step


def _found(plans: set[str]) -> str:
    """The steps that find rows."""
    return "; ".join(sorted({line.partition("  (")[0] for line in plans if "SEARCH" in line or "Scan" in line}))
