"""Logging that cannot print personal data.

What goes out: our own sentence, and values whose key is listed below and whose form is that of an id, a kind or a
state: one word, so that no text of anybody's gets through. Everything else is refused: the value is `withheld`, and the
line names its key under `refused`, so that the mistake is seen and the fault that was being told is not lost. No key
that is not listed gets so far: a test reads every log call of the source.
Exceptions appear as their class and where they happened, never with their message, which may quote values.
Anything that looks like a telephone number or an address is cut out of other libraries' lines.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys
import threading
import traceback
from collections.abc import MutableMapping
from contextlib import suppress
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TextIO

import structlog

#: Keys whose text may be shown: ids, kinds, states.
SHOWN: Final = frozenset(
    {
        "action", "call_id", "centre", "contact", "detail", "endpoint", "error", "error_id", "feature", "file", "host",
        "interface", "level", "locale", "logger", "method", "part", "pbx", "queue", "reason", "right", "route",
        "stage", "state", "step", "task", "timestamp", "version", "what",
    }
)  # fmt: skip
#: Keys of numbers and of yes or no; text under them is refused.
FIGURES: Final = frozenset(
    {"account_id", "batches", "changed", "contact_id", "count", "line", "ms", "offset", "seconds", "seq"}
)  # fmt: skip
_NEVER: Final = frozenset(
    {"address", "body", "caller", "email", "name", "notes", "number", "password", "phone", "secret", "text", "token"}
)
#: ids of calls, and names of key files
_IDS: Final = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|(?<![\w.-])master-[0-9a-f]{8}\.key(?!\w)", re.IGNORECASE
)
_DIGITS: Final = re.compile(r"\+?\d(?:[ .()/-]?\d){5,}")
_MAIL: Final = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
_HARMLESS: Final = re.compile(r"[\w .,:;/@<>{}()\[\]=+'*-]{0,200}")
_WORD: Final = re.compile(r"[\w.:;/@<>{}()\[\]=+*-]{0,200}", re.ASCII)
_SUBJECT: Final = re.compile(r"[a-z0-9-]+(?: [a-z0-9-]+)*(?: PJSIP/\w+)?", re.ASCII)
#: (action, key): values of several words that are needed. Queues, and who is rung from one; where somebody is who asks;
#: asyncio's own words, of which the first alone may begin like a name
SEVERAL_WORDS: Final = {
    ("drift-mended", "detail"): _SUBJECT,
    ("drift-stays", "detail"): _SUBJECT,
    ("proxy-not-named", "detail"): re.compile("this machine|a private network|the internet"),
    ("loop-failed", "what"): re.compile(r"\w[\w.():-]*(?: (?:[a-z_][\w.():-]*|[A-Z]+))*", re.ASCII),
}
_HASH: Final = re.compile(r"[0-9a-f]{64}")  # of the audit trail: keyed, and of ids alone
_WITHHELD: Final = "withheld"
#: libraries that write values into their sentences, and what of a sentence is theirs: what is before the first value
_FILLED_IN: Final = frozenset({"asyncio", "panoramisk"})
_THEIR_WORDS: Final = re.compile(r"[^\n(<'\"]*")


def configure(*, level: str = "info", as_json: bool = False, stream: TextIO | None = None) -> None:
    """Set logging up, ours and other libraries', once per process. `stream`: standard error unless told."""
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp")
    shared: list[Any] = [structlog.stdlib.add_logger_name, structlog.stdlib.add_log_level, stamp]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0, pad_level=False)
    )
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = _Discreet(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            pass_foreign_args=True,
            foreign_pre_chain=[_only_the_template, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _exception, scrub, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("aiohttp.access").setLevel(logging.CRITICAL)  # addresses and paths of people
    for noisy in ("aiosqlite", "asyncio", "sqlalchemy", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    sys.excepthook = _uncaught
    threading.excepthook = lambda failed: _uncaught(failed.exc_type, failed.exc_value, failed.exc_traceback)
    sys.unraisablehook = lambda failed: _uncaught(failed.exc_type, failed.exc_value, failed.exc_traceback)


class _Discreet(logging.StreamHandler[TextIO]):
    """A line that cannot be written says so; logging's own way would print the line's values as they are."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 as logging names it
        with suppress(OSError, ValueError):
            place = f"{Path(record.pathname).name}:{record.lineno}"
            self.stream.write(f"a line of the log of {place} could not be written\n")


def _uncaught(_kind: type[BaseException], error: BaseException | None, _trace: TracebackType | None) -> None:
    """Python would print the error with its message, which may quote values."""
    if isinstance(error, KeyboardInterrupt):
        return
    structlog.get_logger(__name__).critical("an error that nobody caught", action="uncaught", exc_info=error)


def failed_in_loop(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """For `loop.set_exception_handler`: what fails where nobody waits for it. asyncio would print what it quotes."""
    task = context.get("task") or context.get("future")
    coroutine = task.get_coro() if isinstance(task, asyncio.Task) else None
    structlog.get_logger(__name__).error(
        "something failed where nobody waited for it",
        action="loop-failed",
        what=_their_words(str(context.get("message", ""))),
        task=getattr(coroutine, "__qualname__", None),
        exc_info=context.get("exception"),
    )


def scrub(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The last step before a line is written: only what is known to be harmless stays."""
    refused: list[str] = []
    action = str(event.get("action"))
    for key, value in list(event.items()):
        if key == "event":
            event[key] = without_personal_data(str(value))
        elif key == "exception":
            event[key] = str(value)
        else:
            event[key] = _shown(action, key, value)
            if event[key] is _WITHHELD:
                refused.append(key)
    if refused:
        event["refused"] = " ".join(sorted(refused))
    return event


def without_personal_data(text: str) -> str:
    """The text without what looks like a telephone number or an e-mail address; call ids and key files' names stay."""
    parts = []
    last = 0
    for found in _IDS.finditer(text):
        parts += [_cut(text[last : found.start()]), found.group()]
        last = found.end()
    return "".join([*parts, _cut(text[last:])])


def _cut(text: str) -> str:
    return _DIGITS.sub("…", _MAIL.sub("…", text))


def _shown(action: str, key: str, value: Any) -> Any:
    if key not in SHOWN | FIGURES | {"hash"} or any(key == word or key.endswith(f"_{word}") for word in _NEVER):
        return _WITHHELD
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, bool) or (isinstance(value, int | float) and abs(value) < 10**8):
        return value
    if not isinstance(value, str):
        return _WITHHELD
    if key == "timestamp" or (key == "hash" and _HASH.fullmatch(value)):
        return value
    return without_personal_data(value) if key in SHOWN and _looks_like_an_id(action, key, value) else _WITHHELD


def _looks_like_an_id(action: str, key: str, value: str) -> bool:
    several = SEVERAL_WORDS.get((action, key))
    return bool(_WORD.fullmatch(value) or (several and len(value) <= 200 and several.fullmatch(value)))


def _exception(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    info = event.pop("exc_info", None)
    error = sys.exc_info()[1] if info is True else info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["exception"] = "\n".join(_chain(error))
    event.pop("stack_info", None)
    return event


def _chain(error: BaseException) -> list[str]:
    """Class and places of an exception and its causes; messages may quote values and stay out."""
    lines: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(lines) < 100:
        lines.append(f"{type(seen).__module__}.{type(seen).__qualname__}")
        frames = traceback.extract_tb(seen.__traceback__)
        lines.extend(f"  {Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return lines


def _only_the_template(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Another library's line: its template alone. What would be filled in, or was already, may be anybody's.

    Our own `pbx` package writes such lines, too: there, what has a harmless form is filled in.
    """
    record = event.get("_record")
    if isinstance(record, logging.LogRecord):
        values = event.pop("positional_args", None)
        own = record.name.startswith("pbx.") and isinstance(values, tuple)
        said = str(record.msg)
        if record.name.partition(".")[0] in _FILLED_IN:
            said = _their_words(said)
        event["event"] = _filled(said, values) if own else said
        if record.exc_info:
            event["exc_info"] = record.exc_info
    return event


def _their_words(said: str) -> str:
    found = _THEIR_WORDS.match(said)
    return found.group().rstrip(" :") if found else ""


def _filled(template: str, values: tuple[object, ...]) -> str:
    try:
        return template % tuple(map(_harmless, values)) if values else template
    except (TypeError, ValueError):  # a number was withheld where `%d` wants one
        return template


def _harmless(value: object) -> object:
    if isinstance(value, int | float) and abs(value) < 10**8:
        return value
    return str(value) if _HARMLESS.fullmatch(str(value)) else _WITHHELD
