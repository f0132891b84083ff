"""What is wrong in the settings keeps no caller waiting: a PBX starts as it did last, one that runs goes on (law 4)."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pbx import carrier, process
from pbx.errors import SetupError
from pbx.layout import Layout
from service.cli import certificate, machine, single, up
from service.settings import Http, Pbx
from tests.integration.test_pbx_first import block as block  # noqa: PLC0414  a fixture
from tests.integration.test_pbx_first import ecoute, going_on, pbx_run, settings_of, write_settings
from tests.support.pbx import Ports, quiet, reserve_ports
from tests.support.wait import stays, until

AS_IT_WAS = "The PBX answers callers with the settings of its last start"


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    """What runs there afterwards is ended."""
    layout = Layout.of(tmp_path / "var", "pbx1")
    yield layout
    if running := process.find(layout):
        running.kill()


def after_a_power_cut(tmp_path: Path, block: Ports) -> None:
    """The PBX was started here once, and nobody stopped it on purpose."""
    settings = settings_of(tmp_path, block)
    machine.start(settings, settings.pbx[0], quiet).kill()


@pytest.mark.parametrize("wrong", ["[http]\nprt = 8080", "[line", "[line]\nhours = ['always']"])
@pytest.mark.parametrize("names", [[], ["pbx1"]])
def test_a_pbx_alone_starts_as_it_did_last_where_the_settings_are_wrong(
    tmp_path: Path, block: Ports, layout: Layout, wrong: str, names: list[str]
) -> None:
    after_a_power_cut(tmp_path, block)
    (tmp_path / "ecoute.toml").write_text(wrong)
    with pbx_run(tmp_path, *names) as (alone, said):
        assert AS_IT_WAS in said.read_text(), "it says so, and what is wrong"
        assert "ecoute.toml: " in said.read_text()
        running = process.find(layout)
        assert running
        assert "System name:                 pbx1" in running.console("core show settings")
        alone.send_signal(signal.SIGTERM)
        assert alone.wait(60) == 0
    assert not running.alive(), "asked to stop, it does, once calls have ended"


def test_the_first_start_asks_for_right_settings(tmp_path: Path, layout: Layout) -> None:
    (tmp_path / "ecoute.toml").write_text("[http]\nprt = 8080")
    for arguments in (["pbx", "run"], ["pbx", "run", "pbx1"], ["up"]):
        done = ecoute(tmp_path, *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert "http.prt: there is no such setting" in done.stderr
    assert not layout.data.exists()


def test_callers_are_answered_although_the_service_may_not_start(tmp_path: Path, block: Ports, layout: Layout) -> None:
    after_a_power_cut(tmp_path, block)
    (tmp_path / "ecoute.toml").write_text("[http]\nprt = 8080")
    done = ecoute(tmp_path, "up")
    assert done.returncode == 2
    assert AS_IT_WAS in done.stdout
    running = process.find(layout)
    assert running
    running.stop(quiet)
    assert ecoute(tmp_path, "up").returncode == 2
    assert process.find(layout) is None, "stopped on purpose, it waits for the right settings"


def test_a_lost_certificate_takes_no_telephone_away(tmp_path: Path, block: Ports, layout: Layout) -> None:
    """The phones' WebSocket goes on with the copy of the last start; the pages say what they lack."""
    made = certificate.for_this_machine(tmp_path / "tls")
    http = Http(certificate=made.certificate, private_key=made.private_key, port=block.spare[8])
    settings = settings_of(tmp_path, block, tls_port=block.tls).model_copy(update={"http": http})
    machine.start(settings, settings.pbx[0], quiet).kill()
    copied, said = (layout.tls / "private_key.pem").read_bytes(), list[str]()
    made.private_key.unlink()
    machine.start(settings, settings.pbx[0], said.append)
    assert process.find(layout)
    assert (layout.tls / "private_key.pem").read_bytes() == copied
    assert any(str(made.private_key) in line for line in said)
    with pytest.raises(SetupError) as refused:
        up.serve(settings, lambda: None, quiet)
    assert refused.value.id == "certificate-unusable"


def test_the_first_start_asks_for_the_certificate(tmp_path: Path, block: Ports) -> None:
    http = Http(certificate=tmp_path / "none.crt", private_key=tmp_path / "none.key")
    settings = settings_of(tmp_path, block, tls_port=block.tls).model_copy(update={"http": http})
    with pytest.raises(SetupError, match=r"none\.crt cannot be read") as refused:
        machine.start(settings, settings.pbx[0], quiet)
    assert refused.value.id == "no-certificate"


def test_a_value_that_asterisk_cannot_have_leaves_it_those_of_before(
    tmp_path: Path, block: Ports, layout: Layout
) -> None:
    after_a_power_cut(tmp_path, block)
    settings = settings_of(tmp_path, block)
    trunk = settings.pbx[0].trunk.model_copy(update={"addresses": ["no host name"]})
    wrong, said = settings.pbx[0].model_copy(update={"trunk": trunk}), list[str]()
    assert machine.start(settings, wrong, said.append).alive()
    assert any("address of the trunk" in line and "settings of its last start" in line for line in said)


