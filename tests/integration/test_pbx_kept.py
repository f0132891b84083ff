"""PBXs side by side: whatever keeps one from starting holds up no other, and damaged secrets silence none (law 4)."""

from __future__ import annotations

import fcntl
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.cli import check, machine
from service.settings import Pbx, Settings
from tests.integration.test_pbx_first import block as block  # noqa: PLC0414  a fixture
from tests.integration.test_pbx_first import settings_of
from tests.support.pbx import Ports, quiet, reserve_ports
from tests.support.wait import until


@pytest.fixture
def two(tmp_path: Path, block: Ports) -> Iterator[Settings]:
    """A line of two PBXs. What runs there afterwards is ended."""
    other, settings = reserve_ports(), settings_of(tmp_path, block)
    second = Pbx(
        id="pbx2", sip_port=other.sip, http_port=other.http, ami_port=other.ami,
        rtp_start=other.rtp_start, rtp_end=other.rtp_end,
    )  # fmt: skip
    both = settings.model_copy(update={"pbx": [*settings.pbx, second]})
    yield both
    for running in machine.running(both).values():
        running.kill()
    other.release()


def test_a_pbx_that_cannot_start_holds_up_no_other(
    two: Settings, block: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_RETRY_SECONDS", 3600.0)
    said = list[str]()
    running = machine.start(two, two.pbx[1], quiet)
    with socket.create_server(("127.0.0.1", block.sip)), machine.kept_running(two, said.append):
        until(lambda: any("is held by" in line for line in said), "the first is tried", 30)
        running.kill()
        until(lambda: "pbx2" in machine.running(two), "the second is there again", 30)
    died = [line for line in said if "has died" in line]
    assert died == ["The PBX pbx2 has died: starting it again"], "the first never ran"


def test_a_pbx_that_is_long_in_starting_holds_up_no_other(two: Settings) -> None:
    first = machine.layouts(two)["pbx1"]
    running = machine.start(two, two.pbx[1], quiet)
    first.data.mkdir(parents=True)
    held = (first.data / "start.lock").open("w")
    fcntl.flock(held, fcntl.LOCK_EX)
    with machine.kept_running(two, quiet), held:
        until(first.site.exists, "the first is on its way", 30)
        running.kill()
        until(lambda: "pbx2" in machine.running(two), "the second is there again", 30)
        assert "pbx1" not in machine.running(two)


def cut_short(secrets: Path) -> None:
    secrets.write_text('{"service": "only"}')


def on_a_bad_sector(secrets: Path) -> None:
    secrets.unlink()
    secrets.symlink_to("/proc/self/mem")  # read from its beginning, it answers EIO


@pytest.mark.parametrize("damage", [cut_short, on_a_bad_sector])
def test_secrets_that_were_damaged_take_no_phone_away(two: Settings, damage: Callable[[Path], None]) -> None:
    first, said = two.pbx[0], list[str]()
    machine.start(two, first, quiet).kill()
    damage(machine.layouts(two)["pbx1"].secrets)
    assert machine.start(two, first, said.append).alive()
    assert any("settings of its last start" in line for line in said)
    assert [finding.id for finding in check.running(two).findings] == ["loaded-unseen"]
