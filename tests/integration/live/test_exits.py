"""Every way in which a call can end, made by callers and phones on the real Asterisk: the record says which it was.

One scene for each pair of the closed list (service/calls/exits.py); a pair without a scene fails.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from service.calls.exits import EXITS
from service.calls.model import Reason, Result
from tests.integration.live.line import LiveLine
from tests.integration.live.scene import QUEUE_CENTRE, Scene
from tests.support.short_prompts import shorten
from tests.support.wait import until
from tests.support.witness import Step, Witness

Pair = tuple[Result, Reason]


# --- the scenes ---------------------------------------------------------------------------------------------------

SCENES: dict[Pair, Callable[[Scene], None]] = {}


def scene(result: Result, reason: Reason) -> Callable[[Callable[[Scene], None]], Callable[[Scene], None]]:
    def keep(play: Callable[[Scene], None]) -> Callable[[Scene], None]:
        SCENES[result, reason] = play
        return play

    return keep


@scene(Result.ANSWERED, Reason.LISTENER_ENDED)
def a_listener_ends_the_conversation(it: Scene) -> None:
    it.talks().hang_up(reason="Q.850;cause=31")
    until(lambda: it.caller.was_hung_up_on, "the caller is let go")


@scene(Result.ANSWERED, Reason.CALLER_ENDED)
def the_caller_ends_the_conversation(it: Scene) -> None:
    it.talks()
    it.caller.leave()


@scene(Result.ANSWERED, Reason.CENTRE_ENDED)
def a_listener_is_lost_and_a_centre_takes_over(it: Scene) -> None:
    it.loses(it.talks(), "listener1")
    centre = it.member("listener2", QUEUE_CENTRE)
    it.step("queued", nth=2)
    it.ami.event("QueueCallerJoin", Channel=it.channel, after=joined(it, 2))
    it.withdraw(QUEUE_CENTRE)
    it.together(2)
    until(lambda: centre.talks, "the centre talks")
    centre.hang_up(reason="Q.850;cause=31")


@scene(Result.ANSWERED, Reason.LEFT_AFTER_LOSS)
def a_listener_is_lost_and_the_caller_leaves(it: Scene) -> None:
    it.loses(it.talks(), "listener1")
    it.caller.leave()


@scene(Result.ANSWERED, Reason.PBX_DIED)
def the_pbx_dies_under_a_conversation(it: Scene) -> None:
    it.talks()
    it.dies()


@scene(Result.ANSWERED, Reason.SYSTEM)
def the_pbx_ends_a_conversation(it: Scene) -> None:
    it.talks()
    it.cut()


@scene(Result.CENTRE, Reason.CENTRE_ENDED)
def a_person_at_a_centres_telephone_ends_the_conversation(it: Scene) -> None:
    centre = it.takes_the_centres_telephone()
    it.ami.event("BridgeEnter", Channel=it.channel)
    centre.hang_up()


@scene(Result.CENTRE, Reason.CALLER_ENDED)
def the_caller_ends_the_conversation_with_a_centre(it: Scene) -> None:
    it.talks_with_the_centre()
    it.caller.leave()


@scene(Result.CENTRE, Reason.LEFT_AFTER_LOSS)
def the_centres_person_is_lost_and_the_caller_leaves(it: Scene) -> None:
    it.loses(it.talks_with_the_centre(), "listener2")
    it.caller.leave()


@scene(Result.CENTRE, Reason.PBX_DIED)
def the_pbx_dies_under_a_conversation_with_a_centre(it: Scene) -> None:
    it.talks_with_the_centre()
    it.dies()


@scene(Result.CENTRE, Reason.SYSTEM)
def the_pbx_ends_a_conversation_with_a_centre(it: Scene) -> None:
    it.talks_with_the_centre()
    it.cut()


@scene(Result.ABANDONED, Reason.LEFT_WELCOME)
def the_caller_leaves_in_the_welcome(it: Scene) -> None:
    shorten(it.line.pbx.layout, "welcome", seconds=6.0)
    it.rings()
    until(lambda: it.caller.answered, "the line answers")
    it.caller.leave()
    shorten(it.line.pbx.layout, "welcome")


@scene(Result.ABANDONED, Reason.LEFT_WAITING)
def the_caller_leaves_while_they_wait(it: Scene) -> None:
    it.waits()
    it.caller.leave()


@scene(Result.ABANDONED, Reason.LEFT_RINGING)
def the_caller_leaves_while_a_phone_rings(it: Scene) -> None:
    phone = it.member("listener1", ring=30.0)
    it.rings()
    until(lambda: phone.rung, "the phone rings")
    it.caller.leave()


@scene(Result.ABANDONED, Reason.LEFT_ASKED)
def the_caller_leaves_while_they_are_asked_for_a_department(it: Scene) -> None:
    it.waits()
    it.withdraw()
    it.caller.leave()


@scene(Result.ABANDONED, Reason.LEFT_CENTRE_RINGING)
def the_caller_leaves_while_a_centre_rings(it: Scene) -> None:
    phone = it.member("listener2", QUEUE_CENTRE, ring=30.0)
    it.waits()
    it.withdraw(QUEUE_CENTRE)
    until(lambda: phone.rung, "the centre rings", 20)
    it.caller.leave()


@scene(Result.ABANDONED, Reason.LEFT_AFTER_CENTRE)
def the_caller_leaves_after_a_centre_was_not_there(it: Scene) -> None:
    it.waits()
    it.withdraw(QUEUE_CENTRE)
    it.step("centre-refused")
    it.step("queued", nth=2)
    it.caller.leave()


@scene(Result.CLOSED, Reason.NOTICE_HEARD)
def the_line_is_closed(it: Scene) -> None:
    with closed(it):
        it.rings()
        until(lambda: it.caller.was_hung_up_on, "the line hangs up", 60)


@scene(Result.CLOSED, Reason.LEFT_NOTICE)
def the_line_is_closed_and_the_caller_does_not_hear_it_out(it: Scene) -> None:
    with closed(it):
        it.rings()
        it.step("closed")
        it.caller.leave()


@scene(Result.CLOSED, Reason.PBX_DIED)
def the_pbx_dies_while_it_says_that_the_line_is_closed(it: Scene) -> None:
    with closed(it):
        it.rings()
        it.step("closed")
        it.dies()


@scene(Result.CLOSED, Reason.SYSTEM)
def the_pbx_ends_the_call_while_it_says_that_the_line_is_closed(it: Scene) -> None:
    with closed(it):
        it.rings()
        it.step("closed")
        it.cut()


@scene(Result.FAULT, Reason.PBX_DIED)
def the_pbx_dies_under_a_waiting_caller(it: Scene) -> None:
    it.waits()
    it.dies()


@scene(Result.FAULT, Reason.SYSTEM)
def the_pbx_ends_the_call_of_a_waiting_caller(it: Scene) -> None:
    it.waits()
    it.cut()


@scene(Result.FAULT, Reason.ENDED_UNHEARD)
def a_centres_telephone_takes_the_call_and_ends_it_before_the_two_hear_each_other(it: Scene) -> None:
    """The instant between the two is held open: the shipped dialplan leaves some milliseconds."""
    file = it.line.pbx.layout.etc / "dialplan" / "overflow.conf"
    shipped = file.read_text()
    connecting = " same => n,Gosub(step,s,1(connecting,${centre} ${centre} ${CHANNEL}))\n"
    assert connecting in shipped
    try:
        file.write_text(shipped.replace(connecting, connecting + " same => n,Wait(30)\n"))
        it.line.pbx.console("dialplan reload")
        assert "Wait(30)" in it.line.pbx.console("dialplan show s@centre-person")
        until(lambda: not they_met(it), "the leg was gone before the caller was put with it", 60)
    finally:
        file.write_text(shipped)
        it.line.pbx.console("dialplan reload")


def they_met(it: Scene) -> bool:
    """Asterisk puts the two together although one has hung up: who is there first is its threads' own race."""
    with contextlib.ExitStack() as stack:
        once = Scene(it.line, it.ami, stack)
        once.takes_the_centres_telephone().hang_up()
        until(lambda: once.caller.was_hung_up_on, "the caller is let go")
        once.step("ended")
        it.call, it.channel = once.call, once.channel
        met = any(one.get("Event") == "BridgeEnter" and one.get("Channel") == it.channel for one in it.ami.events)
        if met:
            record = it.record()
            assert (record.result, record.reason) == (Result.CENTRE, Reason.CENTRE_ENDED)
    return met


