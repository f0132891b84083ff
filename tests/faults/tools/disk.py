"""A disk that is full: a small tmpfs in the place of one directory of the line.

    with own_namespaces(mounts=True), SmallDisk(folder / "db", megabytes=8) as disk:
        ...  # start the line: Asterisk sees the mounts that are there when it starts
        with disk.full():
            ...  # whoever writes there gets ENOSPC, also what another file gave back

Needs root. In mounts of one's own it is gone with the last process; else it is unmounted at the end.
"""

from __future__ import annotations

import errno
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.faults.tools.effect import prove

_BALLAST = ".full"
_AGAIN_SECONDS = 0.02
_SIZES = (1 << 20, 1 << 16, 1 << 12)


@dataclass(slots=True)
class Filled:
    """`taken`: bytes that the ballast took. `again`: how often it took what somebody gave back."""

    taken: int = 0
    again: int = 0


class SmallDisk:
    """`place`: an empty or missing directory. `owner`: to whom it belongs, uid and gid; None: root."""

    def __init__(self, place: Path, *, megabytes: int = 8, mode: int = 0o755, owner: int | None = None) -> None:
        self.place = place
        self._options = f"size={megabytes}m,mode={mode:o}" + ("" if owner is None else f",uid={owner},gid={owner}")

    @property
    def free(self) -> int:
        """Bytes."""
        status = os.statvfs(self.place)
        return status.f_bavail * status.f_frsize

    @contextmanager
    def full(self) -> Iterator[Filled]:
        """Not a page is left, for as long as this lasts. FaultWithoutEffect when a write of ours succeeds."""
        filled, over = Filled(), threading.Event()
        self._fill(filled)
        keeping = threading.Thread(target=self._keep_full, args=(filled, over), daemon=True)
        keeping.start()
        try:
            prove(self._refuses(), f"{self.place} takes more")
            yield filled
            self._fill(filled)
            prove(self._refuses(), f"{self.place} took more at the end")
        finally:
            over.set()
            keeping.join()
            (self.place / _BALLAST).unlink(missing_ok=True)
        prove(self.free, f"{self.place} was not freed")

    def _fill(self, filled: Filled) -> int:
        """Take all that is there. In steps: the last page too."""
        taken = 0
        ballast = os.open(self.place / _BALLAST, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            for size in _SIZES:
                block = bytes(size)
                try:
                    while written := os.write(ballast, block):
                        taken += written
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
        finally:
            os.close(ballast)
        filled.taken += taken
        return taken

    def _keep_full(self, filled: Filled, over: threading.Event) -> None:
        """A journal that is emptied, a log that is rotated: what they give back is taken too."""
        while not over.wait(_AGAIN_SECONDS):
            if self.free and self._fill(filled):
                filled.again += 1

    def _refuses(self) -> bool:
        probe = self.place / ".probe"
        try:
            probe.write_bytes(bytes(4096))
        except OSError as error:
            return error.errno == errno.ENOSPC
        finally:
            probe.unlink(missing_ok=True)
        return False

    def __enter__(self) -> Self:
        self.place.mkdir(parents=True, exist_ok=True)
        _run("mount", "-t", "tmpfs", "-o", self._options, "tmpfs", str(self.place))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _run("umount", "--lazy", str(self.place))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PermissionError(f"{command[0]}: {done.stderr.strip()}")
