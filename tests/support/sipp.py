"""Callers and SIP phones made of sipp: each its own process, ports and log; results are read from sipp's own logs.

    with Caller(pbx_port, tmp, identity=number("+33639980001")) as caller, Phone(tmp) as phone:
        phone.register(pbx_port, "l12", "secret")
        until(lambda: phone.answered, "the phone answers")
        phone.hang_up(reason="Q.850;cause=31")
        until(lambda: caller.was_hung_up_on, "…")

Loopback only. A caller that is stopped in mid-call leaves its call behind, as a telephone that loses power does.
"""

from __future__ import annotations

import itertools
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support import sip_log
from tests.support.audio import CallerAudio
from tests.support.free_ports import free_port
from tests.support.sip_log import SipMessage
from tests.support.wait import until

SCENARIOS = Path(__file__).parent / "scenarios"
HOST = "127.0.0.1"
_DISCARD = 9  #: audio goes nowhere
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who rings, as the carrier says it: the From header without its tag, and further headers."""

    sender: str
    extra: str = ""


def number(digits: str, name: str = "") -> Identity:
    """An ordinary caller. The name is what some carriers add."""
    return Identity(f'From: "{name}" <sip:{digits}@carrier.invalid>')


def asserted(digits: str) -> Identity:
    """The number stands in P-Asserted-Identity, From carries something else."""
    return Identity(
        "From: <sip:+33199000000@carrier.invalid>",
        f'P-Asserted-Identity: "Somebody" <sip:{digits}@carrier.invalid>\r\n',
    )


def hidden(digits: str) -> Identity:
    """The caller hides the number; the carrier tells it in P-Asserted-Identity all the same, under Privacy."""
    return Identity(
        'From: "Anonymous" <sip:anonymous@anonymous.invalid>',
        f"P-Asserted-Identity: <sip:{digits}@carrier.invalid>\r\nPrivacy: id\r\n",
    )


ANONYMOUS = Identity('From: "Anonymous" <sip:anonymous@anonymous.invalid>')
NOBODY = Identity("From: <sip:carrier.invalid>")
NONSENSE = Identity("From: <sip:bobby-tables-1234@carrier.invalid>")


class Sipp:
    """One sipp process with a scenario of ours."""

    def __init__(
        self, scenario: str, values: dict[str, str], folder: Path, arguments: list[str], port: int = 0
    ) -> None:
        self.folder = folder / f"sipp-{next(_numbers)}-{scenario}"
        self.folder.mkdir(parents=True)
        text = (SCENARIOS / f"{scenario}.xml").read_text()
        for name, value in values.items():
            text = text.replace(f"@{name}@", value)
        (self.folder / "scenario.xml").write_text(text)
        self.port = port or free_port()
        self.log = self.folder / "messages.log"
        command = ["sipp", "-sf", "scenario.xml", "-i", HOST, "-p", str(self.port), "-nostdin", "-trace_msg"]
        command += ["-message_file", str(self.log), "-message_overwrite", "false", "-trace_err", "-error_file"]
        command += [str(self.folder / "errors.log"), *arguments]
        with (self.folder / "screen.log").open("wb") as screen:
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=screen, stderr=subprocess.STDOUT)

    def messages(self) -> list[SipMessage]:
        return sip_log.read(self.log)

    def seen(self, method: str, *, status: int = 0, ours: bool = False, call: str = "") -> SipMessage | None:
        """The first such message, or None."""
        return next(iter(self.all_seen(method, status=status, ours=ours, call=call)), None)

    def all_seen(self, method: str, *, status: int = 0, ours: bool = False, call: str = "") -> list[SipMessage]:
        return [
            message
            for message in self.messages()
            if message.method == method
            and message.status == status
            and message.ours == ours
            and (not call or message.call == call)
        ]

    def tell(self, call: str, say: str = "User-Agent: test") -> None:
        """An INFO in the call's name: the scenario leaves, with this header in its BYE."""
        text = (
            f"INFO sip:{HOST}:{self.port} SIP/2.0\r\nVia: SIP/2.0/UDP {HOST}:9;branch=z9hG4bKtest{next(_numbers)}\r\n"
            f"From: <sip:test@{HOST}>;tag=test\r\nTo: <sip:{HOST}>\r\nCall-ID: {call}\r\nCSeq: 1 INFO\r\n"
            f"X-Say: {say}\r\nContent-Length: 0\r\n\r\n"
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as test:
            test.sendto(text.encode(), (HOST, self.port))

    def errors(self) -> str:
        file = self.folder / "errors.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Caller(Sipp):
    """Somebody who rings the line: one call, or `calls` of them at `rate` a second.

    `stay`: seconds after the answer until they leave by themselves. `audio`: what they say and hear. `numbers`: one
    call from each of them, instead of `calls` from `identity`. `at_once`: so many at most, the next when one is over.
    """

    def __init__(
        self,
        pbx_port: int,
        folder: Path,
        *,
        identity: Identity = ANONYMOUS,
        line: str = "3133",
        stay: float = 60.0,
        audio: CallerAudio | None = None,
        calls: int = 1,
        rate: float = 10.0,
        extra: str = "",
        numbers: Sequence[str] = (),
        at_once: int = 0,
    ) -> None:
        given: list[str] = []
        if numbers:  # a call each, from these numbers in turn
            calls, identity = len(numbers), number("[field0]")
            table = folder / f"numbers-{next(_numbers)}.csv"
            table.write_text("\n".join(["SEQUENTIAL", *numbers, ""]))
            given = ["-inf", str(table)]
        values = {
            "FROM": identity.sender,
            "EXTRA": identity.extra + extra,
            "STAY_MS": str(int(stay * 1000)),
            "MEDIA_PORT": str(audio.port if audio else _DISCARD),
        }
        arguments = ["-s", line, "-m", str(calls), "-l", str(at_once or calls), "-r", str(rate), *given]
        arguments.append(f"{HOST}:{pbx_port}")
        super().__init__("caller", values, folder, arguments)

    @property
    def answered(self) -> SipMessage | None:
        """The line took the call: 200 to the INVITE."""
        return self.seen("INVITE", status=200)

    @property
    def was_hung_up_on(self) -> SipMessage | None:
        """The line's BYE."""
        return self.seen("BYE")

    @property
    def lives(self) -> bool:
        """The call is up: answered, and neither side has said BYE."""
        return bool(self.answered and not self.was_hung_up_on and not self.seen("BYE", ours=True))

    def leave_nth(self, nth: int) -> None:
        """The caller of the nth call, from 1, hangs up now."""
        self.tell(self.call_id(nth))

    def call_id(self, nth: int) -> str:
        """The Call-ID that sipp gives its nth call."""
        return f"{nth}-{self.process.pid}@{HOST}"

    def leave(self) -> None:
        """The caller hangs up now."""
        answer = until(lambda: self.answered, "the line answers the caller")
        self.tell(answer.call)


class Phone(Sipp):
    """A SIP phone, or several with the same habits: answers after `ring` seconds, hangs up after `talk` if nobody did.

    `status` makes it refuse every call, for instance `486 Busy Here`. `say`: header of its own BYE.
    """

    def __init__(
        self,
        folder: Path,
        *,
        ring: float = 0.2,
        talk: float = 600.0,
        status: str = "",
        audio: CallerAudio | None = None,
        port: int = 0,
        say: str = "User-Agent: phone",
        scenario: str = "",
    ) -> None:
        values = {
            "SAY": say,
            "RING_MS": str(int(ring * 1000)),
            "TALK_MS": str(int(talk * 1000)),
            "MEDIA_PORT": str(audio.port if audio else _DISCARD),
            "STATUS": status,
        }
        super().__init__(scenario or ("refuses" if status else "phone"), values, folder, [], port)

    def register(self, pbx_port: int, user: str, password: str, *, expires: int = 600) -> float:
        """Tell the PBX that `user` is here; `expires` 0 takes it away. When it had heard: epoch seconds."""
        values = {"USER": user, "PASSWORD": password, "CONTACT": f"{HOST}:{self.port}", "EXPIRES": str(expires)}
        sipp = Sipp("register", values, self.folder, ["-m", "1", f"{HOST}:{pbx_port}"])
        _finish(sipp, "register")
        return sipp.all_seen("REGISTER", status=200)[-1].at

    def dial(self, pbx_port: int, user: str, password: str, what: str) -> SipMessage:
        """The phone dials; the final answer that it got."""
        sipp = Sipp(
            "dials", {"USER": user, "PASSWORD": password}, self.folder, ["-s", what, "-m", "1", f"{HOST}:{pbx_port}"]
        )
        _finish(sipp, "dial", refused=True)
        return [message for message in sipp.messages() if message.method == "INVITE" and message.status >= 200][-1]

    @property
    def rung(self) -> list[SipMessage]:
        """The INVITEs that came, without repetitions, oldest first."""
        first: dict[str, SipMessage] = {}
        for message in self.all_seen("INVITE"):
            first.setdefault(message.call, message)
        return list(first.values())

    @property
    def talks(self) -> list[str]:
        """Call-IDs of conversations that go on: our 200 was acknowledged, and nobody said BYE."""
        messages = self.messages()
        begun = [message.call for message in messages if message.method == "ACK" and self._took(messages, message.call)]
        ended = {message.call for message in messages if message.method == "BYE"}
        return [call for call in dict.fromkeys(begun) if call not in ended]

    @staticmethod
    def _took(messages: list[SipMessage], call: str) -> bool:
        return any(m.ours and m.status == 200 and m.method == "INVITE" and m.call == call for m in messages)

    def hang_up(self, reason: str = "") -> None:
        """End the conversation that goes on. `reason`: for the Reason header of the BYE."""
        call = until(lambda: self.talks, "the phone is in a conversation")[-1]
        self.tell(call, f"Reason: {reason}" if reason else "User-Agent: test")


def _finish(sipp: Sipp, what: str, *, refused: bool = False) -> None:
    try:
        code = sipp.process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        sipp.stop()
        raise AssertionError(f"{what}: no end; {sipp.errors()}") from None
    assert code == 0 or refused, f"{what}: sipp ended with {code}; {sipp.errors()}"
