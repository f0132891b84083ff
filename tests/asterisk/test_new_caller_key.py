"""The PBX gets a new caller key by two writes, the key and its id: nobody who rings in between loses their number."""

from __future__ import annotations

from tests.asterisk.line import CALLER_KEY, Line
from tests.support.caller_tokens import ring
from tests.support.sipp import number

NEW_KEY = "fedcba9876543210"


def test_a_caller_between_the_two_writes_of_a_new_key_keeps_their_number(line: Line) -> None:
    line.heartbeat()
    keys = ring(("k1", CALLER_KEY), ("k2", NEW_KEY))
    tokens: list[str] = []

    def rings(digits: str) -> None:
        line.caller(number(digits))
        tokens.append(line.ami.step("entered", nth=len(tokens) + 1).detail.split()[0])

    rings("+33639980001")
    line.ami.put("line", "caller_key", NEW_KEY)
    rings("+33639980002")
    line.ami.put("line", "caller_key_id", "k2")
    rings("+33639980003")
    assert [token.partition(".")[0] for token in tokens] == ["k1", "k1", "k2"]
    assert [keys.open_token(token) for token in tokens] == ["+33639980001", "+33639980002", "+33639980003"]
