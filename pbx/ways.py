"""The ways in which an Asterisk is run from its cache, each without root's power and without changing the machine.

Started by root: a mount namespace of its own, Asterisk's root read-only, the data directory bound into it, an
unprivileged uid without any capability. By root where namespaces are refused (a container): the same uid, the loader of
Asterisk's root, and that root handed over as an open directory. By an ordinary user: the loader alone.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pbx.errors import SetupError
from pbx.install import Asterisk
from pbx.layout import Layout

Progress = Callable[[str], None]

#: Asterisk's uid and gid when root starts it: no account's (systemd's list leaves 60578 to 61183 unused), so that no
#: other process of the machine may read its files. https://systemd.io/UIDS-GIDS/
UID = 60906
MACHINE_HOSTS = Path("/etc/hosts")
MACHINE_RESOLV = Path("/etc/resolv.conf")
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/nonexistent"}

_UNPRIVILEGED = (
    *("setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"),
    *("--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"),
)

_FOREGROUND = ("-f", "-n")  #: not into the background (we did that), and no colours in its log

#: $1 root to change into, or empty; $2 data directory; $3 where it is seen; $4 hosts; $5 resolv.conf; then the command
_ENTER_JAIL = """
set -eu
root=$1 data=$2 seen=$3 hosts=$4 resolv=$5; shift 5
if [ -n "$root" ]; then
  mount --bind "$root" "$root"
  mount -t tmpfs -o nosuid,noexec,size=64k,mode=755 tmpfs "$root/dev"
  for node in null zero random urandom; do
    : > "$root/dev/$node"; mount --bind "/dev/$node" "$root/dev/$node"
  done
  mount --rbind /proc "$root/proc"
  mount -t tmpfs -o nosuid,nodev,noexec,size=64m,mode=1777 tmpfs "$root/tmp"
  mount --bind "$resolv" "$root/etc/resolv.conf"
  [ ! -e /etc/localtime ] || mount --bind "$(readlink -f /etc/localtime)" "$root/etc/localtime"
fi
mount --bind "$hosts" "$root/etc/hosts"
mount --rbind "$data" "$root$seen" # with the volumes that are mounted in it: logs may have their own
if [ -n "$root" ]; then
  mount -o remount,bind,ro "$root"
fi
exec unshare --root="$root/" --wd="$seen" "$@"
"""

#: $1 Asterisk's root; then the command, which finds it as /proc/self/fd/9
_OPEN_ROOT = 'exec 9<"$1"; shift; exec "$@"'


@dataclass(frozen=True, slots=True)
class Way:
    """How to run: `command` starts Asterisk, which sees the data directory as `seen` and its own files as below."""

    command: tuple[str, ...]
    seen: Path
    modules: Path
    share: Path
    uid: int | None  #: to whom the writable directories must belong; None: to us


def choose(asterisk: Asterisk, layout: Layout, progress: Progress) -> Way:
    """The best way that this machine allows. After `write_names`. Raises SetupError when there is none."""
    if os.geteuid() == 0:
        jail = _jail(asterisk, layout)
        if _allowed(jail):
            return jail
        progress("This machine refuses mount namespaces: Asterisk runs as an unprivileged user without one")
    _warn_of_slow_own_name(progress)
    return _unprivileged(asterisk, layout) if os.geteuid() == 0 else _as_user(asterisk, layout)


def write_names(layout: Layout) -> None:
    """The machine's hosts and resolv.conf for a PBX that has a root of its own; for one that runs, too.

    In place: the PBX sees the files themselves, and never one that took their place. The machine's own are no good for
    that: who looks after them (systemd-resolved, dhclient) puts another one there each time. Raises OSError.
    """
    machine = MACHINE_HOSTS.read_text() if MACHINE_HOSTS.exists() else "127.0.0.1 localhost\n"
    _rewrite(layout.hosts, hosts(machine, socket.gethostname()).encode())
    _rewrite(layout.resolv, MACHINE_RESOLV.read_bytes() if MACHINE_RESOLV.exists() else b"")


def _rewrite(file: Path, content: bytes) -> None:
    """Without an instant at which it is empty."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    with os.fdopen(descriptor, "r+b") as opened:
        os.fchmod(descriptor, 0o644)
        if opened.read() != content:
            opened.seek(0)
            opened.write(content)
            opened.truncate()


