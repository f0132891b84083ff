"""One service for one data directory: the kernel's lock says whether it runs, whatever became of the last one."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pbx.errors import SetupError


@contextmanager
def only_service(data_dir: Path) -> Iterator[None]:
    """Held while the service runs, by its keeper: one that died is about to be replaced.

    Raises SetupError where another one holds it.
    """
    path = _lock_file(data_dir)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SetupError(
                "service-runs-already",
                f"The service of {data_dir} runs already (process {path.read_text().strip()}).",
                "Use it, or stop it first with Ctrl-C in its terminal.",
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def stop_service(data_dir: Path) -> int:
    """Asks the service of the data directory to stop. The number of its process; 0 where none runs."""
    path = _lock_file(data_dir)
    if not path.exists():
        return 0
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            process = int(path.read_text())
            os.kill(process, signal.SIGTERM)
            return process
    return 0


def until_service_stopped(data_dir: Path) -> None:
    """Returns once the data directory is nobody's: the kernel gives the lock to who waits for it."""
    with _lock_file(data_dir).open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)


def _lock_file(data_dir: Path) -> Path:
    return data_dir.absolute() / "service.lock"
