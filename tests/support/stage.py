"""Where the shapes of calls are played: callers, phones and what a test does with Asterisk, on one line.

The shipped phones may not transfer, and no shipped context leads to a conference: what a shape needs beyond the shipped
files is generated into the line's own copy (`_SHAPES`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.audio import CallerAudio
from tests.support.sipp import Caller, Identity, Phone, number
from tests.support.transfers import Consultation
from tests.support.wait import until

if TYPE_CHECKING:
    from tests.asterisk.line import Line

PASSWORD = "secret-of-tests"
_SOMEBODY = number("+33639980001")
#: Endpoints that may transfer and dial each other. Served by no queue unless a shape signs them in.
MOVERS = ("l6", "l7", "l8")

_SHAPES = """
; --- shapes: of tests alone -------------------------------------------------------------------------------------
; Who enters: phones of tests that may transfer and dial, Redirect and Originate of tests.
; Must be set: nothing.
; Leaves: hangs up.
[shapes]
exten => _l[1-9],1,Dial(PJSIP/${EXTEN},20)
 same => n,Hangup()
exten => _room-[a-z],1,Answer()
 same => n,ConfBridge(${EXTEN},quiet_bridge,quiet_user)
 same => n,Hangup()
exten => hold,1,Answer()
 same => n,Wait(600)
 same => n,Hangup()
"""
_ROOMS = """[general]
[quiet_user]
type=user
quiet=yes
[quiet_bridge]
type=bridge
"""


@dataclass(frozen=True, slots=True)
class Played:
    """What was played. `calls`: their ids, by arrival; `callers` the same; `phones`: by user, all who took part."""

    name: str
    calls: tuple[str, ...]
    callers: tuple[Caller, ...]
    phones: dict[str, Phone]


#: Called whenever a shape has come to rest: with the moment's name, and what was played so far.
At = Callable[[str, Played], None]


def serial(uniqueid: str) -> int:
    """The number of a channel within one run of Asterisk; it grows."""
    return int(uniqueid.rpartition(".")[2])


def silent(_moment: str, _played: Played) -> None:
    """Nobody looks."""


# --- the stage ---------------------------------------------------------------------------------------------------


class Stage:
    """One shape while it is played: its callers and phones, who all leave the stage with it."""

    def __init__(self, line: Line, name: str, at: At, stack: ExitStack) -> None:
        self.line = line
        self.ami = line.ami
        self.name = name
        self._at = at
        self._stack = stack
        self.calls: list[str] = []
        self.callers: list[Caller] = []
        self.phones: dict[str, Phone] = {}

    def played(self) -> Played:
        """So far."""
        return Played(self.name, tuple(self.calls), tuple(self.callers), self.phones)

    def rest(self, moment: str) -> None:
        """A moment in which nothing moves: whoever wants to look, looks."""
        self._at(moment, self.played())

    def caller(self, identity: Identity = _SOMEBODY, *, speaks: bool = False) -> str:
        """Somebody rings and waits; the call's id. Without speech nothing is heard of them but SIP."""
        before = len(self.ami.steps())
        audio = self._stack.enter_context(CallerAudio(440.0)) if speaks else None
        caller = Caller(self.line.port, self.line.folder, identity=identity, audio=audio)
        self.callers.append(self._stack.enter_context(caller))
        told = until(lambda: [step for step in self.ami.steps()[before:] if step.what == "queued"], "the caller waits")
        self.calls.append(told[-1].call)
        return told[-1].call

    def listener(self, user: str, phone: Phone | None = None, *, interface: str = "") -> Phone:
        """A phone whose user serves the queue."""
        phone = self.phone(user, phone)
        interface = interface or f"PJSIP/{user}"
        reply = self.ami.ask(
            "QueueAdd", Queue="national", Interface=interface, MemberName=user, StateInterface=f"PJSIP/{user}"
        )
        assert reply["Response"] == "Success", reply
        self._stack.callback(self.ami.ask, "QueueRemove", Queue="national", Interface=interface)
        return phone

    def phone(self, user: str, phone: Phone | None = None) -> Phone:
        """A phone that is there."""
        phone = self._stack.enter_context(phone or Phone(self.line.folder))
        phone.register(self.line.port, user, PASSWORD)
        self.phones[user] = phone
        return phone

    def talks(self, call: str, user: str) -> None:
        """The phone of `user` is in a conversation, and the dialplan has said so."""
        self.ami.step("connecting", call=call)
        until(lambda: self.phones[user].talks, f"{user} talks")

    def consults(self, user: str, whom: str) -> Consultation:
        """The phone of `user` dials another."""
        consultation = self._stack.enter_context(Consultation(self.line.folder, self.line.port, user, PASSWORD, whom))
        consultation.answered()
        until(lambda: self.phones[whom].talks, f"{whom} talks")
        return consultation

    def caller_channel(self, call: str) -> str:
        """The caller's channel: the one that told the first step."""
        told = (e for e in self.ami.events if e.get("UserEvent") == "CallStep" and e["CallId"] == call)
        return next(told)["Channel"]

    def leg(self, user: str) -> str:
        """The newest live channel towards, or from, the phone of `user`."""
        found = [name for name in self.channels() if name.startswith(f"PJSIP/{user}-")]
        return found[-1]

    def channels(self) -> list[str]:
        """The names of all live channels, oldest first."""
        return list(self.bridges())

    def bridges(self) -> dict[str, str]:
        """The id of the bridge in which each live channel is, or nothing; by Asterisk's own word, oldest first."""
        begin = len(self.ami.events)
        assert self.ami.ask("CoreShowChannels")["Response"] == "Success"
        self.ami.event("CoreShowChannelsComplete", after=begin)
        found = [event for event in self.ami.events[begin:] if event.get("Event") == "CoreShowChannel"]
        found.sort(key=lambda event: serial(event["Uniqueid"]))
        return {event["Channel"]: event["BridgeId"] for event in found}

    def together(self, *channels: str) -> None:
        """Asterisk has all of these in one bridge, by its own word."""

        def look() -> bool:
            bridges = self.bridges()
            found = {bridges.get(channel, "") for channel in channels}
            return len(found) == 1 and "" not in found

        until(look, lambda: f"together: {channels}, of {self.bridges()}")

    def redirect(self, where: str, *channels: str) -> None:
        """By Asterisk's own action, as for a consultation: one leg or two."""
        first, *second = channels
        extra = {"ExtraContext": "shapes", "ExtraExten": where, "ExtraPriority": "1"} if second else {}
        for channel in second:
            extra["ExtraChannel"] = channel
        reply = self.ami.ask("Redirect", Channel=first, Context="shapes", Exten=where, Priority="1", **extra)
        assert reply["Response"] == "Success", reply

    def goodbye(self) -> None:
        """Every caller hangs up; nobody of the shape is left on the line."""
        for call, caller in zip(self.calls, self.callers, strict=True):
            if not caller.was_hung_up_on and not caller.seen("BYE", ours=True):
                caller.leave()
            self.ami.step("ended", call=call)
        self.clear()

    def clear(self) -> None:
        """Whoever of the staff is still on the line leaves."""
        for name in self.channels():
            self.ami.ask("Hangup", Channel=name)
        until(lambda: not self.channels(), "nobody is left on the line")