def hosts(machine: str, name: str) -> str:
    """The machine's hosts file with its own name in it.

    Asterisk looks that name up for each call's media description; unknown in the file, each look-up asks the network
    and may block for seconds.
    """
    known = {word for line in machine.splitlines() for word in line.split("#", 1)[0].split()[1:]}
    return machine if name in known else f"{machine.rstrip()}\n127.0.1.1 {name}\n"


def _jail(asterisk: Asterisk, layout: Layout) -> Way:
    seen = Path("/ecoute" if asterisk.root else "/mnt")
    inside = _moved(asterisk, Path("/"))
    enter = ("unshare", "--mount", "--propagation", "private", "sh", "-c", _ENTER_JAIL, "jail")
    where = (str(asterisk.root or ""), str(layout.data), str(seen), str(layout.hosts), str(layout.resolv))
    run = (*_UNPRIVILEGED, str(inside.binary), "-C", str(seen / "etc/asterisk.conf"), *_FOREGROUND)
    return Way((*enter, *where, *run), seen, inside.modules, inside.share, UID)


def _moved(asterisk: Asterisk, place: Path) -> Asterisk:
    """The same Asterisk with its root seen at `place`."""
    root = asterisk.root
    if root is None:
        return asterisk
    paths = (asterisk.binary, asterisk.modules, asterisk.share, asterisk.loader)
    binary, modules, share, loader = (place / path.relative_to(root) for path in paths)
    return Asterisk(asterisk.version, place, binary, modules, share, loader)


def _allowed(jail: Way) -> bool:
    """Whether the machine lets us go all the way, shown by going it with a harmless command."""
    harmless = (*jail.command[: jail.command.index("setpriv")], *_UNPRIVILEGED, "setpriv", "--version")
    return subprocess.run(harmless, env=ENVIRONMENT, capture_output=True, timeout=20, check=False).returncode == 0


def _as_user(asterisk: Asterisk, layout: Layout) -> Way:
    _refuse_deep(layout)
    command = (*_loaded(asterisk), "-C", str(layout.asterisk_conf), *_FOREGROUND)
    return Way(command, layout.data, asterisk.modules, asterisk.share, None)


def _unprivileged(asterisk: Asterisk, layout: Layout) -> Way:
    """The unprivileged uid may not reach a cache in root's home, so the cache is handed over as an open directory.

    That does not do for the data directory: SQLite, in which Asterisk keeps its own database, wants its real path.
    """
    _refuse_deep(layout)
    _refuse_unreachable(layout)
    inside = _moved(asterisk, Path("/proc/self/fd/9"))
    enter = ("sh", "-c", _OPEN_ROOT, "open", str(asterisk.root or "/"), *_UNPRIVILEGED)
    command = (*enter, *_loaded(inside), "-C", str(layout.asterisk_conf), *_FOREGROUND)
    return Way(command, layout.data, inside.modules, inside.share, UID)


def _refuse_deep(layout: Layout) -> None:
    if len(os.fsencode(layout.control_socket)) > 107:  # unix(7): 108 bytes with the closing zero
        raise SetupError(
            "data-directory-too-deep",
            f"The path of the data directory {layout.data} is too long for a Unix socket in it.",
            "Set store.data_dir in ecoute.toml to a shorter path.",
        )


def _refuse_unreachable(layout: Layout) -> None:
    look = subprocess.run([*_UNPRIVILEGED, "test", "-x", layout.etc], env=ENVIRONMENT, timeout=20, check=False)
    if look.returncode:
        raise SetupError(
            "data-directory-not-reachable",
            f"Asterisk never runs as root, and an unprivileged user cannot reach {layout.data}.",
            "Set store.data_dir in ecoute.toml to a place that all may pass (below /var/lib, say), or run as a user.",
        )


def _loaded(asterisk: Asterisk) -> tuple[str, ...]:
    """The binary, run by the loader of its own root where it has one."""
    if asterisk.root is None:
        return (str(asterisk.binary),)
    return (str(asterisk.loader), "--library-path", str(asterisk.libraries), str(asterisk.binary))


def _warn_of_slow_own_name(progress: Progress) -> None:
    name, before = socket.gethostname(), time.monotonic()
    try:
        socket.gethostbyname(name)
    except OSError:
        found = False
    else:
        found = True
    if not found or time.monotonic() - before > 0.5:
        progress(
            f"Warning: this machine's name is not in its hosts file, which slows calls down; add '127.0.1.1 {name}'"
        )
