"""An AMI client of the tests' own, which shares no code with the product's: what Asterisk itself says, and what we ask.

(pyst2, the other candidate, stumbles over the ChanVariable headers that `channelvars` puts into every event.)
"""

from __future__ import annotations

import itertools
import socket
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.support.wait import until


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a call as the dialplan told it. `at`: when we heard of it, monotonic seconds."""

    call: str
    n: int
    what: str
    detail: str
    at: float

    @property
    def words(self) -> str:
        return f"{self.what} {self.detail}".strip()


class Witness:
    """Logged in with all rights; keeps every event in order."""

    def __init__(self, port: int, user: str, secret: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._ids = itertools.count(1)
        self.events: list[dict[str, str]] = []
        self.heard: list[float] = []
        self._replies: dict[str, dict[str, str]] = {}
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        reply = self.ask("Login", Username=user, Secret=secret)
        assert reply["Response"] == "Success", reply

    def ask(self, action: str, **headers: str) -> dict[str, str]:
        """Send one action; its reply."""
        action_id = f"w{next(self._ids)}"
        lines = [f"Action: {action}", f"ActionID: {action_id}", *(f"{key}: {value}" for key, value in headers.items())]
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return until(lambda: self._replies.get(action_id), f"a reply to {action}", 5)

    def put(self, family: str, key: str, value: str) -> None:
        assert self.ask("DBPut", Family=family, Key=key, Val=value)["Response"] == "Success"

    def variable(self, channel: str, name: str) -> str:
        return self.ask("Getvar", Channel=channel, Variable=name).get("Value", "")

    def steps(self, call: str = "") -> list[Step]:
        """All steps told so far, in the order in which they came."""
        return [
            Step(event["CallId"], int(event["Step"]), event["What"], event["Detail"], at)
            for event, at in zip(list(self.events), list(self.heard), strict=False)
            if event.get("UserEvent") == "CallStep" and (not call or event["CallId"] == call)
        ]

    def words(self, call: str = "") -> list[str]:
        return [step.words for step in self.steps(call)]

    def step(self, what: str, *, nth: int = 1, call: str = "", timeout: float = 15.0) -> Step:
        """The nth step whose words begin so; waits for it."""

        def look() -> Step | None:
            found = [step for step in self.steps(call) if f"{step.words} ".startswith(f"{what} ")]
            return found[nth - 1] if len(found) >= nth else None

        return until(look, f"step {what!r} ({nth}); there were {self.words(call)}", timeout)

    def event(self, name: str, *, after: int = 0, timeout: float = 15.0, **headers: str) -> dict[str, str]:
        """The first such event after the given position in `events`; waits for it."""

        def look() -> dict[str, str] | None:
            for event in self.events[after:]:
                if event.get("Event") == name and all(event.get(key) == value for key, value in headers.items()):
                    return event
            return None

        return until(look, f"event {name} {headers}", timeout)

    def _read(self) -> None:
        buffer = b""
        self._socket.settimeout(None)
        while True:
            try:
                read = self._socket.recv(65536)
            except OSError:
                return
            if not read:
                return
            buffer += read
            if buffer.startswith(b"Asterisk Call Manager"):
                buffer = buffer.partition(b"\r\n")[2]
            *frames, buffer = buffer.split(b"\r\n\r\n")
            for frame in frames:
                self._take(frame.decode("utf-8", "replace"))

    def _take(self, frame: str) -> None:
        fields = dict(line.partition(": ")[::2] for line in frame.split("\r\n"))
        if "Response" in fields:
            self._replies[fields.get("ActionID", "")] = fields
        else:
            self.heard.append(time.monotonic())
            self.events.append(fields)

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
