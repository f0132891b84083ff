"""Nobody is free for too long: a centre, if the caller wants to; and back at their rank when it does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.asterisk.line import CENTRE_NUMBER, Line
from tests.support.keypad import Handset
from tests.support.sipp import Caller, number
from tests.support.wait import stays, until


@pytest.fixture
def telephone(tmp_path: Path) -> Iterator[Line]:
    """Department 38 has a centre with a telephone, which the trunk reaches at `line.centre_port`."""
    with Line(tmp_path) as line:
        line.heartbeat()
        line.ami.put("department", "38", "centre-38")
        line.ami.put("department", "971", "centre-971")
        line.ami.put("centre", "centre-38/telephone", CENTRE_NUMBER)
        yield line


def _waiting(line: Line, ears: Handset | None = None) -> Caller:
    caller = line.caller(number("+33639980001"), audio=ears or Handset())
    line.ami.step("queued")
    line.ami.event("QueueCallerJoin")
    return caller


def _back_at_their_rank(line: Line, refused: str, *, within: float = 10.0) -> None:
    """The caller is in the queue again within so many seconds of the failure, ahead of whoever came later."""
    failed = line.ami.step(refused)
    again = line.ami.step("queued", nth=2)
    print(f"back after {again.at - failed.at:.3f} s")
    assert again.at - failed.at < within
    line.caller(number("+33639980002"))
    later = line.channel(line.ami.step("queued", nth=3).call)
    line.ami.event("QueueCallerJoin", Channel=later)
    line.listener("l5")
    assert line.ami.joined("connecting national PJSIP/l5").call == failed.call


def test_a_person_who_presses_one_gets_the_caller_and_sees_only_the_lines_number(telephone: Line) -> None:
    person = Handset()
    centre = telephone.centre(ring=0.5, audio=person)
    caller = _waiting(telephone)
    telephone.withdraw("centre:centre-38")
    assert telephone.ami.step("overflow").words == "overflow centre:centre-38 service"
    assert telephone.ami.step("centre-called", timeout=20).words == "centre-called centre-38 telephone"
    invite = until(lambda: centre.rung, "the centre rings")[0]
    assert invite.start.startswith(f"INVITE sip:{CENTRE_NUMBER}@")
    assert "+33199003133" in invite.header("From")
    for private in ("P-Asserted-Identity", "Remote-Party-ID", "Diversion"):
        assert invite.header(private) == ""
    assert "39980001" not in invite.text
    assert telephone.ami.steps()[0].call not in invite.text
    until(lambda: person.heard_at(telephone.sound("centre-press-one"), 0), "the person hears what this is")
    assert not telephone.ami.words()[-1].startswith("connecting")
    person.press("1")
    connecting = telephone.ami.joined("connecting")
    assert connecting.words.startswith("connecting centre-38 centre-38 PJSIP/trunk-")
    assert caller.lives
    centre.hang_up()
    assert telephone.ami.step("ended").words == "ended centre talking"
    until(lambda: caller.was_hung_up_on, "the caller is let go")
    assert telephone.complaints() == []


def test_the_caller_hears_music_while_the_centre_is_asked(telephone: Line) -> None:
    ears, person = Handset(), Handset()
    centre = telephone.centre(audio=person)
    _waiting(telephone, ears)
    telephone.withdraw("centre:centre-38")
    until(lambda: centre.talks, "something at the centre answers", 20)
    until(lambda: _asked(telephone), "it is asked to press 1")
    stays(lambda: ears.hears_something(seconds=0.5), "music, which does not pause as a ringing tone does", 3)


@pytest.mark.parametrize(
    ("habit", "reason"),
    [
        ({"ring": 60.0}, "no-answer"),
        ({"status": "486 Busy Here"}, "busy"),
        ({"status": "503 Service Unavailable"}, "unavailable"),
        ({}, "no-person"),
        ({"talk": 1.0}, "no-person"),
    ],
    ids=["nobody", "busy", "503", "an answering machine", "somebody who hangs up"],
)
def test_a_centre_that_does_not_take_the_call_gives_the_caller_back(
    telephone: Line, habit: dict[str, object], reason: str
) -> None:
    telephone.centre(**habit)
    caller = _waiting(telephone)
    telephone.withdraw("centre:centre-38")
    telephone.ami.step("centre-called", timeout=20)
    _back_at_their_rank(telephone, f"centre-refused centre-38 {reason}")
    assert caller.lives


def test_an_answering_machine_holds_nobody_for_as_long_as_the_clock_was_set_back(telephone: Line) -> None:
    """As far as the PBX knows: what was set is not told yet, or nobody is there to tell it."""
    telephone.shorten("centre-press-one")
    centre = telephone.centre()
    _waiting(telephone)
    telephone.withdraw("centre:centre-38")
    until(lambda: centre.rung, "the centre rings", 20)
    asked = until(lambda: _asked(telephone), "the machine is asked")
    telephone.ami.ask("Setvar", Variable="CLOCK_SET", Value="3600")
    telephone.ami.step("centre-refused centre-38 no-person", timeout=20)
    assert asked


def _asked(line: Line) -> str:
    """Since when the centre's leg, the second on the trunk, is asked to press 1."""
    return line.ami.variable("PJSIP/trunk-00000001", "ASKED_AT")


