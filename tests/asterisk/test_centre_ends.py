"""A centre's telephone and the caller hang up in one instant: the end is the centre's, not ours and no listener's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.asterisk.line import CENTRE_NUMBER, Line
from tests.support.keypad import Handset
from tests.support.sipp import Caller, number
from tests.support.wait import until


@pytest.fixture
def telephone(tmp_path: Path) -> Iterator[Line]:
    with Line(tmp_path) as line:
        line.heartbeat()
        line.ami.put("department", "38", "centre-38")
        line.ami.put("centre", "centre-38/telephone", CENTRE_NUMBER)
        yield line


def _talks_with_the_centre(line: Line, caller: Caller, person: Handset) -> tuple[str, str]:
    """The caller's own channel, and the leg of the centre's telephone."""
    join = line.ami.event("QueueCallerJoin")["Channel"]
    line.ami.ask("Setvar", Channel=join, Variable="LISTENER_KIND", Value="sip")  # of a listener who was lost before
    line.withdraw("centre:centre-38")
    line.ami.step("overflow")
    line.ami.step("centre-called", timeout=20)
    person.press("1")
    leg = line.ami.joined("connecting centre-38").detail.split()[2]
    until(lambda: caller.lives, "the caller is there")
    return join, leg


def _both_hang_up(line: Line, caller: Caller, own: str, leg: str, cause: str) -> None:
    """As Asterisk has it when the caller's goodbye comes before the dialplan's first step after the leg's end."""
    line.ami.ask("Setvar", Channel=own, Variable="LEG_CAUSE", Value=cause)
    line.ami.ask("Setvar", Channel=own, Variable="CHANNEL(hangupsource)", Value=leg)
    caller.leave()


@pytest.mark.parametrize("cause", ["16", "31"])
def test_the_end_is_the_centres(telephone: Line, cause: str) -> None:
    person = Handset()
    telephone.centre(ring=0.3, audio=person)
    caller = telephone.caller(number("+33639980001"), audio=Handset())
    own, leg = _talks_with_the_centre(telephone, caller, person)
    _both_hang_up(telephone, caller, own, leg, cause)
    assert telephone.ami.step("ended").words == "ended centre talking"
