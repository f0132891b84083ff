"""The call shapes that are kept as recordings: what can become of a caller on the shipped dialplan.

Those of an overflow are in overflow_shapes.py; those that leave the shipped dialplan (transfers, conferences, Local
channels) in tests/support/shapes.py.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

from pbx.facts import PbxRefused
from tests.asterisk.line import PASSWORD, Line
from tests.replay import overflow_shapes
from tests.replay.scene import CALLER, CRASH, END, Scene, Shape, talking, waiting
from tests.support import shapes
from tests.support.sipp import ANONYMOUS, HOST, NONSENSE, Caller, Sipp, hidden, number
from tests.support.wait import until

# --- answered -----------------------------------------------------------------------------------------------------


def ended_by_the_caller(scene: Scene) -> None:
    """A listener answers; the caller hangs up."""
    caller, _ = talking(scene.line)
    caller.leave()
    scene.line.ami.step("ended")


def ended_by_the_listener(scene: Scene) -> None:
    """A listener answers, and ends the conversation."""
    _, phone = talking(scene.line)
    phone.hang_up(END)
    scene.line.ami.step("ended")


def held_for_a_while(scene: Scene) -> None:
    """A listener answers, holds the caller for two seconds, talks on, and ends the conversation."""
    line = scene.line
    line.heartbeat()
    phone = line.listener("l1", scenario="holds")
    line.caller(CALLER)
    line.ami.joined("connecting national")
    until(lambda: len(phone.all_seen("ACK", ours=True)) == 2, "the caller was held, and is no more")
    line.ami.event("Unhold")
    phone.hang_up(END)
    line.ami.step("ended listener")


def caller_holds(scene: Scene) -> None:
    """A listener answers; the caller's own telephone puts the line on hold for two seconds; then they leave."""
    line = scene.line
    line.heartbeat()
    phone = line.listener("l1")
    values = {"FROM": CALLER.sender, "MEDIA_PORT": "9"}
    with Sipp("caller-holds", values, line.folder, ["-s", "3133", "-m", "1", f"{HOST}:{line.port}"]) as caller:
        line.ami.joined("connecting national")
        until(lambda: phone.talks, "the conversation is up")
        call = until(lambda: caller.seen("INVITE", status=200), "the line answers the caller").call
        caller.tell(call)
        line.ami.event("Unhold")
        caller.tell(call)
        line.ami.step("ended caller")


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


def no_number(scene: Scene) -> None:
    """A caller of whom the carrier tells no number is answered like everybody."""
    line = scene.line
    line.heartbeat()
    line.listener("l1")
    caller = line.caller(NONSENSE)
    line.ami.joined("connecting")
    caller.leave()
    line.ami.step("ended")


def cut_by_the_pbx(scene: Scene) -> None:
    """What must never happen: somebody at Asterisk's console ends the caller's channel in the conversation."""
    line = scene.line
    talking(line)
    own = line.channel(line.ami.step("entered").call)
    line.pbx.console(f"channel request hangup {own}")
    line.ami.step("ended system")


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
    caller = waiting(scene.line)
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
    caller, phone = talking(scene.line)
    phone.register(scene.line.port, "l1", PASSWORD, expires=0)
    phone.hang_up(CRASH)
    scene.line.ami.step("listener-lost")
    caller.leave()
    scene.line.ami.step("ended")


def _close(line: Line) -> None:
    hours = line.pbx.layout.generated / "hours.conf"
    hours.write_text("[hours]\nexten => s,1,Set(OPEN=0)\n same => n,Return()\n")
    line.pbx.console("dialplan reload")


def closed_hours(scene: Scene) -> None:
    """The line is closed, and the caller is told so."""
    line = scene.line
    _close(line)
    line.caller(CALLER)
    line.ami.step("ended closed closed")


def leaves_during_the_notice(scene: Scene) -> None:
    """The line is closed; the caller hangs up while they are told so."""
    line = scene.line
    _close(line)
    caller = line.caller(CALLER)
    line.ami.step("closed")
    caller.leave()
    line.ami.step("ended caller closed")


def line_full(scene: Scene) -> None:
    """There are no audio ports for a second caller, who hears the busy tone; theirs is no call."""
    line = scene.line
    first = waiting(line)
    second = line.caller(number("+33639980002"))
    until(lambda: second.seen("INVITE", status=486), "the busy tone")
    line.ami.event("UserEvent", UserEvent="CallRefused")
    first.leave()
    line.ami.step("ended")


# --- a listener is lost -------------------------------------------------------------------------------------------


def listener_lost_and_back(scene: Scene) -> None:
    """The listener's leg is lost; the same listener has the caller back within the grace."""
    caller, phone = talking(scene.line)
    phone.hang_up(CRASH)
    scene.line.ami.step("listener-lost")
    scene.line.ami.step("connecting return")
    time.sleep(1.0)
    caller.leave()
    scene.line.ami.step("ended")


def listener_lost_then_the_next(scene: Scene) -> None:
    """The listener stays away; after the grace the caller is first in the queue and another answers."""
    line = scene.line
    caller, phone = talking(line)
    phone.register(line.port, "l1", PASSWORD, expires=0)
    phone.hang_up(CRASH)
    line.ami.step("queued", nth=2, timeout=20)
    line.listener("l2")
    line.ami.step("connecting national PJSIP/l2")
    caller.leave()
    line.ami.step("ended")


