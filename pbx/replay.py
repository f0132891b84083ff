"""A recording as the source of facts: its bytes go the way of a live session's, through the same protocol and state.

What no byte tells is guessed: a session that ends without a goodbye was lost; the clock is the last time that Asterisk
named. A recording of another account (without our action ids) has no snapshot: its events count from the beginning.
"""

from __future__ import annotations

import asyncio
import mmap
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from pbx import actions, journal, parse
from pbx.events import Event, SessionLost, SessionRefused
from pbx.facts import Fact
from pbx.journal import JournalReplay
from pbx.odd import Odd, Tally
from pbx.parse import Answer
from pbx.protocol import EOM, FRAME_CAP, EventStream, PbxProtocol, Pending
from pbx.snapshot import Snapshot
from pbx.state import PbxState

#: Where a session begins; a partial frame may stand before it, and the answer to the login behind it.
_BEGINS: Final = re.compile(re.escape(parse.BANNER) + rb"[0-9.]+\r\n(?=Response: |Event: |\Z)")
_TIMESTAMP: Final = re.compile(rb"\r\nTimestamp: ([0-9]{1,10}\.[0-9]+)\r")
_SYSTEM_NAME: Final = re.compile(rb"\r\n(?:CoreSystemName|SystemName): ([^\r\n]+)\r\n")
#: The PBX's own name begins the ids of its channels.
_CHANNEL_ID: Final = re.compile(rb'"uniqueid":\s*"([^"]+)-\d+\.\d+"')
#: In our own sessions alone: from there on its events count.
_SNAPSHOT: Final = b"\r\nActionID: " + actions.core_status().word.encode() + b"/"
#: As much as a socket gives at once: a frame above the cap is skipped as it was live.
_PIECE: Final = 64 * 1024


class NotARecording(Exception):
    """The file does not begin with the manager interface's banner."""


@dataclass(frozen=True, slots=True)
class OddPlace:
    """Something that could not be read. `offset`: of its first byte in the file."""

    offset: int
    why: str


@dataclass(slots=True)
class Counts:
    """What a file was made of."""

    frames: int = 0
    read: Counter[str] = field(default_factory=Counter)  #: events that the trackers need, by name
    unneeded: Counter[str] = field(default_factory=Counter)  #: events that no tracker needs, by name
    answers: int = 0  #: answers to actions, with the events of their lists
    sessions: int = 0
    odd: list[OddPlace] = field(default_factory=list)
    cut: int | None = None  #: offset of a last frame that is not whole
    open_end: bool = False  #: the file ends while the session is up


class _Places(Tally):
    """What the protocol could not use, by the place in the file."""

    def __init__(self, counts: Counts) -> None:
        super().__init__()
        self.offset = 0
        self._places = counts.odd

    def note(self, kind: Odd, error: BaseException | None = None) -> bool:
        """One more; a session that ends within a frame is told by `Counts.cut` instead."""
        if kind is not Odd.CUT:
            self._places.append(OddPlace(self.offset, kind.value))
        return False


