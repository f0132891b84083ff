"""The shapes that a call can take: each played by real callers and phones on a real Asterisk, from ring to goodbye.

    with Line(tmp_path) as line:
        played = shapes.attended_transfer(line)

Several may be played on one line, one after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.support.sipp import HOST, Phone, number
from tests.support.stage import At, Played, Stage, on_stage, silent
from tests.support.transfers import TransferringPhone
from tests.support.wait import until

if TYPE_CHECKING:
    from tests.asterisk.line import Line

__all__ = ["SHAPES", "Played"]


def queue_and_member(line: Line, at: At = silent) -> Played:
    """The caller waits, a listener answers, the listener ends it."""
    with on_stage(line, "queue_and_member", at) as stage:
        stage.listener("l1")
        call = stage.caller()
        stage.talks(call, "l1")
        stage.together(stage.caller_channel(call), stage.leg("l1"))
        stage.rest("talking")
        stage.phones["l1"].hang_up("Q.850;cause=31")
        until(lambda: stage.callers[0].was_hung_up_on, "the line says goodbye")
    return stage.played()


def ring_in_vain(line: Line, at: At = silent) -> Played:
    """One phone refuses, the next answers."""
    with on_stage(line, "ring_in_vain", at) as stage:
        stage.listener("l1", Phone(line.folder, status="486 Busy Here"))
        call = stage.caller()
        until(lambda: stage.phones["l1"].rung, "the first phone rings")
        stage.ami.ask("QueuePause", Queue="national", Interface="PJSIP/l1", Paused="true")
        stage.listener("l2")
        stage.talks(call, "l2")
        stage.together(stage.caller_channel(call), stage.leg("l2"))
        stage.rest("talking")
    return stage.played()


def redirect_of_both_into_a_room(line: Line, at: At = silent) -> Played:
    """Caller and listener go into a conference together, where a third person joins them by Originate."""
    with on_stage(line, "redirect_of_both_into_a_room", at) as stage:
        stage.listener("l1")
        call = stage.caller()
        stage.talks(call, "l1")
        stage.together(stage.caller_channel(call), stage.leg("l1"))
        stage.redirect("room-a", stage.caller_channel(call), stage.leg("l1"))
        stage.together(stage.caller_channel(call), stage.leg("l1"))
        stage.rest("room")
        stage.phone("l2")
        _originate(stage, "PJSIP/l2", "room-a", call)
        stage.together(stage.caller_channel(call), stage.leg("l1"), stage.leg("l2"))
        stage.rest("three")
        stage.phones["l1"].hang_up()
        until(lambda: not stage.phones["l1"].talks and len(stage.channels()) == 2, "the listener left the room")
        stage.together(stage.caller_channel(call), stage.leg("l2"))
        stage.rest("without the listener")
    return stage.played()


def redirect_of_the_caller(line: Line, at: At = silent) -> Played:
    """The caller alone is led elsewhere; the listener's leg ends, the call does not."""
    with on_stage(line, "redirect_of_the_caller", at) as stage:
        phone = stage.listener("l1")
        call = stage.caller()
        stage.talks(call, "l1")
        stage.together(stage.caller_channel(call), stage.leg("l1"))
        stage.redirect("hold", stage.caller_channel(call))
        until(lambda: phone.seen("BYE"), "the listener's leg ends")
        until(lambda: stage.channels() == [stage.caller_channel(call)], "the caller is alone")
        stage.rest("alone")
    return stage.played()


def redirect_of_the_listener(line: Line, at: At = silent) -> Played:
    """The listener's leg alone is led into a room, and the caller follows."""
    with on_stage(line, "redirect_of_the_listener", at) as stage:
        stage.listener("l1")
        call = stage.caller()
        stage.talks(call, "l1")
        stage.together(stage.caller_channel(call), stage.leg("l1"))
        stage.redirect("room-a", stage.leg("l1"))
        stage.redirect("room-a", stage.caller_channel(call))
        stage.together(stage.caller_channel(call), stage.leg("l1"))
        stage.rest("room")
    return stage.played()


