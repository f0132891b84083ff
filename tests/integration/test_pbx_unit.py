"""What docs/systemd/ecoute-pbx@.service rests on: only `ecoute pbx run` is told to stop, and its loss ends no call."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pbx import process
from pbx.layout import Layout
from tests.support.pbx import Ports, quiet, reserve_ports
from tests.support.sipp import Caller
from tests.support.wait import until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def block(tmp_path: Path) -> Iterator[Ports]:
    """Its ports, in a settings file. What runs there afterwards is ended."""
    block = reserve_ports()
    (tmp_path / "ecoute.toml").write_text(
        f"[[pbx]]\nid = 'pbx1'\nsip_port = {block.sip}\nhttp_port = {block.http}\nami_port = {block.ami}\n"
        f"rtp_start = {block.rtp_start}\nrtp_end = {block.rtp_end}\n"
    )
    yield block
    if running := process.find(Layout.of(tmp_path / "var", "pbx1")):
        running.stop(quiet, let_calls_end=False)
    block.release()


@contextmanager
def unit(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """The unit's main process, once it says that the PBX runs; and the file of what it says."""
    said = folder / "said"
    with said.open("wb") as out:
        main = subprocess.Popen(
            [sys.executable, "-m", "service.cli.main", "pbx", "run", "pbx1"],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )

    def runs() -> bool:
        assert main.poll() is None, said.read_text()
        return "Running: pbx1" in said.read_text()

    try:
        until(runs, "the PBX runs", 60)
        yield main, said
    finally:
        main.kill()
        main.wait()


def test_the_loss_of_the_main_process_ends_no_call_and_its_successor_finds_the_pbx(
    tmp_path: Path, block: Ports
) -> None:
    layout = Layout.of(tmp_path / "var", "pbx1")
    with unit(tmp_path) as (lost, _), Caller(block.sip, tmp_path) as caller:
        until(lambda: caller.lives, "the line answers")
        pbx = process.find(layout)
        lost.kill()  # as for want of memory
        lost.wait()
        with unit(tmp_path) as (_, said):
            assert process.find(layout) == pbx
            assert "runs already" in said.read_text()
            assert pbx is not None
            assert pbx.channels() == 1
            assert caller.lives


def test_told_to_stop_it_waits_for_the_call_and_then_stops_the_pbx(tmp_path: Path, block: Ports) -> None:
    layout = Layout.of(tmp_path / "var", "pbx1")
    with unit(tmp_path) as (main, said), Caller(block.sip, tmp_path) as caller:
        until(lambda: caller.lives, "the line answers")
        main.send_signal(signal.SIGTERM)  # KillMode=process: to it alone
        until(lambda: "Waiting for calls to end: 1" in said.read_text(), "it waits for the call")
        assert main.poll() is None
        assert caller.lives
        caller.leave()
        assert main.wait(60) == 0
        assert not caller.was_hung_up_on
        assert process.find(layout) is None
