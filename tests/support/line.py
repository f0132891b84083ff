"""A whole line for a test, started the way a user starts it: `ecoute up --sample`, in a directory of its own.

with start_line(tmp_path) as line:
    line.url, line.password("camille"), line.layout, line.ports
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlalchemy import ScalarResult, select
from sqlalchemy.ext.asyncio import AsyncSession

from pbx import process
from pbx.layout import Layout
from service.calls.model import Call
from service.cases.model import Contact
from service.store.engine import Store
from tests.support.pbx import Ports, quiet, reserve_ports

Row = TypeVar("Row")

_SIGN_IN = re.compile(r"[│┃] *([a-z][a-z0-9.-]*) *[│┃] *(\S{8,}) *[│┃]")
_READY = re.compile(r"ready: (\S+)")


class LineUnderTest:
    """PBX and service of one test. The service can be killed and started again; the PBX goes on meanwhile."""

    def __init__(
        self, directory: Path, block: Ports, sections: Mapping[str, Mapping[str, Any]], options: Sequence[str] = ()
    ) -> None:
        self.directory = directory
        self.ports = block
        self.http_port = block.spare[-1]
        self.layout = Layout.of(directory / "var", "pbx1")
        self.said: list[str] = []
        self._sign_ins: dict[str, str] = {}
        self._lines: queue.Queue[str | None] = queue.Queue()
        (directory / "ecoute.toml").write_text(self._settings(sections))
        self.service = self._start("up", "--sample", *options)
        self.url = self._wait_until_ready()

    def _settings(self, sections: Mapping[str, Mapping[str, Any]]) -> str:
        block = self.ports
        wanted: dict[str, dict[str, Any]] = {
            "http": {"port": self.http_port},
            "store": {"data_dir": str(self.directory / "var")},
        }
        for name, values in sections.items():
            wanted.setdefault(name, {}).update(values)
        text = [f"[{name}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in s.items()) for name, s in wanted.items()]
        text.append(
            f"[[pbx]]\nid = 'pbx1'\nsip_port = {block.sip}\nhttp_port = {block.http}\nami_port = {block.ami}\n"
            f"rtp_start = {block.rtp_start}\nrtp_end = {block.rtp_end}\nqueue_round_seconds = 10\n"
            f"[pbx.trunk]\naddresses = ['127.0.0.1']\nserver = '127.0.0.1:{block.spare[0]}'\n"
        )
        return "\n".join(text)

    def _start(self, *command: str) -> subprocess.Popen[str]:
        self._lines = queue.Queue()
        started = subprocess.Popen(
            [sys.executable, "-m", "service.cli.main", *command, "--config", "ecoute.toml"],
            cwd=self.directory,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "160", "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._listen, args=(started, self._lines), daemon=True).start()
        return started

    def _listen(self, started: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
        assert started.stdout is not None
        with started.stdout as output:
            for line in output:
                self.said.append(line)
                lines.put(line)
        lines.put(None)

    def _wait_until_ready(self, seconds: float = 120) -> str:
        until = time.monotonic() + seconds
        while True:
            line = self._lines.get(timeout=max(0.1, until - time.monotonic()))
            if line is None:
                raise AssertionError("the line did not come up:\n" + "".join(self.said))
            if found := _SIGN_IN.search(line):
                self._sign_ins[found[1]] = found[2]
            if found := _READY.search(line):
                return found[1]

    def password(self, username: str) -> str:
        """As shown once at the first start."""
        return self._sign_ins[username]

    def kill_service(self) -> None:
        """kill -9, in the middle of whatever it does."""
        self.service.kill()
        self.service.wait()

    def start_service(self, *, wait: bool = True) -> None:
        """The service alone, as after a crash."""
        self.service = self._start("serve")
        if wait:
            self._wait_until_ready()

    def readiness(self) -> dict[str, Any]:
        """What /readyz says."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            found: dict[str, Any] = json.loads(connection.getresponse().read())
            return found
        finally:
            connection.close()

    def records(self) -> list[Call]:
        """The store's call records, read by the test itself."""
        return self._read(lambda session: session.scalars(select(Call)))

    def contacts_of(self, call_ids: set[str]) -> int:
        """How many contacts these calls have."""
        wanted = select(Contact).where(Contact.call_id.in_(call_ids))
        return len(self._read(lambda session: session.scalars(wanted)))

    def _read(self, ask: Callable[[AsyncSession], Awaitable[ScalarResult[Row]]]) -> list[Row]:
        async def read() -> list[Row]:
            store = Store(f"sqlite+aiosqlite:///{self.directory / 'var' / 'ecoute.db'}")
            try:
                async with store.reading() as session:
                    return list((await ask(session)).all())
            finally:
                await store.close()

        with ThreadPoolExecutor(1) as thread:  # Playwright's own loop runs in this one
            return thread.submit(asyncio.run, read()).result()

    def waiting(self) -> int:
        """Callers in the national queue, as Asterisk counts them."""
        return self.pbx().console("queue show national").count("(wait:")

    def pbx(self) -> process.RunningPbx:
        """The Asterisk of this line."""
        running = process.find(self.layout)
        assert running is not None
        return running

    def stop(self) -> None:
        """Ends service and PBX, with all calls of the test."""
        if self.service.poll() is None:
            self.service.send_signal(signal.SIGTERM)
            try:
                self.service.wait(timeout=15)
            except subprocess.TimeoutExpired:
                self.service.kill()
                self.service.wait()
        if running := process.find(self.layout):
            running.stop(quiet, let_calls_end=False)
        self.ports.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            sys.stderr.write("--- ecoute said:\n" + "".join(self.said)[-8000:] + "\n")
        self.stop()


def start_line(directory: Path, *options: str, **sections: Mapping[str, Any]) -> LineUnderTest:
    """`options`: of `ecoute up`. `sections`: tables of ecoute.toml, like overflow={"after_seconds": 5}."""
    directory.mkdir(parents=True, exist_ok=True)
    return LineUnderTest(directory, reserve_ports(), sections, options)
