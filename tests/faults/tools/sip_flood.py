"""A stranger who floods the line with SIP over UDP from one address: OPTIONS, or registrations with a wrong password.

    with SipFlood(port, what=OPTIONS, rate=1000, seconds=5) as flood:
        ...  # real callers meanwhile
    flood.sent, flood.answered

From 127.0.0.2, which is nobody's address in a test: the trunk and the phones of tests are at 127.0.0.1.
"""

from __future__ import annotations

import hashlib
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.faults.tools.effect import prove

STRANGER = "127.0.0.2"
_HOST = "127.0.0.1"
#: so many at once, and then a pause that makes up for it
_BURST = 10
_NONCE = re.compile(rb'nonce="([^"]*)"')
_REALM = re.compile(rb'realm="([^"]*)"')
_CALL = re.compile(rb"Call-ID: ([^\r]*)", re.IGNORECASE)

#: (its number, source, port of the line) → a request
What = Callable[[int, str, int], str]


def _request(method: str, uri: str, nth: int, source: str, more: str = "", *, cseq: int = 1) -> str:
    return (
        f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {source};branch=z9hG4bKflood{nth}-{cseq};rport\r\n"
        f"From: <sip:stranger@{source}>;tag=flood{nth}\r\nTo: <{uri}>\r\nCall-ID: flood-{nth}@{source}\r\n"
        f"CSeq: {cseq} {method}\r\nMax-Forwards: 70\r\n{more}Content-Length: 0\r\n\r\n"
    )


def options(nth: int, source: str, port: int) -> str:
    """Are you there?"""
    return _request("OPTIONS", f"sip:3133@{_HOST}:{port}", nth, source)


def bad_register(nth: int, source: str, port: int) -> str:
    """I am listener number so and so; the password comes when it is asked for, and is wrong."""
    uri = f"sip:l{nth % 50 + 1}@{_HOST}:{port}"
    return _request("REGISTER", uri, nth, source, f"Contact: <sip:l{nth % 50 + 1}@{source}>\r\nExpires: 600\r\n")


def _wrong_password(challenge: bytes, source: str, port: int) -> str | None:
    """The second request, with an answer to the challenge that nobody would take."""
    nonce, realm, call = _NONCE.search(challenge), _REALM.search(challenge), _CALL.search(challenge)
    if nonce is None or realm is None or call is None or b"CSeq: 1 REGISTER" not in challenge:
        return None
    nth = int(call[1].split(b"@")[0].rpartition(b"-")[2])
    user, uri = f"l{nth % 50 + 1}", f"sip:l{nth % 50 + 1}@{_HOST}:{port}"
    wrong = hashlib.md5(nonce[1] + call[1], usedforsecurity=False).hexdigest()
    proof = (
        f'Authorization: Digest username="{user}", realm="{realm[1].decode()}", nonce="{nonce[1].decode()}", '
        f'uri="{uri}", response="{wrong}", algorithm=MD5\r\n'
    )
    return _request("REGISTER", uri, nth, source, f"Contact: <sip:{user}@{source}>\r\n{proof}", cseq=2)


class SipFlood:
    """`rate`: requests a second, for at most `seconds`. `what`: `options` or `bad_register`."""

    def __init__(self, port: int, *, what: What = options, rate: int = 1000, seconds: float = 5.0) -> None:
        self.sent = 0
        self.answered: Counter[int] = Counter()  #: by status
        self.took = 0.0  #: seconds from the first request to the last
        self._what, self._rate, self._seconds = what, rate, seconds
        self._port = port
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="flood", daemon=True)

    @property
    def lasting(self) -> bool:
        """It goes on."""
        return self._thread.is_alive()

    @property
    def rate(self) -> float:
        """Requests a second that were really sent."""
        return self.sent / self.took if self.took else 0.0

    def wait(self) -> None:
        """To its end."""
        self._thread.join(self._seconds + 5)

    def _run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind((STRANGER, 0))
            stranger.connect((_HOST, self._port))
            stranger.setblocking(False)
            source = f"{STRANGER}:{stranger.getsockname()[1]}"
            begun = time.monotonic()
            while not self._over.is_set() and time.monotonic() < begun + self._seconds:
                for _ in range(_BURST):
                    self._send(stranger, self._what(self.sent, source, self._port))
                self.took = time.monotonic() - begun
                self._listen(stranger, source)
                self._over.wait(max(0.0, begun + self.sent / self._rate - time.monotonic()))
            self._over.wait(0.2)
            self._listen(stranger, source)

    def _send(self, stranger: socket.socket, request: str) -> None:
        try:
            stranger.send(request.encode())
        except (BlockingIOError, ConnectionRefusedError):
            return
        self.sent += 1

    def _listen(self, stranger: socket.socket, source: str) -> None:
        while True:
            try:
                answer = stranger.recv(4096)
            except (BlockingIOError, ConnectionRefusedError):
                return
            if answer.startswith(b"SIP/2.0 "):
                self.answered[int(answer[8:11])] += 1
                if second := _wrong_password(answer, source, self._port):
                    self._send(stranger, second)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self.wait()
        if error is None:
            prove(self.sent, "nothing was sent")
