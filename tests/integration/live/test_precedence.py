"""On a machine that does other things too, Asterisk and the service come before them."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

import pytest

from tests.integration.live.line import LiveLine

_SYS_NICE = 23  # capabilities(7)
_EFFECTIVE = re.findall(r"^CapEff:\s*(\w+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
_MAY = bool(int(_EFFECTIVE[0], 16) >> _SYS_NICE & 1)


@pytest.mark.skipif(not _MAY, reason="the kernel lets nobody come first here")
def test_asterisk_and_the_service_come_before_other_programs_in_all_their_threads(tmp_path: Path) -> None:
    with LiveLine(tmp_path) as line:
        assert line.service is not None
        assert nicenesses(line.pbx.running.pid) == {-11}
        assert nicenesses(line.service.pid) == {-10}
    assert os.getpriority(os.PRIO_PROCESS, 0) == 0


def nicenesses(pid: int) -> set[int]:
    """Of each thread that lives: Asterisk's come and go."""
    found = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):
            found.add(os.getpriority(os.PRIO_PROCESS, int(task.name)))
    return found
