"""Wrong settings bring back what ran before, and nothing else; and what they brought back can be stopped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pbx import process
from pbx.layout import Layout
from service.cli import machine, up
from service.settings import SettingsError
from tests.integration.test_pbx_first import block as block  # noqa: PLC0414  a fixture
from tests.integration.test_pbx_first import ecoute, going_on, pbx_run, settings_of, write_settings
from tests.support.pbx import Ports, quiet
from tests.support.wait import until

WRONG = "[http]\nprt = 8080"


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    """Of pbx1. What runs there afterwards is ended."""
    yield from _ended(Layout.of(tmp_path / "var", "pbx1"))


@pytest.fixture
def former(tmp_path: Path) -> Iterator[Layout]:
    """Of a PBX that was renamed pbx1 since: it has the same ports."""
    yield from _ended(Layout.of(tmp_path / "var", "former"))


def _ended(layout: Layout) -> Iterator[Layout]:
    yield layout
    if running := process.find(layout):
        running.kill()


def started(tmp_path: Path, block: Ports, name: str = "pbx1") -> process.RunningPbx:
    settings = settings_of(tmp_path, block)
    return machine.start(settings, settings.pbx[0].model_copy(update={"id": name}), quiet)


def break_settings(tmp_path: Path) -> None:
    (tmp_path / "ecoute.toml").write_text(WRONG)


def test_what_was_started_with_wrong_settings_is_stopped_by_down(tmp_path: Path, block: Ports, layout: Layout) -> None:
    started(tmp_path, block).kill()
    break_settings(tmp_path)
    assert ecoute(tmp_path, "up").returncode == 2
    running = process.find(layout)
    assert running
    done = ecoute(tmp_path, "down")
    assert (done.returncode, done.stderr) == (0, "")
    assert "http.prt: there is no such setting" in done.stdout, "what to mend before the next start"
    assert not running.alive()
    assert process.stopped_on_purpose(layout)


def test_down_stops_pbx_and_service_whatever_was_written_into_the_settings_since(
    tmp_path: Path, block: Ports, layout: Layout
) -> None:
    write_settings(tmp_path, block, "")
    with going_on(tmp_path, "up") as (line, said):
        until(lambda: "ready:" in said.read_text(), "the line is up", 60)
        running = process.find(layout)
        break_settings(tmp_path)
        done = ecoute(tmp_path, "down")
        assert done.returncode == 0, done.stderr
        assert line.wait(30) == 0
    assert running
    assert not running.alive()


def test_down_stops_a_pbx_that_left_the_settings(tmp_path: Path, block: Ports, former: Layout) -> None:
    """It holds the ports of the one that has its place."""
    running = started(tmp_path, block, "former")
    write_settings(tmp_path, block, "")
    assert "The PBX former has stopped" in ecoute(tmp_path, "down").stdout
    assert not running.alive()


def test_a_pbx_that_was_stopped_on_purpose_comes_back_by_name_alone(
    tmp_path: Path, block: Ports, former: Layout, layout: Layout
) -> None:
    started(tmp_path, block, "former").stop(quiet)
    started(tmp_path, block).kill()
    break_settings(tmp_path)
    with pbx_run(tmp_path) as (_, said):
        running = process.find(layout)
        assert running, "the one that died"
        assert process.find(former) is None
        assert "only `ecoute pbx run former` starts it" in said.read_text()
    running.stop(quiet)
    done = ecoute(tmp_path, "pbx", "run")
    assert done.returncode == 2, "nobody named one, and none died"
    assert process.find(layout) is None
    with pbx_run(tmp_path, "pbx1"):
        assert process.find(layout)


@pytest.mark.parametrize("command", ["up", "pbx run"])
def test_a_pbx_that_left_the_settings_is_not_brought_back_by_wrong_ones(
    tmp_path: Path, block: Ports, former: Layout, layout: Layout, command: str
) -> None:
    """It died, and nobody stopped it: but the settings were right since, without it."""
    started(tmp_path, block, "former").kill()
    if command == "up":
        up._start_pbxs(settings_of(tmp_path, block), quiet)
    else:
        write_settings(tmp_path, block, "")
        with pbx_run(tmp_path):
            assert process.find(former) is None
    running = process.find(layout)
    assert running
    running.kill()
    up.callers_first(tmp_path / "var", SettingsError("a key is wrong"), quiet)
    assert process.find(layout)
    assert process.find(former) is None


def test_a_pbx_that_comes_back_into_the_settings_starts(tmp_path: Path, block: Ports, former: Layout) -> None:
    started(tmp_path, block, "former").kill()
    settings = settings_of(tmp_path, block)
    up._leave_what_left(settings)
    again = settings.model_copy(update={"pbx": [settings.pbx[0].model_copy(update={"id": "former"})]})
    up._start_pbxs(again, quiet)
    assert process.find(former)
    assert not process.stopped_on_purpose(former)


@pytest.mark.parametrize("command", [["up"], ["pbx", "run"], ["pbx", "run", "pbx1"]])
def test_a_settings_file_that_is_not_there_starts_nobody_s_pbx(
    tmp_path: Path, block: Ports, layout: Layout, command: list[str]
) -> None:
    started(tmp_path, block).kill()
    done = ecoute(tmp_path, *command, "--config", "typo.toml")
    assert done.returncode == 2
    assert "typo.toml: there is no such settings file; name the one of this line" in done.stderr
    assert process.find(layout) is None


def test_a_settings_file_that_is_not_there_stops_nobody_s_pbx(tmp_path: Path, block: Ports, layout: Layout) -> None:
    running = started(tmp_path, block)
    assert ecoute(tmp_path, "down", "--config", "typo.toml").returncode == 2
    assert running.alive()
