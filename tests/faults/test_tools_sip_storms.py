"""Storms of SIP: strangers who knock a thousand times a second, and every phone at once. Real callers are answered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pbx.phones import PhoneAccount
from tests.asterisk.line import PASSWORD, Line
from tests.faults.tools.effect import FaultWithoutEffect
from tests.faults.tools.register_storm import register_all
from tests.faults.tools.sip_flood import SipFlood, What, bad_register, options
from tests.support.sipp import HOST, Caller, Phone
from tests.support.wait import until

ANSWERED_SECONDS = 2.0
REGISTERED_SECONDS = 30.0
PHONES = 600


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    with Line(tmp_path_factory.mktemp("line")) as line:
        line.heartbeat()
        yield line


@pytest.fixture(scope="module")
def conversation(line: Line) -> tuple[Caller, Phone]:
    """A caller and a listener who talk through all that follows."""
    phone = line.listener("l1")
    caller = line.caller(stay=600)
    until(lambda: phone.talks, "they talk")
    return caller, phone


def waits(callers: Caller) -> list[float]:
    """Seconds from each INVITE to its answer; one that was not answered in time counts as a minute."""
    asked: dict[str, float] = {}
    answered: dict[str, float] = {}
    for message in callers.messages():
        if message.method == "INVITE" and message.ours:
            asked.setdefault(message.call, message.at)
        elif message.method == "INVITE" and message.status == 200:
            answered.setdefault(message.call, message.at)
    return sorted(answered.get(call, at + 60.0) - at for call, at in asked.items())


@pytest.mark.alone  # a thousand packets a second, and seconds that are measured
@pytest.mark.parametrize(("what", "refusal"), [(options, 401), (bad_register, 401)], ids=["OPTIONS", "bad REGISTERs"])
def test_a_stranger_who_floods_the_line_cuts_nobody_and_real_callers_are_answered(
    line: Line, conversation: tuple[Caller, Phone], what: What, refusal: int
) -> None:
    caller, phone = conversation
    with SipFlood(line.port, what=what, rate=1000, seconds=8) as flood:
        until(lambda: flood.sent > 500, "the flood is there")
        callers = line.caller(calls=20, rate=5, stay=1)
        until(lambda: callers.process.poll() is not None, "every caller was there and left", 60)
        flood.wait()
    took = waits(callers)
    print(f"{flood.rate:.0f} a second, {flood.sent} sent, answered {dict(flood.answered)}; callers {took[-1]:.3f} s")
    assert flood.rate > 900
    assert len(took) == 20
    assert took[-1] < ANSWERED_SECONDS
    assert set(flood.answered) <= {refusal, 403, 404}, "a stranger learns nothing"
    assert caller.lives
    assert phone.talks


def test_six_hundred_phones_register_at_once_within_thirty_seconds(
    line: Line, conversation: tuple[Caller, Phone], tmp_path: Path
) -> None:
    users = [f"l{n}" for n in range(1, PHONES + 1)]
    line.pbx.write_phones([PhoneAccount(user, PASSWORD, "sip") for user in users])
    caller, phone = conversation
    contact = f"{HOST}:{phone.port}"
    for storm in range(2):  # first they come, then all come again
        done = register_all(line.port, tmp_path, users, PASSWORD, contact=contact)
        print(f"storm {storm}: {done.phones} phones in {done.seconds:.2f} s")
        assert done.seconds < REGISTERED_SECONDS
    assert line.pbx.console("pjsip show contacts").count("Contact:") >= PHONES
    assert caller.lives
    assert phone.talks


def test_a_flood_that_is_none_is_an_error() -> None:
    with pytest.raises(FaultWithoutEffect), SipFlood(9, rate=1, seconds=0):
        pass
