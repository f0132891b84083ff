"""`ecoute check` as an administrator and a script meet it: what it says, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from pbx.facts import EndedBy
from service.calls.model import Call
from service.store.engine import Store
from tests.support.line import start_line


def ecoute_check(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "service.cli.main", "check", *arguments],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_where_nothing_runs_the_files_are_proven_and_the_rest_is_said(tmp_path: Path) -> None:
    done = ecoute_check(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "check: static: 0 findings in the files of 1 PBX, the code, and what runs them",
        "check: loaded: did not run: no PBX of these settings runs here",
        "check: outcome: did not run: no store here yet",
        "check: nothing found that can cut a call, lose a caller or record one",
    ]
    assert list(tmp_path.iterdir()) == [], "it only looks"


SEVERAL = """
[line]
hours = ["mon-fri 09:00-19:00"]
[[pbx]]
id = "north"
[pbx.trunk]
profile = "registration"
server = "sip.example.org"
username = "33199003133"
password = "a-secret-word"
[[pbx]]
id = "south"
sip_port = 5062
http_port = 8090
ami_port = 5040
"""


def test_each_pbx_of_the_settings_is_proven(tmp_path: Path) -> None:
    (tmp_path / "ecoute.toml").write_text(SEVERAL)
    done = ecoute_check(tmp_path, "--layer", "static", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert said["findings"] == []
    assert [layer["looked_at"] for layer in said["layers"]] == ["the files of 2 PBX, the code, and what runs them"]


@pytest.fixture
def cut(tmp_path: Path) -> str:
    """The id of a call that the system ended, in the store of a line here."""
    call_id = str(uuid4())

    async def put() -> None:
        (tmp_path / "var").mkdir()
        store = Store(f"sqlite+aiosqlite:///{tmp_path / 'var' / 'ecoute.db'}")
        await store.upgrade()
        at = datetime(2026, 9, 14, 10, 0, tzinfo=UTC)
        async with store.transaction() as session:
            session.add(Call(pbx="pbx1", call_id=call_id, arrived_at=at, ended_at=at, ended_by=EndedBy.SYSTEM))
        await store.close()

    asyncio.run(put())
    return call_id


def test_a_finding_says_what_where_why_and_the_mend_and_ends_with_1(tmp_path: Path, cut: str) -> None:
    done = ecoute_check(tmp_path, "--layer", "outcome")
    assert done.returncode == 1
    finding, last = done.stderr.splitlines()
    assert finding.startswith(f"pbx1: call {cut}: Call {cut} was ended by the system at 2026-09-14T10:00:00.000+00:00")
    assert "Why: somebody was cut off. Mend: Look into" in finding
    assert finding.endswith("[ended-by-system]")
    assert last == "1 findings: mend them before the line opens."
    assert "1 findings in 1 calls that ended, system 1" in done.stdout


def test_a_script_reads_the_same(tmp_path: Path, cut: str) -> None:
    done = ecoute_check(tmp_path, "--layer", "outcome", "--layer", "loaded", "--json")
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert [(layer["layer"], layer["ran"]) for layer in said["layers"]] == [("loaded", False), ("outcome", True)]
    assert [(found["id"], cut in found["sentence"]) for found in said["findings"]] == [("ended-by-system", True)]


def test_a_layer_that_there_is_not_is_a_wrong_argument(tmp_path: Path) -> None:
    assert ecoute_check(tmp_path, "--layer", "everything").returncode == 2


def test_a_line_in_service_is_proven_in_all_three_layers(tmp_path: Path) -> None:
    with start_line(tmp_path) as line:
        done = ecoute_check(tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        static, loaded, outcome, _ = done.stdout.splitlines()
        assert static.startswith("check: static: 0 findings")
        assert loaded == "check: loaded: 0 findings in pbx1"
        assert outcome == "check: outcome: 0 findings in 0 calls that ended, system 0"

        line.pbx().console("dialplan add extension s,99,Hangup,16 into waiting")
        done = ecoute_check(tmp_path, "--layer", "loaded")
        assert done.returncode == 1
        assert "pbx1: dialplan waiting,s,99: waiting,s,99 is loaded as Hangup(16), and is in no file." in done.stderr
