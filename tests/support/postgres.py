"""A PostgreSQL of the test's own: fresh directory, unix socket only, never as root, stopped by its process id."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.wait import until


class Session:
    """A session of one's own, statement by statement."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def say(self, statement: str) -> None:
        """Run it to its end; its output is not kept."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{statement}\n\\echo done\n")
        self._process.stdin.flush()
        while (line := self._process.stdout.readline()) != "done\n":
            if not line:
                raise RuntimeError("the session ended")


@dataclass(slots=True)
class Postgres:
    """A running cluster. `folder`: its data, log and socket. `user`: as whom it runs; None: as we do."""

    binaries: Path
    folder: Path
    user: str | None
    process: subprocess.Popen[bytes]

    @property
    def socket(self) -> Path:
        return self.folder

    def start(self) -> None:
        """Start it again, after `end`."""
        self.process = _start(self.binaries, self.folder, self.user)
        until(self.answers, "PostgreSQL takes connections", timeout=30)

    def end(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: connections are ended; SIGQUIT: as after a power cut."""
        self.process.send_signal(how)
        self.process.wait(30)

    @contextmanager
    def session(self, database: str) -> Iterator[Session]:
        """A session that lasts for the block; what it had begun and not committed is undone."""
        command = [str(self.binaries / "psql"), "-h", str(self.socket), "-U", "ecoute", "-d", database, "-XqAt"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            yield Session(process)
            assert process.stdin is not None
            process.stdin.close()

    def url(self, database: str) -> str:
        """As SQLAlchemy has it."""
        return f"postgresql+asyncpg://ecoute@/{database}?host={self.socket}"

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run a statement; its output, unadorned."""
        options = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement]
        command = [str(self.binaries / "psql"), "-h", str(self.socket), "-U", "ecoute", "-d", database, *options]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def answers(self) -> bool:
        """Whether it takes connections."""
        command = [str(self.binaries / "pg_isready"), "-q", "-h", str(self.socket), "-U", "ecoute", "-d", "postgres"]
        return subprocess.run(command, check=False).returncode == 0


def binaries() -> Path:
    """The newest installed server's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise RuntimeError("PostgreSQL's server is missing: apt install postgresql")
    return found[-1].parent


def _start(programs: Path, folder: Path, user: str | None) -> subprocess.Popen[bytes]:
    options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}", "-c", "fsync=off"]
    with_us = ["setpriv", "--pdeathsig", "INT"]  # ends even when the test run is killed
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [*with_us, programs / "postgres", "-D", folder / "data", *options],
            stdout=log, stderr=log, user=user, cwd=folder,
        )  # fmt: skip


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A cluster for as long as the block lasts; its files are gone afterwards."""
    programs = binaries()
    folder = Path(tempfile.mkdtemp(prefix="ecoute-pg-"))
    user = _unprivileged_user()
    try:
        if user is not None:
            shutil.chown(folder, user)
        data = folder / "data"
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "ecoute", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            check=True,
            capture_output=True,
            user=user,
            cwd=folder,
        )
        server = Postgres(programs, folder, user, _start(programs, folder, user))
        try:
            until(server.answers, "PostgreSQL takes connections", timeout=30)
            yield server
        finally:
            server.end()  # fast shutdown: connections are ended
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged_user() -> str | None:
    """Whom to run as: PostgreSQL refuses root; none: as whoever we are."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)
