"""The PBX comes before the service and outlives it: whatever is wrong beside it, callers are answered (law 4)."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pbx import process
from pbx.errors import SetupError
from pbx.layout import Layout
from service.cli import certificate, down, machine, up
from service.settings import Http, Pbx, Settings, Store
from tests.support.pbx import Ports, quiet, reserve_ports
from tests.support.sipp import Caller
from tests.support.wait import stays, until

CENTRE = "[centre-38](centre)\n"


@pytest.fixture
def block() -> Iterator[Ports]:
    block = reserve_ports()
    yield block
    block.release()


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    """Of a line on which the service once wrote a centre's queue. What runs there afterwards is ended."""
    layout = Layout.of(tmp_path / "var", "pbx1")
    layout.generated.mkdir(parents=True)
    layout.centre_queues.write_text(CENTRE)
    yield layout
    if running := process.find(layout):
        running.kill()


def settings_of(tmp_path: Path, block: Ports, *, tls_port: int = 0) -> Settings:
    pbx = Pbx(
        sip_port=block.sip,
        http_port=block.http,
        ami_port=block.ami,
        rtp_start=block.rtp_start,
        rtp_end=block.rtp_end,
        tls_port=tls_port,
    )
    return Settings(store=Store(data_dir=tmp_path / "var"), pbx=[pbx])


def write_settings(tmp_path: Path, block: Ports, sections: str) -> None:
    http = "" if "[http]" in sections else f"[http]\nport = {block.spare[8]}"
    (tmp_path / "ecoute.toml").write_text(
        f"{sections}\n{http}\n[[pbx]]\nid = 'pbx1'\nsip_port = {block.sip}\nhttp_port = {block.http}\n"
        f"ami_port = {block.ami}\nrtp_start = {block.rtp_start}\nrtp_end = {block.rtp_end}\n"
    )


def command(tmp_path: Path, *arguments: str) -> tuple[list[str], dict[str, str]]:
    line = [sys.executable, "-m", "service.cli.main", *arguments]
    return line, os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUNBUFFERED": "1"}


