"""A real Asterisk for a test: its own data directory and ports, ended by its pid.

    with start_test_pbx(tmp_path) as pbx:
        pbx.console("core show channels")

Several may run at once, in one test or in parallel runs. The Asterisk comes from the cache (`ECOUTE_CACHE_DIR`), which
is filled the first time.
"""

from __future__ import annotations

import atexit
import functools
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pbx import install, layout, process, prompts, site
from pbx.install import Asterisk
from pbx.layout import SOURCES, Layout
from pbx.phones import PhoneAccount, write_accounts
from tests.support.free_ports import Block, reserve_block

#: Data directories of every PBX that this run started: whatever a test forgets is ended with the run.
_started: set[Layout] = set()


@atexit.register
def end_forgotten() -> None:
    """Every PBX of this run whose data directory is still there."""
    for where in _started:
        if running := process.find(where):
            running.kill()


def quiet(_: str) -> None:
    """Progress that nobody reads."""


@dataclass(frozen=True)
class Ports:
    """A block of ports that no other test has. `spare`: for sipp, phones and their audio."""

    block: Block
    sip: int
    http: int
    ami: int
    tls: int
    spare: range
    rtp_start: int
    rtp_end: int

    def release(self) -> None:
        self.block.release()


def reserve_ports() -> Ports:
    """A block that nobody else has, until it is released or the process ends."""
    block = reserve_block()
    base = block.base
    return Ports(block, base, base + 1, base + 2, base + 3, range(base + 4, base + 200), base + 200, base + 998)


class PbxUnderTest:
    """A PBX, its site and its ports. Use as a context manager; `stop()` may also be called by hand, twice too."""

    def __init__(self, asterisk: Asterisk, config: site.SiteConfig, where: Layout, block: Ports) -> None:
        self.asterisk = asterisk
        self.site = config
        self.layout = where
        self.ports = block
        self.running = self._start()

    @property
    def secrets(self) -> dict[str, str]:
        """Of the manager accounts `service` and `provision`."""
        return site.read_secrets(self.layout)

    def console(self, command: str) -> str:
        return self.running.console(command)

    def write_phones(self, accounts: Sequence[PhoneAccount]) -> None:
        """Replace the phones' accounts and let Asterisk take them over."""
        write_accounts(self.layout.phones, accounts)
        self.console("module reload res_pjsip.so")

    def add_manager(self, name: str, secret: str, lines: str = "read = all\nwrite = all\n") -> None:
        """A manager account of the test's own: an independent witness of what Asterisk says."""
        file = self.layout.generated / "manager_secrets.conf"
        file.write_text(file.read_text() + f"[{name}]\nsecret = {secret}\n{lines}")
        self.console("manager reload")

    def kill(self) -> None:
        """As `kill -9` does."""
        self.running.kill()

    def start_again(self) -> None:
        self.running = self._start()

    def stop(self) -> None:
        """End it with all its calls."""
        if running := process.find(self.layout):
            running.stop(quiet, let_calls_end=False)
        self.ports.release()

    def log(self) -> str:
        """Everything that Asterisk complained of."""
        files = [self.layout.start_log, *sorted(self.layout.log.glob("*"))]
        return "\n".join(file.read_text(errors="replace") for file in files if file.is_file())

    def _start(self) -> process.RunningPbx:
        _started.add(self.layout)
        return process.start(self.asterisk, self.layout, quiet)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            sys.stderr.write(f"--- Asterisk said:\n{self.log()[-6000:]}\n")
        if running := process.find(self.layout):
            running.kill()  # nothing is to be kept, and no test waits for a goodbye
        self.ports.release()


def the_asterisk() -> Asterisk:
    """The Asterisk that the tests use; its cache is looked through once for all."""
    return _from_cache(layout.cache_dir(os.environ))


@functools.cache
def _from_cache(cache: Path) -> Asterisk:
    return install.ensure_asterisk(cache, quiet)


def start_test_pbx(tmp_path: Path, *, sources: Path = SOURCES, sounds: bool = True, **values: Any) -> PbxUnderTest:
    """Start a PBX below `tmp_path`; `values` are fields of `SiteConfig`. One `tmp_path` may hold several, by `pbx`.

    The trunk is whoever calls from 127.0.0.1; by default its outbound calls go to the first spare port. With
    a `certificate` and its `private_key`, the WebSocket of browser phones is on `ports.tls` too. `audio_ports`: how
    many there are, where almost 800 are too many.
    """
    asterisk = the_asterisk()
    tls = "certificate" in values
    audio_ports: int = values.pop("audio_ports", 0)
    block = reserve_ports()
    try:
        trunk = site.TrunkByAddress(addresses=("127.0.0.1",), server=f"127.0.0.1:{block.spare[0]}")
        config = site.SiteConfig(
            **{
                "pbx": "pbx1",
                "numbers": {"3133": "+33199003133", "0199003133": "+33199003133"},
                "trunk": trunk,
                "sip_port": block.sip,
                "http_port": block.http,
                "ami_port": block.ami,
                "rtp_start": block.rtp_start,
                "rtp_end": block.rtp_start + audio_ports - 1 if audio_ports else block.rtp_end,
                "tls_port": block.tls if tls else 0,
                **values,
            }
        )
        where = Layout.of(tmp_path, config.pbx)
        site.write(config, where, sources)
        if sounds:
            prompts.install(layout.cache_dir(os.environ), where, quiet, sources)
        return PbxUnderTest(asterisk, config, where, block)
    except BaseException:
        block.release()
        raise
