"""The line that is broken: the real Asterisk, the real service behind a proxy, witnesses, people, phones and callers.

What a fault may use: `pbx`, `proxy`, `people`, `phones`, `callers`, `asker`, `random`, `say`, and the methods here.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.faults.auditor import Frozen
from tests.faults.callers import Callers
from tests.faults.conversation import Conversation
from tests.faults.people import People
from tests.faults.telephones import Telephones
from tests.faults.telling import Telling
from tests.faults.tools.ami_path import AmiPath
from tests.faults.tools.disk import SmallDisk
from tests.integration.live.line import LiveLine
from tests.support.audio import CallerAudio
from tests.support.wait import until
from tests.support.witness import Witness

#: as shipped, but for the times that would make a run long
_SITE: Final[dict[str, Any]] = {"queue_round": 20, "grace": 6, "overflow_after": 90, "overflow_again": 60}
#: a telephone that is away longer than this never came back
_STOPPED_SECONDS: Final = 20.0


class FaultLine(LiveLine):
    """Use as a context manager; `folder` keeps every file of the run."""

    def __init__(
        self,
        folder: Path,
        *,
        listeners: int,
        seed: int,
        say: Callable[[str], None],
        disk: SmallDisk | None = None,
        **site: Any,
    ) -> None:
        """`disk`: where the database lies, if it is to run full."""
        self.disk = disk
        self.random = random.Random(seed)  # noqa: S311  what is drawn must be drawn again
        self.say = say
        self.frozen: list[Frozen] = []
        self.pbx_deaths: list[Frozen] = []
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(
            folder,
            listeners=listeners,
            site=_SITE | site,
            url=f"sqlite+aiosqlite:///{self.store_file}" if disk else "",
            overflow={"after_seconds": 90, "again_after_seconds": 60},
            recovery={"settle_seconds": 1, "grace_seconds": 6},
        )
        try:
            self._come_together(listeners, seed)
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise

    def _come_together(self, listeners: int, seed: int) -> None:
        """Witnesses, telephones, pages, callers."""
        self.pbx.add_manager("asker", "asker", "read =\nwrite = all\nwritetimeout = 5000\n")
        self.pbx.add_manager(
            "teller",
            "teller",
            "read = call,user\nwrite =\nwritetimeout = 5000\n"
            "eventfilter(name(Newchannel)) =\neventfilter(name(UserEvent)) =\n",
        )
        ami = self.pbx.ports.ami
        self.asker = self._stack.enter_context(Witness(ami, "asker", "asker"))
        self.telling = self._stack.enter_context(Telling(lambda: Witness(ami, "teller", "teller")))
        self.phones = self._stack.enter_context(Telephones(self, listeners - 1))
        names = {name: account for name, account in self.ids.items() if name.startswith("listener")}
        supervisor = ("supervisor", self.ids["supervisor"])
        last = f"listener{listeners}"
        self.conversation = Conversation(self, last)
        others = set(names) - {last}
        people = People(self.http_port, names, supervisor, self.passwords, seed=seed, away=others)
        self.people = self._stack.enter_context(people)
        self.callers = self._stack.enter_context(Callers(self))
        until(lambda: len(self.members()) == 1, "one listener has signed in", 60, every=0.3)
        self.callers.also(self.conversation.begin())
        self.people.away.clear()
        until(lambda: len(self.members()) == listeners, "everybody has signed in", 60, every=0.3)

    def _toml(self, sections: dict[str, dict[str, Any]]) -> str:
        """The service reaches Asterisk through a path that may be broken."""
        self.proxy = self._stack.enter_context(AmiPath(self.pbx.ports.ami))
        ami = self.pbx.ports.ami
        return super()._toml(sections).replace(f"ami_port = {ami}\n", f"ami_port = {self.proxy.port}\n")

    def audio(self, audio: CallerAudio) -> CallerAudio:
        """Ears and a mouth, for as long as the line."""
        return self._stack.enter_context(audio)

    # --- what faults do

    @property
    def store_file(self) -> Path:
        """The service's SQLite database."""
        return (self.folder / "var" if self.disk is None else self.disk.place) / "ecoute.db"

    @property
    def service_pid(self) -> int:
        assert self.service is not None
        return self.service.pid

    def signal_service(self, number: signal.Signals) -> None:
        """To the service's process."""
        os.kill(self.service_pid, number)

    def freeze_pbx(self) -> None:
        """SIGSTOP to Asterisk; the audit must know since when it stands still."""
        os.kill(self.pbx.running.pid, signal.SIGSTOP)
        self._froze = time.time()

    def thaw_pbx(self) -> None:
        os.kill(self.pbx.running.pid, signal.SIGCONT)
        self.frozen.append(Frozen(self._froze, time.time()))

    def kill_pbx(self) -> None:
        """kill -9 to Asterisk, with all its calls."""
        self._died = time.time()
        self.pbx.kill()

    def start_pbx(self) -> None:
        """Asterisk again, and the witnesses with it."""
        self.pbx.start_again()
        self.pbx_deaths.append(Frozen(self._died, time.time()))
        self.asker.close()
        self.asker = self._stack.enter_context(Witness(self.pbx.ports.ami, "asker", "asker"))
        self.telling.reconnect()

    def service_died(self) -> bool:
        """The service ended although nobody ended it; it is started again, as its supervisor would."""
        if self.service is not None and self.service.poll() is None:
            return False
        self.start_service()
        return True

    def restart_service(self) -> None:
        """A service that is gone is started and answers again."""
        if self.service is None or self.service.poll() is not None:
            self.start_service()

    # --- what Asterisk says, by the witness

    def asterisk_calls(self) -> dict[str, int | None]:
        """Call → account of the listener who is in a bridge with the caller, None for nobody; of all that live."""
        legs = self._list("CoreShowChannels", "CoreShowChannel", "CoreShowChannelsComplete")
        talks = {leg["BridgeId"]: account for leg in legs if leg.get("BridgeId") and (account := _listener(leg))}
        return {call: talks.get(leg.get("BridgeId", "")) for call, leg in _callers(legs).items()}

    def caller_legs(self) -> dict[str, dict[str, str]]:
        """Call → the caller's channel, as CoreShowChannels has it."""
        legs = self._list("CoreShowChannels", "CoreShowChannel", "CoreShowChannelsComplete")
        return _callers(legs)

    def members(self) -> set[str]:
        """Who serves the national queue."""
        found = self._list("QueueStatus", "QueueMember", "QueueStatusComplete", Queue="national")
        return {member["Name"] for member in found}

    def waiting(self) -> list[dict[str, str]]:
        """The national queue's entries, the first one first."""
        entries = self._list("QueueStatus", "QueueEntry", "QueueStatusComplete", Queue="national")
        return sorted(entries, key=lambda entry: int(entry["Position"]))

    def _list(self, action: str, event: str, end: str, **headers: str) -> list[dict[str, str]]:
        begin = len(self.asker.events)
        self.asker.ask(action, **headers)
        self.asker.event(end, after=begin, timeout=_STOPPED_SECONDS)
        found = [item for item in self.asker.events[begin:] if item.get("Event") == event]
        del self.asker.events[:], self.asker.heard[:]  # a long run asks many thousand times
        return found

    def board_is_right(self) -> bool:
        """I5: the supervisor's board has exactly Asterisk's calls, each waiting or talking, and with whom, as there."""
        board = self.people.board()
        if board is None:
            return False
        there = self.asterisk_calls()
        shown = {
            call: value["listener_id"] if value["stage"] == "talking" else None
            for call, value in board.all("call").items()
        }
        return shown == there

    def board_difference(self) -> str:
        """For the report: how many calls are shown and not there, there and not shown, or shown otherwise."""
        board = self.people.board()
        if board is None:
            return "no board, or a line that is not up"
        there = self.asterisk_calls()
        shown = board.all("call")
        other = [c for c in set(shown) & set(there) if (shown[c]["stage"] == "talking") != (there[c] is not None)]
        only, missing = sorted(set(shown) - set(there)), sorted(set(there) - set(shown))
        return f"only shown {only}, not shown {missing}, otherwise {other}"

    def wait_until_board_is_right(self, seconds: float) -> float:
        """Seconds that it took. AssertionError when it was not in time."""
        began = time.monotonic()
        until(self.board_is_right, "the board equals Asterisk's own view", seconds, every=0.1)
        return time.monotonic() - began


def _listener(leg: dict[str, str]) -> int | None:
    """Account of the listener whose leg it is: `PJSIP/l12-0000001a`."""
    member = leg["Channel"].partition("/")[2].rpartition("-")[0]
    return int(member[1:]) if member[:1] == "l" and member[1:].isdecimal() else None


def _callers(legs: list[dict[str, str]]) -> dict[str, dict[str, str]]:
    """Call → the caller's channel: the oldest that carries its id (a leg towards a centre carries it too)."""
    callers: dict[str, dict[str, str]] = {}
    for leg in legs:
        call = leg.get("AccountCode", "")
        if call and _listener(leg) is None and (call not in callers or leg["Uniqueid"] < callers[call]["Uniqueid"]):
            callers[call] = leg
    return callers
