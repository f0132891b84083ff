"""A second, independent AMI client: what Asterisk itself says, and what the tests ask it.

It is pyst2's manager (tests/support/pyst2.py) with an account of its own, and shares no code with the product's
session: a bug of ours cannot hide itself. pyst2 matches answers to actions in the order in which they come, so one is
asked at a time. It takes about 11,000 events a second; a call makes 124 to 146 for an account with all rights.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tests.support import pyst2
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
    """Logged in with all rights; keeps every event in order. `heard`: monotonic seconds of each."""

    def __init__(self, port: int, user: str, secret: str) -> None:
        self.events: list[dict[str, str]] = []
        self.heard: list[float] = []
        self._ids = itertools.count(1)
        self._asking = threading.Lock()
        self._taking = threading.Lock()
        self._manager = pyst2.Manager(port, user, secret, self._take)

    def ask(self, action: str, **headers: str) -> dict[str, str]:
        """Send one action; its reply."""
        action_id = f"w{next(self._ids)}"
        with self._asking:
            reply = self._manager.send_action({"Action": action, "ActionID": action_id, **headers})
        assert reply.get_header("ActionID") == action_id, f"{action} got the answer of another action"
        self._take_list(reply.data)
        return _flat(reply)

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

        return until(look, lambda: f"step {what!r} ({nth}); there were {self.words(call)}", timeout)

    def joined(self, what: str = "connecting", *, nth: int = 1, call: str = "", timeout: float = 15.0) -> Step:
        """As `step`, once the two hear each other: the dialplan tells it on the leg, some ms before they are joined.

        Who hangs up in between is heard by nobody, or loses the cause of their goodbye.
        """
        step = self.step(what, nth=nth, call=call, timeout=timeout)
        self.event("BridgeEnter", Channel=step.detail.split()[2], timeout=timeout)
        return step

    def event(self, name: str, *, after: int = 0, timeout: float = 15.0, **headers: str) -> dict[str, str]:
        """The first such event after the given position in `events`; waits for it."""

        def look() -> dict[str, str] | None:
            for event in self.events[after:]:
                if event.get("Event") == name and all(event.get(key) == value for key, value in headers.items()):
                    return event
            return None

        return until(look, f"event {name} {headers}", timeout)

    def _take(self, event: Any) -> None:
        with self._taking:
            self.heard.append(time.monotonic())
            self.events.append(_flat(event))

    def _take_list(self, data: str) -> None:
        """pyst2 takes `... status will follow` and the whole list behind it for one answer: its events are events."""
        frame: list[str] = []
        for line in data.splitlines(keepends=True):
            if line != "\r\n":
                frame.append(line)
            elif frame:
                self._take(pyst2.Message(frame))
                frame = []
        if frame:
            self._take(pyst2.Message(frame))

    def close(self) -> None:
        """Log off; a PBX that is gone already does not matter."""
        with contextlib.suppress(pyst2.ManagerException, OSError):
            self._manager.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _flat(message: Any) -> dict[str, str]:
    """Header → value. pyst2 keeps `ChanVariable` headers as names and values."""
    fields = dict(message.headers)
    variables = fields.pop("ChanVariable", None)
    if variables is not None:
        fields["ChanVariable"] = ",".join(f"{name}={value}" for name, value in variables.items())
    return fields