def test_a_caller_to_be_given_back_hears_a_word(telephone: Line) -> None:
    ears = Handset()
    telephone.centre(status="486 Busy Here")
    _waiting(telephone, ears)
    telephone.withdraw("centre:centre-38")
    telephone.ami.step("centre-refused", timeout=20)
    until(lambda: ears.heard_at(telephone.sound("keep-place"), 0), "a word", 3)


def test_any_key_stays_in_the_national_queue(telephone: Line) -> None:
    ears = Handset()
    centre = telephone.centre()
    _waiting(telephone, ears)
    telephone.withdraw("centre:centre-38")
    until(lambda: ears.heard_at(telephone.sound("centre-offer"), 0), "the offer")
    ears.press("5")
    _back_at_their_rank(telephone, "centre-refused centre-38 declined")
    assert not centre.rung


def test_a_keyed_department_leads_to_its_centre(telephone: Line) -> None:
    ears = Handset()
    centre = telephone.centre()
    _waiting(telephone, ears)
    telephone.withdraw("ask")
    assert telephone.ami.step("overflow").words == "overflow ask service"
    until(lambda: ears.heard_at(telephone.sound("ask-department"), 0), "the question")
    ears.press("38")
    assert telephone.ami.step("department").words == "department 38"
    telephone.ami.step("centre-called centre-38 telephone")
    until(lambda: centre.rung, "the centre rings")


@pytest.mark.alone  # seconds that are measured
def test_an_overseas_department_has_three_digits(telephone: Line) -> None:
    ears = Handset()
    _waiting(telephone, ears)
    telephone.withdraw("ask")
    until(lambda: ears.heard_at(telephone.sound("ask-department"), 0), "the question")
    ears.press("971")
    assert telephone.ami.step("department").words == "department 971"
    _back_at_their_rank(telephone, "centre-refused centre-971 no-route", within=3.0)


@pytest.mark.parametrize("keyed", ["", "00", "4", "97", "**"])
def test_silence_and_nonsense_keep_the_place(telephone: Line, keyed: str) -> None:
    ears = Handset()
    _waiting(telephone, ears)
    telephone.withdraw("ask")
    until(lambda: ears.heard_at(telephone.sound("ask-department"), 0), "the question")
    ears.press(keyed)
    assert telephone.ami.step("department", timeout=30).words == "department -"
    _back_at_their_rank(telephone, "department -")


