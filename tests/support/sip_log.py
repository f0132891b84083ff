"""What sipp saw: its message log, as messages with their instant, by call.

The oracle of a telephony test is what callers and phones saw, never what the PBX or the service says of itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

_HEAD = re.compile(r"^-{20,} (\d{4}-\d\d-\d\d[\t ]\d\d:\d\d:\d\d\.\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class SipMessage:
    """`at`: epoch seconds on sipp's clock, which is the machine's. `ours`: sipp sent it."""

    at: float
    ours: bool
    text: str

    @property
    def start(self) -> str:
        return self.text.partition("\r\n")[0] if "\r\n" in self.text else self.text.partition("\n")[0]

    @property
    def status(self) -> int:
        """Of a response; 0 of a request."""
        return int(self.start.split()[1]) if self.start.startswith("SIP/2.0") else 0

    @property
    def method(self) -> str:
        """Of a request, or of the request that a response answers."""
        return self.header("CSeq").split()[-1] if self.status else self.start.split()[0]

    def header(self, name: str) -> str:
        """The first of that name, or an empty text."""
        match = re.search(rf"^{re.escape(name)}[ \t]*:[ \t]*(.*?)\r?$", self.text, re.MULTILINE | re.IGNORECASE)
        return match[1] if match else ""

    @property
    def call(self) -> str:
        return self.header("Call-ID")


def read(path: Path) -> list[SipMessage]:
    """Every message that was sent or received, in order. A message still being written is left for the next time."""
    if not path.exists():
        return []
    text = path.read_bytes().decode("utf-8", "replace")
    heads = list(_HEAD.finditer(text))
    messages: list[SipMessage] = []
    if not heads:
        return messages
    for head, following in zip(heads, [*heads[1:], None], strict=True):
        block = text[head.end() : following.start() if following else len(text)].lstrip("\n")
        title, _, body = block.partition("\n")
        if "message" not in title or not re.search(r"\n\r?\n", body.strip("\r\n") + "\n\n"):
            continue
        length = re.search(r"(?:\[(\d+)\]|\((\d+) bytes\))", title)
        if following is None and length and len(body.strip().encode()) < int(length[1] or length[2]) - 4:
            continue
        at = datetime.strptime(head[1].replace("\t", " "), "%Y-%m-%d %H:%M:%S.%f").astimezone().timestamp()
        messages.append(SipMessage(at, "sent" in title, body.lstrip("\r\n")))
    return messages
