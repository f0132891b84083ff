"""The service's process is kept: when it dies, another takes its place at once, with its modules loaded already.

    with only_service(data_dir):   # the keeper's, from before its first service until after its last
        keeper.keep(progress)      # returns in a process of its own, again and again; the keeper stays in here
        …the service…
        keeper.ready()

Calls need no service, but whoever rings meanwhile is an unknown caller on a page that shows an old board. Loading
Python's modules takes longer than everything else that a start needs; a fork of a process that has loaded them has
them.
The keeper itself loads modules, starts processes and waits: no threads, no event loop, no database.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

#: a service that lived for less gets its successor after a pause, each time a longer one
SHORT_LIFE_SECONDS: Final = 5.0
_PAUSE_FIRST_SECONDS: Final = 0.5
_PAUSE_MOST_SECONDS: Final = 30.0
_PR_SET_PDEATHSIG: Final = 1  # prctl(2)
_STOPS: Final = (signal.SIGTERM, signal.SIGINT)
#: The keeper's signals stay blocked, and it waits for them: a handler may run just before the call that then waits for
#: good, and a stop would be forgotten.
_HEARD: Final = (*_STOPS, signal.SIGCHLD)

Progress = Callable[[str], None]

#: in the service's process: where it says that it is ready; None where nobody keeps it
_told: int | None = None


@contextmanager
def loading() -> Iterator[None]:
    """Around the loading of modules: none of what they make is garbage, and looking for it is a tenth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def ready() -> None:
    """This service works: from now on it is replaced whatever it dies of, and so are its successors."""
    if _told is not None:
        os.write(_told, b"r")


def keep(progress: Progress) -> None:
    """Returns in each new process of the service; the caller itself ends here, with its last one's exit code.

    A process that was killed is replaced. One that ends by itself with an error before it was ever ready has said why,
    and is not; one that ends with 0 was asked to. SIGTERM and SIGINT are handed on.
    """
    gc.freeze()  # what is shared with every service stays shared
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    _Keeper(progress).run()


class _Keeper:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._stopping = False
        self._was_ready = False

    def run(self) -> None:
        """Returns in a service's process only."""
        pause = 0.0
        while True:
            began = time.monotonic()
            hears, tells = os.pipe()
            os.set_blocking(hears, False)
            parent = os.getpid()
            sys.stdout.flush()  # else both would print what waits
            child = os.fork()
            if not child:
                os.close(hears)
                _become_service(parent, tells)
                return
            os.close(tells)
            status = self._wait(child)
            with os.fdopen(hears, "rb", buffering=0) as pipe:
                self._was_ready = bool(pipe.read(1)) or self._was_ready
            if self._stopping or not self._is_replaced(status):
                sys.exit(_exit_code(status))
            lived = time.monotonic() - began
            pause = 0.0 if lived >= SHORT_LIFE_SECONDS else min(_PAUSE_MOST_SECONDS, pause * 2 or _PAUSE_FIRST_SECONDS)
            self._progress(f"The service died ({_death(status)}): another takes its place")
            self._rest(pause)

    def _wait(self, child: int) -> int:
        """Until it ends: its status."""
        while True:
            if signal.sigwait(_HEARD) in _STOPS:
                self._stopping = True
                os.kill(child, signal.SIGTERM)  # it is there, or lies dead until the next line
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return status

    def _is_replaced(self, status: int) -> bool:
        if os.WIFSIGNALED(status):
            return True
        return self._was_ready and os.WEXITSTATUS(status) != 0

    def _rest(self, seconds: float) -> None:
        if signal.sigtimedwait(_STOPS, seconds) is not None:
            sys.exit(0)


def _become_service(parent: int, tells: int) -> None:
    """A process of its own: dies with its keeper, so that the next keeper finds its place free."""
    global _told  # noqa: PLW0603  one service a process
    _told = tells
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def _exit_code(status: int) -> int:
    """As a shell has it."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _death(status: int) -> str:
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return f"exit code {os.WEXITSTATUS(status)}"
