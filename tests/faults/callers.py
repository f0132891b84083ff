"""Callers who arrive at a steady rate, each with a number of their own, and stay as long as people stay."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from tests.faults.stories import CallerStory, caller_stories
from tests.support.sipp import Caller, number

if TYPE_CHECKING:
    from tests.faults.line import FaultLine

#: share of all callers, and seconds after the line's answer until they leave if nobody ended the call: in the welcome,
#: while waiting, in the conversation
HABITS: Final = ((0.12, 4.0), (0.13, 11.0), (0.25, 26.0), (0.3, 46.0), (0.2, 70.0))
#: the first fiction number, without +33, and how many each habit has
_FIRST: Final = 639980000
_NUMBERS: Final = 2000
#: a carrier may add a name: it must be nowhere afterwards
NAME_MARK: Final = "Zébulonne Marquefictive"
_GOODBYE_SECONDS: Final = 40.0
#: who is there at the end of a run stays this long at most
_LINGER_SECONDS: Final = 15.0


def given_up(errors: str) -> list[str]:
    """Why sipp gave calls up by itself, without their ids."""
    return [found.strip() for found in re.findall(r"Aborting call on ([a-zA-Z ]+)", errors)]


def numbers_of(habit: int) -> list[str]:
    """Fiction numbers, each rings once in a run."""
    first = _FIRST + habit * _NUMBERS
    return [f"+33{first + n}" for n in range(_NUMBERS)]


class Callers:
    """All habits at once, each a process of sipp."""

    def __init__(self, line: FaultLine) -> None:
        self._line = line
        self._sipps: list[Caller] = []

    def also(self, caller: Caller) -> None:
        """One more, who was made elsewhere."""
        self._sipps.append(caller)

    def begin(self, rate: float) -> None:
        """`rate`: calls a second, all habits together."""
        for habit, (share, stay) in enumerate(HABITS):
            sipp = self._line.caller(
                number("[field0]", NAME_MARK), numbers=numbers_of(habit), rate=round(rate * share, 4), stay=stay
            )
            self._sipps.append(sipp)

    def started(self) -> int:
        """How many have rung, as the witness heard it."""
        return len(self._line.telling.call_ids)

    def answered(self) -> int:
        """How many conversations have begun, as the witness heard it."""
        return sum(step.what == "connecting" for step in list(self._line.telling.steps))

    def stays_longer(self, call_id: str, seconds: float) -> bool:
        """Whether this caller means to stay for so long from now on."""
        habit = (int(self._line.telling.numbers[call_id].removeprefix("+33")) - _FIRST) // _NUMBERS
        since = time.time() - self._line.telling.entered_at(call_id)
        return HABITS[habit][1] - since > seconds

    def stop_coming(self) -> None:
        """Nobody new; who is there stays as long as they meant to."""
        for sipp in self._sipps:
            if sipp.process.poll() is None:
                sipp.process.send_signal(signal.SIGUSR1)

    def wait_until_gone(self) -> None:
        """Everybody has left, or was left. Whoever is there after a while is told by the test to leave now."""
        asked = time.monotonic() + _LINGER_SECONDS
        while time.monotonic() < asked and any(sipp.process.poll() is None for sipp in self._sipps):
            time.sleep(0.5)
        until = time.monotonic() + _GOODBYE_SECONDS
        for sipp in self._sipps:
            for story in caller_stories([sipp.log]):
                if story.answered_at is not None and story.ended_at is None:
                    sipp.tell(story.sip_call)
        for sipp in self._sipps:
            try:
                sipp.process.wait(max(1.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._line.say(f"a caller's call never ended: {sipp.folder.name}")
                sipp.stop()

    def stories(self) -> list[CallerStory]:
        """What every caller lived through."""
        return caller_stories(sipp.log for sipp in self._sipps)

    def troubles(self) -> list[str]:
        """What sipp itself complained of: the test's own side."""
        return [trouble for sipp in self._sipps for trouble in given_up(sipp.errors())]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sipp in self._sipps:
            sipp.stop()
