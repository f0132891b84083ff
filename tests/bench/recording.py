"""The stream that the rows a and b read: real calls of a real Asterisk, recorded at the beginning of the bench.

Callers and phones are sipp, the service is at work, listeners end their writing-up; two accounts listen: one that is
told everything (read=all, no filter), and one with the service's own rights and filter.
"""

from __future__ import annotations

import functools
import shutil
import socket
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path

from pbx.layout import Layout
from tests.bench.row import Bench
from tests.integration.live.line import LiveLine, Page
from tests.support.wait import until

TALK_SECONDS = 4.0
CALLS_PER_SECOND = 10
EOM = b"\r\n\r\n"
GREETING = b"Event: FullyBooted"  #: to whoever has logged in


class RawReader:
    """Logged in at the manager interface; keeps the bytes as they come, and nothing of our own answers."""

    def __init__(self, port: int, username: str, secret: str) -> None:
        self._bytes = bytearray()
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.sendall(f"Action: Login\r\nUsername: {username}\r\nSecret: {secret}\r\n\r\n".encode())
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        until(lambda: b"Message: Authentication accepted" in self._bytes, f"{username} is logged in")

    def _read(self) -> None:
        while read := self._socket.recv(1 << 16):
            self._bytes += read

    def close(self) -> bytes:
        """The events, whole ones only, without banner, answer and greeting."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._socket.close()
        frames = bytes(self._bytes).split(EOM)[:-1]
        heard = (frame for frame in frames if frame.startswith(b"Event: ") and not frame.startswith(GREETING))
        return b"".join(frame + EOM for frame in heard)


@dataclass(frozen=True, slots=True)
class Recording:
    """`everything`, `filtered`: files of AMI frames. `site`: the line's files as they were before the first call."""

    everything: Path
    filtered: Path
    site: Path
    calls: int
    answered: int
    events: int
    listeners: int

    @property
    def conditions(self) -> str:
        """For a row's note."""
        return (
            f"{self.calls} real calls at {CALLS_PER_SECOND}/s to {self.listeners} phones, {self.answered} answered; "
            f"{self.events} events, {self.everything.stat().st_size / 1e6:.1f} MB with read=all"
        )


@functools.cache
def record(bench: Bench) -> Recording:
    """Once per run of the bench."""
    folder = bench.folder / "recording"
    folder.mkdir(exist_ok=True)
    bench.say(f"recording {bench.size.calls} real calls")
    listeners = [f"listener{n}" for n in range(1, bench.size.listeners + 1)]
    with LiveLine(folder, listeners=len(listeners)) as line:
        site = _keep_site(folder)
        line.pbx.add_manager("bench", "bench-secret", "read = all\nwrite =\nwritetimeout = 5000\n")
        everything = RawReader(line.pbx.ports.ami, "bench", "bench-secret")
        filtered = RawReader(line.pbx.ports.ami, "service", line.pbx.secrets["service"])
        answered = _calls(line, listeners, bench.size.calls)
        files = (folder / "everything.ami", folder / "filtered.ami")
        for file, reader in zip(files, (everything, filtered), strict=True):
            file.write_bytes(reader.close())
    return Recording(
        everything=files[0],
        filtered=files[1],
        site=site,
        calls=bench.size.calls,
        answered=answered,
        events=files[0].read_bytes().count(EOM),
        listeners=len(listeners),
    )


def _keep_site(folder: Path) -> Path:
    """Accounts, caller key and secrets, and no call yet."""
    site = folder / "site"
    site.mkdir()
    shutil.copytree(folder / "var" / "secrets", site / "secrets")
    for file in (folder / "var" / "pbx" / "pbx1").rglob("secrets.json"):
        copy = site / file.relative_to(folder / "var")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    Layout.of(site, "pbx1").generated.mkdir(parents=True)
    source, target = sqlite3.connect(folder / "var" / "ecoute.db"), sqlite3.connect(site / "ecoute.db")
    until(lambda: source.execute("SELECT 1 FROM caller_keys").fetchone(), "the PBX has the caller key")
    source.backup(target)
    source.close()
    target.close()
    return site


def _calls(line: LiveLine, listeners: list[str], calls: int) -> int:
    """All calls from ring to goodbye; every tenth caller has little patience. How many were answered."""
    phone = line.phone(*listeners, talk=TALK_SECONDS)
    pages = {line.ids[name]: Page(line.http_port, name, line.passwords[name]) for name in listeners}
    for page in pages.values():
        page.must("POST", "/listener/sign-in", {})
    supervisor = line.page("supervisor")
    until(lambda: len(supervisor.all("listener")) == len(listeners), "all listeners are on the board", 60)
    numbers = [f"+336399{80000 + n}" for n in range(calls)]
    hasty, patient = numbers[::10], [number for n, number in enumerate(numbers) if n % 10]
    callers = [
        line.caller(numbers=patient, rate=CALLS_PER_SECOND * 0.9, stay=120),
        line.caller(numbers=hasty, rate=CALLS_PER_SECOND * 0.1, stay=0.5),
    ]

    def all_left() -> bool:
        for listener in supervisor.all("listener"):
            if listener["state"] == "wrap-up":
                pages[listener["account_id"]].ask("POST", "/listener/resume", {})
        return all(caller.process.poll() is not None for caller in callers)

    until(all_left, "all calls are over", 60 + calls)
    until(lambda: not supervisor.all("call"), "the board is empty", 30)
    taken = {message.call for message in phone.all_seen("INVITE", status=200, ours=True)}
    return len(taken & {message.call for message in phone.all_seen("ACK")})
