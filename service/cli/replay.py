"""`ecoute replay`: what a recording of the manager interface, or a PBX's journal, says of each call, step by step."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Final

from pbx.errors import SetupError
from pbx.facts import (
    CallFact,
    EndedBy,
    Fact,
    MemberChanged,
    MemberRemoved,
    PbxConnected,
    PbxLost,
    PbxRefused,
    PhoneChanged,
    Stage,
)
from pbx.parse import LAST_INSTANT
from pbx.replay import NotARecording, RecordedJournal, RecordedSessions
from service.cli.sentences import Story, seconds, sentence, situation, who
from service.cli.terminal import visible

_SESSION: Final = (PbxConnected, PbxLost, PbxRefused)
_NO_END: Final = "no end in this file (it goes on, or the PBX died under it)"
_ENDS: Final = {
    EndedBy.SYSTEM: "ENDED BY THE PBX ITSELF",
    EndedBy.FAULT: "cut by a fault",
}


class Kind(StrEnum):
    """What a file may be."""

    RECORDING = "recording"
    JOURNAL = "journal"


@dataclass(frozen=True, slots=True)
class Line:
    """A fact and its sentence. `story`: of its call; None for the session, the queues and the phones."""

    number: int
    fact: Fact
    words: str
    story: Story | None


@dataclass(slots=True)
class Told:
    """All that a file says. `lines`: in its order; `stories`: by call id, in the order of their beginnings."""

    path: Path
    kind: Kind
    source: RecordedSessions | RecordedJournal
    lines: list[Line] = field(default_factory=list)
    stories: dict[str, Story] = field(default_factory=dict)
    steps: dict[str, list[Line]] = field(default_factory=dict)  #: by call id
    session: list[Line] = field(default_factory=list)

    def add(self, fact: Fact) -> None:
        """The next fact."""
        story = None
        if isinstance(fact, CallFact):
            story = self.stories.setdefault(fact.call_id, Story(fact.call_id, fact.at))
        line = Line(len(self.lines), fact, sentence(fact, story), story)
        self.lines.append(line)
        if story is not None:
            self.steps.setdefault(story.call_id, []).append(line)
        if isinstance(fact, _SESSION):
            self.session.append(line)
        if isinstance(fact, PbxConnected):
            for call_id in fact.gone & self.stories.keys():
                self.stories[call_id].gone = True
            self._meet(line)

    def _meet(self, connected: Line) -> None:
        """Calls that the snapshot found and nothing was told of before."""
        for call in self.source.state.calls.values():
            if call.call_id not in self.stories:
                story = self.stories[call.call_id] = Story(call.call_id, float(min(call.arrived, LAST_INSTANT)))
                if call.stage is Stage.TALKING:
                    story.answered_by = who(call.listener)
                words = f"[the snapshot finds it: {situation(call)}]"
                self.steps[call.call_id] = [Line(connected.number, connected.fact, words, story)]

    def chosen(self, call: str) -> list[Story]:
        """The calls whose ids begin with `call`. SetupError when there are none."""
        found = [story for call_id, story in self.stories.items() if call_id.startswith(call)]
        if not found:
            known = ", ".join(list(self.stories)[:5]) or "none"
            more = f" and {len(self.stories) - 5} more" if len(self.stories) > 5 else ""
            raise SetupError("no-such-call", f"No call in {self.path} begins with {call}", f"There are: {known}{more}.")
        return found


# --- reading ------------------------------------------------------------------------------------------------------


def read(path: Path, *, as_journal: bool = False) -> Told:
    """Read it all. Raises SetupError where it is nothing that can be replayed."""
    try:
        kind = Kind.JOURNAL if as_journal or _looks_like_a_journal(path) else Kind.RECORDING
        source = RecordedJournal(path) if kind is Kind.JOURNAL else RecordedSessions(path)
        with _unlogged():
            told = asyncio.run(_told(Told(path, kind, source)))
    except OSError as error:
        raise SetupError("unreadable", f"{path} cannot be read: {error.strerror}", "Name another file.") from error
    except NotARecording:
        raise SetupError(
            "not-a-recording",
            f"{path} is neither a recording of the manager interface nor a PBX's journal",
            "A recording is made with `ecoute serve --record-ami FILE`; the journal is "
            "log/cel-custom/journal.json below the PBX's data directory (--journal, when its beginning is damaged).",
        ) from None
    if as_journal and source.counts.odd and not source.counts.read and not source.counts.unneeded:
        raise SetupError("not-a-journal", f"{path} is no journal: no line of it is one.", "Leave --journal away.")
    return told


@contextlib.contextmanager
def _unlogged() -> Iterator[None]:
    """What cannot be read is told by its place in the file, not in a log."""
    log = logging.getLogger("pbx")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


def _looks_like_a_journal(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(64).lstrip().startswith(b"{")


async def _told(told: Told) -> Told:
    async for facts in told.source.batches():
        for fact in facts:
            told.add(fact)
    return told


# --- in plain words -----------------------------------------------------------------------------------------------


def lines(told: Told, call: str = "", *, flat: bool = False, with_state: bool = False) -> Iterator[str]:
    """All that is shown. `call`: how the id of the only call begins that is wanted.

    Names and ids are what somebody sent: nothing of them is obeyed by a terminal, or makes a line of its own.
    """
    shown = [in_time_order(told, call) if flat else by_call(told, call)]
    if with_state:
        shown.append(state(told))
    if not call:
        shown.append(summary(told))
    yield from map(visible, chain.from_iterable(shown))


def by_call(told: Told, call: str = "") -> Iterator[str]:
    """Each call with its steps, under a heading; what belongs to no call before and after them."""
    if call:
        for number, story in enumerate(told.chosen(call)):
            yield from ("",) * (number > 0)
            yield from _steps(told, story)
        return
    yield _heading(told)
    yield from _apart(told, "Session", _SESSION)
    for story in told.stories.values():
        yield ""
        yield from _steps(told, story)
    yield from _apart(told, "Queues and phones", (MemberChanged, MemberRemoved, PhoneChanged))


def in_time_order(told: Told, call: str = "") -> Iterator[str]:
    """Every fact in the order in which it was told."""
    chosen = {story.call_id for story in told.chosen(call)} if call else set(told.stories)
    if not call:
        yield _heading(told)
        yield ""
    day = ""
    for line in told.lines:
        if line.story.call_id not in chosen if line.story else call:
            continue
        if (today := f"{_local(line.fact.at):%Y-%m-%d}") != day:
            day = today
            yield day
        about = "" if line.story is None else f"{line.story.call_id[:8]} {_since(line.fact, line.story)}"
        yield f"{_clock(line.fact.at)}  {about:<19}  {line.words}".rstrip()


def _heading(told: Told) -> str:
    kind = "Recording" if told.kind is Kind.RECORDING else "Journal"
    what = f"{kind} of {told.source.state.pbx}: {_count(len(told.stories), 'call')}"
    if not told.lines:
        return f"{what}, nothing happened in it."
    times = [line.fact.at for line in told.lines]
    first, last = _local(min(times)), _local(max(times))
    until = f"{last:%H:%M:%S}" if first.date() == last.date() else f"{last:%Y-%m-%d %H:%M:%S}"
    return f"{what}, {first:%Y-%m-%d %H:%M:%S} to {until} ({first:%Z})."


def _apart(told: Told, title: str, kinds: tuple[type[Fact], ...]) -> Iterator[str]:
    found = [line for line in told.lines if isinstance(line.fact, kinds)]
    if found:
        yield ""
        yield title
    for line in found:
        yield f"  {_clock(line.fact.at)}             {line.words}"


def outcome(story: Story) -> str:
    """How it went, in a few words."""
    if story.ended is not None and story.ended.by is EndedBy.CLOSED:
        return "the line was closed"
    if not story.answered_by:
        answered = "not answered" if story.whole else "no answer in this file"
    elif story.answered_after is None:
        answered = f"answered by {story.answered_by}"
    else:
        answered = f"answered by {story.answered_by} after {seconds(story.answered_after)}"
    if story.ended is None:
        return f"{answered}, " + ("ended while nobody listened" if story.gone else _NO_END)
    return f"{answered}, {_ENDS.get(story.ended.by) or f'ended by the {story.ended.by}'}"


def _steps(told: Told, story: Story) -> Iterator[str]:
    """The call's heading, its own facts, and between them where the session saw nothing: that is part of the story."""
    earlier = "" if story.whole else " (began before this file)"
    yield f"Call {story.call_id}, {_local(story.began):%Y-%m-%d %H:%M:%S}{earlier}: {outcome(story)}"
    own = told.steps[story.call_id]
    last = own[-1].number if story.ended is not None else len(told.lines)
    between = [line for line in told.session if own[0].number < line.number < last]
    for line in heapq.merge(own, between, key=lambda line: line.number):
        words = line.words if line.story is story else _between(line.fact, story)
        if words:
            yield f"  {_clock(line.fact.at)}  {_since(line.fact, story)}  {words}"
        if isinstance(line.fact, PbxConnected) and story.call_id in line.fact.gone:
            return


