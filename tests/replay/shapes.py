"""The call shapes that are kept as recordings: what can become of a caller on the shipped dialplan.

Those that leave the shipped dialplan (transfers, conferences, Local channels) are in tests/support/shapes.py.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

from tests.asterisk.line import CENTRE_NUMBER, PASSWORD, Line
from tests.replay.scene import Scene, Shape
from tests.support import shapes
from tests.support.keypad import Handset
from tests.support.sipp import ANONYMOUS, Caller, Phone, hidden, number
from tests.support.wait import until

CRASH = "Q.850;cause=44"
END = "Q.850;cause=31"
CALLER = number("+33639980001")


def _talk(line: Line) -> tuple[Caller, Phone]:
    line.heartbeat()
    phone = line.listener("l1")
    caller = line.caller(CALLER)
    line.ami.step("connecting national")
    until(lambda: phone.talks, "the conversation is up")
    time.sleep(1.0)  # a conversation that was one
    return caller, phone


def _waiting(line: Line, ears: Handset | None = None) -> Caller:
    line.heartbeat()
    caller = line.caller(CALLER, audio=ears or Handset())
    line.ami.step("queued")
    line.ami.event("QueueCallerJoin")
    return caller


# --- answered -----------------------------------------------------------------------------------------------------


def ended_by_the_caller(scene: Scene) -> None:
    """A listener answers; the caller hangs up."""
    caller, _ = _talk(scene.line)
    caller.leave()
    scene.line.ami.step("ended")


def ended_by_the_listener(scene: Scene) -> None:
    """A listener answers, and ends the conversation."""
    _, phone = _talk(scene.line)
    phone.hang_up(END)
    scene.line.ami.step("ended")


def rings_in_vain_then_the_next(scene: Scene) -> None:
    """The first listener does not take it; the next one answers."""
    line = scene.line
    line.heartbeat()
    line.listener("l1", ring=60.0)
    caller = line.caller(CALLER)
    line.ami.event("AgentCalled")
    line.listener("l2")
    line.ami.step("connecting national PJSIP/l2", timeout=60)
    caller.leave()
    line.ami.step("ended")


def withheld_number(scene: Scene) -> None:
    """A caller who hides their number is answered like everybody."""
    line = scene.line
    line.heartbeat()
    line.listener("l1")
    caller = line.caller(hidden("+33639980001"))
    line.ami.step("connecting")
    caller.leave()
    line.ami.step("ended")


# --- the caller leaves first --------------------------------------------------------------------------------------


def leaves_in_the_welcome(scene: Scene) -> None:
    """The caller hangs up while the welcome is spoken."""
    line = scene.line
    line.heartbeat()
    caller = line.caller(CALLER)
    line.ami.step("entered")
    until(lambda: caller.answered, "the line answers")
    caller.leave()
    line.ami.step("ended")


def leaves_while_waiting(scene: Scene) -> None:
    """Nobody is free; the caller hangs up."""
    caller = _waiting(scene.line)
    caller.leave()
    scene.line.ami.step("ended")


def leaves_while_a_phone_rings(scene: Scene) -> None:
    """A listener's phone rings; the caller hangs up before it is taken."""
    line = scene.line
    line.heartbeat()
    phone = line.listener("l1", ring=60.0)
    caller = line.caller(CALLER)
    until(lambda: phone.rung, "the phone rings")
    caller.leave()
    line.ami.step("ended")


def leaves_during_the_grace(scene: Scene) -> None:
    """The listener is lost; the caller hangs up before they are back."""
    caller, phone = _talk(scene.line)
    phone.register(scene.line.port, "l1", PASSWORD, expires=0)
    phone.hang_up(CRASH)
    scene.line.ami.step("listener-lost")
    caller.leave()
    scene.line.ami.step("ended")


