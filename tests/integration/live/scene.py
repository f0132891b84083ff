"""One call on the line with the service: who takes part in it, what is done to it, and what its record says."""

from __future__ import annotations

import contextlib
from typing import Any

from sqlalchemy import select

from service.calls.model import Call
from tests.integration.live.line import PASSWORD, LiveLine
from tests.support.keypad import Handset
from tests.support.sipp import Caller, Phone, number
from tests.support.wait import until
from tests.support.witness import Step, Witness

QUEUE_CENTRE, TELEPHONE_CENTRE = "centre-38", "centre-01"


class Scene:
    """One call: who takes part in it, and what becomes of it."""

    def __init__(self, line: LiveLine, ami: Witness, stack: contextlib.ExitStack) -> None:
        self.line, self.ami, self._stack = line, ami, stack
        self._before = len(ami.steps())
        self.call = ""
        self.channel = ""
        self.caller: Caller

    # --- people

    def rings(self, audio: Handset | None = None, **habits: Any) -> None:
        """Somebody rings the line."""
        if audio is not None:
            self._stack.enter_context(audio)
        port = self.line.pbx.ports.sip
        identity = number("+33639980001")
        self.caller = self._stack.enter_context(
            Caller(port, self.line.folder, identity=identity, audio=audio, **habits)
        )
        entered = until(lambda: self._told("entered"), "the call enters")
        self.call = entered.call
        event = self.ami.event("UserEvent", UserEvent="CallStep", CallId=self.call)
        self.channel = event["Channel"]

    def waits(self, audio: Handset | None = None) -> None:
        """Somebody rings, and is in the queue."""
        self.rings(audio)
        self.step("queued")
        self.ami.event("QueueCallerJoin", Channel=self.channel)

    def member(self, name: str, queue: str = "national", **habits: Any) -> Phone:
        """A phone that serves a queue, until the scene is over: then it cannot be reached, and so is not rung.

        The service remembers who served a queue, and lets them in again when somebody else takes them out.
        """
        user, sip = f"l{self.line.ids[name]}", self.line.pbx.ports.sip
        phone = self.line.phone(name, **habits)
        self._stack.callback(phone.stop)
        self._stack.callback(lambda: phone.register(sip, user, PASSWORD, expires=0))
        reply = self.ami.ask("QueueAdd", Queue=queue, Interface=f"PJSIP/{user}")
        assert reply["Response"] == "Success" or "Already there" in reply["Message"], reply
        self.ami.ask("QueuePause", Interface=f"PJSIP/{user}", Paused="false")
        return phone

    def talks(self, name: str = "listener1") -> Phone:
        """A listener has the caller."""
        phone = self.member(name)
        self.rings()
        self.together()
        until(lambda: phone.talks, "the listener talks")
        return phone

    def talks_with_the_centre(self) -> Phone:
        """Nobody of the line was free: a person at a centre of this PBX has the caller."""
        phone = self.member("listener2", QUEUE_CENTRE)
        self.waits()
        self.withdraw(QUEUE_CENTRE)
        self.together()
        until(lambda: phone.talks, "the centre talks")
        return phone

    def takes_the_centres_telephone(self) -> Phone:
        """Somebody there takes the call, and presses 1."""
        person = self._stack.enter_context(Handset())
        centre = self._stack.enter_context(Phone(self.line.folder, port=self.line.pbx.ports.spare[0], audio=person))
        self.waits()
        self.withdraw(TELEPHONE_CENTRE)
        until(lambda: centre.talks, "the centre's telephone is taken", 20)
        until(lambda: person.reached, "they can be heard")
        person.press("1")
        self.step("connecting")
        return centre

    def loses(self, phone: Phone, name: str) -> None:
        """The leg is lost, and the phone is not there to be rung again."""
        phone.register(self.line.pbx.ports.sip, f"l{self.line.ids[name]}", PASSWORD, expires=0)
        phone.hang_up(reason="Q.850;cause=41")
        self.step("listener-lost")

    # --- what is done to the call

    def withdraw(self, centre: str = "") -> None:
        """As the service does for an overflow."""
        info = f"centre:{centre}" if centre else "ask"
        self.ami.ask("QueueWithdrawCaller", Queue="national", Caller=self.channel, WithdrawInfo=info)
        self.step("overflow")

    def cut(self) -> None:
        """The PBX ends the caller's channel by itself, as nothing of ours may ask for."""
        self.line.pbx.console(f"channel request hangup {self.channel}")

    def dies(self) -> None:
        self.line.pbx.kill()
        self.line.pbx.start_again()

    def step(self, what: str, nth: int = 1) -> Step:
        return self.ami.step(what, nth=nth, call=self.call, timeout=30)

    def together(self, nth: int = 1) -> Step:
        """Caller and answerer hear each other, for the nth time."""
        return self.ami.joined(nth=nth, call=self.call, timeout=30)

    def _told(self, what: str) -> Step | None:
        return next((step for step in self.ami.steps()[self._before :] if step.what == what), None)

    def record(self) -> Call:
        """Once it has ended."""

        async def read(session: Any) -> Call | None:
            found: Call | None = await session.scalar(select(Call).where(Call.call_id == self.call))
            return found

        def look() -> Call | None:
            found: Call | None = self.line.query(read)
            return found if found is not None and found.ended_at is not None else None

        return until(look, "the record is complete", 40, every=0.1)
