"""Start, find and stop the PBX of a data directory. It outlives us: calls go on whatever becomes of the service."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pbx import conf, console, ports, ways
from pbx.errors import START_AGAIN, SetupError, on_disk
from pbx.install import Asterisk
from pbx.layout import Layout

Progress = Callable[[str], None]

START_SECONDS = 60.0
WANTED_FILES = 131072
_PATIENCE = 15.0  #: seconds for Asterisk to go
ENOUGH_FILES = 65536  #: four for each call's audio, one for each phone, and room for a bad day

#: $1 pid file; $2 log; $3 number of open files; $4 data directory; then the command. Runs in a session of its own. The
#: pid stays the same through every exec; the start time tells the process from a later one with the same pid.
_LAUNCH = """
set -eu
pid_file=$1 log=$2 files=$3 data=$4; shift 4
stat=$(cat "/proc/$$/stat"); after_name=${stat##*) }
set -- "$after_name" "$@"
start=$(echo "$1" | cut -d' ' -f20); shift
echo "$$ $start $(cat /proc/sys/kernel/random/boot_id)" > "$pid_file.new"
mv "$pid_file.new" "$pid_file"
exec </dev/null >>"$log" 2>&1
cd "$data"
umask 027
ulimit -n "$files"
renice -n -11 -p "$$" >/dev/null 2>&1 || true # voices before other programs, where that is allowed
exec "$@"
"""


@dataclass(frozen=True, slots=True)
class RunningPbx:
    """A PBX that runs. `start_time`: in ticks since boot; tells it from another process that got the same pid."""

    layout: Layout
    pid: int
    start_time: int

    def alive(self) -> bool:
        return _start_time(self.pid) == self.start_time

    def console(self, command: str) -> str:
        """What Asterisk says to a console command; for people and tests. Raises console.ConsoleError."""
        return console.ask(self.layout.control_socket, command)

    def channels(self) -> int:
        """Legs of calls that live now."""
        said = self.console("core show channels count")
        counted = [line.split()[0] for line in said.splitlines() if "active channel" in line]
        if not counted:  # it boots: its commands are not all there yet
            raise console.ConsoleError(said)
        return int(counted[0])

    def stop(self, progress: Progress, *, let_calls_end: bool = True, patience: float = _PATIENCE) -> None:
        """Wait until no call is left, for as long as that takes, then end it: on purpose, so nobody starts it again.

        New calls are taken meanwhile. `patience`: seconds for Asterisk to go by itself; afterwards it is killed.
        """
        if let_calls_end:
            self._wait_for_calls(progress)
        with on_disk(self.layout.data, "store.data_dir"):
            self.layout.stopped.touch()  # before its end: who looks after it must not take it for dead
        self._go(patience)
        self.layout.pid_file.unlink(missing_ok=True)

    def kill(self) -> None:
        """End it at once, as a crash does."""
        _end(self, signal.SIGKILL, _PATIENCE)

    def _go(self, patience: float) -> None:
        _end(self, signal.SIGTERM, patience) or _end(self, signal.SIGKILL, patience)

    def _wait_for_calls(self, progress: Progress) -> None:
        told = -1
        while self.alive():
            try:
                left = self.channels()
            except console.ConsoleError:
                if not self.alive():
                    return
                raise SetupError(
                    "pbx-not-answering",
                    f"The PBX (process {self.pid}) does not answer, so nobody knows whether calls go on.",
                    f"Look at its log ({self.layout.log}). `kill -9 {self.pid}`, as root or as its user, ends it at "
                    "once, and cuts every call that it may have.",
                ) from None
            if left == 0:
                return
            if left != told:
                progress(f"Waiting for calls to end: {left} channels")
                told = left
            time.sleep(0.5)


def find(layout: Layout) -> RunningPbx | None:
    """The PBX that runs on this data directory, if there is one. A stale pid file is nobody."""
    try:
        pid, start_time, boot = layout.pid_file.read_text().split()
        running = RunningPbx(layout, int(pid), int(start_time))
    except (OSError, ValueError):
        return None
    return running if boot == _boot() and running.alive() else None


def start(asterisk: Asterisk, layout: Layout, progress: Progress) -> RunningPbx:
    """Start the PBX, or find the one that runs; returns once it takes calls. After `site.write`. Raises SetupError."""
    with on_disk(layout.data, "store.data_dir"), _alone(layout):
        site: dict[str, object] = json.loads(layout.site.read_bytes())
        needed = ports.of(site)
        if running := find(layout):
            refuse_other_ports(layout, needed)
            return running
        layout.stopped.unlink(missing_ok=True)
        ports.refuse_taken(needed)
        progress(f"Starting Asterisk {asterisk.version}")
        files = _open_files(progress)
        way = _prepare(asterisk, layout, progress)
        conf.replace(layout.asterisk_conf, asterisk_conf(site, way, files).encode(), mode=0o640)
        _own(layout, way.uid)
        conf.replace(layout.started, layout.site.read_bytes(), mode=0o640)
        running = _launch(way, layout, files)
        _refuse_deaf(running, needed, progress)
        return running


def stopped_on_purpose(layout: Layout) -> bool:
    """Whether somebody stopped the PBX of this data directory, and nobody has started it since."""
    return layout.stopped.exists()


def refuse_other_ports(layout: Layout, needed: list[ports.Port]) -> None:
    """Raise SetupError where the PBX that runs was started on other ports than those that are `needed` now."""
    if ports.of(json.loads(layout.started.read_bytes())) != needed:
        raise SetupError(
            "pbx-runs-on-other-ports",
            "The PBX runs, but the settings were given other ports or another address since it was started.",
            f"Put the former ones back, or {START_AGAIN}: its calls end first.",
        )


def _prepare(asterisk: Asterisk, layout: Layout, progress: Progress) -> ways.Way:
    """Everything in its place, then the way to run it. The right to pass comes before the question who can."""
    for directory in (*layout.writable(), layout.sounds):
        directory.mkdir(parents=True, exist_ok=True)
    ways.write_names(layout)
    _own(layout, ways.UID if os.geteuid() == 0 else None)
    way = ways.choose(asterisk, layout, progress)
    for name in ("moh", "documentation"):
        link = layout.data / name
        if not link.is_symlink() or link.readlink() != way.share / name:
            link.unlink(missing_ok=True)
            link.symlink_to(way.share / name)
    return way


def _own(layout: Layout, uid: int | None) -> None:
    """Asterisk writes into its own directories and reads the rest; nobody else reads anything."""
    layout.data.chmod(0o750)
    if uid is None:
        return
    os.chown(layout.data, 0, uid)
    for top in (layout.etc, *layout.writable()):
        owner = 0 if top == layout.etc else uid
        for folder, _, files in os.walk(top):
            os.chown(folder, owner, uid)
            Path(folder).chmod(0o2750)  # new files get its group: phones' accounts are written while it runs
            for name in files:
                os.chown(Path(folder, name), owner, uid, follow_symlinks=False)


def _launch(way: ways.Way, layout: Layout, files: int) -> RunningPbx:
    """Start it, and start it again when it takes a dead Asterisk, or one on its way out, for a living one."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        layout.start_log.write_bytes(b"")
        layout.pid_file.unlink(missing_ok=True)
        (layout.run / "asterisk.pid").unlink(missing_ok=True)
        where = map(str, (layout.pid_file, layout.start_log, files, layout.data))
        script = ("setsid", "--fork", "sh", "-c", _LAUNCH, "launch", *where)
        subprocess.run([*script, *way.command], env=ways.ENVIRONMENT, check=True)
        if running := _ready(layout, deadline):
            return running
        said = layout.start_log.read_text(errors="replace")
        if "already running" not in said or time.monotonic() > deadline:
            raise _died(layout, said)
        time.sleep(0.2)


def _ready(layout: Layout, deadline: float) -> RunningPbx | None:
    """Wait until Asterisk says that it has booted; None when its process is gone before."""
    begun = time.monotonic()
    while not layout.pid_file.exists():
        if time.monotonic() > min(deadline, begun + 10):
            return None
        time.sleep(0.01)
    while running := find(layout):
        with suppress(console.ConsoleError):
            left = max(deadline - time.monotonic(), 0.1)
            booted = "fully booted" in console.ask(layout.control_socket, "core waitfullybooted", timeout=left)
            # it says so a moment before its last console commands are there
            if booted and "System name" in console.ask(layout.control_socket, "core show settings", timeout=left):
                return running
        if time.monotonic() > deadline:
            running.kill()
            return None
        time.sleep(0.02)
    return None


def _died(layout: Layout, said: str) -> SetupError:
    lines = [line for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if "ERROR" in line and "EXITING" not in line]
    telling = (errors or lines or ["it said nothing"])[-1]
    return SetupError(
        "pbx-did-not-start",
        f"Asterisk did not start: {telling.strip()}",
        f"All that it said is in {layout.start_log} and {layout.log}.",
    )


def _refuse_deaf(running: RunningPbx, needed: list[ports.Port], progress: Progress) -> None:
    """A PBX that came up without one of its ports would take no call, or show none: it is ended again.

    Without that of browsers elsewhere it goes on, since all other phones work (law 4): Asterisk does not open it where
    it has no use for the certificate.
    """
    for port in needed:
        if not port.free():
            continue
        if port.of_browsers:
            progress(
                f"Asterisk does not listen on port {port.number}/{port.protocol}: browsers elsewhere have no phone, "
                f"all others work. Look at {running.layout.start_log}, and at http.certificate and http.private_key "
                f"in ecoute.toml. Then {START_AGAIN}: its calls end first"
            )
        else:
            running._go(_PATIENCE)
            raise SetupError(
                "pbx-not-listening",
                f"Asterisk started without listening on port {port.number}/{port.protocol}.",
                f"Look at {running.layout.start_log}, and at {port.key} and pbx.bind in ecoute.toml.",
            )


def asterisk_conf(site: Mapping[str, object], way: ways.Way, files: int) -> str:
    """Where Asterisk finds everything. https://docs.asterisk.org/Configuration/Core-Configuration/Asterisk-Main-Configuration-File/"""
    seen = way.seen
    directories = {
        "astetcdir": seen / "etc",
        "astmoddir": way.modules,
        "astvarlibdir": seen,
        "astdatadir": seen,
        "astdbdir": seen / "db",
        "astcachedir": seen / "db",
        "astkeydir": seen,  # Asterisk appends keys/
        "astagidir": seen / "agi-bin",
        "astspooldir": seen / "spool",
        "astrundir": seen / "run",
        "astlogdir": seen / "log",
        "astsbindir": "/usr/sbin",
    }
    options = {
        "systemname": site["pbx"],
        "defaultlanguage": site["language"],
        "documentation_language": "en_US",
        "live_dangerously": "no",
        "execincludes": "no",
        "maxfiles": files,
    }
    lines = ["[directories]", *(f"{key} = {value}" for key, value in directories.items())]
    lines += ["[options]", *(f"{key} = {value}" for key, value in options.items())]
    return conf.HEADER + "\n".join(lines) + "\n"


def _open_files(progress: Progress) -> int:
    """As many as this machine allows, up to what a full house needs."""
    asked = f"ulimit -n {WANTED_FILES} 2>/dev/null || ulimit -n $(ulimit -H -n); ulimit -n"
    said = subprocess.run(["sh", "-c", asked], capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    files = WANTED_FILES if said == "unlimited" else int(said)
    if files < ENOUGH_FILES:
        progress(f"Warning: this machine allows {files} open files; a busy line wants {ENOUGH_FILES} (ulimit -n)")
    return files


def _end(running: RunningPbx, how: signal.Signals, patience: float) -> bool:
    """Send the signal and wait; True once the process is gone. By descriptor: a pid that was given away is not hit."""
    try:
        process = os.pidfd_open(running.pid)
    except ProcessLookupError:
        return True
    try:
        if not running.alive():
            return True
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, how)
        return bool(select.select([process], [], [], patience)[0])
    finally:
        os.close(process)


def _start_time(pid: int) -> int | None:
    """Of a living process; a zombie is dead. Fields: proc(5), /proc/<pid>/stat."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@contextmanager
def _alone(layout: Layout) -> Iterator[None]:
    """Two runs at once start one PBX."""
    with (layout.data / "start.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
