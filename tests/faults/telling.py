"""What Asterisk told the witness of each call, while it lasted: whose call has which UUID, and its steps."""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.faults.books import Step
from tests.support.pyst2 import ManagerException
from tests.support.witness import Witness


class Telling:
    """Keeps the witness connected and takes its events away, so that a long run needs no memory for them.

    The number is in the event of a new channel, before the dialplan takes it out of sight; the UUID is in the call's
    first step, on the same channel. So caller and call are put together without a word of the product's.
    """

    def __init__(self, connect: Callable[[], Witness]) -> None:
        self._connect = connect
        self._witness = connect()
        self._numbers: dict[str, str] = {}  #: by channel
        self._entered: dict[str, float] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.steps: list[Step] = []
        self.call_ids: dict[str, set[str]] = defaultdict(set)
        self.numbers: dict[str, str] = {}  #: call → the caller's number
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def reconnect(self) -> None:
        """After Asterisk was started anew."""
        with self._lock:
            self._take()
            with contextlib.suppress(ManagerException, OSError):
                self._witness.close()
            self._witness = self._connect()

    def _run(self) -> None:
        while not self._stop.wait(0.2):
            with self._lock:
                self._take()

    def _take(self) -> None:
        taken = len(self._witness.events)
        events = self._witness.events[:taken]
        del self._witness.events[:taken]
        del self._witness.heard[: len(self._witness.heard) - len(self._witness.events)]
        for event in events:
            if event.get("Event") == "Newchannel":
                self._numbers[event["Uniqueid"]] = event.get("CallerIDNum", "")
            elif event.get("UserEvent") == "CallStep":
                self._step(event)

    def _step(self, event: dict[str, str]) -> None:
        step = Step(
            event["CallId"], int(event["Step"]), event["What"], event.get("Detail", ""), float(event["Timestamp"])
        )
        self.steps.append(step)
        number = self._numbers.get(event.get("Uniqueid", ""))
        if step.what == "entered" and number:
            self.call_ids[number].add(step.call_id)
            self.numbers[step.call_id] = number
            self._entered[step.call_id] = step.at

    def entered_at(self, call_id: str) -> float:
        """Epoch seconds."""
        return self._entered[call_id]

    def step_after(self, call_id: str, what: str, since: float) -> Step | None:
        """The first such step of a call that was told after `since` (epoch seconds)."""
        told = (step for step in list(self.steps) if step.call_id == call_id and step.at >= since)
        return next((step for step in told if step.what == what), None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        with self._lock:
            self._take()
        self._witness.close()
