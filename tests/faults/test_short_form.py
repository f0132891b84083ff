"""The short form of `make faults`: a fixed seed that draws every short fault once, and nothing is found.

Six minutes: run by ECOUTE_FAULTS=1, until it has passed often enough to be part of every run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.__main__ import ROOT
from tests.faults.faults import all_faults
from tests.faults.run import LIVE

SEED = 4


@pytest.mark.alone
@pytest.mark.skipif("ECOUTE_FAULTS" not in os.environ, reason="six minutes: ECOUTE_FAULTS=1 runs it")
@pytest.mark.timeout(600)
def test_every_short_fault_once_and_no_call_is_lost_cut_or_doubled(tmp_path: Path) -> None:
    short = [fault for fault in all_faults() if not fault.cuts_calls]
    out = tmp_path / "faults.json"
    arguments = ["--calls", "120", "--faults", str(len(short)), "--seed", str(SEED), "--out", str(out)]
    run = subprocess.run(
        [sys.executable, "-m", "tests.faults", *arguments, "--folder", str(tmp_path / "run")],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    found = json.loads(out.read_text())
    drawn = [fault["name"] for fault in found["drawn"]]
    assert len(set(drawn)) == len(drawn)
    assert set(drawn) | set(found["left_out"]) >= {fault.name for fault in short}
    assert min(fault["live"] for fault in found["drawn"]) >= LIVE
    assert ", 0 lost, 0 cut, 0 duplicates, upper bound " in run.stdout.splitlines()[-1]
