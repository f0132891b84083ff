"""A network and mounts of one's own, for this thread and all that it starts: processes, and threads of its own.

    with own_namespaces(network=True):
        ...  # loopback alone; whatever is dropped, flooded or mounted here is seen by nobody else

Nothing has a name and nothing is left behind: a namespace goes with the last process in it, also after `kill -9`.
Needs root. Threads that were there before stay where they were.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FS, _NEWNS, _NEWNET = 0x00000200, 0x00020000, 0x40000000  # sched.h
_MS_REC, _MS_PRIVATE = 0x4000, 1 << 18  # sys/mount.h
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1  # net/if.h
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def own_namespaces(*, network: bool = False, mounts: bool = False) -> Iterator[None]:
    """Enter new ones, and come back at the end. PermissionError where the machine refuses them."""
    kinds = {"net": _NEWNET} if network else {}
    if mounts:
        kinds["mnt"] = _NEWNS
    before = {kind: os.open(f"/proc/thread-self/ns/{kind}", os.O_RDONLY) for kind in kinds}
    folder = Path.cwd()
    try:
        _call("unshare", sum(kinds.values()))
        try:
            if mounts:
                _call("mount", None, b"/", None, _MS_REC | _MS_PRIVATE, None)
            if network:
                _loopback_up()
            yield
        finally:
            _call("unshare", _FS)  # threads that were made here share a root directory with us, which may not move
            for kind, descriptor in before.items():
                _call("setns", descriptor, kinds[kind])
            os.chdir(folder)  # a change of mounts leads to the root directory
    finally:
        for descriptor in before.values():
            os.close(descriptor)


def in_own_network() -> bool:
    """Whether this thread's network leads nowhere: no route, so it is nobody's but ours."""
    routes = Path("/proc/thread-self/net/route").read_text().splitlines()[1:]
    return not routes


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14s", b"lo", _IFF_UP, b""))
