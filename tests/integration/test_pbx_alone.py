"""`ecoute pbx run`: a PBX alone, for containers and service managers. The store is not its business."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from pbx import process
from pbx.layout import Layout
from tests.support.pbx import quiet, reserve_ports
from tests.support.wait import until


def test_a_pbx_that_runs_alone_makes_neither_a_database_nor_a_key(tmp_path: Path) -> None:
    block = reserve_ports()
    settings = (
        f"[[pbx]]\nid = 'pbx1'\nsip_port = {block.sip}\nhttp_port = {block.http}\nami_port = {block.ami}\n"
        f"rtp_start = {block.rtp_start}\nrtp_end = {block.rtp_end}\n"
    )
    (tmp_path / "ecoute.toml").write_text(settings)
    layout = Layout.of(tmp_path / "var", "pbx1")
    said = (tmp_path / "said").open("w+")
    running = subprocess.Popen(
        [sys.executable, "-m", "service.cli.main", "pbx", "run"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=said,
        stderr=said,
    )

    def runs() -> bool:
        assert running.poll() is None, (tmp_path / "said").read_text()
        return "Running: pbx1" in (tmp_path / "said").read_text()

    try:
        until(runs, "the PBX runs", 60)
        made = {path.name for path in (tmp_path / "var").iterdir()}
        assert made == {"pbx"}, "no database, no key: a service makes them"
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(60)
        said.close()
        left = process.find(layout)
        if left is not None:
            left.stop(quiet, let_calls_end=False)
        block.release()
    assert left is None, "asked to stop, it lets calls end and stops the PBX"
