"""Connected, ended on purpose, or lost: only a listener, in person, ends a conversation."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.asterisk.line import PASSWORD, Line
from tests.support.keypad import Handset
from tests.support.sipp import Caller, Phone, number
from tests.support.wait import until

CRASH = "Q.850;cause=44"
END = "Q.850;cause=31"


def _talk(line: Line, user: str = "l1") -> tuple[Caller, Phone]:
    line.heartbeat()
    phone = line.listener(user)
    caller = line.caller(number("+33639980001"))
    call = line.conversation("connecting national").call
    until(lambda: phone.talks, "the conversation is up")
    line.talked(call, 1.0)  # who lets go sooner has talked to nobody
    return caller, phone


def test_being_connected_pauses_the_listener_for_writing_up_and_ready_ends_it(line: Line) -> None:
    caller, phone = _talk(line)
    assert line.pause_reason("l1") == "wrap-up"
    phone.hang_up()
    until(lambda: caller.was_hung_up_on, "the caller is let go")
    assert line.pause_reason("l1") == "wrap-up"
    assert phone.dial(line.port, "l1", PASSWORD, "ready").status == 200
    until(lambda: line.pause_reason("l1") == "", "free again")


@pytest.mark.parametrize("what", ["3133", "0199003133", "112", "l2", "national", "s"])
def test_a_listeners_phone_can_dial_nothing_else(line: Line, what: str) -> None:
    phone = line.phone("l1")
    assert phone.dial(line.port, "l1", PASSWORD, what).status == 404


def test_all_queues_of_the_listener_are_paused(line: Line) -> None:
    line.heartbeat()
    line.listener("l1")
    line.sign_in("l1", "centre-38")
    line.caller()
    line.ami.joined("connecting")
    until(lambda: line.pause_reason("l1", "centre-38") == "wrap-up", "paused in the centre's queue too")


@pytest.mark.parametrize("reason", ["", "Q.850;cause=16", END])
def test_a_sip_phone_that_hangs_up_has_ended_the_conversation(line: Line, reason: str) -> None:
    caller, phone = _talk(line)
    phone.hang_up(reason)
    assert line.ami.step("ended").words == "ended listener talking"
    until(lambda: caller.was_hung_up_on, "the caller is let go")


def test_a_page_that_says_cause_31_has_ended_the_conversation(line: Line) -> None:
    _, phone = _talk(line, "l9")
    phone.hang_up(END)
    assert line.ami.step("ended").words == "ended listener talking"


@pytest.mark.parametrize("milliseconds", [0, 5, 40, 300])
@pytest.mark.parametrize("reason", [END, CRASH], ids=["ended", "lost"])
def test_a_caller_who_leaves_in_the_instant_of_the_listeners_end_was_not_cut_off_by_us(
    line: Line, reason: str, milliseconds: int
) -> None:
    """The leg's end is the first that Asterisk names; the caller's own goodbye comes while the dialplan looks at it."""
    caller, phone = _talk(line, "l9")
    phone.hang_up(reason)
    time.sleep(milliseconds / 1000)  # what is tested: an instant of that half second
    caller.leave()
    assert "system" not in line.ami.step("ended").words


@pytest.mark.parametrize("milliseconds", [0.5, 1, 1.5, 2, 2.5, 3])
def test_a_caller_who_leaves_before_the_dialplan_took_a_step_was_not_cut_off_by_us(
    line: Line, milliseconds: float
) -> None:
    """Asterisk stands still while both say goodbye, save for an instant in which it hears of the leg alone."""
    caller, phone = _talk(line, "l9")
    asterisk = line.pbx.running.pid
    os.kill(asterisk, signal.SIGSTOP)
    try:
        phone.hang_up(CRASH)
        until(lambda: phone.seen("BYE", ours=True), "the listener's phone has said goodbye")
        os.kill(asterisk, signal.SIGCONT)
        time.sleep(milliseconds / 1000)  # what is tested: so short an instant
        os.kill(asterisk, signal.SIGSTOP)
        caller.leave()
        until(lambda: caller.seen("BYE", ours=True), "the caller has left")
    finally:
        os.kill(asterisk, signal.SIGCONT)
    assert line.ami.step("ended").words.startswith("ended caller ")


def test_a_page_that_only_closes_keeps_the_caller(line: Line) -> None:
    caller, phone = _talk(line, "l9")
    phone.hang_up()
    assert line.ami.step("listener-lost").words == "listener-lost PJSIP/l9 16"
    line.ami.joined("connecting return PJSIP/l9")
    assert caller.lives


def test_our_own_command_with_cause_31_ends_it_and_with_44_keeps_the_caller(line: Line) -> None:
    caller, _ = _talk(line, "l9")
    leg = line.ami.joined("connecting").detail.split()[2]
    line.ami.ask("Hangup", Channel=leg, Cause="44")
    assert line.ami.step("listener-lost").words == "listener-lost PJSIP/l9 44"
    leg = line.conversation("connecting return").detail.split()[2]
    assert caller.lives
    line.ami.ask("Hangup", Channel=leg, Cause="31")
    assert line.ami.step("ended").words == "ended listener talking"


def test_a_lost_caller_is_spoken_to_at_once_and_gets_the_same_listener_back(line: Line) -> None:
    line.heartbeat()
    ears = Handset()
    phone = line.listener("l1")
    other = line.listener("l2")
    line.ami.ask("QueuePause", Interface="PJSIP/l2", Paused="true", Reason="coffee")
    caller = line.caller(number("+33639980001"), audio=ears)
    line.ami.joined("connecting")
    line.ami.ask("QueuePause", Interface="PJSIP/l2", Paused="false")
    lost = time.monotonic()
    phone.hang_up(CRASH)
    line.ami.step("listener-lost PJSIP/l1")
    until(lambda: line.pause_reason("l1") == "reconnecting", "they are held for this caller")
    assert until(lambda: ears.heard_at(line.sound("reassurance"), lost), "words", 3) - lost < 3
    back = line.conversation("connecting return")
    assert back.words.startswith("connecting return PJSIP/l1 ")
    until(lambda: line.pause_reason("l1") == "wrap-up", "as in every conversation")
    assert not other.rung
    assert caller.lives
    phone.hang_up(END)
    assert line.ami.step("ended").words == "ended listener talking"
    assert line.complaints() == []


def test_when_the_listener_stays_away_the_caller_is_first_in_the_queue_again(line: Line) -> None:
    caller, phone = _talk(line)
    call = line.ami.steps()[0].call
    line.later_arrivals(call)
    line.caller(number("+33639980002"))  # waits while the first one talks
    waiting = line.ami.step("queued", nth=2).call
    talked = len(line.ami.events)
    phone.register(line.port, "l1", PASSWORD, expires=0)
    phone.hang_up(CRASH)
    lost = line.ami.step("listener-lost")
    back = line.ami.step("queued", nth=3)
    assert back.call == call
    assert 8 <= line.second(back) - line.second(lost) <= 13  # the grace is 9 s
    assert line.pause_reason("l1") == "wrap-up"  # their writing-up is still theirs to end
    line.ami.event("QueueCallerJoin", after=talked, Channel=line.channel(call))  # told `queued` a moment before
    line.listener("l2", talk=2.5)
    assert line.ami.joined("connecting", nth=2).call == call
    line.ami.step("ended listener", call=call)
    line.ami.ask("QueuePause", Interface="PJSIP/l2", Paused="false")
    line.ami.joined("connecting national PJSIP/l2", call=waiting)
    until(lambda: caller.was_hung_up_on, "the caller is let go")


def test_a_phone_that_comes_back_within_the_grace_gets_the_caller(line: Line) -> None:
    _, phone = _talk(line)
    phone.register(line.port, "l1", PASSWORD, expires=0)
    phone.hang_up(CRASH)
    waiting = line.channel(line.ami.step("listener-lost").call)
    until(lambda: line.ami.variable(waiting, "PHONE") == "UNAVAILABLE", "it was looked for in vain")
    phone.register(line.port, "l1", PASSWORD)
    line.ami.joined("connecting return PJSIP/l1", timeout=6)


def test_a_caller_who_leaves_during_the_grace_leaves_the_listener_writing_up(line: Line) -> None:
    caller, phone = _talk(line)
    phone.register(line.port, "l1", PASSWORD, expires=0)
    phone.hang_up(CRASH)
    line.ami.step("listener-lost")
    until(lambda: line.pause_reason("l1") == "reconnecting", "held for this caller")
    caller.leave()
    assert line.ami.step("ended").words == "ended caller lost"
    assert line.pause_reason("l1") == "wrap-up"


def test_a_listener_keeps_the_pause_that_they_chose_themselves(line: Line) -> None:
    line.heartbeat()
    phone = line.listener("l1", ring=2.0)
    line.caller()
    until(lambda: phone.rung, "the phone rings")
    line.ami.ask("QueuePause", Interface="PJSIP/l1", Paused="true", Reason="breathing-space")
    line.conversation()
    assert line.pause_reason("l1") == "breathing-space"
    phone.hang_up(CRASH)
    line.conversation("connecting return")
    assert line.pause_reason("l1") == "breathing-space"
    phone.hang_up(END)
    line.ami.step("ended")
    assert line.pause_reason("l1") == "breathing-space"


def test_a_second_loss_has_its_own_grace(line: Line) -> None:
    caller, phone = _talk(line)
    phone.hang_up(CRASH)
    back = line.conversation("connecting return")
    line.talked(back.call, 6.0)  # longer than a phone that answers and dies
    phone.hang_up(CRASH)
    line.ami.step("listener-lost", nth=2)
    line.ami.joined("connecting return", nth=2)
    assert caller.lives


def test_a_phone_that_answers_and_dies_does_not_keep_the_caller_from_the_next_listener(line: Line) -> None:
    line.heartbeat()
    phone = line.listener("l1", talk=0.3)  # lets go at once, each time
    line.caller()
    line.ami.step("listener-lost", nth=2)
    line.ami.step("queued", nth=2, timeout=10)
    line.listener("l2")
    line.ami.joined("connecting national PJSIP/l2")
    assert len(phone.rung) == 2


def test_a_listener_who_signed_out_meanwhile_still_gets_their_caller_back(line: Line) -> None:
    caller, phone = _talk(line)
    line.ami.ask("QueueRemove", Queue="national", Interface="PJSIP/l1")
    phone.hang_up(CRASH)
    line.conversation("connecting return PJSIP/l1")
    phone.hang_up(END)
    line.ami.step("ended listener")
    until(lambda: caller.was_hung_up_on, "the caller is let go")
    assert line.member("l1") == {}


def test_the_callers_own_end_is_theirs(line: Line) -> None:
    caller, phone = _talk(line)
    caller.leave()
    assert line.ami.step("ended").words == "ended caller talking"
    until(lambda: phone.seen("BYE"), "the listener's phone is released")
    assert line.pause_reason("l1") == "wrap-up"


def test_an_end_that_nobody_wanted_is_told_as_such(line: Line) -> None:
    """What must never happen is at least seen: a channel that is hung up from inside the PBX."""
    _talk(line)
    own = line.ami.event("QueueCallerJoin")["Channel"]
    line.pbx.console(f"channel request hangup {own}")
    assert line.ami.step("ended").words == "ended system talking"
