"""Callers who are withdrawn from the queue at the very instant at which a listener answers them.

A caller is rung for, and `RING` seconds later the phone answers; within ±`SPREAD` seconds of that the service asks
Asterisk to take the caller out of the queue (QueueWithdrawCaller). Asterisk connects the two, or hands the caller to
the dialplan's overflow; never neither, never both. Every caller is withdrawn once at an answer, talks for `TALK`
seconds, and leaves.

Asterisk heeds a withdrawal only when nobody is left to ring: one that meets an answer never takes the caller away. So
that there are callers who really go by the overflow and come back, some phones refuse, the first refusal that a caller
meets is met by a withdrawal as well, and the phones that answer come late.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from pbx.commands import AddMember, PauseMember, WithdrawCaller
from pbx.facts import CallAnswered, CallEnded, CallEntered, CallFact, ListenerRung, OverflowBegan
from pbx.link import PbxLink
from pbx.replies import CommandFailed
from tests.asterisk.line import PASSWORD, Line
from tests.support.sip_log import SipMessage
from tests.support.sipp import HOST, Caller, Phone
from tests.support.tokens import number_in
from tests.support.wait import until

RING = 0.25  #: from the INVITE at the phone to its answer
SPREAD = 0.015
TALK = 0.6
#: From the dialplan's word that a leg will be rung to the INVITE at the phone.
LEAD = 0.002
#: The first of the callers' numbers, which are reserved for fiction; 10,000 follow.
FIRST_NUMBER = 33639980000


@dataclass(slots=True)
class Withdrawn:
    """One caller. `nth`: sipp's own number of the call, from 1."""

    call_id: str
    nth: int
    facts: list[CallFact] = field(default_factory=list)
    asked_at: float = 0.0  #: epoch seconds, when the withdrawal at the answer was sent
    answer: str = ""  #: Asterisk's: `success`, or why not
    at_refusal: str = ""  #: the same of the one at a refusal; empty where there was none