def ecoute(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    line, environment = command(tmp_path, *arguments)
    return subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def going_on(tmp_path: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A command that stays, and the file of what it says."""
    line, environment = command(tmp_path, *arguments)
    said = tmp_path / "said"
    with said.open("wb") as file:
        running = subprocess.Popen(line, cwd=tmp_path, env=environment, stdout=file, stderr=file)
    try:
        yield running, said
    finally:
        running.kill()
        running.wait()


@contextmanager
def pbx_run(tmp_path: Path, *names: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """`ecoute pbx run`, and the file of what it says, once the PBX runs."""
    with going_on(tmp_path, "pbx", "run", *names) as (alone, said):
        until(lambda: alone.poll() is not None or b"Running: pbx1" in said.read_bytes(), "the PBX runs", 60)
        assert alone.poll() is None, said.read_text()
        yield alone, said


AWAY = "[store]\nurl = 'postgresql+asyncpg://ecoute@127.0.0.1:1/ecoute'"


def test_without_its_database_the_line_answers_all_the_same(tmp_path: Path, block: Ports, layout: Layout) -> None:
    write_settings(tmp_path, block, AWAY)
    with going_on(tmp_path, "up") as (up, said):
        until(lambda: "cannot be used" in said.read_text(), "what is wrong is told", 60)
        running = process.find(layout)
        assert running, "callers are queued and answered"
        assert layout.centre_queues.read_text() == CENTRE, "overflow follows the last routes that were synchronised"
        running.kill()
        until(lambda: process.find(layout), "it is kept running", 30)
        assert up.poll() is None


def test_once_its_database_is_there_the_service_starts(
    tmp_path: Path, block: Ports, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(up, "_RETRY_SECONDS", 0.1)
    later = tmp_path / "mounted later"
    settings = settings_of(tmp_path, block).model_copy(
        update={
            "store": Store(data_dir=tmp_path / "var", url=f"sqlite+aiosqlite:///{later}/ecoute.db"),
            "http": Http(port=block.spare[8]),
        }
    )
    said: list[str] = []

    def tell(step: str) -> None:
        said.append(step)
        if "cannot be used" in step:
            later.mkdir()

    up._begin_once_the_store_answers(settings, tell)
    assert (later / "ecoute.db").is_file()
    assert sum("It is tried again" in line for line in said) == 1


def test_a_pbx_alone_does_not_ask_for_the_database(tmp_path: Path, block: Ports, layout: Layout) -> None:
    write_settings(tmp_path, block, AWAY)
    with pbx_run(tmp_path):
        assert process.find(layout)
        assert layout.centre_queues.read_text() == CENTRE


def test_a_damaged_database_or_a_lost_key_keeps_no_caller_waiting_for_the_pbx(
    tmp_path: Path, block: Ports, layout: Layout
) -> None:
    write_settings(tmp_path, block, "")
    assert ecoute(tmp_path, "init").returncode == 0
    for key in (tmp_path / "var" / "secrets").glob("master*"):
        key.unlink()
    (tmp_path / "var" / "ecoute.db").write_bytes(b"no database at all" * 1000)
    assert ecoute(tmp_path, "up").returncode == 1
    assert process.find(layout)
    assert layout.centre_queues.read_text() == CENTRE


def test_a_taken_port_of_the_pages_takes_no_telephone_away(tmp_path: Path, block: Ports, layout: Layout) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        write_settings(tmp_path, block, f"[http]\nport = {taken.getsockname()[1]}")
        done = ecoute(tmp_path, "up")
    assert done.returncode == 1
    assert "http.port" in done.stderr
    assert process.find(layout)


def presented(port: int) -> str | None:
    """The certificate with which this port answers; None where nobody answers yet."""
    try:
        return ssl.get_server_certificate(("127.0.0.1", port), timeout=5)
    except OSError:
        return None


def test_a_certificate_renewed_by_half_takes_no_phone_away(tmp_path: Path, block: Ports, layout: Layout) -> None:
    """As while its key is not there yet: a PBX that died comes back with the copy that it had, and says so."""
    made, renewed = (certificate.for_this_machine(tmp_path / name) for name in ("tls", "renewed"))
    http = Http(certificate=made.certificate, private_key=made.private_key)
    settings = settings_of(tmp_path, block, tls_port=block.tls).model_copy(update={"http": http})
    good, said = made.certificate.read_text(), list[str]()
    running = machine.start(settings, settings.pbx[0], quiet)
    with machine.kept_running(settings, said.append):
        made.certificate.write_bytes(renewed.certificate.read_bytes())
        running.kill()
        until(lambda: presented(block.tls) == good, "browsers elsewhere have their phones again", 30)
        assert any(f"{made.certificate} with {made.private_key} cannot be used" in line for line in said)
        again = until(lambda: process.find(layout), "it runs")
        until(lambda: "active channel" in again.console("core show channels count"), "it has booted")
        down.stop_pbxs(machine.layouts(settings), quiet)
        assert not again.alive()
        stays(lambda: process.find(layout) is None, "stopped on purpose, it stays stopped", 2)
    renewed.private_key.rename(made.private_key)
    machine.start(settings, settings.pbx[0], quiet)
    assert presented(block.tls) == renewed.certificate.read_text(), "started anew, it has both"


def test_without_any_good_certificate_telephones_are_answered_and_what_browsers_lack_is_told(
    tmp_path: Path, block: Ports, layout: Layout
) -> None:
    made = certificate.for_this_machine(tmp_path / "tls")
    http = Http(certificate=made.certificate, private_key=made.private_key)
    settings = settings_of(tmp_path, block, tls_port=block.tls).model_copy(update={"http": http})
    machine.start(settings, settings.pbx[0], quiet).kill()
    for file in (made.certificate, layout.tls / "certificate.pem"):
        file.write_text("no certificate")
    said = list[str]()
    machine.start(settings, settings.pbx[0], said.append)
    assert any(f"does not listen on port {block.tls}/tcp" in line for line in said)
    with Caller(block.sip, tmp_path) as caller:
        until(lambda: caller.lives, "the line answers")


def test_whatever_keeps_a_dead_pbx_from_starting_it_is_tried_again(
    tmp_path: Path, block: Ports, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_RETRY_SECONDS", 0.2)
    settings, said = settings_of(tmp_path, block), list[str]()
    running = machine.start(settings, settings.pbx[0], quiet)
    with machine.kept_running(settings, said.append):
        shutil.rmtree(layout.etc / "dialplan")
        (layout.etc / "dialplan").touch()
        running.kill()
        until(lambda: any("FileExistsError" in line for line in said), "what is wrong is told", 30)
        (layout.etc / "dialplan").unlink()
        until(lambda: process.find(layout), "it is there again", 30)


def test_a_dead_pbx_is_started_though_nobody_reads_of_it_any_more(tmp_path: Path, block: Ports, layout: Layout) -> None:
    def closed(_: str) -> None:
        raise BrokenPipeError

    settings = settings_of(tmp_path, block)
    running = machine.start(settings, settings.pbx[0], quiet)
    with machine.kept_running(settings, closed):
        running.kill()
        until(lambda: process.find(layout), "it is there again", 30)


def test_asked_to_stop_it_waits_for_a_pbx_that_does_not_answer_and_takes_no_call_along(
    tmp_path: Path, block: Ports, layout: Layout
) -> None:
    write_settings(tmp_path, block, "")
    with pbx_run(tmp_path) as (alone, said):
        pbx = process.find(layout)
        assert pbx is not None
        os.kill(pbx.pid, signal.SIGSTOP)
        try:
            alone.send_signal(signal.SIGTERM)
            until(lambda: "does not answer" in said.read_text(), "it says so", 30)
            stays(lambda: alone.poll() is None, "it waits", 2)
        finally:
            os.kill(pbx.pid, signal.SIGCONT)
        assert alone.wait(60) == 0, "once it answers, and no call is left"
        assert not pbx.alive()


def test_other_ports_than_those_of_a_pbx_that_runs_are_refused(tmp_path: Path, block: Ports, layout: Layout) -> None:
    """The service would look for its manager interface, and browsers for their WebSocket, where nobody listens."""
    settings = settings_of(tmp_path, block)
    machine.start(settings, settings.pbx[0], quiet)
    for key in ("ami_port", "http_port", "tls_port"):
        other = settings.pbx[0].model_copy(update={key: block.spare[7]})
        with pytest.raises(SetupError, match="ecoute down") as refused:
            machine.start(settings, other, quiet)
        assert refused.value.id == "pbx-runs-on-other-ports"
    assert process.find(layout)


def test_a_carrier_whose_name_is_not_found_is_told(tmp_path: Path, block: Ports, layout: Layout) -> None:
    write_settings(tmp_path, block, "")
    with (tmp_path / "ecoute.toml").open("a") as settings:
        settings.write("[pbx.trunk]\naddresses = ['carrier.invalid']\n")
    with pbx_run(tmp_path) as (_, said):
        until(lambda: "The carrier's name carrier.invalid is not found" in said.read_text(), "it is told", 20)
