"""Whatever Asterisk does with the legs of a call, it stays one call: live, and as the journal tells it later.

The oracles are the phones (the call's id stands in the INVITE that each of them got; they talk, or not), and an AMI
client that shares no code with ours and sees every event of every channel.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from pbx.facts import CallEnded, CallFact, Fact, ListenerRangOut, ListenerRung
from pbx.journal import JournalReplay, Position, read
from pbx.link import LinkConfig
from pbx.state import PbxState
from tests.asterisk.line import Line
from tests.fakes.reader import linked_to
from tests.support import shapes
from tests.support.company import with_caller
from tests.support.stage import Played
from tests.support.wait import until

#: Who hears the caller when the shape has come to rest. `caller`: the caller of the other call.
COMPANY: dict[str, dict[str, set[str]]] = {
    "queue_and_member": {"talking": {"l1"}},
    "ring_in_vain": {"talking": {"l2"}},
    "redirect_of_both_into_a_room": {"room": {"l1"}, "three": {"l1", "l2"}, "without the listener": {"l2"}},
    "redirect_of_the_caller": {"alone": set()},
    "redirect_of_the_listener": {"room": {"l1"}},
    "blind_transfer_by_the_phone": {"transferred": {"l2"}},
    "blind_transfer_by_the_manager": {"transferred": {"l2"}},
    "attended_transfer": {"consulting": {"l6"}, "transferred": {"l7"}},
    # A console can make such a member, nothing of ours does, and the verifier refuses it (pbx/loaded.py): the dialplan
    # cannot name its listener. The call stays one call all the same.
    "local_member": {"talking": {"l2"}},
    "local_member_that_stays": {"talking": {"l2"}},
    "local_third_person": {"three": {"l1", "l2"}},
    "two_calls_in_one_room": {"one room": {"l1", "l2", "trunk"}},
    "bridge_of_two_calls": {"bridged": {"trunk"}},
    "bridge_with_a_stranger": {"strangers": {"l1"}, "joined": {"l7"}},
    "bridge_with_older_strangers": {"strangers": set(), "joined": {"l7"}},
}
#: Told by the phones' legs; all other facts are steps of the dialplan.
RINGS = (ListenerRung, ListenerRangOut)
#: The callers whom the dialplan gives back to a listener, because the action Bridge took them out of a conversation.
LOSES_LISTENERS = {"bridge_of_two_calls"}


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    with Line(tmp_path_factory.mktemp("shapes")) as line:
        yield line


@dataclass
class Watch:
    """Looks at our state whenever the shape rests, from beside the loop in which the link reads."""

    line: Line
    state: PbxState
    since: int
    loop: asyncio.AbstractEventLoop
    seen: list[str] = field(default_factory=list)
    channels: dict[str, str] = field(default_factory=dict)

    def __call__(self, moment: str, played: Played) -> None:
        self.seen.append(moment)
        if moment == "over":
            self._belong(played)
        else:
            self._hear(moment, played)

    def _hear(self, moment: str, played: Played) -> None:
        """Who is with each caller, by our word; and the phones say that they talk."""
        expected = COMPANY[played.name][moment]
        for call in played.calls:
            self._hears(call, expected, moment)
            assert {leg.call_id for leg in list(self.state.calls[call].legs.values())} == {call}
        until(lambda: all(played.phones[user].talks for user in expected - {"trunk"}), f"{moment}: their phones talk")
        afresh = asyncio.run_coroutine_threadsafe(self._afresh(played.calls, expected), self.loop).result(20)
        # a leg that Asterisk has no more is told to us a moment later
        until(lambda: self._legs(played.calls) == afresh, f"{moment}: the legs of the snapshot, {afresh}")

    async def _afresh(self, calls: tuple[str, ...], expected: set[str]) -> dict[str, set[str]]:
        """Whoever connects at this moment sees in the snapshot what we followed. → the legs of each call."""
        async with linked_to(config(self.line)) as reader:
            await reader.connected()
            fresh = reader.link.state
            for call in calls:
                assert {leg.interface.removeprefix("PJSIP/") for leg in with_caller(fresh, call)} == expected
            assert set(fresh.calls) == set(calls)
            return {call: set(fresh.calls[call].legs) for call in calls}

    def _legs(self, calls: tuple[str, ...]) -> dict[str, set[str]]:
        return {call: set(self.state.calls[call].legs) for call in calls}

    def _hears(self, call: str, expected: set[str], moment: str) -> None:
        until(
            lambda: self._with(call) == expected,
            lambda: f"{moment}: {expected} with the caller, not {self._with(call)}",
        )

    def _with(self, call: str) -> set[str]:
        return {leg.interface.removeprefix("PJSIP/") for leg in with_caller(self.state, call)}

    def _belong(self, played: Played) -> None:
        """Every channel that there was belongs to the call of which the phones and the dialplan spoke."""
        self.channels = owners(self.line, self.since, played)
        assert set(self.channels.values()) == set(played.calls)
        until(lambda: self._differing(self.state.call_of) == {}, "all legs resolve to their call")
        until(lambda: not self.state.calls, "the calls have ended")

    def _differing(self, call_of: Callable[[str], str]) -> dict[str, tuple[str, str]]:
        found = {uniqueid: (call_of(uniqueid), call) for uniqueid, call in self.channels.items()}
        return {uniqueid: pair for uniqueid, pair in found.items() if pair[0] != pair[1]}


def owners(line: Line, since: int, played: Played) -> dict[str, str]:
    """The call of each channel since then, as the witness saw them begin and the phones were told.

    Where one call was played, all is that call's. Where two were, a phone's leg is the call's that its INVITE named
    (the dialplan puts the call's id in the place of the caller's number), a caller's leg is the call's that entered.
    """
    events = line.ami.events[since:]
    began = [event for event in events if event.get("Event") == "Newchannel"]
    if len(played.calls) == 1:
        return {event["Uniqueid"]: played.calls[0] for event in began}
    told = {e["Uniqueid"]: e["CallId"] for e in events if e.get("UserEvent") == "CallStep" and e["What"] == "entered"}
    for event in began:
        if event["Uniqueid"] not in told:
            user = event["Channel"].removeprefix("PJSIP/").partition("-")[0]
            (invite,) = played.phones[user].rung
            told[event["Uniqueid"]] = next(call for call in played.calls if call in invite.header("From"))
    return told


@pytest.mark.parametrize("shape", shapes.SHAPES, ids=[shape.__name__ for shape in shapes.SHAPES])
async def test_a_call_stays_one_call_through(line: Line, shape: Callable[..., Played]) -> None:
    events, position = len(line.ami.events), end_of_journal(line)
    async with linked_to(config(line)) as reader:
        await reader.connected()
        watch = Watch(line, reader.link.state, events, asyncio.get_running_loop())
        played = await asyncio.to_thread(shape, line, watch)
        assert watch.seen == [*COMPANY[played.name], "over"]
        live = [fact for fact in reader.facts if isinstance(fact, CallFact)]
        assert reader.link.odd.lost == 0

    steps = told_by_the_dialplan(line, events)
    assert {(fact.call_id, fact.ordinal) for fact in live if not isinstance(fact, RINGS)} == steps
    for call, caller in zip(played.calls, played.callers, strict=True):
        mine = [fact for fact in live if fact.call_id == call]
        kinds = [kind(fact) for fact in mine]
        assert (kinds[0], kinds.count("CallEntered"), kinds.count("CallEnded")) == ("CallEntered", 1, 1)
        assert kinds.count("CallAnswered") == 1
        assert kinds.count("ListenerLost") == (played.name in LOSES_LISTENERS and call == played.calls[1])
        ended = mine[kinds.index("CallEnded")]
        assert isinstance(ended, CallEnded)
        assert (ended.by.value == "caller") == (caller.was_hung_up_on is None)
        numbers = [fact.ordinal for fact in mine if not isinstance(fact, RINGS)]
        assert (sorted(numbers), ended.ordinal) == (list(range(1, len(numbers) + 1)), len(numbers))

    later, replay = await asyncio.to_thread(told_by_the_journal, line, position, len(live), watch)
    assert {key(fact): same(fact) for fact in later} == {key(fact): same(fact) for fact in live}
    assert replay.open_calls == frozenset()


def config(line: Line) -> LinkConfig:
    secrets = line.pbx.secrets
    return LinkConfig(
        pbx="pbx1",
        host="127.0.0.1",
        port=line.pbx.ports.ami,
        username="service",
        secret=secrets["service"],
        provision_username="provision",
        provision_secret=secrets["provision"],
    )


def end_of_journal(line: Line) -> Position:
    file = line.pbx.layout.journal
    return Position(file.stat().st_ino, file.stat().st_size) if file.exists() else Position()


def told_by_the_dialplan(line: Line, since: int) -> set[tuple[str, int]]:
    told = (event for event in line.ami.events[since:] if event.get("UserEvent") == "CallStep")
    return {(event["CallId"], int(event["Step"])) for event in told}


def told_by_the_journal(line: Line, start: Position, count: int, watch: Watch) -> tuple[list[CallFact], JournalReplay]:
    """The facts of what was written since; waits until there are so many, and until each leg has told whose it is.

    A leg may tell that after the last fact: in its goodbye.
    """

    def look() -> tuple[list[CallFact], JournalReplay] | None:
        replay = JournalReplay("pbx1")
        facts = replay.feed(read(line.pbx.layout.journal, start)[0])
        whole = len(facts) >= count and not replay.open_calls and not watch._differing(replay.call_of)
        return (facts, replay) if whole else None

    return until(look, f"{count} facts in the journal, and the call of each leg")


def kind(fact: Fact) -> str:
    return type(fact).__name__


def key(fact: CallFact) -> tuple[str, str, int]:
    return fact.call_id, kind(fact), fact.ordinal


def same(fact: CallFact) -> dict[str, object]:
    """All but the instant, of which the journal knows its own word."""
    return {name: getattr(fact, name) for name in fact.__dataclass_fields__ if name != "at"}
