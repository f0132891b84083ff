"""Callers who are withdrawn from the queue at the very instant at which a listener answers them.

A caller is rung for, and `RING` seconds later the phone answers; within ±`SPREAD` seconds of that the service asks
Asterisk to take the caller out of the queue (QueueWithdrawCaller). Asterisk connects the two, or hands the caller to
the dialplan's overflow; never neither, never both. Every caller is withdrawn once at an answer, talks for `TALK`
seconds, and leaves.

Asterisk heeds a withdrawal only when nobody is left to ring: one that meets an answer never takes the caller away. So
that there are callers who really go by the overflow and come back, some phones refuse, each refusal is met by a
withdrawal as well, and the phones that answer come late.

A busy machine answers and asks a little later than it was told to. So a round that did not meet enough answers is
followed by others, whose aim is corrected by how far the last was out; the callers of all rounds count.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from pbx.commands import AddMember, PauseMember, WithdrawCaller
from pbx.facts import CallAnswered, CallEnded, CallEntered, CallFact, Fact, ListenerRung, OverflowBegan
from pbx.link import PbxLink
from pbx.replies import CommandFailed, CommandRefused
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
#: Rounds after the first, each of a quarter as many callers: a machine with five times its work to do meets a third.
MORE_ROUNDS = 8
#: What Asterisk may say to a withdrawal. Taken: it may still connect the caller. Too late: they wait no more, which is
#: also said of one who was never there. Taken already: the withdrawal at a refusal, which the caller has outlasted.
TAKEN, TOO_LATE, ALREADY_TAKEN = "success", "no-such-caller", "already-requested"


@dataclass(slots=True)
class Withdrawn:
    """One caller. `nth`: of the callers of all rounds, from 1."""

    call_id: str
    nth: int
    facts: list[CallFact] = field(default_factory=list)
    aimed: bool = False  #: the withdrawal at the answer is on its way
    asked_at: float = 0.0  #: epoch seconds, when it was sent; 0: it was not
    told_at: float = 0.0  #: when Asterisk's word on it was here
    answer: str = ""  #: Asterisk's: `success`, or why not
    at_refusals: list[str] = field(default_factory=list)  #: the same of those at a refusal

    @property
    def number(self) -> str:
        return f"+{FIRST_NUMBER + self.nth}"

    @property
    def overflows(self) -> int:
        return sum(isinstance(fact, OverflowBegan) for fact in self.facts)


class Race:
    """Runs over one link, whose facts it consumes. `calls` by id, once `run` is over.

    `record`: told of every batch of facts first, as the service's recorder is.
    """

    def __init__(
        self, line: Line, link: PbxLink, lanes: int, seed: int, record: Callable[[Sequence[Fact]], None]
    ) -> None:
        self.line, self.link, self.lanes = line, link, lanes
        self.calls: dict[str, Withdrawn] = {}
        self.answering = [f"l{n}" for n in range(101, 101 + lanes)]
        self.refusing = [f"l{n}" for n in range(201, 201 + max(1, lanes // 5))]
        self.phone = Phone(line.folder, ring=RING)
        self.busy = Phone(line.folder, status="486 Busy Here")
        self.lead = LEAD
        self._record = record
        self._draw = random.Random(seed)  # noqa: S311  a repeatable spread
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()
        self.overflows_first = 0  #: overflows before anybody answers
        self._overflows = 0
        self._rounds: list[tuple[Caller, int]] = []  #: and how many callers came before
        self._reading: asyncio.Task[None] | None = None
        self.count = 0

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

    async def run(self, count: int, *, near: int) -> None:
        """`count` callers, and more until that were `near` enough (`Outcomes.enough`), within bounds."""
        self.overflows_first = max(1, self.lanes // 4, count // 20)
        await self._round(count)
        for _ in range(MORE_ROUNDS):
            found = await asyncio.to_thread(seen, self)  # beside the link, which must not fall silent
            if outcomes_of(self, found).enough(near):
                return
            _, before = self._rounds[-1]
            self.lead -= outcomes_of(self, found, after=before).out_by
            await self._round(max(self.lanes, count // 4))

    async def _round(self, count: int) -> None:
        """Until every caller has left. Fails when that takes longer than is sensible."""
        patience = 60 + count * 30 / self.lanes
        numbers = [f"+{FIRST_NUMBER + self.count + nth}" for nth in range(1, count + 1)]
        self._reading = self._reading or asyncio.create_task(self._read())
        self._over.clear()
        callers = Caller(
            self.line.port, self.line.folder, numbers=numbers, at_once=self.lanes, rate=10.0, stay=patience
        )
        self._rounds.append((callers, self.count))
        self.count += count
        async with asyncio.timeout(patience):
            await self._over.wait()
            await asyncio.gather(*self._tasks)
            await asyncio.to_thread(self._quiet)

    def _quiet(self) -> None:
        """Every phone has heard its goodbye, and said so."""
        until(lambda: not self.line.pbx.running.channels(), "no channel is left")
        until(lambda: not self.phone.talks, "no phone talks")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reading is not None:
            self._reading.cancel()
        for part in (*(callers for callers, _ in self._rounds), self.phone, self.busy):
            part.stop()

    # --- the callers, as sipp knows them ----------------------------------------------------------------------------

    def sip_calls(self) -> dict[str, str]:
        """The Call-ID of each caller's call → the call's id."""
        found = {}
        for call in self.calls.values():
            callers, before = self._callers_of(call)
            found[callers.call_id(call.nth - before)] = call.call_id
        return found

    def messages(self) -> list[SipMessage]:
        return [message for callers, _ in self._rounds for message in callers.messages()]

    def _callers_of(self, call: Withdrawn) -> tuple[Caller, int]:
        return next(one for one in reversed(self._rounds) if one[1] < call.nth)

    # --- what happens -----------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        async for batch in self.link.batches():
            self._record(batch)
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
                if self._overflows == self.overflows_first:
                    self._soon(self._sign_in())
            case CallAnswered():
                self._soon(self._leave(call))
            case CallEnded():
                self._soon(self._free(call))

    def _rung(self, call: Withdrawn, fact: ListenerRung) -> None:
        instant = fact.at + self.lead + self._draw.uniform(-SPREAD, SPREAD)
        if fact.interface.removeprefix("PJSIP/") in self.answering:
            if not call.aimed:
                call.aimed = True
                self._soon(self._at_answer(call, instant + RING))
        else:
            self._soon(self._at_refusal(call, instant))

    def _soon(self, work: Coroutine[None, None, None]) -> None:
        self._tasks.add(asyncio.create_task(work))

    async def _sign_in(self) -> None:
        """Enough went by the overflow: now phones that answer come."""
        for user in self.answering:
            await self.link.send(AddMember(pbx="pbx1", queue="national", interface=f"PJSIP/{user}", name=user))

    async def _at_answer(self, call: Withdrawn, instant: float) -> None:
        await asyncio.sleep(instant - time.time())
        call.asked_at = time.time()
        call.answer = await self._withdraw(call)
        call.told_at = time.time()

    async def _at_refusal(self, call: Withdrawn, instant: float) -> None:
        await asyncio.sleep(instant - time.time())
        call.at_refusals.append(await self._withdraw(call))

    async def _withdraw(self, call: Withdrawn) -> str:
        channel = self.link.state.calls[call.call_id].channel
        try:
            await self.link.send(WithdrawCaller(pbx="pbx1", queue="national", channel=channel, info="centre:nowhere"))
        except CommandRefused as error:
            return ALREADY_TAKEN if error.message.endswith("Already requested") else error.id
        except CommandFailed as error:
            return error.id
        return TAKEN

    async def _leave(self, call: Withdrawn) -> None:
        await asyncio.sleep(TALK)
        callers, before = self._callers_of(call)
        callers.leave_nth(call.nth - before)

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
    sip_calls = race.sip_calls()
    found = {call_id: Seen() for call_id in race.calls}
    for message in race.messages():
        if message.method == "BYE" and not message.status and message.call in sip_calls:
            mine = found[sip_calls[message.call]]
            if message.ours:
                mine.left_at = mine.left_at or message.at
            else:
                mine.cut_at = mine.cut_at or message.at
    for dialogue in _dialogues(race.phone.messages()).values():
        answered = _first(dialogue, lambda m: m.ours and m.status == 200 and m.method == "INVITE")
        taken = _first(dialogue, lambda m: m.method == "ACK" and not m.ours)
        if answered and taken:
            bye = _first(dialogue, lambda m: m.method == "BYE" and not m.status and not m.ours)
            sender = dialogue[0].header("From")
            call = next(call for call in race.calls if call in sender)
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


# --- whether the answers were met -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What came of the withdrawals at an answer, and of those at a refusal. Seconds."""

    callers: int
    near: int  #: sent, and Asterisk's word on it was back, within `SPREAD` of the phone's own answer
    out_by: float  #: by how much the sendings were late, in the middle
    withdrawn: int  #: times that callers went by the overflow
    connected: int  #: Asterisk had taken the withdrawal at the answer, and connected the two all the same
    too_late: int  #: the two were connected already

    def enough(self, near: int) -> bool:
        """So many withdrawals met an answer, now just before it and now just after: it was put to the proof."""
        return self.near >= near and min(self.connected, self.too_late) >= near // 5


