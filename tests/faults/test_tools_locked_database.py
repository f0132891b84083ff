"""The database is held by somebody else: calls flow, and what was acknowledged is there afterwards."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.calls.model import Result
from tests.faults.tools import locked_postgres
from tests.faults.tools.effect import FaultWithoutEffect
from tests.faults.tools.locked_sqlite import locked_for_all, locked_for_writing
from tests.integration.live.line import LiveLine, Page
from tests.integration.live.test_after_a_gap import contacts, ended
from tests.support.postgres import Postgres, running_postgres
from tests.support.short_prompts import shorten
from tests.support.sipp import number
from tests.support.wait import until

_numbers = itertools.count(1)
#: within the ten seconds that a page waits for one
NO_ANSWER = 0


@dataclass(frozen=True, slots=True)
class Fault:
    """`hold`: does it. `read`: the database can still be read. `answers`: what saving meanwhile may get."""

    url: str
    hold: Callable[[], AbstractContextManager[object]]
    read: bool = False
    answers: frozenset[int] = frozenset({503})


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A cluster that may be killed."""
    with running_postgres() as server:
        yield server


def database(server: Postgres) -> str:
    name = f"faults_{next(_numbers)}"
    server.sql(f"CREATE DATABASE {name}")
    return name


@contextmanager
def thrown_out(server: Postgres, name: str) -> Iterator[None]:
    """Again and again."""
    locked_postgres.throw_out(server, name)
    yield
    locked_postgres.throw_out(server, name)


@pytest.fixture(
    params=["sqlite-locked", "sqlite-closed", "postgresql-locked", "postgresql-stopped", "postgresql-dead",
            "postgresql-thrown-out"]
)  # fmt: skip
def fault(request: pytest.FixtureRequest, tmp_path: Path) -> Fault:
    kind: str = request.param
    if kind.startswith("sqlite"):
        file = tmp_path / "var" / "ecoute.db"
        lock = locked_for_writing if kind == "sqlite-locked" else locked_for_all
        if kind == "sqlite-locked":
            return Fault("", lambda: lock(file), read=True)
        return Fault("", lambda: lock(file), answers=frozenset({503, NO_ANSWER}))  # SQLite tries for 10 s to read
    server: Postgres = request.getfixturevalue("server")
    name = database(server)
    tables = ("calls", "call_facts", "contacts", "cases")
    ways: dict[str, Callable[[], AbstractContextManager[object]]] = {
        "postgresql-locked": lambda: locked_postgres.locked_tables(server, name, tables),
        "postgresql-stopped": lambda: locked_postgres.stopped(server),
        "postgresql-dead": lambda: locked_postgres.dead(server),
        "postgresql-thrown-out": lambda: thrown_out(server, name),
    }
    if kind == "postgresql-thrown-out":
        return Fault(server.url(name), ways[kind], read=True, answers=frozenset({200, 503}))
    stuck = kind == "postgresql-stopped"  # a connection that is open already waits for the server
    return Fault(server.url(name), ways[kind], answers=frozenset({503, NO_ANSWER} if stuck else {503}))


def save(page: Page, contact_id: int, text: str, version: int) -> int:
    """The status, or NO_ANSWER."""
    try:
        status, _ = page.ask("PUT", f"/contacts/{contact_id}/notes", {"text": text, "version": version})
    except TimeoutError:
        return NO_ANSWER
    return status


def test_calls_flow_and_nothing_that_was_acknowledged_is_lost(tmp_path: Path, fault: Fault) -> None:
    with LiveLine(tmp_path, url=fault.url) as line:
        shorten(line.pbx.layout, "welcome")
        page, phone = line.listener("listener1")
        first = line.caller(number("+33639980001"))
        contact = until(lambda: page.one("contact"), "a listener talks, with a contact")
        assert save(page, contact["contact_id"], "before", 0) == 200
        other, telephone = line.listener("listener2", ring=1.5)
        with fault.hold():
            second = line.caller(number("+33639980001"))
            offer = until(lambda: other.one("offer"), "the pop-up comes", 30)
            shown = [offer["number"]]
            until(lambda: telephone.talks, "the caller is answered")
            until(lambda: other.one("me")["state"] == "talking", "the page shows the conversation", 10)
            refused = save(page, contact["contact_id"], "meanwhile", 1)
            shown.append((other.one("offer") or offer)["number"])
            assert first.lives
            assert second.lives
            phone.hang_up(reason="Q.850;cause=31")
            until(lambda: first.was_hung_up_on, "the first conversation ends as its people wish")
        assert refused in fault.answers
        if not fault.read:
            assert "known" not in shown, "nothing was known while nothing could be read"
        if refused != 200:
            assert other.one("me")["state"] == "talking"
            until(lambda: save(page, contact["contact_id"], "meanwhile", 1) == 200, "the page saves it in the end", 30)
        mine = until(lambda: other.one("contact"), "the contact comes when the database is back", 30)
        assert save(other, mine["contact_id"], "theirs", 0) == 200
        second.leave()
        calls = ended(line, 2)
        assert [(call.result, call.ended_by) for call in calls] == [
            (Result.ANSWERED, "listener"),
            (Result.ANSWERED, "caller"),
        ]
        assert contacts(line) == 2
        assert page.must("GET", f"/contacts/{contact['contact_id']}")["notes"] == "meanwhile"
        assert other.must("GET", f"/contacts/{mine['contact_id']}")["notes"] == "theirs"
        print(f"{fault.url or 'sqlite'}: notes meanwhile {refused}, the pop-up said {shown}")


def test_a_lock_that_is_none_is_an_error(tmp_path: Path, server: Postgres) -> None:
    with pytest.raises(FaultWithoutEffect):
        locked_postgres.throw_out(server, "postgres")
    began = time.monotonic()
    with locked_postgres.stopped(server) as processes:
        assert processes > 3
        assert time.monotonic() - began < 5