def joined(it: Scene, nth: int) -> int:
    """Where in the witness's events the caller came into a queue for the nth time."""

    def look() -> list[int] | None:
        found = [
            place
            for place, event in enumerate(it.ami.events)
            if event.get("Event") == "QueueCallerJoin" and event.get("Channel") == it.channel
        ]
        return found[nth - 1 :] or None

    return until(look, "the caller is in the queue again", 30)[0]


@contextlib.contextmanager
def closed(it: Scene) -> Iterator[None]:
    """Whatever the hours say: those the service would set right again."""
    file = it.line.pbx.layout.etc / "dialplan" / "entry.conf"
    shipped = file.read_text()
    asked = 'GotoIf($["${OPEN}" = "0"]?closed,s,1)'
    assert asked in shipped
    file.write_text(shipped.replace(asked, "Goto(closed,s,1)"))
    it.line.pbx.console("dialplan reload")
    try:
        yield
    finally:
        file.write_text(shipped)
        it.line.pbx.console("dialplan reload")


# --- the tests ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveLine]:
    """Nobody is free; one listener is there and paused, so that the service offers no centre by itself."""
    sections: dict[str, Any] = {"overflow": {"after_seconds": 900, "again_after_seconds": 900}}
    with LiveLine(tmp_path_factory.mktemp("exits"), listeners=3, site={"overflow_after": 900}, **sections) as line:
        line.pbx.add_manager("witness", "witness")
        shorten(line.pbx.layout, "centre-called", "centre-offer", "keep-place", "centre-press-one", "reassurance")
        yield line


