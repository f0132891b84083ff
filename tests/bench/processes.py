"""Measuring in processes of their own: who is measured shares nothing with who measures."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def environment() -> dict[str, str]:
    """Of a process that is measured: with bytecode that Python keeps, as wherever nobody forbids it."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def start(module: str, *arguments: str, python: str = sys.executable) -> subprocess.Popen[str]:
    """A part of the bench, run as `python -m module`; its output is read by lines, its input written."""
    return subprocess.Popen(
        [python, "-m", module, *arguments],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def told(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The next line that it says, as JSON. RuntimeError when it ended without a word."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"a part of the bench ended with {process.wait()}")
    found: dict[str, Any] = json.loads(line)
    return found


def tell(**values: Any) -> None:
    """For the part: one line to who measures."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def end(process: subprocess.Popen[str]) -> None:
    """By its own pid; asked first."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def run(module: str, *arguments: str, python: str = sys.executable) -> dict[str, Any]:
    """A part that measures and ends; what it said last."""
    process = start(module, *arguments, python=python)
    try:
        return told(process)
    finally:
        end(process)


def cpu_seconds(pid: int) -> float:
    """Of all threads of a process so far, in user and system mode (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_bytes(pid: int) -> int:
    """Of a process now (proc(5))."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


def load() -> str:
    """What else the machine did: part of every row's conditions."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
