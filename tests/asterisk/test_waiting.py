"""The queue keeps its callers, at the rank of their arrival."""

from __future__ import annotations

import time

from tests.asterisk.line import Line
from tests.support.keypad import Handset
from tests.support.sipp import number
from tests.support.wait import stays, until


def test_a_caller_waits_for_many_rounds_and_is_told_queued_once(line: Line) -> None:
    line.heartbeat()
    caller = line.caller()
    line.ami.step("queued national")
    until(lambda: sum(e.get("Event") == "QueueCallerJoin" for e in line.ami.events) >= 3, "three rounds", 20)
    assert caller.lives
    assert [step.what for step in line.ami.steps()] == ["entered", "queued"]
    line.listener("l1")
    line.ami.joined("connecting national PJSIP/l1")


def test_whoever_came_first_is_answered_first_whatever_the_rounds(line: Line) -> None:
    line.heartbeat()
    calls = []
    for nth in range(1, 4):
        line.caller(number(f"+3363998000{nth}"))
        calls.append(line.ami.step("queued", nth=nth).call)
        line.later_arrivals(calls[-1])
    until(lambda: sum(e.get("Event") == "QueueCallerJoin" for e in line.ami.events) >= 6, "all went round", 20)
    phone = line.listener("l1", talk=2.0)
    for nth, call in enumerate(calls, start=1):
        assert line.ami.joined("connecting", nth=nth).call == call
        line.ami.step("ended", nth=nth)
        assert len(phone.rung) == nth
        line.ami.ask("QueuePause", Interface="PJSIP/l1", Paused="false")


def test_a_phone_that_rings_over_the_end_of_a_round_rings_on(line: Line) -> None:
    line.heartbeat()
    phone = line.listener("l1", ring=7.0)  # a round is 4 s
    line.caller()
    line.ami.joined("connecting", timeout=20)
    assert len(phone.rung) == 1
    assert phone.seen("CANCEL") is None


def test_the_place_is_spoken_and_no_key_is_needed(line: Line) -> None:
    line.heartbeat()
    first, second = Handset(), Handset()
    began = time.monotonic()
    line.caller(audio=first)
    line.ami.step("queued")
    line.caller(audio=second)
    until(lambda: first.heard_at(line.sound("queue-next"), began), "the first hears that they are next")
    until(lambda: second.heard_at(line.sound("queue-place"), began), "the second hears a place")
    until(lambda: second.heard_at(line.sound("digits/2"), began), "the second hears which")
    until(lambda: second.heard_at(line.sound("queue-place-after"), began), "and that somebody will come")
    second.press("12*#")
    stays(lambda: len(line.ami.steps()) == 4, "keys pressed by accident change nothing", 1.5)


def test_a_listener_who_is_away_does_not_keep_the_caller_from_one_who_is_there(line: Line) -> None:
    line.heartbeat()
    away = line.listener("l1", ring=120.0)
    line.caller()
    until(lambda: away.rung, "the phone of somebody who is away rings")
    line.listener("l2")
    line.ami.joined("connecting national PJSIP/l2", timeout=30)  # one ring lasts 20 s
    assert len(away.rung) == 1


def test_a_caller_who_hangs_up_while_waiting_has_ended_the_call(line: Line) -> None:
    line.heartbeat()
    caller = line.caller()
    line.ami.step("queued")
    caller.leave()
    assert line.ami.step("ended").words == "ended caller waiting"


def test_a_caller_who_gives_up_while_it_rings_has_ended_the_call(line: Line) -> None:
    line.heartbeat()
    phone = line.listener("l1", ring=30.0)
    caller = line.caller()
    until(lambda: phone.rung, "the phone rings")
    caller.leave()
    assert line.ami.step("ended").words == "ended caller waiting ringing"
    until(lambda: phone.seen("CANCEL"), "the phone stops ringing")
    assert line.pause_reason("l1") == ""


def test_phones_that_refuse_do_not_lose_the_caller(line: Line) -> None:
    line.heartbeat()
    busy = line.listener("l1", status="486 Busy Here")
    broken = line.listener("l2", status="503 Service Unavailable")
    caller = line.caller()
    until(lambda: min(len(busy.rung), len(broken.rung)) >= 2, "both have refused, again and again")
    assert caller.lives
    line.listener("l3")
    line.ami.joined("connecting national PJSIP/l3")


def test_a_queue_that_was_broken_by_a_reload_keeps_its_caller(line: Line) -> None:
    line.heartbeat()
    caller = line.caller()
    line.ami.step("queued")
    file = line.pbx.layout.etc / "queues.conf"
    whole = file.read_text()
    file.write_text("[general]\npersistentmembers = yes\n")
    line.pbx.console("queue reload all")
    stays(lambda: not caller.was_hung_up_on, "the caller is kept", 7)  # a round is 4 s
    file.write_text(whole)
    line.pbx.console("queue reload all")
    line.listener("l1")
    line.ami.joined("connecting")


def test_the_journal_and_the_manager_interface_tell_the_same_steps(line: Line) -> None:
    line.heartbeat()
    phone = line.listener("l1")
    line.caller(number("+33639980001"))
    line.conversation()
    phone.hang_up(reason="Q.850;cause=31")
    line.ami.step("ended")
    told = [f"{step.call} {step.n} {step.words}" for step in line.ami.steps()]
    until(lambda: len(line.journal_steps()) == len(told), "the journal has them")
    assert line.journal_steps() == told
    assert [step.n for step in line.ami.steps()] == [1, 2, 3, 4]
    call = line.ami.steps()[0].call
    marked = {entry["accountcode"] for entry in line.journal() if entry["eventtype"] != "CHAN_START"}
    assert marked == {call}  # on the listener's leg too