def test_a_centre_with_phones_on_this_pbx_answers_in_its_queue(telephone: Line) -> None:
    telephone.ami.put("centre", "centre-38/queue", "centre-38")
    phone = telephone.listener("l4", queue="centre-38")
    caller = _waiting(telephone)
    telephone.withdraw("centre:centre-38")
    telephone.ami.step("centre-called centre-38 queue", timeout=20)
    telephone.conversation("connecting centre-38 PJSIP/l4")
    until(lambda: telephone.pause_reason("l4", "centre-38") == "wrap-up", "they are not rung meanwhile")
    assert caller.lives
    phone.hang_up("Q.850;cause=31")
    assert telephone.ami.step("ended").words == "ended listener talking"


def test_a_centres_listener_whose_phone_is_lost_gets_the_caller_back(telephone: Line) -> None:
    telephone.ami.put("centre", "centre-38/queue", "centre-38")
    phone = telephone.listener("l4", queue="centre-38")
    _waiting(telephone)
    telephone.withdraw("centre:centre-38")
    telephone.ami.joined("connecting centre-38 PJSIP/l4", timeout=20)
    phone.hang_up("Q.850;cause=44")
    telephone.ami.joined("connecting return PJSIP/l4")


@pytest.mark.parametrize(("ring", "reason"), [(None, "unavailable"), (60.0, "no-answer")])
def test_a_centres_queue_that_does_not_answer_gives_the_caller_back(
    telephone: Line, ring: float | None, reason: str
) -> None:
    telephone.ami.put("centre", "centre-38/queue", "centre-38")
    if ring:
        telephone.listener("l4", queue="centre-38", ring=ring)
    _waiting(telephone)
    telephone.withdraw("centre:centre-38")
    telephone.ami.step(f"centre-refused centre-38 {reason}", timeout=45)
    _back_at_their_rank(telephone, f"centre-refused centre-38 {reason}")


@pytest.mark.parametrize("info", ["centre:nowhere", "centre:../../x", "nonsense", ""])
def test_withdrawn_with_nonsense_the_caller_still_keeps_their_place(telephone: Line, info: str) -> None:
    caller = _waiting(telephone)
    telephone.withdraw(info)
    telephone.ami.step("queued", nth=2, timeout=40)
    assert caller.lives


def test_a_centre_whose_number_is_no_number_is_not_dialled(telephone: Line) -> None:
    telephone.ami.put("centre", "centre-38/telephone", "112")
    centre = telephone.centre()
    _waiting(telephone)
    telephone.withdraw("centre:centre-38")
    telephone.ami.step("centre-refused centre-38 no-route", timeout=20)
    assert not centre.rung


def test_without_the_service_the_pbx_offers_a_centre_by_itself(telephone: Line) -> None:
    telephone.heartbeat(age=11)
    ears = Handset()
    centre = telephone.centre()
    _waiting(telephone, ears)
    assert telephone.ami.step("overflow").words == "overflow ask pbx"
    until(lambda: ears.heard_at(telephone.sound("ask-department"), 0), "the question")
    ears.press("38")
    until(lambda: centre.rung, "the centre rings")
    telephone.ami.step("centre-refused centre-38 no-person", timeout=20)
    again = telephone.ami.step("overflow", nth=2, timeout=40)  # the department is known now
    assert again.words == "overflow centre:centre-38 pbx"


def test_the_pbx_leaves_overflow_to_a_service_that_is_there(telephone: Line) -> None:
    _waiting(telephone)
    stays(lambda: len(telephone.ami.steps()) == 2, "nothing is offered", 8)


def test_without_the_service_listeners_are_still_found_first(telephone: Line) -> None:
    telephone.heartbeat(age=3600)
    telephone.listener("l1")
    caller = telephone.caller()
    telephone.ami.joined("connecting national PJSIP/l1")
    assert caller.lives


def test_a_caller_who_hangs_up_during_the_offer_has_ended_the_call(telephone: Line) -> None:
    caller = _waiting(telephone)
    telephone.withdraw("centre:centre-38")
    telephone.ami.step("overflow")
    caller.leave()
    assert telephone.ami.step("ended").words == "ended caller overflow"