@contextmanager
def on_stage(line: Line, name: str, at: At) -> Iterator[Stage]:
    _prepare(line)
    with ExitStack() as stack:
        stage = Stage(line, name, at, stack)
        try:
            yield stage
            stage.goodbye()
        finally:
            stage.clear()
        stage.rest("over")


def _prepare(line: Line) -> None:
    """What shapes need beyond the shipped files, once for each line."""
    etc = line.pbx.layout.etc
    if (etc / "shapes.conf").exists():
        return
    (etc / "shapes.conf").write_text(_SHAPES)
    (etc / "confbridge.conf").write_text(_ROOMS)
    with (etc / "extensions.conf").open("a") as file:
        file.write('\n#include "shapes.conf"\n')
    phones = line.pbx.layout.phones
    sections = "".join(
        f"[{user}](sip-phone)\naors = {user}\nauth = {user}\ncontext = shapes\nallow_transfer = yes\n"
        f"[{user}](sip-aor)\n[{user}](phone-auth)\nusername = {user}\npassword = {PASSWORD}\n"
        for user in MOVERS
    )
    phones.write_text(phones.read_text() + sections)
    for command in ("module load res_pjsip_refer.so", "module load app_confbridge.so", "dialplan reload"):
        line.pbx.console(command)
    line.pbx.console("module reload res_pjsip.so")
    line.heartbeat()
