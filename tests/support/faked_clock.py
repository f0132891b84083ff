"""An Asterisk whose clock can be set: Debian's libfaketime between it and the kernel. Nobody else's clock moves.

    with faked_clock() as clock, LiveLine(tmp_path) as line:
        clock.set(line.pbx, +3600)

Only what tells or awaits the time of day is faked, as when an administrator sets the clock: CLOCK_MONOTONIC and
CLOCK_BOOTTIME go on, and so do timers. The library lies in the PBX's own `run` directory, which it sees in every way of
being started (pbx/ways.py).
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pbx import process, ways
from pbx.layout import Layout
from tests.support.pbx import PbxUnderTest

_LIBRARY, _TIME = "libfaketime.so.1", "clock.set"


def _library() -> Path:
    """Of Debian's package libfaketime (pbx/requirements.py)."""
    return next(Path("/usr/lib").glob(f"*/faketime/{_LIBRARY}"))


class FakedClock:
    """The clocks of the PBXs that are started while it is in force."""

    def set(self, pbx: PbxUnderTest, seconds: float) -> None:
        """So much ahead of the machine's clock from now on. At once: the file is replaced, never half written."""
        _write(pbx.layout, f"{seconds:+.3f}")


def _write(layout: Layout, offset: str) -> None:
    fresh = layout.run / f"{_TIME}.new"
    fresh.write_text(f"{offset}\n")
    fresh.chmod(0o644)
    fresh.replace(layout.run / _TIME)


@contextlib.contextmanager
def faked_clock(start: float = 0.0, timezone: str = "") -> Iterator[FakedClock]:
    """`start`: seconds by which the clock is ahead from the beginning."""
    launch = process._launch

    def with_library(way: ways.Way, layout: Layout, files: int) -> process.RunningPbx:
        shutil.copy(_library(), layout.run / _LIBRARY)
        (layout.run / _LIBRARY).chmod(0o755)
        if not (layout.run / _TIME).exists():
            _write(layout, f"{start:+.3f}")
        faked = {
            "LD_PRELOAD": str(way.seen / "run" / _LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(way.seen / "run" / _TIME),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            **({"TZ": timezone} if timezone else {}),
        }
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ways, "ENVIRONMENT", ways.ENVIRONMENT | faked)
            return launch(way, layout, files)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "_launch", with_library)
        yield FakedClock()
