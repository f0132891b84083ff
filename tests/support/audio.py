"""What a caller says and hears: an RTP endpoint that sends a tone and keeps every packet with its time of arrival.

A-law in 20 ms packets (RFC 3551). A prompt that Asterisk plays from an A-law file arrives byte for byte, so that it is
recognised for certain; a listener's voice is known by its tone.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

PACKET = 160  #: samples and bytes in 20 ms at 8 kHz
RATE = 8000
_PCMA = 8


def _decoding_table() -> NDArray[np.float64]:
    table = np.zeros(256)
    for byte in range(256):
        value = byte ^ 0x55
        exponent, mantissa = (value >> 4) & 7, value & 0x0F
        level = (mantissa << 4) + 8 if exponent == 0 else ((mantissa << 4) + 0x108) << (exponent - 1)
        table[byte] = (level if value & 0x80 else -level) / 32768
    return table


_DECODED = _decoding_table()
_ORDER = np.argsort(_DECODED)


def alaw_encode(samples: NDArray[np.float64]) -> bytes:
    """Samples in -1…1 → A-law (ITU-T G.711): the nearest of its 256 levels."""
    levels = _DECODED[_ORDER]
    above = np.clip(np.searchsorted(levels, samples), 1, 255)
    nearest = np.where(samples - levels[above - 1] < levels[above] - samples, above - 1, above)
    return bytes(_ORDER[nearest].astype(np.uint8).tobytes())


class CallerAudio:
    """One caller's ears and mouth. `port`: to be announced in the caller's SDP. `tone`: Hz that the caller "says"."""

    def __init__(self, tone: float) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.2)
        self.port: int = self._socket.getsockname()[1]
        wave = 0.3 * np.sin(2 * np.pi * tone * np.arange(RATE) / RATE)
        self._tone = alaw_encode(wave)
        self._packets: list[tuple[float, bytes]] = []
        self._peer: tuple[str, int] | None = None
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._hear, self._say)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        self._socket.close()

    def _hear(self) -> None:
        while not self._stopped.is_set():
            try:
                packet, peer = self._socket.recvfrom(2048)
            except TimeoutError:
                continue
            if len(packet) > 12 and packet[1] & 0x7F == _PCMA:
                self._peer = peer  # symmetric RTP: where it comes from is where ours goes
                self._packets.append((time.monotonic(), packet[12:]))

    def _say(self) -> None:
        identity, begun = int.from_bytes(self.port.to_bytes(4, "big")), time.monotonic()
        for number in count():
            if self._stopped.wait(max(0.0, begun + number * 0.02 - time.monotonic())):
                return
            if self._peer is None:
                continue
            start = number * PACKET % RATE
            header = struct.pack("!BBHII", 0x80, _PCMA, number & 0xFFFF, number * PACKET & 0xFFFFFFFF, identity)
            self._socket.sendto(header + self._tone[start : start + PACKET], self._peer)

    def heard_at(self, prompt: Path, since: float) -> float | None:
        """When the beginning of a prompt (an A-law file) was heard after `since` (monotonic seconds), or None."""
        recording = prompt.read_bytes()
        loud = next(i for i in range(0, len(recording), PACKET) if level(recording[i : i + PACKET]) > 0.02)
        beginning = recording[loud : loud + 4 * PACKET]
        packets = [(at, payload) for at, payload in list(self._packets) if at >= since]
        heard = b"".join(payload for _, payload in packets)
        found = heard.find(beginning)
        if found < 0:
            return None
        position = 0
        for at, payload in packets:
            position += len(payload)
            if position > found:
                return at
        return None

    def packets(self, since: float) -> int:
        """How many were heard after `since` (monotonic seconds): 50 a second where none is lost."""
        return sum(at >= since for at, _ in list(self._packets))

    def loudness(self, tone: float, seconds: float = 1.0) -> float:
        """Amplitude (0…1) of a tone in what was heard in the last seconds."""
        since = time.monotonic() - seconds
        heard = b"".join(payload for at, payload in list(self._packets) if at >= since)
        if len(heard) < RATE * seconds / 2:
            return 0.0
        return amplitude(_DECODED[np.frombuffer(heard, dtype=np.uint8)], tone)


def level(payload: bytes) -> float:
    """Root mean square of an A-law payload, 0…1."""
    return float(np.sqrt(np.mean(_DECODED[np.frombuffer(payload, dtype=np.uint8)] ** 2)))


def amplitude(samples: NDArray[np.float64], tone: float) -> float:
    """Amplitude of one frequency (±10 Hz) in samples at 8 kHz."""
    window = np.hanning(len(samples))
    spectrum = np.abs(np.fft.rfft(samples * window)) / (window.sum() / 2)
    near = np.abs(np.fft.rfftfreq(len(samples), 1 / RATE) - tone) < 10
    return float(spectrum[near].max(initial=0.0))


def tone_file(path: Path, tone: float, seconds: int = 20) -> Path:
    """A WAV file (48 kHz mono) for a browser's fake microphone, which repeats it."""
    import wave

    samples = (0.3 * 32767 * np.sin(2 * np.pi * tone * np.arange(48000 * seconds) / 48000)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48000)
        file.writeframes(samples.tobytes())
    return path
