"""pyst2's manager, kept alive: it is older than the Python and the Asterisk that it meets here.

What it reads, how it takes a frame apart and how it matches answers stays its own: that is what makes it a witness.
Mended is only what would end it:

- `ChanVariable` headers (`channelvars` in manager.conf puts one into every event) meet a dict method that Python 3
  has not;
- `setDaemon`, `isSet` and `currentThread` are deprecated, and a warning is an error in these tests, in its threads too;
- its socket is read byte by byte, without a buffer: 800 to 1,250 events a second, with one 11,000;
- an answer that never comes is waited for without end.
"""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from asterisk import manager as pyst2

ANSWER_SECONDS = 10.0


class _Headers(dict[str, Any]):
    def has_key(self, key: str) -> bool:
        return key in self


class Message(pyst2.ManagerMsg):  # type: ignore[misc]  # pyst2 ships no types
    """A frame."""

    def parse(self, response: list[str]) -> None:
        self.headers = _Headers()
        super().parse(response)


class _Thread(threading.Thread):
    def setDaemon(self, daemonic: bool) -> None:  # noqa: N802 - pyst2 calls it so
        self.daemon = daemonic


class _Event(threading.Event):
    isSet = threading.Event.is_set  # noqa: N815 - pyst2 calls it so


class _Socket(socket.socket):
    def makefile(self, mode: str = "r", buffering: int | None = None, **_: Any) -> Any:
        return super().makefile("rwb")


class _Answers(queue.Queue[Any]):
    def get(self, block: bool = True, timeout: float | None = ANSWER_SECONDS) -> Any:
        return super().get(block, timeout)


pyst2.ManagerMsg = Message
pyst2.threading = SimpleNamespace(
    Thread=_Thread, Event=_Event, Lock=threading.Lock, currentThread=threading.current_thread
)
pyst2.socket = SimpleNamespace(
    socket=_Socket,
    gethostname=socket.gethostname,
    error=OSError,
    AF_INET=socket.AF_INET,
    SOCK_STREAM=socket.SOCK_STREAM,
)

ManagerException = pyst2.ManagerException


class Manager(pyst2.Manager):  # type: ignore[misc]  # the same
    """Connected and logged in. `heard`: called with each event, in order, in a thread of pyst2's."""

    def __init__(self, port: int, user: str, secret: str, heard: Callable[[Any], None]) -> None:
        super().__init__()
        self._response_queue = _Answers()
        self.register_event("*", lambda event, _manager: heard(event))
        self.connect("127.0.0.1", port)
        self.login(user, secret)
