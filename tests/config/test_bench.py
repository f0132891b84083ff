"""The bench's rows run, and their figures come in the form that other tools read. What they are, `make bench` tells."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.bench import __main__ as bench
from tests.bench import needed, parse_dispatch, pbx_overhead
from tests.bench.live_view import Line
from tests.bench.live_view import _faults as faults_of_live_view
from tests.bench.lookup import _is_scan as reads_more_than_an_index
from tests.bench.peers import environment
from tests.bench.row import Row, interleaved, quantile

ROOT = Path(__file__).parents[2]
#: the form that other tools read: name → the types that it may have
FORM = {
    "name": (str,),
    "value": (int, float, type(None)),
    "unit": (str,),
    "peer": (str, type(None)),
    "peer_value": (int, float, type(None)),
    "ratio": (int, float, type(None)),
    "goal": (str,),
    "holds": (bool,),
    "n": (int,),
    "note": (str,),
}


def run(tmp_path: Path, *arguments: str) -> list[dict[str, Any]]:
    """The rows that such a run writes."""
    out = tmp_path / "var" / "bench.json"
    assert bench.main(["--tiny", "--out", str(out), *arguments]) == 0
    rows: list[dict[str, Any]] = json.loads(out.read_text())
    for row in rows:
        assert list(row) == list(FORM)
        assert all(isinstance(row[name], kinds) for name, kinds in FORM.items()), row
    return rows


@pytest.mark.parametrize("word", bench.ROWS)
def test_every_row_has_a_file_that_measures(word: str) -> None:
    assert callable(importlib.import_module(f"tests.bench.{bench.ROWS[word][0]}").measure)


def test_lookups_grow_by_index_alone_on_both_databases(tmp_path: Path) -> None:
    sqlite, postgresql = run(tmp_path, "--only", "lookup")
    for row in (sqlite, postgresql):
        assert row["value"], row["note"]
        assert row["peer_value"], row["note"]
    assert "scans" not in sqlite["note"], "PostgreSQL reads a table of a hundred rows whole, and rightly"
    assert "COVERING INDEX" in sqlite["note"]


def test_a_change_reaches_every_socket(tmp_path: Path) -> None:
    (row,) = run(tmp_path, "--only", "live")
    assert row["value"] is not None, row["note"]
    assert row["n"] == 30


def test_what_the_service_costs_asterisk_is_measured_with_and_without_it(tmp_path: Path) -> None:
    (row,) = run(tmp_path, "--only", "overhead")
    assert row["value"] is not None, row["note"]
    assert row["peer_value"] is not None
    assert row["n"] == 6, "three calls with the service, three without, all of them in the books"


@pytest.mark.parametrize(("with_it", "holds"), [(95.0, True), (94.0, False)])
def test_a_service_that_takes_more_than_a_twentieth_of_asterisk_does_not_hold(with_it: float, holds: bool) -> None:
    row = pbx_overhead._row({"without": 100.0, "with": with_it}, 10, [0.01])
    assert row.ratio == with_it / 100
    assert row.holds is holds


def test_asterisk_has_its_core_for_itself_and_we_get_ours_back() -> None:
    before = os.sched_getaffinity(0)
    with pbx_overhead._cores_apart() as core:
        assert core is None or core not in os.sched_getaffinity(0)
    assert os.sched_getaffinity(0) == before


def test_a_row_that_cannot_run_says_why_and_does_not_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(_bench: object) -> list[Row]:
        raise OSError("no telephone here")

    monkeypatch.setattr("tests.bench.idle.measure", measure)
    (row,) = run(tmp_path, "--only", "idle")
    assert (row["value"], row["holds"]) == (None, False)
    assert row["note"] == "could not run: OSError: no telephone here"


def test_a_row_that_is_measured_alone_leaves_the_others_in_their_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(_bench: object) -> list[Row]:
        return [Row(name=name, value=value, unit="ms", goal="", holds=True, n=1, note="") for name, value in figures]

    def figures_after(*arguments: str) -> list[tuple[str, float | None]]:
        return [(row["name"], row["value"]) for row in run(tmp_path, *arguments)]

    for word in ("idle", "popup"):
        monkeypatch.setattr(f"tests.bench.{bench.ROWS[word][0]}.measure", measure)
    figures = [("one", 1.0), ("two", 2.0)]
    assert figures_after("--only", "idle") == figures
    figures = [("three", 3.0)]
    assert figures_after("--only", "popup") == [("one", 1.0), ("two", 2.0), ("three", 3.0)]
    figures = [("two", 22.0), ("one", 11.0)]
    assert figures_after("--only", "idle") == [("one", 11.0), ("two", 22.0), ("three", 3.0)]
    monkeypatch.setattr("tests.bench.popup.measure", None)
    failed = figures_after("--only", "popup")
    assert failed == [("one", 11.0), ("two", 22.0), ("three", 3.0), ("popup", None)]
    monkeypatch.setattr("tests.bench.popup.measure", measure)
    figures = [("three", 33.0)]
    assert figures_after("--only", "popup") == [("one", 11.0), ("two", 22.0), ("three", 33.0)]


def test_a_change_that_one_socket_missed_is_no_figure() -> None:
    line = Line(sent={1: 0.0, 2: 0.0})
    said = [{"seen": {"1": 2, "2": 2}, "last": {}, "refetches": 0, "closed": 0}]
    assert faults_of_live_view(line, said, sockets=2) == []
    said[0]["seen"] = {"1": 2, "2": 1}
    assert faults_of_live_view(line, said, sockets=2) == ["1 changes did not reach every socket once"]


@pytest.mark.parametrize(
    ("step", "more"),
    [
        ("SEARCH contacts USING COVERING INDEX ix_contacts_call_id_case_id (call_id=?)", False),
        ("SEARCH cases USING INTEGER PRIMARY KEY (rowid=?)", False),
        ("SEARCH contacts USING INDEX ix_contacts_call_id (call_id=?)", True),
        ("SCAN contacts", True),
        ("->  Index Only Scan using ix_contacts_call_id_case_id on contacts", False),
        ("->  Index Scan using pk_cases on cases", False),
        ("->  Index Scan using ix_contacts_call_id on contacts", True),
        ("Seq Scan on shielded_numbers", True),
        ("USE TEMP B-TREE FOR ORDER BY", False),
    ],
)
def test_a_plan_that_reads_more_than_an_index_is_seen(step: str, more: bool) -> None:
    assert reads_more_than_an_index(step) is more


def test_our_contestant_types_what_the_tracker_needs_whatever_the_size_of_reads() -> None:
    recording = (ROOT / "tests" / "replay" / "recordings" / "attended-transfer.ami").read_bytes()
    frames = recording.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n").split(b"\r\n\r\n")
    stream = b"".join(frame + b"\r\n\r\n" for frame in frames if frame.startswith(b"Event: "))
    holds = needed.typed_events(stream)
    assert holds > 0
    for size in (64, 4096, 65536):
        assert asyncio.run(parse_dispatch._feed(stream, size, 2))[1] == [holds, holds]


def test_peers_take_turns_and_medians_count() -> None:
    turns: list[str] = []
    figures = {"ours": [3.0, 9.0, 4.0], "theirs": [1.0, 1.0, 8.0]}

    def contestant(name: str) -> float:
        turns.append(name)
        return figures[name][turns.count(name) - 1]

    found = interleaved(3, {name: lambda name=name: contestant(name) for name in figures})  # type: ignore[misc]
    assert found == {"ours": 4.0, "theirs": 1.0}
    assert turns == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert quantile([float(n) for n in range(100)], 0.99) == 99.0


def test_the_peers_are_pinned_with_hashes() -> None:
    pinned = re.findall(r"^(\S+)==(\S+) \\$", environment.LOCK.read_text(), re.MULTILINE)
    assert dict(pinned) == {"cacofonisk": "0.7.10", "panoramisk": "1.4"}
    assert environment.LOCK.read_text().count("--hash=sha256:") >= len(pinned)


def test_make_bench_runs_it_with_arguments() -> None:
    assert "-m tests.bench $(ARGS)" in (ROOT / "Makefile").read_text()
