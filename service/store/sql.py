"""The few statements that SQLite and PostgreSQL share but SQLAlchemy spells per database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Table, Update, func, inspect, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningInsert

from service.store.base import Base


def _insert(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows ON CONFLICT."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def table_of(model: type[Base]) -> Table:
    """Where a model's rows are."""
    table = inspect(model).local_table
    if not isinstance(table, Table):
        raise TypeError(f"{model.__name__} is not stored in a table")
    return table


async def insert_once(
    session: AsyncSession, model: type[Base], rows: Sequence[Mapping[str, Any]], *, keys: Sequence[str]
) -> int:
    """Insert the rows that are not there yet; how many were new.

    `keys`: columns of the unique key that says "there already". All rows name the same columns. Waits for another
    transaction that is inserting the same key, so that of two at once exactly one counts it as new.
    """
    if not rows:
        return 0
    statement = _insert_once(session.get_bind().dialect.name, table_of(model), tuple(keys))
    done = await session.execute(statement, [dict(row) for row in rows])
    return len(done.all())


@cache
def _insert_once(dialect: str, table: Table, keys: tuple[str, ...]) -> ReturningInsert[Any]:
    statement = _insert(dialect, table).on_conflict_do_nothing(index_elements=list(keys))
    return statement.returning(*(table.c[key] for key in keys))


async def run_many(session: AsyncSession, statement: Update, values: Sequence[Mapping[str, Any]]) -> None:
    """One statement for many sets of values, in their order."""
    if values:
        await (await session.connection()).execute(statement, list(values))


async def count_up(session: AsyncSession, model: type[Base], key: Mapping[str, Any], counter: str) -> int:
    """The next value of a counter row (1, 2, 3…), made when it is not there. Race-free: the row stays locked."""
    table = table_of(model)
    statement = _insert(session.get_bind().dialect.name, table).values({**key, counter: 1})
    done = await session.execute(
        statement.on_conflict_do_update(index_elements=list(key), set_={counter: table.c[counter] + 1}).returning(
            table.c[counter]
        )
    )
    value: int = done.scalar_one()
    return value


async def one_at_a_time(session: AsyncSession, lock: int) -> None:
    """Waits until no other transaction holds this lock, and holds it until this one ends; what waits reads afterwards.

    For "count, then insert" of rows that are not there yet, which no row lock can hold. SQLite lets in one writer.
    """
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(select(func.pg_advisory_xact_lock(lock)))
