"""Records what Asterisk says to an account of the test's own: every event of the wire, unfiltered, as raw bytes.

The service records its own session itself (`PbxLink(config, record=file)`); this one shares no code with it.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.wait import until


class AmiRecorder:
    """`with AmiRecorder(port, user, secret, file):` the account hears all that its rights let it hear."""

    def __init__(self, port: int, user: str, secret: str, path: Path) -> None:
        self.path = path
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._file = path.open("ab")
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        login = f"Action: Login\r\nActionID: Login/0\r\nUsername: {user}\r\nSecret: {secret}\r\nEvents: on\r\n\r\n"
        self._socket.sendall(login.encode())
        until(lambda: b"Message: Authentication accepted" in self.recorded(), f"the login of {user}")

    def recorded(self) -> bytes:
        """All so far."""
        return self.path.read_bytes()

    def _read(self) -> None:
        while data := self._received():
            self._file.write(data)
            self._file.flush()

    def _received(self) -> bytes:
        try:
            return self._socket.recv(1 << 16)
        except OSError:
            return b""

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._socket.close()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