class RecordedSessions:
    """`async for facts in RecordedSessions(path).batches()`: a batch for each frame that meant something."""

    def __init__(self, path: Path, pbx: str = "") -> None:
        """`pbx`: the id in the facts; by default what this Asterisk calls itself. Raises NotARecording or OSError."""
        self._data = _mapped(path)
        if not _BEGINS.match(self._data):
            raise NotARecording
        if not pbx:
            named = _SYSTEM_NAME.search(self._data)
            pbx = named[1].decode("utf-8", "replace") if named else "pbx"
        self.state = PbxState(pbx)
        self.counts = Counts()
        self._clock = 0.0
        self._places = _Places(self.counts)
        self._stream = EventStream(self._places)
        self._said = ""

    async def batches(self) -> AsyncIterator[list[Fact]]:
        """Facts in order; `state` already contains them. In an event loop, because the protocol lives in one."""
        starts = [found.start() for found in _BEGINS.finditer(self._data)]
        for start, end in zip(starts, [*starts[1:], len(self._data)], strict=True):
            self.counts.sessions += 1
            for facts in self._session(start, end):
                yield facts
            await asyncio.sleep(0)

    def _session(self, start: int, end: int) -> Iterator[list[Fact]]:
        played = _Played(self._stream, self)
        played.muted = self._data.find(_SNAPSHOT, start, end) >= 0
        for offset, frame in self._frames(start, end):
            self._places.offset = offset
            self._look(frame)
            for begin in range(0, len(frame), _PIECE) if len(frame) > FRAME_CAP else (0,):
                played.data_received(frame[begin : begin + _PIECE] if len(frame) > FRAME_CAP else frame)
            if facts := self._apply():
                yield facts
        self._places.offset = end
        self.counts.open_end = not played.ended and end == len(self._data)
        played.over()
        if not self.counts.open_end and played.ended != "refused":
            self.say("lost", SessionLost(at=self._clock, reason=played.ended or "connection-lost"))
        if facts := self._apply():
            yield facts

    def _frames(self, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Each frame with its end; the first one behind the banner. What follows the last end is cut off."""
        at = start
        while (found := self._data.find(EOM, at, end)) >= 0:
            yield at, self._data[at : found + len(EOM)]
            at = found + len(EOM)
        self.counts.cut = at if at < end else None

    def _look(self, frame: bytes) -> None:
        """Count a frame, and take the time from it."""
        if frame.startswith(parse.BANNER):
            frame = frame[frame.find(b"\r\n") + 2 :]
        self.counts.frames += 1
        if named := _TIMESTAMP.search(frame):
            self._clock = float(named[1])
        if frame.startswith(b"Event: "):
            name = frame[7 : frame.find(b"\r\n")]
            if name in parse.EVENTS:
                self.counts.read[name.decode()] += 1
            elif b"\r\nActionID: " in frame:
                self.counts.answers += 1
            else:
                self.counts.unneeded[name.decode("ascii", "replace")] += 1
        elif frame.startswith(b"Response: "):
            self.counts.answers += 1

    def _apply(self) -> list[Fact]:
        facts: list[Fact] = []
        while self._stream.events:
            try:
                facts += self.state.apply(self._stream.events.popleft())
            except Exception as error:  # as live: it costs this event alone
                self._places.note(Odd.NOT_APPLIED, error)
        self._stream.taken()
        return facts

    # --- what the link says live ------------------------------------------------------------------------------------

    def now(self) -> float:
        """The PBX's clock, as the recording last told it."""
        return self._clock

    def say(self, what: str, event: Event) -> None:
        """A change of the connection, once."""
        if self._said != what:
            self._said = what
            self._stream.put(event)

    def refused(self) -> None:
        """The account was not accepted."""
        self.say("refused", SessionRefused(at=self._clock))

    def complete(self) -> None:
        """The snapshot was taken."""
        self._said = ""


def _mapped(path: Path) -> bytes | mmap.mmap:
    """The file's bytes, without reading them all at once. An empty one cannot be mapped."""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if path.stat().st_size else b""


class RecordedJournal:
    """The same of a PBX's journal: `async for facts in RecordedJournal(path).batches()`, a batch for each line.

    A journal knows no session, queue members or phones: `state` has its calls alone. Frames are its lines.
    """

    def __init__(self, path: Path, pbx: str = "") -> None:
        """Raises OSError."""
        self._path = path
        with path.open("rb") as file:
            named = _CHANNEL_ID.search(file.read(_PIECE))
        pbx = pbx or (named[1].decode("utf-8", "replace") if named else "pbx")
        self._replay = JournalReplay(pbx)
        self.counts = Counts()
        self.state = PbxState(pbx)

    async def batches(self) -> AsyncIterator[list[Fact]]:
        """Facts in the order of the lines."""
        offset = 0
        with self._path.open("rb") as lines:
            for line in lines:
                if facts := self._line(offset, line):
                    yield facts
                offset += len(line)
                await asyncio.sleep(0)
        self.state.calls.update(self._replay.calls)

    def _line(self, offset: int, line: bytes) -> list[Fact]:
        if not line.endswith(b"\n"):
            self.counts.cut = offset
            return []
        self.counts.frames += 1
        event = journal.parse_line(line)
        if event is None:
            self._unread(offset, line)
            return []
        self.counts.read[type(event).__name__] += 1
        return list(self._replay.feed([event]))

    def _unread(self, offset: int, line: bytes) -> None:
        """Of no interest, or not what a journal's line is."""
        try:
            kind = msgspec.json.decode(line, type=dict[str, object]).get("eventtype")
        except (msgspec.DecodeError, ValueError):  # no JSON, or no text
            kind = None
        if isinstance(kind, str) and kind not in {"STEP", "RING"}:
            self.counts.unneeded[kind] += 1
        else:
            self.counts.odd.append(OddPlace(offset, "a line that is not what the journal writes: left out"))


class _NoSocket(asyncio.Transport):
    """Nothing is ever written; closing is done by the file's end."""

    def abort(self) -> None:
        """Nothing to close."""


class _Played(PbxProtocol):
    """The protocol with a file in the place of the socket: what was asked stands in the answer's own id."""

    def __init__(self, stream: EventStream, recorded: RecordedSessions) -> None:
        super().__init__(stream, recorded.now)
        self.ended = ""  #: `closed` by our goodbye, `refused`; empty when no answer said so
        self._refused = recorded.refused
        self._answered: set[str] = set()
        self._snapshot = Snapshot(self, stream, recorded.now, recorded.complete)
        self._lists = 1  # any event with an action's id may belong to a list
        self.connection_made(_NoSocket())

    def _no_event(self, frame: bytes) -> None:
        action_id = parse.action_id(frame.decode("utf-8", "replace"))
        if action_id and action_id not in self._answered:
            self._answered.add(action_id)
            word = actions.word_of(action_id)
            settled = {"Login": self._login, "Logoff": self._logoff}.get(word) or self._snapshot.settled(word)
            pending = self.pending[action_id] = Pending(as_list=True, settled=settled)
            pending.future.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody waits for it
        super()._no_event(frame)

    def _login(self, answer: Answer, _items: list[str]) -> None:
        if not answer.success:
            self._refused()
            self.ended = "refused"

    def _logoff(self, _answer: Answer, _items: list[str]) -> None:
        self.ended = "closed"

    def forget(self, action_id: str) -> None:
        """As live; but any later event may still belong to another list."""
        self.pending.pop(action_id, None)

    def over(self) -> None:
        """The end of the session; nobody waits for the answers that are missing."""
        for pending in self.pending.values():
            pending.future.cancel()
        self.end("closed")
