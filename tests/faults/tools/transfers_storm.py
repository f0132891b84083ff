"""Conversations that are all handed on at the same moment: blindly, after a consultation, and merged two into one.

The shipped phones may not transfer: those of the storm may, by a line in their accounts, and dial each other.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.faults.tools.effect import prove
from tests.integration.live.line import PASSWORD, LiveLine
from tests.support.sipp import HOST, Caller, Phone, number
from tests.support.transfers import Consultation, TransferringPhone
from tests.support.wait import until
from tests.support.witness import Witness

_CONTEXT = """
[storm]
exten => _l.,1,Dial(PJSIP/${FILTER(l0-9,${EXTEN})},20)
 same => n,Hangup()
"""
_FIRST_NUMBER = 33639980100


class TransfersStorm:
    """`line` needs three listeners for every two conversations of `conversations`: half of them are colleagues."""

    def __init__(self, line: LiveLine, conversations: int = 6) -> None:
        self.line = line
        self.port = line.pbx.ports.sip
        names = [name for name in line.ids if name.startswith("listener")]
        self.movers = names[:conversations]
        self.colleagues = names[conversations:]
        self._stack = ExitStack()
        self.phones: dict[str, TransferringPhone] = {}
        self.callers: list[Caller] = []

    def user(self, name: str) -> str:
        return f"l{self.line.ids[name]}"

    def prepare(self) -> None:
        """Everybody is there, and all conversations are up."""
        self._allow()
        line = self.line
        line.pbx.add_manager("storm", "storm")
        self.witness = self._stack.enter_context(Witness(line.pbx.ports.ami, "storm", "storm"))
        self.colleague = self._stack.enter_context(Phone(line.folder))
        for name in self.colleagues:
            self.colleague.register(self.port, self.user(name), PASSWORD)
        for nth, name in enumerate(self.movers):
            phone = self._stack.enter_context(TransferringPhone(line.folder))
            phone.register(self.port, self.user(name), PASSWORD)
            self.phones[name] = phone
            line.page(name).must("POST", "/listener/sign-in", {})
            self.callers.append(line.caller(number(f"+{_FIRST_NUMBER + nth}"), stay=300))
        until(lambda: all(phone.talks for phone in self.phones.values()), "every conversation is up", 60)

    def break_loose(self) -> dict[str, int]:
        """All at once; how many went which way."""
        third = len(self.movers) // 3
        blind, attended, merged = self.movers[:third], self.movers[third : 2 * third], self.movers[2 * third :]
        targets = iter(self.colleagues)
        consulting = [(name, self._consult(name, next(targets))) for name in attended]
        with ThreadPoolExecutor(len(self.movers)) as threads:
            work = [threads.submit(self._blind, name, next(targets)) for name in blind]
            work += [threads.submit(self.phones[name].refer, leg.replaced()) for name, leg in consulting]
            work += [threads.submit(self._merge, *merged[at : at + 2]) for at in range(0, len(merged) - 1, 2)]
            for done in work:
                done.result()
        until(lambda: len(self.colleague.talks) == len(blind) + len(attended), "every colleague has a caller", 30)
        mine = tuple(f"PJSIP/{self.user(name)}-" for name in self.movers)
        until(
            lambda: not any(leg["Channel"].startswith(mine) for leg in self._legs()),
            "the legs of all who handed on are over",
            30,
            every=0.2,
        )
        prove(len(self.colleague.rung), "nobody was handed on")
        return {"blind": len(blind), "attended": len(attended), "merged": len(merged)}

    def _blind(self, name: str, target: str) -> None:
        self.phones[name].refer(f"sip:{self.user(target)}@{HOST}:{self.port}")

    def _consult(self, name: str, target: str) -> Consultation:
        leg = Consultation(self.line.folder, self.port, self.user(name), PASSWORD, self.user(target))
        self._stack.enter_context(leg).answered()
        return leg

    def _merge(self, first: str, second: str) -> None:
        """Asterisk puts the two callers together; both listeners' legs end."""
        one, other = (self._partner(self.user(name)) for name in (first, second))
        reply = self.witness.ask("Bridge", Channel1=one, Channel2=other)
        assert reply["Response"] == "Success", reply
        until(lambda: not self.phones[first].talks and not self.phones[second].talks, "both listeners' legs end")

    def _partner(self, user: str) -> str:
        """The channel that talks with this phone."""
        legs = self._legs()
        bridge = next(leg["BridgeId"] for leg in legs if leg["Channel"].startswith(f"PJSIP/{user}-"))
        return next(
            leg["Channel"]
            for leg in legs
            if leg["BridgeId"] == bridge and not leg["Channel"].startswith(f"PJSIP/{user}-")
        )

    def _legs(self) -> list[dict[str, str]]:
        begin = len(self.witness.events)
        self.witness.ask("CoreShowChannels")
        self.witness.event("CoreShowChannelsComplete", after=begin)
        return [event for event in self.witness.events[begin:] if event.get("Event") == "CoreShowChannel"]

    def _allow(self) -> None:
        etc: Path = self.line.pbx.layout.etc
        with (etc / "extensions.conf").open("a") as file:
            file.write(_CONTEXT)
        everybody = [self.user(name) for name in (*self.movers, *self.colleagues)]
        sections = "".join(
            f"[{user}](sip-phone)\naors = {user}\nauth = {user}\ncontext = storm\nallow_transfer = yes\n"
            f"[{user}](sip-aor)\n[{user}](phone-auth)\nusername = {user}\npassword = {PASSWORD}\n"
            for user in everybody
        )
        self.line.pbx.layout.phones.write_text(sections)
        for command in ("module load res_pjsip_refer.so", "dialplan reload", "module reload res_pjsip.so"):
            self.line.pbx.console(command)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