class Race:
    """Runs over one link, whose facts it consumes. `calls` by id, once `run` is over."""

    def __init__(self, line: Line, link: PbxLink, count: int, lanes: int, seed: int) -> None:
        self.line, self.link, self.count, self.lanes = line, link, count, lanes
        self.calls: dict[str, Withdrawn] = {}
        self.answering = [f"l{n}" for n in range(101, 101 + lanes)]
        self.refusing = [f"l{n}" for n in range(201, 201 + max(1, lanes // 5))]
        self._draw = random.Random(seed)  # noqa: S311  a repeatable spread
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()
        self._overflows = 0
        self.phone = Phone(line.folder, ring=RING)
        self.busy = Phone(line.folder, status="486 Busy Here")
        self._callers: Caller | None = None

    @property
    def callers(self) -> Caller:
        assert self._callers is not None
        return self._callers

    def prepare(self) -> None:
        """Phones that are always there; those that refuse serve the queue already."""
        file = self.line.pbx.layout.phones
        sections = [
            f"[{user}](sip-phone)\naors = {user}\nauth = {user}\n"
            f"[{user}](sip-aor)\nqualify_frequency = 0\ncontact = sip:{user}@{HOST}:{phone.port}\n"
            f"[{user}](phone-auth)\nusername = {user}\npassword = {PASSWORD}\n"
            for phone, users in ((self.phone, self.answering), (self.busy, self.refusing))
            for user in users
        ]
        file.write_text(file.read_text() + "".join(sections))
        self.line.pbx.console("module reload res_pjsip.so")
        for user in self.refusing:
            self.line.sign_in(user)

    async def run(self, patience: float) -> None:
        """Until every caller has left. Fails when that takes longer than `patience` seconds."""
        numbers = [f"+{FIRST_NUMBER + nth}" for nth in range(1, self.count + 1)]
        reading = asyncio.create_task(self._read())
        self._callers = Caller(
            self.line.port, self.line.folder, numbers=numbers, at_once=self.lanes, rate=10.0, stay=patience
        )
        try:
            async with asyncio.timeout(patience):
                await self._over.wait()
                await asyncio.gather(*self._tasks)
                await asyncio.to_thread(self._quiet)
        finally:
            reading.cancel()

    def _quiet(self) -> None:
        """Every phone has heard its goodbye, and said so."""
        until(lambda: not self.line.pbx.running.channels(), "no channel is left")
        until(lambda: not self.phone.talks, "no phone talks")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for part in (self._callers, self.phone, self.busy):
            if part is not None:
                part.stop()

    async def _read(self) -> None:
        async for batch in self.link.batches():
            for fact in batch:
                if isinstance(fact, CallFact):
                    self._take(fact)

    def _take(self, fact: CallFact) -> None:
        call = self.calls.get(fact.call_id)
        if isinstance(fact, CallEntered):
            nth = int(number_in(fact.caller_token)) - FIRST_NUMBER
            call = self.calls[fact.call_id] = Withdrawn(fact.call_id, nth)
        assert call is not None
        call.facts.append(fact)
        match fact:
            case ListenerRung():
                self._rung(call, fact)
            case OverflowBegan():
                self._overflows += 1
                if self._overflows == max(1, self.lanes // 4):
                    self._soon(self._sign_in())
            case CallAnswered():
                self._soon(self._leave(call))
            case CallEnded():
                self._soon(self._free(call))

    def _rung(self, call: Withdrawn, fact: ListenerRung) -> None:
        instant = fact.at + LEAD + self._draw.uniform(-SPREAD, SPREAD)
        if fact.interface.removeprefix("PJSIP/") in self.answering:
            if not call.asked_at:
                call.asked_at = instant + RING
                self._soon(self._at_answer(call))
        elif not call.at_refusal:
            call.at_refusal = "asked"
            self._soon(self._at_refusal(call, instant))

    def _soon(self, work: Coroutine[None, None, None]) -> None:
        self._tasks.add(asyncio.create_task(work))

    async def _sign_in(self) -> None:
        """Enough went by the overflow: now phones that answer come."""
        for user in self.answering:
            await self.link.send(AddMember(pbx="pbx1", queue="national", interface=f"PJSIP/{user}", name=user))

    async def _at_answer(self, call: Withdrawn) -> None:
        await asyncio.sleep(call.asked_at - time.time())
        call.asked_at = time.time()
        call.answer = await self._withdraw(call)

    async def _at_refusal(self, call: Withdrawn, instant: float) -> None:
        await asyncio.sleep(instant - time.time())
        call.at_refusal = await self._withdraw(call)

    async def _withdraw(self, call: Withdrawn) -> str:
        channel = self.link.state.calls[call.call_id].channel
        try:
            await self.link.send(WithdrawCaller(pbx="pbx1", queue="national", channel=channel, info="centre:nowhere"))
        except CommandFailed as error:
            return error.id
        return "success"

    async def _leave(self, call: Withdrawn) -> None:
        await asyncio.sleep(TALK)
        self.callers.leave_nth(call.nth)

    async def _free(self, call: Withdrawn) -> None:
        """The listener has written up, and is there for the next."""
        for fact in call.facts:
            if isinstance(fact, CallAnswered):
                await self.link.send(PauseMember(pbx="pbx1", interface=fact.interface, paused=False))
        if sum(isinstance(call.facts[-1], CallEnded) for call in self.calls.values()) == self.count:
            self._over.set()


# --- what callers and phones saw ------------------------------------------------------------------------------------


@dataclass(slots=True)
class Seen:
    """Of one call, by the SIP logs alone. Instants are epoch seconds."""

    left_at: float = 0.0  #: the caller's own BYE
    cut_at: float = 0.0  #: the line's BYE to the caller
    conversations: list[tuple[float, float]] = field(default_factory=list)  #: a phone's answer, the line's BYE to it
    users: list[str] = field(default_factory=list)  #: whose phones these were


def seen(race: Race) -> dict[str, Seen]:
    """By call id: it stands in the INVITE to the phone, in the place of the caller's number."""
    nth = {race.callers.call_id(call.nth): call.call_id for call in race.calls.values()}
    found = {call_id: Seen() for call_id in race.calls}
    for message in race.callers.messages():
        if message.method == "BYE" and not message.status and message.call in nth:
            mine = found[nth[message.call]]
            if message.ours:
                mine.left_at = mine.left_at or message.at
            else:
                mine.cut_at = mine.cut_at or message.at
    for dialogue in _dialogues(race.phone.messages()).values():
        answered = _first(dialogue, lambda m: m.ours and m.status == 200 and m.method == "INVITE")
        taken = _first(dialogue, lambda m: m.method == "ACK" and not m.ours)
        if answered and taken:
            bye = _first(dialogue, lambda m: m.method == "BYE" and not m.status and not m.ours)
            call = next(call for call in race.calls if call in dialogue[0].header("From"))
            found[call].conversations.append((answered.at, bye.at if bye else 0.0))
            found[call].users.append(dialogue[0].start.partition("sip:")[2].partition("@")[0])
    return found


def _dialogues(messages: list[SipMessage]) -> dict[str, list[SipMessage]]:
    found: dict[str, list[SipMessage]] = {}
    for message in messages:
        found.setdefault(message.call, []).append(message)
    return found


def _first(messages: list[SipMessage], wanted: Callable[[SipMessage], bool]) -> SipMessage | None:
    return next((message for message in messages if wanted(message)), None)


def summary(race: Race, found: dict[str, Seen]) -> str:
    """The figures of a run."""
    calls = race.calls.values()
    distances = sorted(
        (call.asked_at - found[call.call_id].conversations[0][0]) * 1000
        for call in calls
        if found[call.call_id].conversations
    )
    near = sum(abs(distance) <= SPREAD * 1000 for distance in distances)
    middle = distances[len(distances) // 2] if distances else 0.0
    overflowed = sum(any(isinstance(fact, OverflowBegan) for fact in call.facts) for call in calls)
    return (
        f"{len(calls)} callers withdrawn at an answer: {dict(Counter(call.answer for call in calls))}, "
        f"{near} within 15 ms of the phone's own answer, median {middle:+.1f} ms; "
        f"at a refusal: {dict(Counter(call.at_refusal for call in calls if call.at_refusal))}; "
        f"{overflowed} went by the overflow and came back"
    )