def _between(fact: Fact, story: Story) -> str:
    match fact:
        case PbxConnected():
            gone = story.call_id in fact.gone
            return "[seen again: the call is gone; the PBX's journal says how it ended]" if gone else "[seen again]"
        case PbxLost():
            return f"[the session ended ({fact.reason}): not seen from here]"
        case _:
            return ""


def _since(fact: Fact, story: Story) -> str:
    """Since the arrival; with `~` where it was not seen: since the second that the snapshot says, or the first word."""
    return f"{'' if story.whole else '~'}{fact.at - story.began:.1f} s".rjust(9)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _local(at: float) -> datetime:
    return datetime.fromtimestamp(at).astimezone()


def _clock(at: float) -> str:
    return f"{_local(at):%H:%M:%S.%f}"[:-3]


# --- the end of it ------------------------------------------------------------------------------------------------


def state(told: Told) -> Iterator[str]:
    """The board at the file's end."""
    board = told.source.state
    yield ""
    live = f"At the end: {_count(len(board.calls), 'live call')}"
    if told.kind is Kind.JOURNAL:
        yield f"{live}, as far as a journal knows; it tells nothing of listeners and phones"
    else:
        yield f"{live}, {_count(len(board.members), 'listener')}, {_count(len(board.phones), 'phone')}"
    for call in board.calls.values():
        yield f"  call {call.call_id}: {situation(call)}"
    for member in board.members.values():
        paused = f", paused ({member.pause_reason or 'no reason given'})" if member.paused else ""
        yield f"  {who(member.interface)}: {member.device}{paused}, serves {', '.join(sorted(member.queues))}"
    for endpoint, reachable in board.phones.items():
        yield f"  phone of {endpoint}: {'can be reached' if reachable else 'cannot be reached'}"


