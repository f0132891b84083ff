"""Bytes of the manager interface → events in order, and answers to the actions that wait for them.

A subclass of panoramisk's protocol that replaces its reading and its answers, for what docs/ami-session.md lists:
whole frames are decoded (a letter split between two reads stays whole), a frame has a greatest size, an error in one
frame costs that frame alone and is counted, the raw event name is looked at first so that what nobody needs is dropped
unread, reading pauses when the consumer falls behind, and an action whose connection drops fails and is never sent
again.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from typing import NoReturn

from panoramisk.actions import Action
from panoramisk.ami_protocol import AMIProtocol

from pbx import parse
from pbx.events import Event
from pbx.odd import Odd, Tally
from pbx.parse import Answer, Settled
from pbx.replies import ListNotWhole, OutcomeUnknown

EOM = b"\r\n\r\n"
_LF = 10
_AT_ONCE = struct.pack("ii", 1, 0)  # socket(7), SO_LINGER: an end by RST, and nothing more is sent
#: A frame of ours has less than 4 kB; a greater one than this is skipped.
FRAME_CAP = 256 * 1024
#: A second one in a frame: dialplan data can put it into a UserEvent.
SECOND_EVENT = b"\r\nEvent: "
#: Reading pauses above the first and goes on below the second: events that wait for the consumer.
HIGH_WATER = 20_000
LOW_WATER = 5_000
#: A list longer than this is not ours: one event per live channel or membership. It is not cut, it fails.
LIST_CAP = 200_000


class Pending:
    """An action that waits for its answer, and for the list that follows it when `as_list`.

    `settled(answer, list)` is called once, at its place in the stream, before the future is resolved; not for a list
    that is not whole: whoever is missing from it would be taken for gone.
    """

    def __init__(self, *, as_list: bool, settled: Settled | None = None) -> None:
        self.as_list = as_list
        self.future: asyncio.Future[tuple[Answer, list[str]]] = asyncio.get_running_loop().create_future()
        self._settled = settled
        self._answer: Answer | None = None
        self._items: list[str] = []

    def add(self, text: str) -> bool:
        """A frame with our id; True when nothing more is to come."""
        if text.startswith("Response: "):
            self._answer = parse.answer(text)
            if self.as_list and self._answer.success and self._answer.starts_list:
                return False
        elif self._answer is None:
            return False
        else:
            end = parse.list_end(text)
            if end == "cancelled":
                return self._not_whole("the PBX broke it off")
            if not end:
                if len(self._items) >= LIST_CAP:
                    return self._not_whole(f"it has more than {LIST_CAP} entries")
                self._items.append(text)
                return False
        return self._whole()

    def _not_whole(self, why: str) -> bool:
        self._items = []
        if not self.future.done():
            self.future.set_exception(ListNotWhole(why))
        return True

    def _whole(self) -> bool:
        assert self._answer is not None  # noqa: S101 - called after it
        try:
            if self._settled is not None:
                self._settled(self._answer, self._items)
        except Exception as error:
            if not self.future.done():
                self.future.set_exception(error)
        if not self.future.done():
            self.future.set_result((self._answer, self._items))
        return True

    def fail(self, reason: str) -> None:
        """The connection dropped before the answer."""
        if not self.future.done():
            self.future.set_exception(OutcomeUnknown(reason))


class EventStream:
    """Events in the order in which they came: filled by the protocol, emptied by one consumer.

    `tally`: where the protocol counts what it could not use.
    """

    def __init__(self, tally: Tally | None = None) -> None:
        self.tally = tally or Tally()
        self.events: deque[Event] = deque()
        self.wake = asyncio.Event()
        self._paused: PbxProtocol | None = None

    def put(self, event: Event) -> None:
        """Append an event of ours (a list, the session's own news) at its place."""
        self.events.append(event)
        self.wake.set()

    def filled(self, protocol: PbxProtocol) -> None:
        """The protocol appended events."""
        self.wake.set()
        if len(self.events) >= HIGH_WATER and self._paused is None:
            self._paused = protocol
            protocol.pause()

    def taken(self) -> None:
        """The consumer took events."""
        if not self.events:
            self.wake.clear()
        if self._paused is not None and len(self.events) <= LOW_WATER:
            self._paused.resume()
            self._paused = None

    def forget(self, protocol: PbxProtocol) -> None:
        """The connection is gone: there is nothing to resume."""
        if self._paused is protocol:
            self._paused = None


class PbxProtocol(AMIProtocol):  # type: ignore[misc]  # panoramisk ships no types
    """One connection. `lost` is resolved with a kebab-case reason when it is over."""

    transport: asyncio.Transport
    version: str | None
    closed: bool

    def __init__(self, stream: EventStream, clock: Callable[[], float]) -> None:
        loop = asyncio.get_running_loop()
        self._stream = stream
        self._clock = clock  #: our guess of the PBX's clock, for events without a time
        self.corrected: Callable[[Event], Event] | None = None  #: takes off what the PBX's clock was set by
        self.pending: dict[str, Pending] = {}
        self.booted: asyncio.Future[None] = loop.create_future()  #: Asterisk has loaded all its modules
        self.lost: asyncio.Future[str] = loop.create_future()
        self.last_byte = time.monotonic()
        self.paused = False
        self.muted = True  #: events are dropped until the session has begun
        self._tally = stream.tally
        self._rest: bytes | bytearray = b""  #: the beginning of a frame, until its end comes
        self._skipping = False
        self._lists = 0

    # --- the connection --------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open; the banner comes next."""
        super().connection_made(transport)
        self.last_byte = time.monotonic()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed. What waits for an answer will never know it."""
        self.end("connection-lost")

    def end(self, reason: str) -> None:
        """Close at once, for `reason`. Harmless when it is over already."""
        if self.lost.done():
            return
        self.closed = True
        self.lost.set_result(reason)
        if self._rest:
            self._tally.note(Odd.CUT)
        self._stream.forget(self)
        waiting, self.pending = self.pending, {}
        for action in waiting.values():
            action.fail(reason)
        self.booted.cancel()
        self._withhold()
        self.transport.abort()

    def _withhold(self) -> None:
        """What was written and has not arrived is withdrawn.

        On a connection that stopped carrying, the kernel would go on trying for minutes after its end, and Asterisk
        would be told to do what was long given up.
        """
        end = self.transport.get_extra_info("socket")
        if end is not None:
            with contextlib.suppress(OSError):  # it is gone already
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)

    def close(self) -> None:
        """panoramisk's word for `end`; its own would keep unanswered actions to send them again."""
        self.end("closed")

    def pause(self) -> None:
        """Stop reading: the consumer is behind. TCP holds the PBX back; its own limit then ends the session cleanly."""
        if not self.paused and not self.closed:
            self.paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self.paused and not self.closed:
            self.paused = False
            self.last_byte = time.monotonic()
            self.transport.resume_reading()

    # --- actions ---------------------------------------------------------------------------------------------------

    def submit(self, action: Action, pending: Pending) -> str:
        """Write an action; its answer goes to `pending`. Returns its id."""
        action_id = str(action.id)
        data = str(action).encode()
        self.pending[action_id] = pending
        self._lists += pending.as_list
        self.transport.write(data)
        return action_id

    def send(self, data: object, as_list: bool = False) -> NoReturn:
        """panoramisk's way has neither deadline nor guard against line ends."""
        raise TypeError("actions go through Session.ask")

    def forget(self, action_id: str) -> None:
        """Nobody waits any more: a late answer is dropped."""
        pending = self.pending.pop(action_id, None)
        if pending is not None:
            self._lists -= pending.as_list

    # --- reading ---------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Whole frames are read, a frame's beginning is kept for the next time."""
        self.last_byte = time.monotonic()
        end = data.rfind(EOM)
        rest = self._rest
        if end < 0:
            # Only what is new was looked through: a frame that comes byte by byte costs what it is long.
            if EOM not in rest[-3:] + data[:3]:
                self._keep(data)
                return
            data = bytes(rest) + data
            end = data.rfind(EOM)
        elif rest:
            data = bytes(rest) + data
            end += len(rest)
        self._rest, start = data[end + 4 :], 0
        if self.version is None:
            start = self._greet(data)
            if start < 0:
                return
        if data[end - 1] == _LF:  # a line end too many is no part of the frame, wherever a read ends
            while data.endswith(b"\r\n", start, end):
                end -= 2
        frames = data[start:end].split(EOM)
        if self._skipping or len(data) > FRAME_CAP:
            frames = self._without_too_long(frames)
        self._read(frames)

    def _without_too_long(self, frames: list[bytes]) -> list[bytes]:
        """The first may be the end of one that is skipped."""
        if self._skipping:
            self._skipping = False
            frames = frames[1:]
        within = [frame for frame in frames if len(frame) <= FRAME_CAP]
        for _ in range(len(frames) - len(within)):
            self._tally.note(Odd.TOO_LONG)
        return within

    def _keep(self, more: bytes) -> None:
        rest = self._rest
        if isinstance(rest, bytearray):
            rest += more
        else:
            self._rest = bytearray(rest + more) if rest else more
        if len(self._rest) > FRAME_CAP:
            if not self._skipping:
                self._tally.note(Odd.TOO_LONG)
            self._skipping = True
            self._rest = self._rest[-3:]  # what may begin its end

    def _greet(self, data: bytes) -> int:
        """Where the first frame begins, after the banner; -1 when this is no manager interface."""
        line = data.find(b"\r\n")
        if not data.startswith(parse.BANNER):
            self.end("not-a-manager-interface")
            return -1
        self.version = data[len(parse.BANNER) : line].decode("ascii", "replace")
        return line + 2

    def _read(self, frames: list[bytes]) -> None:
        events, parser_of = self._stream.events, parse.EVENTS.get
        append, corrected = events.append, self.corrected
        now = self._clock()
        before = len(events)
        for frame in frames:
            try:
                if not frame.startswith(b"Event: "):
                    self._no_event(frame)
                    continue
                name = frame[7 : frame.find(b"\r\n", 7)]
                parser = parser_of(name)
                if parser is None:
                    if self._lists or name == b"FullyBooted":
                        self._unwanted(name, frame)
                elif not self.muted:
                    try:
                        text = frame.decode()
                    except UnicodeDecodeError:
                        text = self._marked(frame)
                    event = parser(text, now)
                    if event is not None:
                        append(event if corrected is None else corrected(event))
                    if name == b"UserEvent" and frame.rfind(SECOND_EVENT) > 0:
                        self._tally.note(Odd.SECOND_EVENT)
            except Exception as error:
                self._tally.note(Odd.UNREADABLE, error)
        if len(events) != before:
            self._stream.filled(self)

    def _unwanted(self, name: bytes, frame: bytes) -> None:
        """An event that no tracker needs: that Asterisk has booted, part of a list that we asked for, or nothing."""
        if self._lists and b"\r\nActionID: " in frame:
            self._listed(frame)
        elif name == b"FullyBooted" and not self.booted.done():
            self.booted.set_result(None)

    def _listed(self, frame: bytes) -> None:
        text = self._marked(frame)
        action_id = parse.action_id(text)
        pending = self.pending.get(action_id)
        if pending is not None and pending.add(text):
            self.forget(action_id)

    def _no_event(self, frame: bytes) -> None:
        """An answer, or something odd. A line end too many, left over from an odd frame, is no part of the next."""
        bare = frame.lstrip(b"\r\n")
        if bare.startswith(b"Event: "):
            self._read([bare])
        elif bare.startswith(b"Response: "):
            text = self._marked(bare)
            action_id = parse.action_id(text)
            pending = self.pending.get(action_id)
            if pending is None:
                self._tally.note(Odd.UNASKED)
            elif pending.add(text):
                self.forget(action_id)
        elif bare:
            self._tally.note(Odd.NO_BEGINNING)

    def _marked(self, frame: bytes) -> str:
        """The frame's text, with a mark for each byte that is no text."""
        text = frame.decode("utf-8", "replace")
        if "\ufffd" in text:
            self._tally.note(Odd.NOT_UTF8)
        return text
