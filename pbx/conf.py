"""Asterisk's configuration files: how a value is written so that it cannot become something else, and how a file is."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import NamedTuple

from pbx.errors import SetupError

HEADER = "; Written by Écoute from the settings; changes made here are lost at the next start.\n"


def value(text: str, what: str) -> str:
    """`text` as the value of a key. `;` would begin a comment, a line break another setting.

    https://docs.asterisk.org/Fundamentals/Asterisk-Configuration/Asterisk-Configuration-Files
    """
    if not text or not text.isprintable() or text != text.strip() or "\\" in text:
        raise _refused(what, "a text without line breaks, backslashes, or blanks at its ends")
    return text.replace(";", "\\;")


class Form(NamedTuple):
    """What a name, a number or an address may look like. `like`: the same in words, after "Give"."""

    pattern: str
    like: str


def matching(form: Form, text: str, what: str) -> str:
    """`text` if all of it has the form, so that it may stand as it is."""
    if not re.fullmatch(form.pattern, text):
        raise _refused(what, form.like)
    return text


def write(path: Path, body: str, *, mode: int = 0o640) -> None:
    """Put the whole file in place at once: a reader sees the old one or the new one, never a part.

    The directory has the set-group-id bit when Asterisk runs under another uid; so its group may read the new file.
    """
    content = (HEADER + body).encode()
    if path.exists() and path.read_bytes() == content and path.stat().st_mode & 0o777 == mode:
        return
    replace(path, content, mode=mode)


def replace(path: Path, content: bytes, *, mode: int) -> None:
    """Write `content` beside `path`, to the disk, then rename."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).rename(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _refused(what: str, expected: str) -> SetupError:
    return SetupError("value-refused", f"The {what} cannot be written into Asterisk's files.", f"Give {expected}.")
