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


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running cluster."""

    binaries: Path
    socket: Path
    process: subprocess.Popen[bytes]

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
        options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}", "-c", "fsync=off"]
        with (folder / "log").open("wb") as log:
            with_us = ["setpriv", "--pdeathsig", "INT"]  # ends even when the test run is killed
            process = subprocess.Popen(
                [*with_us, programs / "postgres", "-D", data, *options], stdout=log, stderr=log, user=user, cwd=folder
            )
        server = Postgres(programs, folder, process)
        try:
            until(server.answers, "PostgreSQL takes connections", timeout=30)
            yield server
        finally:
            process.send_signal(signal.SIGINT)  # fast shutdown: connections are ended
            process.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged_user() -> str | None:
    """Whom to run as: PostgreSQL refuses root; none: as whoever we are."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)
