"""The units of docs/systemd start what exists, in the order of precedence that docs/systemd.md promises."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli.main import app

FOLDER = Path(__file__).parents[2] / "docs" / "systemd"
NAMES = ("ecoute-pbx@.service", "ecoute.service")


def unit(name: str) -> configparser.ConfigParser:
    read = configparser.ConfigParser(interpolation=None)
    read.read(FOLDER / name)
    return read


@pytest.mark.parametrize("name", NAMES)
def test_a_unit_starts_a_command_that_exists(name: str) -> None:
    program, *arguments = unit(name)["Service"]["ExecStart"].split()
    assert program == f"{unit(name)['Service']['WorkingDirectory']}/.venv/bin/ecoute"
    result = CliRunner().invoke(app, [*arguments, "--help"])
    assert result.exit_code == 0, result.output


def test_the_pbx_is_started_by_name_so_that_stopping_it_leaves_the_service_alone() -> None:
    assert unit("ecoute-pbx@.service")["Service"]["ExecStart"].endswith(" pbx run %i")


def test_voices_come_before_the_service_and_the_service_before_everything_else() -> None:
    pbx, service = (int(unit(name)["Service"]["CPUWeight"]) for name in NAMES)
    assert pbx > service > 100


def test_the_page_names_every_line_that_keeps_calls_alive() -> None:
    page = (FOLDER.parent / "systemd.md").read_text()
    for line in ("KillMode=process", "TimeoutStopSec=infinity", "Restart=always", "StartLimitIntervalSec=0",
                 "TasksMax=infinity", "OOMPolicy=continue"):  # fmt: skip
        assert line in (FOLDER / "ecoute-pbx@.service").read_text()
        assert line in page
