"""A room in which two calls meet with a stranger, and one of them leaves: the stranger is of the other."""

from __future__ import annotations

import pytest

from pbx.events import BridgeEntered, LegGone, LegListed, LegsListed, SessionBegan, SnapshotTaken
from pbx.identity import Identity
from tests.unit.pbx.numbered_channels import A, B, Pbx, name, uid
from tests.unit.pbx.test_calls_snapshot import listed

CALLERS = {10: A, 20: B}
STRANGER = 31


def snapshot(pbx: Pbx, *legs: LegListed) -> None:
    pbx.say(LegsListed(at=pbx.tick(), legs=legs))
    pbx.say(SnapshotTaken(at=pbx.at))


def in_the_room(number: int) -> LegListed:
    call = CALLERS.get(number, "")
    known = {"step": 3, "stage": "talking", "step_what": "connecting"} if call else {"step": 0, "queue_now": ""}
    return listed(
        call_id=call, channel=name(number), uniqueid=uid(number), linkedid=uid(number), bridge="room", **known
    )


def gather(pbx: Pbx, order: tuple[int, ...]) -> None:
    for number, call in CALLERS.items():
        pbx.step(call, number, "entered", "none +33199003133 999")
    for number in order:
        pbx.enter(number, "room", call=CALLERS.get(number, ""))


@pytest.mark.parametrize("order", [(10, 20, STRANGER), (10, STRANGER, 20), (STRANGER, 10, 20)])
@pytest.mark.parametrize("how", ["leaves", "hangs up", "goes to another room"])
def test_whoever_stays_with_one_call_alone_belongs_to_it_in_whatever_order_they_came(
    order: tuple[int, ...], how: str
) -> None:
    pbx = Pbx()
    snapshot(pbx)
    gather(pbx, order)
    match how:
        case "leaves":
            pbx.leave(20, "room")
        case "hangs up":
            pbx.gone(20, call=B)
        case _:
            pbx.enter(20, "elsewhere", call=B)
    fresh = Pbx()
    snapshot(fresh, in_the_room(10), in_the_room(STRANGER))
    assert pbx.state.call_of(uid(STRANGER)) == fresh.state.call_of(uid(STRANGER)) == A


def test_where_the_others_are_is_the_lists_to_say_before_a_stranger_is_anybodys() -> None:
    pbx = Pbx()
    snapshot(pbx)
    gather(pbx, (10, 20, STRANGER))
    pbx.say(SessionBegan(at=pbx.tick(), started="one", version=""))  # in the gap the stranger went elsewhere
    pbx.leave(20, "room")
    assert pbx.state.call_of(uid(STRANGER)) == ""
    snapshot(pbx, in_the_room(10))
    assert pbx.state.call_of(uid(STRANGER)) == ""


# --- a channel's own word -------------------------------------------------------------------------------------------


def test_who_is_linked_with_a_leg_that_keeps_another_calls_company_is_not_of_that_company() -> None:
    aliases = Identity()
    aliases.seen("caller-a", A)
    aliases.seen("x", linkedid="caller-a")
    assert aliases.seen("x", B) == B
    assert aliases.seen("x", B, linkedid="older") == B
    assert aliases.of("older") == ""
    assert aliases.seen("of-older", linkedid="older") == ""


def test_whose_a_leg_in_a_joined_conversation_is_does_not_pass_on_to_strangers() -> None:
    """The same by events: the leg is of `B` by its own word, and was met in the company of `A`."""
    pbx = Pbx()
    snapshot(pbx)
    pbx.step(A, 10, "entered", "none +33199003133 999")
    pbx.enter(31, "b1", linked=10)
    for linked in (10, 5):
        pbx.say(
            BridgeEntered(
                at=pbx.tick(), call_id=B, channel=name(31), uniqueid=uid(31), linkedid=uid(linked), bridge="b2"
            )
        )
    pbx.say(LegGone(at=pbx.tick(), call_id="", channel=name(6), uniqueid=uid(6), linkedid=uid(5), cause=16))
    assert (pbx.state.call_of(uid(31)), pbx.state.call_of(uid(6))) == (B, "")