def outcomes_of(race: Race, found: Mapping[str, Seen], *, after: int = 0) -> Outcomes:
    """Of all callers, or of those after the first so many. `found`: what `seen` gave."""
    calls = [call for call in race.calls.values() if call.nth > after]
    answered = {call_id: saw.conversations[0][0] for call_id, saw in found.items() if saw.conversations}
    met = [(call, answered[call.call_id]) for call in calls if call.asked_at and call.call_id in answered]
    return Outcomes(
        callers=len(calls),
        near=sum(at - SPREAD <= call.asked_at <= call.told_at <= at + SPREAD for call, at in met),
        out_by=statistics.median(call.asked_at - at for call, at in met) if met else 0.0,
        withdrawn=sum(call.overflows for call in calls),
        connected=sum(call.answer in {TAKEN, ALREADY_TAKEN} for call, _ in met),
        too_late=sum(call.answer == TOO_LATE for call, _ in met),
    )


def summary(race: Race, outcomes: Outcomes) -> str:
    """The figures of a run."""
    calls = race.calls.values()
    return (
        f"{outcomes.callers} callers withdrawn at an answer: {dict(Counter(call.answer for call in calls))}, "
        f"{outcomes.near} within {SPREAD * 1000:g} ms of the phone's own answer, median {outcomes.out_by * 1000:+.1f} "
        f"ms; at a refusal: {dict(Counter(answer for call in calls for answer in call.at_refusals))}; "
        f"{outcomes.withdrawn} times somebody went by the overflow and came back"
    )
