"""The call shapes of an overflow: a centre is offered, rung, answers, refuses, or is lost again."""

from __future__ import annotations

import time
from typing import Any

from tests.asterisk.line import CENTRE_NUMBER, Line
from tests.replay.scene import CRASH, END, Scene, Shape, waiting
from tests.support.keypad import Handset
from tests.support.sipp import Caller, Phone
from tests.support.wait import until


def _routes(line: Line) -> None:
    line.ami.put("department", "38", "centre-38")
    line.ami.put("centre", "centre-38/telephone", CENTRE_NUMBER)


def _with_a_queue(line: Line) -> None:
    _routes(line)
    line.ami.put("centre", "centre-38/queue", "centre-38")


def _leaves_when_back(line: Line, caller: Caller) -> None:
    line.ami.step("queued", nth=2, timeout=20)
    caller.leave()
    line.ami.step("ended")


# --- a person of the centre answers -------------------------------------------------------------------------------


def department_keyed_and_the_centres_queue(scene: Scene) -> None:
    """The service takes the caller out of the queue; they key their department, whose centre answers on this PBX."""
    line, ears = scene.line, Handset()
    _with_a_queue(line)
    phone = line.listener("l4", queue="centre-38")
    waiting(line, ears)
    line.withdraw("ask")
    until(lambda: ears.heard_at(line.sound("ask-department"), 0), "the question")
    ears.press("38")
    line.ami.step("connecting centre-38 PJSIP/l4", timeout=20)
    until(lambda: phone.talks, "the centre talks")
    time.sleep(1.0)
    phone.hang_up(END)
    line.ami.step("ended")


def _talks_with_the_telephone(line: Line, **habit: Any) -> tuple[Caller, Phone]:
    person = Handset()
    _routes(line)
    centre = line.centre(ring=0.5, audio=person, **habit)
    caller = waiting(line)
    line.withdraw("centre:centre-38")
    until(lambda: person.heard_at(line.sound("centre-press-one"), 0), "the person hears what this is", 30)
    person.press("1")
    line.ami.joined("connecting centre-38")
    time.sleep(1.0)
    return caller, centre


def centre_telephone_answers(scene: Scene) -> None:
    """A person at the centre's telephone presses 1, talks, and hangs up."""
    _, centre = _talks_with_the_telephone(scene.line)
    centre.hang_up()
    scene.line.ami.step("ended")


def centre_telephone_and_the_caller_ends(scene: Scene) -> None:
    """A person at the centre's telephone presses 1 and talks; the caller hangs up."""
    caller, _ = _talks_with_the_telephone(scene.line)
    caller.leave()
    scene.line.ami.step("ended")


# --- the centre is lost -------------------------------------------------------------------------------------------


def centre_lost(scene: Scene) -> None:
    """The leg of the centre's telephone is lost: the caller goes back to their rank, and a listener answers."""
    line = scene.line
    caller, centre = _talks_with_the_telephone(line)
    centre.hang_up(CRASH)
    line.ami.step("listener-lost centre-38")
    line.ami.step("queued", nth=2)
    line.listener("l1")
    line.ami.joined("connecting national PJSIP/l1")
    caller.leave()
    line.ami.step("ended")


def centre_lost_and_the_caller_leaves(scene: Scene) -> None:
    """The leg of the centre's telephone is lost; the caller hangs up while they are spoken to."""
    caller, centre = _talks_with_the_telephone(scene.line)
    centre.hang_up(CRASH)
    scene.line.ami.step("listener-lost centre-38")
    caller.leave()
    scene.line.ami.step("ended")


def centre_dies_without_a_word(scene: Scene) -> None:
    """The centre's telephone forgets its call; the session timer finds it, and the caller goes back to their rank."""
    line = scene.line
    caller, _ = _talks_with_the_telephone(line, scenario="forgets")
    line.ami.step("listener-lost centre-38", timeout=60)
    _leaves_when_back(line, caller)


def centre_listener_lost_and_back(scene: Scene) -> None:
    """A centre's listener on this PBX is lost, and has the caller back within the grace."""
    line = scene.line
    _with_a_queue(line)
    phone = line.listener("l4", queue="centre-38")
    caller = waiting(line)
    line.withdraw("centre:centre-38")
    line.ami.joined("connecting centre-38 PJSIP/l4", timeout=20)
    time.sleep(1.0)
    phone.hang_up(CRASH)
    line.ami.joined("connecting return PJSIP/l4")
    time.sleep(1.0)
    caller.leave()
    line.ami.step("ended")


# --- the centre does not take the caller --------------------------------------------------------------------------


def _centre_telephone(scene: Scene, refused: str, **habit: Any) -> None:
    line = scene.line
    _routes(line)
    line.centre(**habit)
    caller = waiting(line)
    line.withdraw("centre:centre-38")
    line.ami.step(f"centre-refused centre-38 {refused}", timeout=40)
    _leaves_when_back(line, caller)


def centre_telephone_is_a_machine(scene: Scene) -> None:
    """Something answers at the centre, nobody presses 1: the caller goes back to their rank."""
    _centre_telephone(scene, "no-person")