def test_a_pbx_alone_looks_after_one_that_runs_on_other_ports(tmp_path: Path, block: Ports, layout: Layout) -> None:
    """Its process was lost, and ports were written for tonight: asked to stop, the next one lets calls end."""
    settings = settings_of(tmp_path, block)
    running = machine.start(settings, settings.pbx[0], quiet)
    write_settings(tmp_path, block, "")
    file = tmp_path / "ecoute.toml"
    file.write_text(file.read_text().replace(f"ami_port = {block.ami}", f"ami_port = {block.spare[7]}"))
    with pbx_run(tmp_path) as (alone, said):
        assert "other ports" in said.read_text()
        alone.send_signal(signal.SIGTERM)
        assert alone.wait(60) == 0
    assert not running.alive()


def test_a_pbx_that_cannot_start_takes_no_other_along(
    tmp_path: Path, block: Ports, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_RETRY_SECONDS", 0.2)
    other, ran = reserve_ports(), Layout.of(tmp_path / "var", "pbx2")
    http = Http(certificate=tmp_path / "tls" / "lan.crt", private_key=tmp_path / "tls" / "lan.key")
    settings = settings_of(tmp_path, block, tls_port=block.tls).model_copy(update={"http": http})
    second = Pbx(
        id="pbx2", sip_port=other.sip, http_port=other.http, ami_port=other.ami,
        rtp_start=other.rtp_start, rtp_end=other.rtp_end,
    )  # fmt: skip
    both = settings.model_copy(update={"pbx": [settings.pbx[0], second]})
    layout.data.mkdir(parents=True)
    layout.stopped.touch()  # the last `ecoute down`
    said: list[str] = []
    try:
        with pytest.raises(SetupError):
            up._start_pbxs(settings, said.append)
        up._start_pbxs(both, said.append)
        assert process.find(ran)
        assert any(line.startswith("The PBX pbx1 does not start") for line in said)
        with machine.kept_running(both, said.append):
            certificate.for_this_machine(tmp_path / "tls")
            until(lambda: process.find(layout), "it is tried until it runs", 60)
    finally:
        if running := process.find(ran):
            running.kill()
        other.release()


def test_a_pbx_that_cannot_start_alone_takes_no_other_along_either() -> None:
    tried: list[str] = []

    def start(name: str) -> process.RunningPbx:
        tried.append(name)
        raise SetupError("port-taken", f"{name} has no port", "Free it.")

    with pytest.raises(SetupError, match="pbx1"):
        up._each(("pbx1", "pbx2"), start)
    assert tried == ["pbx1", "pbx2"]


def test_a_name_that_is_none_ends_no_look_at_the_others(
    tmp_path: Path, block: Ports, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_LOOK_SECONDS", 0.1)
    monkeypatch.setattr(machine, "_NAMES_SECONDS", 0.1)
    assert carrier.found("sip..carrier.invalid") is False
    looks, said = list[object](), list[str]()

    def look(_: carrier.CarrierNames, running: process.RunningPbx) -> None:
        looks.append(running)
        raise UnicodeError("label empty or too long")

    monkeypatch.setattr(carrier.CarrierNames, "look", look)
    after_a_power_cut(tmp_path, block)
    settings = settings_of(tmp_path, block)
    machine.start(settings, settings.pbx[0], quiet)
    with machine.carriers_known(machine.layouts(settings), said.append):
        until(lambda: len(looks) >= 3, "it goes on looking")
    assert len(said) == 1, "told once"


def test_a_dns_that_does_not_answer_holds_nobody_up(
    tmp_path: Path, block: Ports, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_LOOK_SECONDS", 0.1)
    asked, answered, over = threading.Event(), threading.Event(), threading.Event()

    def look(*_: object) -> None:
        asked.set()
        answered.wait(60)

    monkeypatch.setattr(carrier.CarrierNames, "look", look)
    settings = settings_of(tmp_path, block)
    machine.start(settings, settings.pbx[0], quiet)

    def begin_and_end() -> None:
        with machine.carriers_known(machine.layouts(settings), quiet):
            asked.wait(30)
        over.set()

    threading.Thread(target=begin_and_end, daemon=True).start()
    try:
        until(over.is_set, "the PBX's process may end", 20)
    finally:
        answered.set()


def test_who_comes_down_may_go_up_at_once(tmp_path: Path, block: Ports, layout: Layout) -> None:
    """`ecoute down` returns when the service has ended: the next one finds its place free."""
    write_settings(tmp_path, block, "")
    with going_on(tmp_path, "up") as (line, said):
        until(lambda: "ready:" in said.read_text(), "the line is up", 60)
        lock = (tmp_path / "var" / "service.lock").read_text()
        assert int(lock) == line.pid
        done = ecoute(tmp_path, "down")
        with single.only_service(tmp_path / "var"):
            assert "The service has stopped" in done.stdout
        assert line.wait(30) == 0


def test_down_waits_for_whoever_has_the_data_directory(tmp_path: Path) -> None:
    data = tmp_path / "var"
    data.mkdir()
    asked, waited = threading.Event(), threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: asked.set())

    def wait() -> None:
        single.until_service_stopped(data)
        waited.set()

    try:
        with single.only_service(data):
            assert single.stop_service(data) == os.getpid()
            assert asked.wait(5)
            threading.Thread(target=wait, daemon=True).start()
            stays(lambda: not waited.is_set(), "it waits", 0.3)
        until(waited.is_set, "it was waited for")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert single.stop_service(data) == 0
