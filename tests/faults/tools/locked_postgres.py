"""A PostgreSQL server that holds a table, stands still, throws everybody out, or dies and comes back."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.faults.tools.effect import prove
from tests.support.postgres import Postgres
from tests.support.wait import until

_HELD = (
    "SELECT relname FROM pg_locks JOIN pg_class ON pg_class.oid = relation"
    " WHERE mode = 'AccessExclusiveLock' AND granted"
)
_THROW_OUT = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = 'ecoute'"
)


@contextmanager
def locked_tables(server: Postgres, database: str, tables: Sequence[str]) -> Iterator[None]:
    """Another session holds these tables: ACCESS EXCLUSIVE, so that nobody reads either."""
    with server.session(database) as holder:
        holder.say(f"BEGIN; LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE;")
        yield
        held = server.sql(_HELD, database).splitlines()
        prove(set(tables) <= set(held), "the tables were not held to the end")


@contextmanager
def stopped(server: Postgres) -> Iterator[int]:
    """Every process of the server is stopped (SIGSTOP), as on a machine that hangs. How many there are."""
    processes = [server.process.pid, *_children(server.process.pid)]
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: all(_state(pid) in "TZ" for pid in processes), "every process of the server is stopped")
        yield len(processes)
    finally:
        for pid in reversed(processes):
            os.kill(pid, signal.SIGCONT)


def throw_out(server: Postgres, database: str) -> int:
    """End every session of the service; how many there were."""
    said = server.sql(_THROW_OUT, database)
    prove(int(said), "the service had no session")
    return int(said)


@contextmanager
def dead(server: Postgres) -> Iterator[None]:
    """`pg_ctl stop -m immediate`: as after a power cut. Started again at the end, which recovers from its log."""
    server.end(signal.SIGQUIT)
    try:
        prove(not server.answers(), "the server still answers")
        yield
    finally:
        server.start()


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _state(pid: int) -> str:
    """T: stopped. Z: ended as it was stopped, and nobody can collect it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "T"  # gone meanwhile: it does nothing either
