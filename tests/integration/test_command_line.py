"""The `ecoute` command where something is wrong: one sentence, the right exit code, never a traceback."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pbx import process
from pbx.facts import EndedBy
from pbx.layout import Layout
from service.calls.model import NumberKind, Result
from tests.support.line import start_line
from tests.support.pbx import Ports, reserve_ports
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
    assert done.returncode == 2
    assert done.stderr.startswith("elsewhere.toml: there is no such settings file; name the one of this line")


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


@pytest.mark.parametrize("command", [["audit", "verify"], ["keys", "rotate"], ["listeners", "list"]])
def test_a_lost_database_is_missed_and_not_silently_made_anew(tmp_path: Path, command: list[str]) -> None:
    assert ecoute(tmp_path, "init").returncode == 0
    database = tmp_path / "var" / "ecoute.db"
    for file in database.parent.glob("ecoute.db*"):
        file.unlink()
    done = ecoute(tmp_path, *command)
    assert done.returncode == 1
    assert (
        done.stderr.strip() == f"There is no database at {database}. Restore it, or run `ecoute init` for a new line."
    )
    assert not database.exists()
    assert ecoute(tmp_path, "init").returncode == 0
    assert ecoute(tmp_path, *command).returncode == 0


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
    for done in (added, again):
        assert done.stdout.split()[0] == "camille"
        assert "its password. It is shown this once" in done.stdout
    assert again.stdout != added.stdout
    taken = ecoute(tmp_path, "listeners", "add", "camille", "Somebody Else")
    assert taken.returncode == 1
    assert "choose another" in taken.stderr


def test_an_administrator_ends_sessions_resets_a_second_step_and_looks_after_the_trail(tmp_path: Path) -> None:
    assert ecoute(tmp_path, "init").returncode == 0
    assert ecoute(tmp_path, "listeners", "add", "camille", "Camille Exemple").returncode == 0
    assert "signed out everywhere" in ecoute(tmp_path, "listeners", "sign-out", "Camille").stdout
    none = ecoute(tmp_path, "listeners", "reset-second-step", "camille")
    assert none.stdout == "camille had no second step: nothing was changed\n"
    unknown = ecoute(tmp_path, "listeners", "reset-second-step", "nobody")
    assert (unknown.returncode, unknown.stderr) == (1, "There is no account with this name.\n")
    verified = ecoute(tmp_path, "audit", "verify")
    assert verified.returncode == 0
    assert "2 entries, up to number 2." in verified.stdout
    assert "What this does not prove" in verified.stdout
    assert ecoute(tmp_path, "purge").stdout == "0 entries of the audit trail were past their time\n"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("[]", "until they set up a new second step"),
        ('["listener"]', "their role asks for a second step: their pages open once they have set up a new one"),
    ],
)
def test_a_second_step_that_is_reset_is_told_with_what_the_role_asks(tmp_path: Path, asked: str, told: str) -> None:
    (tmp_path / "ecoute.toml").write_text(f"[accounts]\ntotp_roles = {asked}\n")
    assert ecoute(tmp_path, "init").returncode == 0
    assert ecoute(tmp_path, "listeners", "add", "camille", "Camille Exemple").returncode == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "var" / "ecoute.db")) as database, database:
        database.execute(
            "INSERT INTO second_steps (account_id, secret, made_at, confirmed_at) "
            "SELECT id, x'00', made_at, made_at FROM accounts"
        )
    done = ecoute(tmp_path, "listeners", "reset-second-step", "camille")
    signed_out = "camille is signed out everywhere, and signs in with the password alone"
    assert done.stdout.startswith(signed_out), done.stderr
    assert told in done.stdout
    assert "2 entries" in ecoute(tmp_path, "audit", "verify").stdout


def test_somebody_who_left_already_is_told_as_such_and_the_list_says_it_in_words(tmp_path: Path) -> None:
    assert ecoute(tmp_path, "init").returncode == 0
    assert ecoute(tmp_path, "listeners", "add", "camille", "Camille Exemple").returncode == 0
    assert "was active already" in ecoute(tmp_path, "listeners", "activate", "camille").stdout
    assert " yes " in ecoute(tmp_path, "listeners", "list").stdout
    assert "can no longer sign in" in ecoute(tmp_path, "listeners", "deactivate", "camille").stdout
    assert "was deactivated already" in ecoute(tmp_path, "listeners", "deactivate", "camille").stdout
    assert " no " in ecoute(tmp_path, "listeners", "list").stdout
    assert " sealed values in the database" in ecoute(tmp_path, "keys", "status").stdout


def test_a_destroyed_database_is_told_as_that(tmp_path: Path) -> None:
    assert ecoute(tmp_path, "init").returncode == 0
    database = tmp_path / "var" / "ecoute.db"
    database.write_bytes(b"x" * database.stat().st_size)
    done = ecoute(tmp_path, "listeners", "list")
    assert done.returncode == 1
    assert f"The database {database} is damaged." in done.stderr
    assert "restore the backup" in done.stderr


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
        assert "no fictional number" in ecoute(tmp_path, "demo", "--caller", "+33000000001").stderr
        done = ecoute(tmp_path, "demo", "--seconds", "8")
        assert done.returncode == 0, done.stdout + done.stderr
        record = until(lambda: [call for call in line.records() if call.ended_at], "the call is on record")[0]
        assert record.result is Result.ABANDONED, "nobody was there to answer"
        assert record.ended_by is EndedBy.CALLER
        assert record.number_kind is NumberKind.GIVEN


def test_a_demo_that_is_interrupted_leaves_no_caller_behind(tmp_path: Path) -> None:
    with start_line(tmp_path) as line:
        with subprocess.Popen(
            # a shell starts what runs in its background with interrupts ignored, and that is inherited: not here
            ["env", "--default-signal=INT", sys.executable, "-m", "service.cli.main", "demo"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=subprocess.PIPE,
            text=True,
        ) as demo:
            try:
                until(lambda: line.waiting() == 1, "the demo's caller waits", 30)
                demo.send_signal(signal.SIGINT)
                demo.communicate(timeout=20)
            finally:
                demo.kill()
        assert demo.returncode == 0
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


def test_of_several_pbxs_one_can_be_started_and_stopped_alone(tmp_path: Path) -> None:
    blocks = [reserve_ports(), reserve_ports()]
    try:
        sections = [f"[[pbx]]\nid = 'pbx{n}'\n{_ports(block)}" for n, block in enumerate(blocks, 1)]
        (tmp_path / "ecoute.toml").write_text("\n".join(sections))
        layouts = [Layout.of(tmp_path / "var", f"pbx{n}") for n in (1, 2)]
        unknown = ecoute(tmp_path, "pbx", "run", "pbx3")
        assert (unknown.returncode, unknown.stderr.strip()) == (
            1,
            "There is no PBX pbx3 in the settings. Name one of: pbx1, pbx2.",
        )
        running = subprocess.Popen(
            [sys.executable, "-m", "service.cli.main", "pbx", "run", "pbx2"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            until(lambda: process.find(layouts[1]), "the one that was named runs", 60)
            assert process.find(layouts[0]) is None
            assert running.stdout is not None
            assert any("Ctrl-C lets calls end" in told for told in running.stdout), "it waits to be asked to stop"
            running.send_signal(signal.SIGTERM)
            assert running.wait(60) == 0
            assert process.find(layouts[1]) is None
        finally:
            running.kill()
            running.communicate()
            for layout in layouts:
                if left := process.find(layout):
                    left.kill()
    finally:
        for block in blocks:
            block.release()


def _ports(block: Ports) -> str:
    values = {
        "sip_port": block.sip,
        "http_port": block.http,
        "ami_port": block.ami,
        "rtp_start": block.rtp_start,
        "rtp_end": block.rtp_end,
    }
    return "".join(f"{name} = {port}\n" for name, port in values.items())
