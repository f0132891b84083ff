"""Doing something as somebody else, in a process of its own: an ordinary user, or root in a container."""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ORDINARY = 60950  #: nobody's uid on this machine


@contextmanager
def directory_for_all() -> Iterator[Path]:
    """A short path that every user may pass, unlike pytest's own below a directory of mode 700."""
    directory = Path(tempfile.mkdtemp(prefix="ecoute-"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def in_a_child(work: Callable[[], str], prepare: Callable[[], None]) -> str:
    """What `work` returns in a process of its own, made ready by `prepare`; its error when it fails."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        said = "nothing"
        with suppress(BaseException):
            try:
                prepare()
                said = work()
            except BaseException as error:  # the parent shall see it
                said = f"{type(error).__name__}: {error}"
            os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as said_by_child:
        said = said_by_child.read()
    os.waitpid(child, 0)
    return said


def become_ordinary() -> None:
    os.setgroups([])
    os.setgid(ORDINARY)
    os.setuid(ORDINARY)


def without_mounting() -> None:
    """Give up the capability that mounting takes (CAP_SYS_ADMIN, 21), here and in every child. capabilities(7)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(24, 21, 0, 0, 0):  # PR_CAPBSET_DROP
        raise OSError(ctypes.get_errno(), "prctl")
    # a program that root executes gets the bounding set: so what we start cannot mount any more
