"""By outcome: a stored call is ended by a person, by closed hours or by a PBX that died; all else is a finding."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from pbx.facts import EndedBy, Stage
from pbx.no_cap import Layer
from service.calls.model import Call
from service.cli import check
from service.settings import Settings, from_values
from service.store.engine import Store

AT = datetime(2026, 9, 14, 10, 0, tzinfo=UTC)
#: What must never stand in the books: rule → what the record says.
SEEDS: dict[str, list[dict[str, Any]]] = {
    "ended-by-system": [{"ended_by": EndedBy.SYSTEM, "ended_stage": Stage.TALKING}, {"ended_by": EndedBy.SYSTEM}],
    "ended-unclassified": [
        {"ended_by": None},
        {"ended_by": EndedBy.CLOSED, "ended_stage": Stage.CLOSED, "answered_at": AT},
    ],
}
#: Proven by the tests of a store that cannot be read.
OTHERS = {"outcome-unseen"}


def settings_of(folder: Path, url: str) -> Settings:
    return from_values(store={"data_dir": folder, "url": url})


async def put(store: Store, **values: Any) -> str:
    call_id = str(uuid4())
    async with store.transaction() as session:
        said = {"arrived_at": AT, "ended_at": AT + timedelta(hours=1), **values}
        session.add(Call(pbx="pbx1", call_id=call_id, line="+33199003133", **said))
    return call_id


def outcome(folder: Path, url: str) -> check.Report:
    (report,) = check.check(settings_of(folder, url), [Layer.OUTCOME])
    return report


async def report_of(folder: Path, store: Store) -> check.Report:
    """As the command does it, in a thread: it has a loop of its own."""
    return await asyncio.to_thread(outcome, folder, store.url)


async def test_ends_by_persons_closed_hours_and_a_dead_pbx_are_counted_and_no_findings(
    store: Store, tmp_path: Path
) -> None:
    for by in (EndedBy.CALLER, EndedBy.CALLER, EndedBy.LISTENER, EndedBy.CENTRE, EndedBy.CLOSED, EndedBy.FAULT):
        await put(store, ended_by=by)
    await put(store, ended_at=None)
    report = await report_of(tmp_path, store)
    assert (report.ran, report.findings) == (True, [])
    assert report.ends == {"caller": 2, "listener": 1, "centre": 1, "closed": 1, "fault": 1}
    assert check.summary(report).endswith("caller 2, centre 1, closed 1, fault 1, listener 1, system 0")


@pytest.mark.parametrize(("rule", "values"), [(rule, values) for rule, rows in SEEDS.items() for values in rows])
async def test_an_end_that_must_not_be_is_named_by_call_and_instant(
    store: Store, tmp_path: Path, rule: str, values: dict[str, Any]
) -> None:
    await put(store, ended_by=EndedBy.CALLER)
    call_id = await put(store, **values)
    report = await report_of(tmp_path, store)
    (problem,) = report.findings
    assert problem.id == rule
    assert call_id in problem.sentence
    assert "2026-09-14T11:00:00.000+00:00" in problem.sentence
    assert "33199003133" not in str(problem)


@pytest.mark.parametrize("word", ["operator", "transfer"])
async def test_an_end_of_which_this_version_knows_no_word_is_a_finding(store: Store, tmp_path: Path, word: str) -> None:
    call_id = await put(store, ended_by=EndedBy.CALLER)
    async with store.transaction() as session:
        await session.execute(text("UPDATE calls SET ended_by = :word"), {"word": word})
    (problem,) = (await report_of(tmp_path, store)).findings
    assert (problem.id, call_id in problem.sentence) == ("ended-unclassified", True)


def test_no_store_yet_is_said_and_is_no_finding(tmp_path: Path) -> None:
    report = outcome(tmp_path, "")
    assert (report.ran, report.why, report.findings) == (False, "no store here yet", [])


async def test_a_store_without_tables_is_said_and_is_no_finding(tmp_path: Path) -> None:
    store = Store(f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}")
    await store.ping()
    await store.close()
    report = await report_of(tmp_path, store)
    assert (report.ran, report.findings) == (False, [])


@pytest.mark.parametrize("broken", ["damaged", "gone"])
def test_a_store_that_cannot_be_read_is_a_finding_and_tells_no_password(tmp_path: Path, broken: str) -> None:
    url = "postgresql+asyncpg://ecoute:hidden-word@127.0.0.1:1/ecoute"
    if broken == "damaged":
        (tmp_path / "x.db").write_bytes(b"x" * 8192)
        url = f"sqlite+aiosqlite:///{tmp_path / 'x.db'}"
    report = outcome(tmp_path, url)
    (problem,) = report.findings
    assert problem.id == "outcome-unseen"
    assert "hidden-word" not in str(problem)


async def test_the_report_for_a_script_has_its_layers_its_findings_and_their_reasons(
    sqlite_store: Store, tmp_path: Path
) -> None:
    call_id = await put(sqlite_store, ended_by=EndedBy.SYSTEM, ended_stage=Stage.WAITING)
    report = await report_of(tmp_path, sqlite_store)
    said = json.loads(check.as_json([report, check.Report(Layer.LOADED, ran=False, why="none")]))
    assert said["layers"] == [
        {
            "layer": "outcome",
            "ran": True,
            "why": "",
            "looked_at": "1 calls that ended",
            "findings": 1,
            "ends": {"system": 1},
        },
        {"layer": "loaded", "ran": False, "why": "none", "looked_at": "", "findings": 0, "ends": {}},
    ]
    (finding,) = said["findings"]
    assert set(finding) == {"layer", "id", "file", "line", "sentence", "mend", "why"}
    assert (finding["layer"], finding["id"], finding["file"]) == ("outcome", "ended-by-system", f"pbx1: call {call_id}")