def _rung_again(line: Line) -> Caller:
    """The listener is lost; their phone is there again, and rings."""
    caller, phone = talking(line)
    phone.hang_up(CRASH)
    line.ami.step("listener-lost")
    again = line.phone("l1", ring=60.0)  # in the place of the one that was lost
    until(lambda: again.rung, "the phone rings")
    return caller


def listener_lost_and_rung_in_vain(scene: Scene) -> None:
    """The listener is lost; their phone rings again for the caller, unanswered, until the grace is over."""
    caller = _rung_again(scene.line)
    scene.line.ami.step("queued", nth=2, timeout=30)
    caller.leave()
    scene.line.ami.step("ended")


def leaves_while_the_lost_listener_is_rung(scene: Scene) -> None:
    """The listener is lost; their phone rings again for the caller, who hangs up."""
    caller = _rung_again(scene.line)
    caller.leave()
    scene.line.ami.step("ended")


def listener_lost_again_at_once(scene: Scene) -> None:
    """The listener is lost, comes back and is lost again at once: no second grace, another listener answers."""
    line = scene.line
    caller, phone = talking(line)
    phone.hang_up(CRASH)
    line.ami.joined("connecting return")
    phone.hang_up(CRASH)
    line.ami.step("listener-lost", nth=2)
    line.ami.step("queued", nth=2)
    line.listener("l2")
    line.ami.joined("connecting national PJSIP/l2")
    caller.leave()
    line.ami.step("ended")


def listener_lost_a_second_time(scene: Scene) -> None:
    """The listener is lost, comes back, talks for a while and is lost again: the grace begins anew."""
    line = scene.line
    caller, phone = talking(line)
    phone.hang_up(CRASH)
    line.ami.joined("connecting return")
    time.sleep(6.5)  # longer than a phone that answers and dies
    phone.hang_up(CRASH)
    line.ami.step("listener-lost", nth=2)
    line.ami.joined("connecting return", nth=2)
    time.sleep(1.0)
    caller.leave()
    line.ami.step("ended")


# --- the session, the PBX -----------------------------------------------------------------------------------------


def reconnected_with_live_calls(scene: Scene) -> None:
    """The manager interface drops while one caller talks, one is being rung for and one waits; then all go on."""
    line = scene.line
    first, _ = talking(line)
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
    caller = waiting(line)
    scene.drop()
    caller.leave()
    line.ami.step("ended")
    scene.connected(2)


def pbx_killed(scene: Scene) -> None:
    """Asterisk dies under a conversation and a waiting caller, and is started again: both calls ended by a fault."""
    line = scene.line
    talking(line)
    line.caller(ANONYMOUS)
    line.ami.step("queued", nth=2)
    line.pbx.kill()
    line.pbx.start_again()
    scene.connected(2)


def account_refused(scene: Scene) -> None:
    """Asterisk refuses the service's account for a while; the conversation goes on and is found again."""
    line = scene.line
    caller, _ = talking(line)
    accounts = line.pbx.layout.generated / "manager_secrets.conf"
    right = accounts.read_text()
    accounts.write_text(right.replace(line.pbx.secrets["service"], "another secret"))
    line.pbx.console("manager reload")
    scene.drop()
    scene.told(PbxRefused)
    accounts.write_text(right)
    line.pbx.console("manager reload")
    scene.connected(2)
    caller.leave()
    line.ami.step("ended")


def _beyond(play: Callable[[Line], object]) -> Shape:
    """A shape of tests/support/shapes.py, which needs no link."""

    @functools.wraps(play)
    def on(scene: Scene) -> object:
        return play(scene.line)

    return Shape(play.__name__.replace("_", "-"), on)


SHAPES: tuple[Shape, ...] = (
    Shape("ended-by-the-caller", ended_by_the_caller),
    Shape("ended-by-the-listener", ended_by_the_listener),
    Shape("held-for-a-while", held_for_a_while),
    Shape("caller-holds", caller_holds),
    Shape("rings-in-vain-then-the-next", rings_in_vain_then_the_next),
    Shape("withheld-number", withheld_number),
    Shape("no-number", no_number),
    Shape("cut-by-the-pbx", cut_by_the_pbx),
    Shape("leaves-in-the-welcome", leaves_in_the_welcome, {"whole_prompts": True}),
    Shape("leaves-while-waiting", leaves_while_waiting),
    Shape("leaves-while-a-phone-rings", leaves_while_a_phone_rings),
    Shape("leaves-during-the-grace", leaves_during_the_grace),
    Shape("closed-hours", closed_hours),
    Shape("leaves-during-the-notice", leaves_during_the_notice, {"whole_prompts": True}),
    Shape("line-full", line_full, {"audio_ports": 4}),
    Shape("listener-lost-and-back", listener_lost_and_back),
    Shape("listener-lost-then-the-next", listener_lost_then_the_next),
    Shape("listener-lost-and-rung-in-vain", listener_lost_and_rung_in_vain),
    Shape("leaves-while-the-lost-listener-is-rung", leaves_while_the_lost_listener_is_rung),
    Shape("listener-lost-again-at-once", listener_lost_again_at_once),
    Shape("listener-lost-a-second-time", listener_lost_a_second_time),
    *overflow_shapes.SHAPES,
    Shape("reconnected-with-live-calls", reconnected_with_live_calls),
    Shape("left-while-nobody-listened", left_while_nobody_listened),
    Shape("account-refused", account_refused),
    Shape("pbx-killed", pbx_killed),
    *(_beyond(play) for play in shapes.SHAPES),
)
