"""What Asterisk sends the service and what it reads are the same events: none missing, none in vain."""

from __future__ import annotations

import re
from pathlib import Path

from pbx import parse

MANAGER = Path(__file__).parents[2] / "asterisk-config" / "manager.conf"
#: read by the session itself, once, at sign-in
OF_THE_SESSION = {"FullyBooted"}


def test_the_filter_lets_through_exactly_the_events_that_somebody_reads() -> None:
    sent = re.findall(r"^eventfilter\(name\(([A-Za-z]+)\)\) =$", MANAGER.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(sent) == MANAGER.read_text(encoding="utf-8").count("\neventfilter"), "each is of this form"
    assert sorted(sent) == sorted(OF_THE_SESSION | {name.decode() for name in parse.EVENTS})
