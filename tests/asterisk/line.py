"""The line as a caller and a listener meet it: a real Asterisk with the shipped files, SIP phones, a witness."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pbx.phones import PhoneAccount
from tests.support.audio import CallerAudio
from tests.support.pbx import PbxUnderTest, start_test_pbx
from tests.support.short_prompts import shorten
from tests.support.sipp import ANONYMOUS, Caller, Identity, Phone
from tests.support.wait import until
from tests.support.witness import Step, Witness

#: Short, so that a test of the loops is short; the shipped defaults are in asterisk-config/extensions.conf.
TIMES = {
    "overflow_after": 3,
    "overflow_again": 6,
    "grace": 9,
    "centre_ring": 3,
    "press_one": 5,
    "queue_round": 4,
}
CALLER_KEY = "0123456789abcdef"
PASSWORD = "secret-of-tests"
CENTRE_NUMBER = "+33465710038"


class Line:
    """One PBX, its witness, and everybody who was made with it; all of them end with it."""

    def __init__(self, folder: Path, *, whole_prompts: bool = False, **values: Any) -> None:
        self.folder = folder
        self._stack = contextlib.ExitStack()
        self.pbx: PbxUnderTest = self._stack.enter_context(
            start_test_pbx(
                folder / "pbx", **{**TIMES, "centres": ("centre-38",), "outbound_caller_id": "+33199003133", **values}
            )
        )
        self.port = self.pbx.ports.sip
        self.pbx.add_manager("witness", "witness", "read = all\nwrite = all\nwritetimeout = 5000\n")
        if not whole_prompts:
            self.shorten("welcome", "closed")
        self.pbx.write_phones([PhoneAccount(f"l{n}", PASSWORD, "sip") for n in range(1, 6)])
        self._add_page("l9")
        self.ami = self._stack.enter_context(Witness(self.pbx.ports.ami, "witness", "witness"))
        self.ami.put("line", "caller_key", CALLER_KEY)
        self.ami.put("line", "caller_key_id", "k1")

    def shorten(self, *prompts: str) -> None:
        shorten(self.pbx.layout, *prompts)

    def sound(self, prompt: str) -> Path:
        return self.pbx.layout.sounds / "fr" / f"{prompt}.alaw"

    def _add_page(self, user: str) -> None:
        """A phone that behaves like a page's as far as the dialplan can see, but speaks plain SIP."""
        phones = self.pbx.layout.phones
        section = f"[{user}](sip-phone)\naors = {user}\nauth = {user}\nset_var = LISTENER_KIND=browser\n"
        section += f"[{user}](sip-aor)\n[{user}](phone-auth)\nusername = {user}\npassword = {PASSWORD}\n"
        phones.write_text(phones.read_text() + section)
        self.pbx.console("module reload res_pjsip.so")

    def caller(self, identity: Identity = ANONYMOUS, **values: Any) -> Caller:
        """Somebody rings. With `audio=` they have ears and a mouth."""
        if audio := values.get("audio"):
            self._hear(audio)
        return self._stack.enter_context(Caller(self.port, self.folder, identity=identity, **values))

    def _hear(self, audio: CallerAudio) -> None:
        self._stack.enter_context(audio)

    def phone(self, *users: str, **values: Any) -> Phone:
        """A phone on which these users are registered."""
        if audio := values.get("audio"):
            self._hear(audio)
        phone = self._stack.enter_context(Phone(self.folder, **values))
        for user in users:
            phone.register(self.port, user, PASSWORD)
        return phone

    def listener(self, user: str, *, queue: str = "national", **values: Any) -> Phone:
        """A phone whose user serves a queue."""
        phone = self.phone(user, **values)
        self.sign_in(user, queue)
        return phone

    def centre(self, **values: Any) -> Phone:
        """What answers at the other end of the trunk, whatever number is dialled."""
        if audio := values.get("audio"):
            self._hear(audio)
        return self._stack.enter_context(Phone(self.folder, port=self.pbx.ports.spare[0], **values))

    def sign_in(self, user: str, queue: str = "national") -> None:
        self.ami.ask("QueueAdd", Queue=queue, Interface=f"PJSIP/{user}", MemberName=user)
        # free, or given to somebody who waits before anybody looks: in use, busy, ringing, ringing in use
        until(lambda: self.member(user, queue).get("Status") in {"1", "2", "3", "6", "7"}, f"{user} is free")

    def member(self, user: str, queue: str = "national") -> dict[str, str]:
        """What Asterisk believes of a member now, or an empty dict."""
        begin = len(self.ami.events)
        reply = self.ami.ask("QueueStatus", Queue=queue, Member=f"PJSIP/{user}")
        assert reply["Response"] == "Success"
        self.ami.event("QueueStatusComplete", after=begin)
        found = [e for e in self.ami.events[begin:] if e.get("Event") == "QueueMember" and e.get("Queue") == queue]
        return found[-1] if found else {}

    def pause_reason(self, user: str, queue: str = "national") -> str:
        """Empty where the member is not paused."""
        member = self.member(user, queue)
        return member.get("PausedReason", "") if member.get("Paused") == "1" else ""

    def heartbeat(self, age: float = -3600) -> None:
        """The service is there (by default for an hour to come), or was heard of `age` seconds ago."""
        now = time.time()
        self.ami.ask("Setvar", Variable="SERVICE_HEARTBEAT", Value=str(int(now - age)))

    def withdraw(self, info: str) -> None:
        """As the service does for overflow."""
        join = self.ami.event("QueueCallerJoin")
        reply = self.ami.ask("QueueWithdrawCaller", Queue="national", Caller=join["Channel"], WithdrawInfo=info)
        assert reply["Response"] == "Success", reply

    def conversation(self, what: str = "connecting", *, nth: int = 1, call: str = "") -> Step:
        """As the witness's `joined`, once the caller is in the bridge, too: theirs is the second leg in it."""
        step = self.ami.joined(what, nth=nth, call=call)
        bridge = self.ami.event("BridgeEnter", Channel=step.detail.split()[2])["BridgeUniqueid"]
        self.ami.event("BridgeEnter", Channel=self.channel(step.call), BridgeUniqueid=bridge)
        return step

    def talked(self, call: str, seconds: float) -> None:
        """Caller and listener have had each other for so long, as the dialplan will count it when one of them goes."""
        since = float(self.ami.variable(self.channel(call), "CONNECTED_AT"))
        until(lambda: time.time() - since > seconds, f"{seconds:g} s of conversation", seconds + 5)

    def later_arrivals(self, call: str) -> None:
        """Whoever rings from now on came later than this caller: arrivals count by the second."""
        arrived = int(self.ami.step("entered", call=call).detail.split()[-1])
        until(lambda: time.time() >= arrived + 1, "the next second")

    def channel(self, call: str) -> str:
        """The caller's own: the one that told the first step."""
        return self._told(call, 1)["Channel"]

    def second(self, step: Step) -> int:
        """In which second of its clock Asterisk told a step, whenever we heard of it: the dialplan counts by these."""
        return int(float(self._told(step.call, step.n)["Timestamp"]))

    def _told(self, call: str, n: int) -> dict[str, str]:
        told = (event for event in list(self.ami.events) if event.get("UserEvent") == "CallStep")
        return next(event for event in told if (event["CallId"], event["Step"]) == (call, str(n)))

    def journal(self) -> list[dict[str, str]]:
        """Its whole lines."""
        file = self.pbx.layout.journal
        text = file.read_text() if file.exists() else ""
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def journal_steps(self) -> list[str]:
        """`<call> <n> <what> <detail>` of each step in the journal, in its order."""
        told = [json.loads(entry["eventextra"])["extra"] for entry in self.journal() if entry["userdeftype"] == "STEP"]
        return [text.strip() for text in told]

    def complaints(self) -> list[str]:
        """Warnings and errors in Asterisk's logs."""
        return [line for line in self.pbx.log().splitlines() if "WARNING" in line or "ERROR" in line]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)
