"""What a stream of the manager interface holds for the tracker, counted in its bytes: by nothing of our parser.

The names are those that our own account asks Asterisk for (asterisk-config/manager.conf).
"""

from __future__ import annotations

import re
from typing import Final

from tests.bench.processes import ROOT

_EOM: Final = b"\r\n\r\n"
_MANAGER: Final = ROOT / "asterisk-config" / "manager.conf"
#: read by the session at sign-in, not by the tracker
_OF_THE_SESSION: Final = frozenset({b"FullyBooted"})
#: Of these events only some are for the tracker: what the dialplan says to others, queues without a call and contacts
#: that are no phone of ours are not.
_ONLY_WITH: Final = {
    b"UserEvent": re.compile(rb"\r\nUserEvent: (CallStep|CallRefused|Ring)\r\n"),
    b"AgentCalled": re.compile(rb"\r\nChanVariable: CALL_ID=[^\r]"),
    b"ContactStatus": re.compile(rb"\r\nEndpointName: [^\r]"),
}


def names() -> frozenset[bytes]:
    """The events that the tracker needs."""
    sent = re.findall(rb"^eventfilter\(name\(([A-Za-z]+)\)\) =$", _MANAGER.read_bytes(), re.MULTILINE)
    return frozenset(sent) - _OF_THE_SESSION


def typed_events(stream: bytes) -> int:
    """How many events of a stream a parser must give to the tracker."""
    wanted = names()
    return sum(_is_needed(frame, wanted) for frame in stream.split(_EOM))


def _is_needed(frame: bytes, wanted: frozenset[bytes]) -> bool:
    first, _, _ = frame.partition(b"\r\n")
    name = first.removeprefix(b"Event: ")
    if name == first or name not in wanted:
        return False
    only_with = _ONLY_WITH.get(name)
    return only_with is None or only_with.search(frame + b"\r\n") is not None