@pytest.fixture
def it(line: LiveLine) -> Iterator[Scene]:
    with contextlib.ExitStack() as stack:
        ami = stack.enter_context(Witness(line.pbx.ports.ami, "witness", "witness"))
        keeper = f"PJSIP/l{line.ids['listener3']}"
        ami.ask("QueueAdd", Queue="national", Interface=keeper, Paused="true", Reason="training")
        until(line.ready, "the service is connected", 30)
        yield Scene(line, ami, stack)


def test_every_exit_has_a_scene() -> None:
    assert set(SCENES) == set(EXITS)


@pytest.mark.parametrize("pair", EXITS, ids="-".join)
def test_the_record_says_how_the_call_ended(it: Scene, pair: Pair) -> None:
    SCENES[pair](it)
    record = it.record()
    assert (record.result, record.reason) == pair
    answered = record.result in {Result.ANSWERED, Result.CENTRE}
    assert (record.answered_at is not None) == answered
    assert (record.talk_seconds is not None) == answered
    assert record.overflows_answered <= record.overflows == len(it_told(it, "overflow"))
    assert record.visits == len(it_told(it, "queued"))


def it_told(it: Scene, what: str) -> list[Step]:
    return [step for step in it.ami.steps(it.call) if step.what == what]


def test_a_withdrawal_a_rounds_end_and_a_redirect_are_no_abandonment(it: Scene) -> None:
    """Asterisk says QueueCallerAbandon of each of them: so it does of a caller who gives up."""
    it.waits()
    it.withdraw(QUEUE_CENTRE)
    it.step("centre-refused")
    abandoned(it, 1)
    abandoned(it, 2)  # a round is over
    it.ami.ask("Redirect", Channel=it.channel, Context="waiting", Exten="s", Priority="1")
    it.step("queued", nth=3)
    abandoned(it, 3)
    phone = it.member("listener1")
    it.together()
    until(lambda: phone.talks, "a listener has them")
    phone.hang_up(reason="Q.850;cause=31")
    record = it.record()
    assert (record.result, record.reason) == (Result.ANSWERED, Reason.LISTENER_ENDED)
    assert (record.visits, record.overflows, record.overflows_answered) == (3, 1, 0)


def abandoned(it: Scene, times: int) -> None:
    """Asterisk said so of this caller, so many times at least."""

    def said() -> bool:
        events = [event for event in it.ami.events if event.get("Event") == "QueueCallerAbandon"]
        return len([event for event in events if event["Channel"] == it.channel]) >= times

    until(said, f"QueueCallerAbandon, {times} times", 20)


def test_each_visit_is_told_with_its_length_its_rings_and_how_it_ended(it: Scene) -> None:
    it.waits()
    busy = it.member("listener1", status="486 Busy Here")
    until(lambda: busy.rung, "a phone rings in vain")
    it.ami.ask("QueuePause", Interface=f"PJSIP/l{it.line.ids['listener1']}", Paused="true", Reason="training")
    it.withdraw(QUEUE_CENTRE)
    it.step("centre-refused")
    it.step("queued", nth=2)
    it.caller.leave()
    record = it.record()
    supervisor = it.line.page("supervisor")
    found = supervisor.must("GET", f"/calls/{it.call}")
    visits = found["queue_visits"]
    assert [(visit["queue"], visit["way"], visit["outcome"]) for visit in visits] == [
        ("national", "queue", "overflow"),
        (QUEUE_CENTRE, "queue", "refused"),
        ("national", "queue", "ended"),
    ]
    assert visits[0]["rings"] == len(busy.rung) > 0
    assert [visit["rings"] for visit in visits[1:]] == [0, 0]
    apart = sum(visit["seconds"] for visit in visits)
    assert apart <= record.waiting_seconds == pytest.approx(record.wait_seconds, abs=0.01)
    assert (found["result"], found["reason"]) == ("abandoned", "left-after-centre")