def blind_transfer_by_the_phone(line: Line, at: At = silent) -> Played:
    """The listener's phone sends REFER: the caller goes on to a colleague."""
    with on_stage(line, "blind_transfer_by_the_phone", at) as stage:
        mover = TransferringPhone(line.folder)
        stage.listener("l6", mover)
        call = stage.caller()
        stage.phone("l2")
        stage.talks(call, "l6")
        stage.together(stage.caller_channel(call), stage.leg("l6"))
        mover.refer(f"sip:l2@{HOST}:{line.port}")
        until(lambda: stage.phones["l2"].talks, "the colleague answers")
        until(lambda: len(stage.channels()) == 2, "the first listener's leg is gone")
        stage.together(stage.caller_channel(call), stage.leg("l2"))
        stage.rest("transferred")
    return stage.played()


def blind_transfer_by_the_manager(line: Line, at: At = silent) -> Played:
    """Asterisk's action BlindTransfer, on the listener's leg."""
    with on_stage(line, "blind_transfer_by_the_manager", at) as stage:
        stage.listener("l1")
        call = stage.caller()
        stage.phone("l2")
        stage.talks(call, "l1")
        stage.together(stage.caller_channel(call), stage.leg("l1"))
        reply = stage.ami.ask("BlindTransfer", Channel=stage.leg("l1"), Context="shapes", Exten="l2")
        assert reply["Response"] == "Success", reply
        until(lambda: stage.phones["l2"].talks, "the colleague answers")
        until(lambda: len(stage.channels()) == 2, "the first listener's leg is gone")
        stage.together(stage.caller_channel(call), stage.leg("l2"))
        stage.rest("transferred")
    return stage.played()


def attended_transfer(line: Line, at: At = silent) -> Played:
    """The listener's phone dials a colleague, then puts the caller in its own place: REFER with Replaces."""
    with on_stage(line, "attended_transfer", at) as stage:
        mover = TransferringPhone(line.folder)
        stage.listener("l6", mover)
        call = stage.caller()
        stage.phone("l7")
        stage.talks(call, "l6")
        stage.together(stage.caller_channel(call), stage.leg("l6"))
        consultation = stage.consults("l6", "l7")
        stage.together(stage.leg("l6"), stage.leg("l7"))
        stage.rest("consulting")
        mover.refer(consultation.replaced())
        until(lambda: len(stage.channels()) == 2, "the listener's two legs are gone")
        stage.together(stage.caller_channel(call), stage.leg("l7"))
        stage.rest("transferred")
    return stage.played()


def local_member(line: Line, at: At = silent) -> Played:
    """The member is a Local channel, which Asterisk takes out of the way; no queue of ours has one (pbx/loaded.py)."""
    return _local(line, at, "local_member", "Local/l2@shapes", legs=2)


def local_member_that_stays(line: Line, at: At = silent) -> Played:
    """The member is a Local channel that stays between caller and phone; no queue of ours has one (pbx/loaded.py)."""
    return _local(line, at, "local_member_that_stays", "Local/l2@shapes/n", legs=4)


def _local(line: Line, at: At, name: str, interface: str, *, legs: int) -> Played:
    with on_stage(line, name, at) as stage:
        stage.listener("l2", interface=interface)
        call = stage.caller(speaks=True)  # Asterisk takes a Local channel out at the first packet
        stage.talks(call, "l2")
        until(lambda: len(stage.channels()) == legs, f"{legs} legs")
        if legs == 2:
            stage.together(stage.caller_channel(call), stage.leg("l2"))
        stage.rest("talking")
    return stage.played()


def local_third_person(line: Line, at: At = silent) -> Played:
    """A third person is fetched into the room over a Local channel, which stays: a room keeps its channels."""
    with on_stage(line, "local_third_person", at) as stage:
        stage.listener("l1")
        call = stage.caller()
        stage.talks(call, "l1")
        stage.together(stage.caller_channel(call), stage.leg("l1"))
        stage.redirect("room-a", stage.caller_channel(call), stage.leg("l1"))
        stage.phone("l2")
        _originate(stage, "Local/l2@shapes", "room-a", call)
        until(lambda: stage.phones["l2"].talks, "the third person talks")
        until(lambda: len(stage.channels()) == 5, "caller, listener, both halves, third person")
        stage.together(stage.caller_channel(call), stage.leg("l1"), stage.channels()[2])
        stage.rest("three")
    return stage.played()