def summary(told: Told) -> Iterator[str]:
    """What the file was made of, and what of it could not be read."""
    counts = told.source.counts
    what = "lines" if told.kind is Kind.JOURNAL else "frames"
    sessions = "" if told.kind is Kind.JOURNAL else f" in {_count(counts.sessions, 'session')}"
    answers = "" if told.kind is Kind.JOURNAL else f", {counts.answers} answers"
    yield ""
    yield (
        f"{counts.frames} {what}{sessions}: {counts.read.total()} events of calls, queues and phones{answers}, "
        f"{counts.unneeded.total()} of no interest{_most(counts.unneeded)}."
    )
    for odd in counts.odd[:20]:
        yield f"At byte {odd.offset}: {odd.why}."
    if len(counts.odd) > 20:
        yield f"… and {len(counts.odd) - 20} more that could not be read."
    if not counts.odd and counts.cut is None:
        yield "All of it could be read."
    if counts.cut is not None:
        yield f"The file is cut off: its last {what[:-1]}, at byte {counts.cut}, is not whole."
    if counts.open_end:
        yield "It ends while the session is up: what came afterwards is not in it."


def _most(counted: Counter[str]) -> str:
    named = [f"{name} {count}" for name, count in counted.most_common(5)]
    return f" ({', '.join(named)}{', …' if len(counted) > 5 else ''})" if named else ""
