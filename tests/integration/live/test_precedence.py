"""On a machine that does other things too, voices come first and pop-ups second."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.live.line import LiveLine

_MAY = os.geteuid() == 0


@pytest.mark.skipif(not _MAY, reason="only root may come first")
def test_asterisk_comes_first_and_the_service_second_in_all_their_threads(tmp_path: Path) -> None:
    with LiveLine(tmp_path) as line:
        assert line.service is not None
        assert nicenesses(line.pbx.running.pid) == {-11}
        assert nicenesses(line.service.pid) == {-10}
    assert os.getpriority(os.PRIO_PROCESS, 0) == 0


def nicenesses(pid: int) -> set[int]:
    """Of each thread."""
    return {os.getpriority(os.PRIO_PROCESS, int(task.name)) for task in Path(f"/proc/{pid}/task").iterdir()}