def two_calls_in_one_room(line: Line, at: At = silent) -> Played:
    """Two callers with their listeners in one conference: two calls all the same."""
    with on_stage(line, "two_calls_in_one_room", at) as stage:
        first, second = _two_conversations(stage)
        for call, user in ((first, "l1"), (second, "l2")):
            stage.redirect("room-b", stage.caller_channel(call), stage.leg(user))
        stage.together(*(stage.caller_channel(call) for call in (first, second)), stage.leg("l1"), stage.leg("l2"))
        stage.rest("one room")
    return stage.played()


def bridge_of_two_calls(line: Line, at: At = silent) -> Played:
    """Asterisk's action Bridge puts two callers together: two calls, and both listeners' legs end."""
    with on_stage(line, "bridge_of_two_calls", at) as stage:
        first, second = _two_conversations(stage)
        callers = [stage.caller_channel(call) for call in (first, second)]
        reply = stage.ami.ask("Bridge", Channel1=callers[0], Channel2=callers[1])
        assert reply["Response"] == "Success", reply
        stage.together(*callers)
        until(lambda: len(stage.channels()) == 2, "both listeners' legs end")
        stage.rest("bridged")
        # the first caller's end ends the second's bridge: the second is to be told of before they leave in their turn
        stage.callers[0].leave()
        stage.ami.step("listener-lost", call=second)
    return stage.played()


def bridge_with_older_strangers(line: Line, at: At = silent) -> Played:
    """As with a stranger, but the two phones talked before the caller rang: theirs is the older channel."""
    with on_stage(line, "bridge_with_older_strangers", at) as stage:
        stage.phone("l7")
        stage.consults("l8", "l7")
        stage.together(stage.leg("l8"), stage.leg("l7"))
        stage.rest("strangers")
        stage.listener("l1")
        call = stage.caller()
        stage.talks(call, "l1")
        stage.together(stage.caller_channel(call), stage.leg("l1"))
        reply = stage.ami.ask("Bridge", Channel1=stage.caller_channel(call), Channel2=stage.leg("l7"))
        assert reply["Response"] == "Success", reply
        stage.together(stage.caller_channel(call), stage.leg("l7"))
        until(lambda: len(stage.channels()) == 2, "the two others leave")
        stage.rest("joined")
    return stage.played()


def bridge_with_a_stranger(line: Line, at: At = silent) -> Played:
    """A conversation of two phones that no call knew; one of them is bridged to a caller."""
    with on_stage(line, "bridge_with_a_stranger", at) as stage:
        stage.listener("l1")
        call = stage.caller()
        stage.phone("l7")
        stage.talks(call, "l1")
        stage.together(stage.caller_channel(call), stage.leg("l1"))
        stage.consults("l8", "l7")
        stage.together(stage.leg("l8"), stage.leg("l7"))
        stage.rest("strangers")
        reply = stage.ami.ask("Bridge", Channel1=stage.caller_channel(call), Channel2=stage.leg("l7"))
        assert reply["Response"] == "Success", reply
        stage.together(stage.caller_channel(call), stage.leg("l7"))
        until(lambda: len(stage.channels()) == 2, "the two others leave")
        stage.rest("joined")
    return stage.played()


SHAPES: tuple[Callable[..., Played], ...] = (
    queue_and_member,
    ring_in_vain,
    redirect_of_both_into_a_room,
    redirect_of_the_caller,
    redirect_of_the_listener,
    blind_transfer_by_the_phone,
    blind_transfer_by_the_manager,
    attended_transfer,
    local_member,
    local_member_that_stays,
    local_third_person,
    two_calls_in_one_room,
    bridge_of_two_calls,
    bridge_with_a_stranger,
    bridge_with_older_strangers,
)


def _originate(stage: Stage, whom: str, where: str, call: str) -> None:
    reply = stage.ami.ask(
        "Originate", Channel=whom, Context="shapes", Exten=where, Priority="1", Async="true",
        Variable=f"__CALL_ID={call}",
    )  # fmt: skip
    assert reply["Response"] == "Success", reply


def _two_conversations(stage: Stage) -> tuple[str, str]:
    stage.listener("l1")
    first = stage.caller()
    stage.talks(first, "l1")
    stage.listener("l2")
    second = stage.caller(number("+33639980002"))
    stage.talks(second, "l2")
    for call, user in ((first, "l1"), (second, "l2")):
        stage.together(stage.caller_channel(call), stage.leg(user))
    return first, second