def closed_hours(scene: Scene) -> None:
    """The line is closed, and the caller is told so."""
    line = scene.line
    hours = line.pbx.layout.generated / "hours.conf"
    hours.write_text("[hours]\nexten => s,1,Set(OPEN=0)\n same => n,Return()\n")
    line.pbx.console("dialplan reload")
    line.caller(CALLER)
    line.ami.step("ended closed closed")


# --- a listener is lost -------------------------------------------------------------------------------------------


def listener_lost_and_back(scene: Scene) -> None:
    """The listener's leg is lost; the same listener has the caller back within the grace."""
    caller, phone = _talk(scene.line)
    phone.hang_up(CRASH)
    scene.line.ami.step("listener-lost")
    scene.line.ami.step("connecting return")
    time.sleep(1.0)
    caller.leave()
    scene.line.ami.step("ended")


def listener_lost_then_the_next(scene: Scene) -> None:
    """The listener stays away; after the grace the caller is first in the queue and another answers."""
    line = scene.line
    caller, phone = _talk(line)
    phone.register(line.port, "l1", PASSWORD, expires=0)
    phone.hang_up(CRASH)
    line.ami.step("queued", nth=2, timeout=20)
    line.listener("l2")
    line.ami.step("connecting national PJSIP/l2")
    caller.leave()
    line.ami.step("ended")


# --- overflow -----------------------------------------------------------------------------------------------------


def _routes(line: Line) -> None:
    line.ami.put("department", "38", "centre-38")
    line.ami.put("centre", "centre-38/telephone", CENTRE_NUMBER)


def department_keyed_and_the_centres_queue(scene: Scene) -> None:
    """The service takes the caller out of the queue; they key their department, whose centre answers on this PBX."""
    line, ears = scene.line, Handset()
    _routes(line)
    line.ami.put("centre", "centre-38/queue", "centre-38")
    phone = line.listener("l4", queue="centre-38")
    _waiting(line, ears)
    line.withdraw("ask")
    until(lambda: ears.heard_at(line.sound("ask-department"), 0), "the question")
    ears.press("38")
    line.ami.step("connecting centre-38 PJSIP/l4", timeout=20)
    until(lambda: phone.talks, "the centre talks")
    time.sleep(1.0)
    phone.hang_up(END)
    line.ami.step("ended")


def _centre_telephone(scene: Scene, refused: str, **habit: Any) -> None:
    line = scene.line
    _routes(line)
    line.centre(**habit)
    caller = _waiting(line)
    line.withdraw("centre:centre-38")
    line.ami.step(f"centre-refused centre-38 {refused}", timeout=40)
    line.ami.step("queued", nth=2)
    caller.leave()
    line.ami.step("ended")


def centre_telephone_answers(scene: Scene) -> None:
    """A person at the centre's telephone presses 1, talks, and hangs up."""
    line, person = scene.line, Handset()
    _routes(line)
    centre = line.centre(ring=0.5, audio=person)
    _waiting(line)
    line.withdraw("centre:centre-38")
    until(lambda: person.heard_at(line.sound("centre-press-one"), 0), "the person hears what this is", 30)
    person.press("1")
    line.ami.step("connecting")
    time.sleep(1.0)
    centre.hang_up()
    line.ami.step("ended")


def centre_telephone_is_a_machine(scene: Scene) -> None:
    """Something answers at the centre, nobody presses 1: the caller goes back to their rank."""
    _centre_telephone(scene, "no-person")


def centre_telephone_busy(scene: Scene) -> None:
    """The centre's telephone is busy: the caller goes back to their rank."""
    _centre_telephone(scene, "busy", status="486 Busy Here")


def centre_telephone_not_answered(scene: Scene) -> None:
    """Nobody answers at the centre: the caller goes back to their rank."""
    _centre_telephone(scene, "no-answer", ring=60.0)