def centre_telephone_busy(scene: Scene) -> None:
    """The centre's telephone is busy: the caller goes back to their rank."""
    _centre_telephone(scene, "busy", status="486 Busy Here")


def centre_telephone_not_answered(scene: Scene) -> None:
    """Nobody answers at the centre: the caller goes back to their rank."""
    _centre_telephone(scene, "no-answer", ring=60.0)


def centre_telephone_out_of_reach(scene: Scene) -> None:
    """The carrier does not reach the centre's telephone: the caller goes back to their rank."""
    _centre_telephone(scene, "unavailable", status="503 Service Unavailable")


def centre_queue_not_answered(scene: Scene) -> None:
    """A listener of the centre is rung in its own queue and does not answer: the caller goes back to their rank."""
    line = scene.line
    _with_a_queue(line)
    line.listener("l4", queue="centre-38", ring=60.0)
    caller = waiting(line)
    line.withdraw("centre:centre-38")
    line.ami.step("centre-refused centre-38 no-answer", timeout=45)
    _leaves_when_back(line, caller)


def centre_queue_without_a_listener(scene: Scene) -> None:
    """Nobody serves the centre's own queue: the caller goes back to their rank at once."""
    line = scene.line
    _with_a_queue(line)
    caller = waiting(line)
    line.withdraw("centre:centre-38")
    line.ami.step("centre-refused centre-38 unavailable", timeout=40)
    _leaves_when_back(line, caller)


def centre_without_a_route(scene: Scene) -> None:
    """The caller keys a department whose centre has neither queue nor telephone: back to their rank."""
    line, ears = scene.line, Handset()
    line.ami.put("department", "971", "centre-971")
    caller = waiting(line, ears)
    line.withdraw("ask")
    until(lambda: ears.heard_at(line.sound("ask-department"), 0), "the question")
    ears.press("971")
    line.ami.step("centre-refused centre-971 no-route", timeout=40)
    _leaves_when_back(line, caller)


# --- the caller does not want it, or leaves ------------------------------------------------------------------------


def centre_declined(scene: Scene) -> None:
    """The caller presses a key during the offer, and stays in the national queue."""
    line, ears = scene.line, Handset()
    _routes(line)
    caller = waiting(line, ears)
    line.withdraw("centre:centre-38")
    until(lambda: ears.heard_at(line.sound("centre-offer"), 0), "the offer")
    ears.press("5")
    _leaves_when_back(line, caller)


def leaves_during_the_offer(scene: Scene) -> None:
    """The caller hangs up while a centre is offered to them."""
    line, ears = scene.line, Handset()
    _routes(line)
    caller = waiting(line, ears)
    line.withdraw("centre:centre-38")
    until(lambda: ears.heard_at(line.sound("centre-offer"), 0), "the offer")
    caller.leave()
    line.ami.step("ended")


def leaves_while_the_centres_telephone_rings(scene: Scene) -> None:
    """The centre's telephone rings; the caller hangs up."""
    line = scene.line
    _routes(line)
    centre = line.centre(ring=60.0)
    caller = waiting(line)
    line.withdraw("centre:centre-38")
    until(lambda: centre.rung, "the centre's telephone rings", 30)
    caller.leave()
    line.ami.step("ended")


def leaves_while_the_centres_listener_is_rung(scene: Scene) -> None:
    """A listener of the centre is rung in its own queue; the caller hangs up."""
    line = scene.line
    _with_a_queue(line)
    phone = line.listener("l4", queue="centre-38", ring=60.0)
    caller = waiting(line)
    line.withdraw("centre:centre-38")
    until(lambda: phone.rung, "the listener's phone rings", 30)
    caller.leave()
    line.ami.step("ended")


def overflow_by_the_pbx(scene: Scene) -> None:
    """The service is away: the PBX itself offers a centre, the caller keys nothing and keeps their place."""
    line = scene.line
    _routes(line)
    caller = waiting(line)
    line.heartbeat(age=3600)
    line.ami.step("overflow ask pbx", timeout=30)
    line.ami.step("department -", timeout=40)
    _leaves_when_back(line, caller)


SHAPES: tuple[Shape, ...] = tuple(
    Shape(play.__name__.replace("_", "-"), play)
    for play in (
        department_keyed_and_the_centres_queue,
        centre_telephone_answers,
        centre_telephone_and_the_caller_ends,
        centre_lost,
        centre_lost_and_the_caller_leaves,
        centre_dies_without_a_word,
        centre_listener_lost_and_back,
        centre_telephone_is_a_machine,
        centre_telephone_busy,
        centre_telephone_not_answered,
        centre_telephone_out_of_reach,
        centre_queue_not_answered,
        centre_queue_without_a_listener,
        centre_without_a_route,
        centre_declined,
        leaves_during_the_offer,
        leaves_while_the_centres_telephone_rings,
        leaves_while_the_centres_listener_is_rung,
        overflow_by_the_pbx,
    )
)
