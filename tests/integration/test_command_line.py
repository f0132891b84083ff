"""The `ecoute` command where something is wrong: one sentence, the right exit code, never a traceback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pbx import process
from pbx.facts import EndedBy
from service.calls.model import NumberKind, Result
from tests.support.line import start_line
from tests.support.wait import until

REFUSED = "The PBX pbx1 refused the account service"


def ecoute(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "service.cli.main", *arguments],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", [["up"], ["serve"], ["down"], ["check"], ["listeners", "list"]])
def test_a_wrong_setting_ends_with_2_and_one_line(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "ecoute.toml").write_text("[http]\nport = 'eighty'\n")
    done = ecoute(tmp_path, *command)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "ecoute.toml: http.port" in done.stderr


def test_a_settings_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = ecoute(tmp_path, "serve", "--config", "elsewhere.toml")
    assert (done.returncode, done.stderr.strip()) == (2, "elsewhere.toml: there is no such settings file")


def test_a_taken_port_names_the_process_and_the_key(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (tmp_path / "ecoute.toml").write_text(f"[http]\nport = {port}\n")
        done = ecoute(tmp_path, "serve")
    assert done.returncode == 1
    assert f"Port {port}/tcp is held by" in done.stderr
    assert f"(process {os.getpid()})" in done.stderr
    assert "http.port" in done.stderr


def test_without_a_line_a_command_says_where_it_looked_and_makes_nothing(tmp_path: Path) -> None:
    done = ecoute(tmp_path, "listeners", "list")
    assert done.returncode == 1
    assert "There is no line here" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_service_without_its_pbx_says_what_to_start(tmp_path: Path) -> None:
    done = ecoute(tmp_path, "serve")
    assert done.returncode == 1
    assert "was never started here" in done.stderr


def test_a_database_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "ecoute.toml").write_text("[store]\nurl = 'postgresql+asyncpg://ecoute@127.0.0.1:1/ecoute'\n")
    done = ecoute(tmp_path, "init")
    assert done.returncode == 1
    assert "cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_role_that_does_not_exist_is_answered_with_those_that_do(tmp_path: Path) -> None:
    done = ecoute(tmp_path, "listeners", "add", "camille", "Camille Exemple", "--role", "boss")
    assert done.returncode == 1
    assert "There is no role boss" in done.stderr
    assert "supervisor" in done.stderr


def test_an_account_is_added_listed_and_given_a_new_password(tmp_path: Path) -> None:
    assert ecoute(tmp_path, "init").returncode == 0
    added = ecoute(tmp_path, "listeners", "add", "camille", "Camille Exemple")
    assert added.returncode == 0, added.stderr
    listed = ecoute(tmp_path, "listeners", "list", "--json")
    assert '"username": "camille"' in listed.stdout
    again = ecoute(tmp_path, "listeners", "reset-password", "camille")
    assert again.stdout.split()[0] == "camille"
    assert again.stdout != added.stdout
    taken = ecoute(tmp_path, "listeners", "add", "camille", "Somebody Else")
    assert taken.returncode == 1
    assert "choose another" in taken.stderr


def test_a_setting_of_the_environment_is_named_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ecoute.toml").write_text("")
    monkeypatch.setenv("ECOUTE_HTTP__PORT", "abc")
    done = ecoute(tmp_path, "check")
    assert done.returncode == 2
    assert "ECOUTE_HTTP__PORT in the environment: http.port" in done.stderr


def test_the_service_runs_once_and_a_wrong_secret_is_one_clear_error(tmp_path: Path) -> None:
    with start_line(tmp_path) as line:
        second = ecoute(tmp_path, "serve")
        assert second.returncode == 1
        assert f"runs already (process {line.service.pid})" in second.stderr

        line.kill_service()
        secrets = line.layout.secrets
        before = secrets.read_text()
        secrets.write_text('{"service": "wrong", "provision": "wrong"}')
        line.start_service(wait=False)
        until(
            lambda: any(REFUSED in said for said in line.said),
            "the refusal is logged",
            20,
        )
        refusals = [said for said in line.said if REFUSED in said]
        assert len(refusals) == 1, "once, not at each retry"
        assert line.readiness()["checks"]["pbx"] != "ok"
        secrets.write_text(before)


def test_the_demo_places_a_call_that_speaks_and_is_on_record(tmp_path: Path) -> None:
    with start_line(tmp_path) as line:
        assert "no fictional number" in ecoute(tmp_path, "demo", "--caller", "+33123456789").stderr
        done = ecoute(tmp_path, "demo", "--seconds", "8")
        assert done.returncode == 0, done.stdout + done.stderr
        record = until(lambda: [call for call in line.records() if call.ended_at], "the call is on record")[0]
        assert record.result is Result.ABANDONED, "nobody was there to answer"
        assert record.ended_by is EndedBy.CALLER
        assert record.number_kind is NumberKind.GIVEN


def test_a_demo_that_is_interrupted_leaves_no_caller_behind(tmp_path: Path) -> None:
    with start_line(tmp_path) as line:
        demo = subprocess.Popen(
            [sys.executable, "-m", "service.cli.main", "demo"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=subprocess.DEVNULL,
        )
        until(lambda: line.waiting() == 1, "the demo's caller waits", 30)
        demo.send_signal(signal.SIGINT)
        assert demo.wait(timeout=20) == 0
        until(lambda: line.pbx().channels() == 0, "nobody is left behind", 5)


def test_a_pbx_that_dies_answers_again_within_ten_seconds(tmp_path: Path) -> None:
    with start_line(tmp_path) as line:
        dead = line.pbx()
        dead.kill()
        until(lambda: process.find(line.layout), "it is started again", 10)
        assert line.pbx().pid != dead.pid
        until(lambda: line.readiness()["ready"], "and the service has it again", 20)


def test_down_ends_pbx_and_service_and_says_so(tmp_path: Path) -> None:
    with start_line(tmp_path) as line:
        done = ecoute(tmp_path, "down")
        assert done.returncode == 0, done.stderr
        assert "The PBX pbx1 has stopped" in done.stdout
        assert line.service.wait(timeout=20) == 0
        assert "No PBX of this data directory runs" in ecoute(tmp_path, "down").stdout