def centre_declined(scene: Scene) -> None:
    """The caller presses a key during the offer, and stays in the national queue."""
    line, ears = scene.line, Handset()
    _routes(line)
    caller = _waiting(line, ears)
    line.withdraw("centre:centre-38")
    until(lambda: ears.heard_at(line.sound("centre-offer"), 0), "the offer")
    ears.press("5")
    line.ami.step("queued", nth=2, timeout=20)
    caller.leave()
    line.ami.step("ended")


def overflow_by_the_pbx(scene: Scene) -> None:
    """The service is away: the PBX itself offers a centre, the caller keys nothing and keeps their place."""
    line = scene.line
    _routes(line)
    caller = _waiting(line)
    line.heartbeat(age=3600)
    line.ami.step("overflow ask pbx", timeout=30)
    line.ami.step("department -", timeout=40)
    line.ami.step("queued", nth=2, timeout=20)
    caller.leave()
    line.ami.step("ended")


# --- the session, the PBX -----------------------------------------------------------------------------------------


def reconnected_with_live_calls(scene: Scene) -> None:
    """The manager interface drops while one caller talks, one is being rung for and one waits; then all go on."""
    line = scene.line
    first, _ = _talk(line)
    ringing = line.listener("l2", ring=60.0)
    second = line.caller(number("+33639980002"))
    until(lambda: ringing.rung, "the second listener's phone rings")
    third = line.caller(number("+33639980003"))
    line.ami.step("queued", nth=3)
    scene.drop()
    scene.connected(2)
    for caller in (first, second, third):
        caller.leave()
    line.ami.step("ended", nth=3)


def left_while_nobody_listened(scene: Scene) -> None:
    """The caller hangs up while the manager interface is away: the snapshot says that the call is gone."""
    line = scene.line
    caller = _waiting(line)
    scene.drop()
    caller.leave()
    line.ami.step("ended")
    scene.connected(2)


def pbx_killed(scene: Scene) -> None:
    """Asterisk dies under a conversation and a waiting caller, and is started again: both calls ended by a fault."""
    line = scene.line
    _talk(line)
    line.caller(ANONYMOUS)
    line.ami.step("queued", nth=2)
    line.pbx.kill()
    line.pbx.start_again()
    scene.connected(2)


def _beyond(play: Callable[[Line], object]) -> Shape:
    """A shape of tests/support/shapes.py, which needs no link."""

    @functools.wraps(play)
    def on(scene: Scene) -> object:
        return play(scene.line)

    return Shape(play.__name__.replace("_", "-"), on)


SHAPES: tuple[Shape, ...] = (
    Shape("ended-by-the-caller", ended_by_the_caller),
    Shape("ended-by-the-listener", ended_by_the_listener),
    Shape("rings-in-vain-then-the-next", rings_in_vain_then_the_next),
    Shape("withheld-number", withheld_number),
    Shape("leaves-in-the-welcome", leaves_in_the_welcome, {"whole_prompts": True}),
    Shape("leaves-while-waiting", leaves_while_waiting),
    Shape("leaves-while-a-phone-rings", leaves_while_a_phone_rings),
    Shape("leaves-during-the-grace", leaves_during_the_grace),
    Shape("closed-hours", closed_hours),
    Shape("listener-lost-and-back", listener_lost_and_back),
    Shape("listener-lost-then-the-next", listener_lost_then_the_next),
    Shape("department-keyed-and-the-centres-queue", department_keyed_and_the_centres_queue),
    Shape("centre-telephone-answers", centre_telephone_answers),
    Shape("centre-telephone-is-a-machine", centre_telephone_is_a_machine),
    Shape("centre-telephone-busy", centre_telephone_busy),
    Shape("centre-telephone-not-answered", centre_telephone_not_answered),
    Shape("centre-declined", centre_declined),
    Shape("overflow-by-the-pbx", overflow_by_the_pbx),
    Shape("reconnected-with-live-calls", reconnected_with_live_calls),
    Shape("left-while-nobody-listened", left_while_nobody_listened),
    Shape("pbx-killed", pbx_killed),
    *(_beyond(play) for play in shapes.SHAPES),
)
