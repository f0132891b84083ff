"""A telephone with keys: what a person presses, as RFC 4733 telephone events beside their voice."""

from __future__ import annotations

import struct
import time
from itertools import count
from queue import Empty, SimpleQueue

from tests.support.audio import PACKET, RATE, CallerAudio, level

_EVENTS = "0123456789*#"
_TELEPHONE_EVENT = 101  #: the payload type that our SDP announces
_PCMA = 8
_LENGTH = 5  #: packets of 20 ms for each key, the last one three times


class Handset(CallerAudio):
    """`press("38")` presses two keys, one after the other. `tone` 0 is a person who is silent."""

    def __init__(self, tone: float = 0.0) -> None:
        self._pressed: SimpleQueue[str] = SimpleQueue()
        super().__init__(tone)

    def press(self, keys: str) -> None:
        for key in keys:
            self._pressed.put(key)

    @property
    def reached(self) -> bool:
        """The line's audio has arrived, so that keys have somewhere to go."""
        return self._peer is not None

    def hears_something(self, seconds: float) -> bool:
        """Not silence, in the last seconds."""
        since = time.monotonic() - seconds
        return any(level(payload) > 0.005 for at, payload in list(self._packets) if at >= since)

    def _say(self) -> None:
        begun, key, sent, started = time.monotonic(), "", 0, 0
        for number in count():
            if self._stopped.wait(max(0.0, begun + number * 0.02 - time.monotonic())):
                return
            if self._peer is None:
                continue
            if not key and sent <= 0:
                key, sent, started = self._next_key(), 0, number
            if key:
                self._send(_TELEPHONE_EVENT, number, started, self._event(key, sent), marker=sent == 0)
                sent += 1
                if sent == _LENGTH + 3:
                    key, sent = "", 5  # a breath between two keys
                continue
            sent = max(0, sent - 1)
            start = number * PACKET % RATE
            self._send(_PCMA, number, number, self._tone[start : start + PACKET], marker=False)

    def _next_key(self) -> str:
        try:
            return self._pressed.get_nowait()
        except Empty:
            return ""

    def _event(self, key: str, sent: int) -> bytes:
        ended = sent >= _LENGTH - 1
        duration = min(sent + 1, _LENGTH) * PACKET
        return struct.pack("!BBH", _EVENTS.index(key), 0x80 * ended + 10, duration)

    def _send(self, payload_type: int, number: int, instant: int, payload: bytes, *, marker: bool) -> None:
        header = struct.pack(
            "!BBHII", 0x80, payload_type | 0x80 * marker, number & 0xFFFF, instant * PACKET & 0xFFFFFFFF, self.port
        )
        if self._peer is not None:
            self._socket.sendto(header + payload, self._peer)
