"""A recording: the bytes of the manager interface as they came from the socket, session after session, in one file.

For fault-finding and for tests: `pbx.replay` makes the same facts of it as the live session did. It is Asterisk's own
words from the banner on, with two exceptions: the list of the phones' contacts, which comes over the other login,
stands where its answer came; and whatever may be a caller's number or name is written as `x`, with all that the
dialplan gave to an application. manager.conf keeps those off this socket, but a snapshot that falls into the
milliseconds before the dialplan has hidden them lists them. Our own actions, and so our secrets, are not in it.

What it holds: ids of calls, callers' numbers encrypted, names and network addresses of phones. Whoever records deletes
the file afterwards.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from pbx import parse
from pbx.errors import SetupError
from pbx.protocol import EOM, FRAME_CAP, EventStream, PbxProtocol

log = logging.getLogger(__name__)

#: A recording that was forgotten must not fill the disk: it ends here.
LIMIT_BYTES = 1 << 30

#: What an application was given (`Data`, `AppData`, `ApplicationData`: evaluated, so it is the number itself where the
#: guard takes it up), and numbers and names; in a session pbx/parse.py reads none of them. In the place of a number or
#: a name the guard has put the call's id, `<unknown>` or the line's short number: a line of that alone is left.
_PERSONAL = re.compile(
    rb"^(\w*Data: (?!\r\n)|\w*(?:CallerID|ConnectedLine)\w*: "
    rb"(?!(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|<unknown>|unknown|[0-9]{1,5})?\r\n)).+?(?=\r\n|\r?\Z)",
    re.MULTILINE | re.DOTALL,
)
_NO_LINE_END = re.compile(rb"[^\r\n]")


class Recording:
    """Appends to `path` (mode 0600). It never disturbs the session: what cannot be written ends it, with one log line.

    Raises SetupError where the file cannot be written, or is something else.
    """

    def __init__(self, path: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self.path = path
        self._limit = limit_bytes
        self._tail = b""  #: the beginning of a frame: what is put in between waits for frames that are whole
        try:
            self._file: int | None = _open(path)
        except OSError as error:
            raise SetupError(
                "recording-unusable", f"{path} cannot be written: {error.strerror}.", "Name another file."
            ) from error
        self._size = os.fstat(self._file).st_size

    def took(self, data: bytes) -> None:
        """What came from the socket."""
        if self._file is None:
            return
        data = self._tail + data
        end = data.rfind(EOM) + len(EOM) if EOM in data else 0
        self._write(data[:end])
        self._tail = data[end:]
        if len(self._tail) > FRAME_CAP:
            self._give_up_frame()

    def _give_up_frame(self) -> None:
        """A frame too long to be read: its first line, and as much as there was. Its next line is hidden to the end."""
        begin = self._tail.rstrip(b"\r\n")
        line_ends = self._tail[len(begin) :]
        first, end, rest = begin.partition(b"\n")
        self._write(first + end + _NO_LINE_END.sub(b"x", rest))
        self._tail = b"\r\nData: " + line_ends

    def add_list(self, answer: parse.Answer, items: Iterable[str]) -> None:
        """A list that came over the other login, between two frames of this one."""
        end = f"Event: ListComplete\r\nActionID: {parse.action_id(answer.text)}\r\nEventList: Complete"
        frames = (answer.text, *items, end) if answer.starts_list else (answer.text,)
        self._write("".join(f"{frame}\r\n\r\n" for frame in frames).encode())

    def session_ended(self) -> None:
        """A session that broke off within a frame stands in it as far as it came; the next one is no part of it."""
        tail, self._tail = self._tail, b""
        self._write(tail)

    def close(self) -> None:
        """Nothing more is written."""
        self.session_ended()
        self._stop()

    def _stop(self) -> None:
        self._tail = b""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self, data: bytes) -> None:
        if self._file is None or not data:
            return
        data = _PERSONAL.sub(rb"\1x", data)
        if self._size + len(data) > self._limit:
            log.warning("the recording of the manager interface ends: it has reached %d bytes", self._size)
            self._stop()
            return
        try:
            written = os.write(self._file, data)
        except OSError as error:
            log.error("the recording of the manager interface ends: %s", error.strerror)  # noqa: TRY400
            self._stop()
            return
        self._size += written
        if written < len(data):
            log.error("the recording of the manager interface ends: the disk is full")
            self._stop()


def _open(path: Path) -> int:
    """The file, at its end, readable by its owner alone. OSError when it is anything but a recording."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    try:
        _refuse_other(file)
        os.fchmod(file, 0o600)
    except BaseException:
        os.close(file)
        raise
    return file


def _refuse_other(file: int) -> None:
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no plain file")
    if found.st_size and not os.pread(file, len(parse.BANNER), 0).startswith(parse.BANNER):
        raise OSError(errno.EEXIST, "it holds something else than a recording")


class RecordedProtocol(PbxProtocol):
    """A connection that is recorded. Apart, so that one that is not recorded costs nothing."""

    def __init__(self, stream: EventStream, clock: Callable[[], float], recording: Recording) -> None:
        super().__init__(stream, clock)
        self._recording = recording

    def data_received(self, data: bytes) -> None:
        """Recorded first: what is read of it may put something behind it."""
        self._recording.took(data)
        super().data_received(data)

    def end(self, reason: str) -> None:
        """The session is over; only once, because the next one may have begun when the socket is told to be closed."""
        if not self.lost.done():
            self._recording.session_ended()
        super().end(reason)
