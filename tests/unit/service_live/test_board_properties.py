"""The live view: old state plus numbered changes is what a fresh page shows, and nobody is sent what is not theirs."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from service.accounts.rights import Role
from service.push.audiences import Kind
from service.push.schemas import LiveChanges, LiveMessage
from tests.unit.service_live.live_line import LiveLine
from tests.unit.service_live.live_pages import VIEWERS, Page

T = TypeVar("T")
CORPUS = Path("service/frontend/tests/live-corpus.jsonl")
PERSONAL = {"me", "offer", "contact"}
#: what is shown from the first to the last moment of a service
NEVER_GONE = {"line", "me"}


#: told beside it: by the link, by the watch
NOT_OF_THE_WORLD = {Kind.LINE, Kind.ALARM, Kind.NOTICE}


class BoardLine(RuleBasedStateMachine):
    """Anything that may change a page, for several pages of all roles, over two PBXs."""

    def __init__(self) -> None:
        super().__init__()
        self.live = LiveLine()
        for pbx in self.live.pbxs:
            pbx.connect()

    @rule(data=st.data(), often=st.integers(1, 4))
    def something_happens(self, data: st.DataObject, often: int) -> None:
        def choose(options: Sequence[T]) -> T:
            return options[data.draw(st.integers(0, len(options) - 1))]

        for _ in range(often):
            choose(self.live.events)(choose)

    @rule()
    def a_second_passes(self) -> None:
        for pbx in self.live.pbxs:
            pbx.line.tick(1.0)
            pbx.pump.tick()

    @rule()
    def everything_is_read(self) -> None:
        self.live.settle()
        for page in self.live.pages:
            assert page.things == self.live.fresh(page.viewer)
            assert_no_closed_case(self.live, page)

    @invariant()
    def nobody_holds_what_is_not_theirs(self) -> None:
        for page in self.live.pages:
            assert_theirs(self.live, page)

    @invariant()
    def the_board_is_what_one_made_anew_would_be(self) -> None:
        assert_as_made_anew(self.live)

    def teardown(self) -> None:
        for _ in VIEWERS:
            self.live.open(VIEWERS[len(self.live.pages) % len(VIEWERS)])
        self.everything_is_read()
        self.nobody_holds_what_is_not_theirs()


def content(live: LiveLine, *, mended: bool = False) -> dict[tuple[str, str, str], Any]:
    """The board's entities by audience; a listener's own state only where somebody asked for it."""
    board = live.mended() if mended else live.board
    return {
        (str(audience), kind.value, id_): value
        for audience, values in board._values.items()
        for (kind, id_), value in values.items()
        if kind not in NOT_OF_THE_WORLD and not (kind is Kind.ME and live.board.value(kind, id_, int(id_)) is None)
    }


def assert_as_made_anew(live: LiveLine) -> None:
    """But while somebody is being connected: their phone is answered, and no fact says so before the bridge."""
    calls = [call for pbx in live.pbxs for call in pbx.line.calls.values()]
    if all(pbx.connected for pbx in live.pbxs) and not any(call.place == "connecting" for call in calls):
        now, anew = content(live), content(live, mended=True)
        assert now == anew


def assert_members_and_phones_are_known(live: LiveLine) -> None:
    """Through gaps, too: the lists of the snapshot mend what was missed."""
    for pbx in live.pbxs:
        if pbx.connected:
            state = pbx.link.state
            assert {key: state.members[key[1]].pause_reason for key in pbx.members} == {
                key: member.pause_reason for key, member in pbx.members.items()
            }
            assert {(queue, name) for name, member in state.members.items() for queue in member.queues} == set(
                pbx.members
            )
            assert {name for name, reachable in state.phones.items() if reachable} == set(pbx.contacts)


def assert_theirs(live: LiveLine, page: Page) -> None:
    """Whose a message may be, by the rules of the line and by what happened on the line; not by the code under test."""
    account_id, roles = page.viewer.account_id, page.viewer.roles
    for message in page.messages:
        for entity in message.get("entities", ()):
            kind, id_ = entity["kind"], entity["id"]
            if kind in PERSONAL:
                assert Role.LISTENER in roles
                assert id_ in live.theirs(kind, account_id)
            elif kind == "notice":
                assert roles & {Role.LISTENER, Role.COORDINATOR}
            elif kind != "line":
                assert Role.SUPERVISOR in roles
    page.messages.clear()


def assert_no_closed_case(live: LiveLine, page: Page) -> None:
    """A case that is closed to somebody is not shown to them, whoever rings."""
    for (kind, call_id), offer in page.things.items():
        known = live.world.known.get(call_id)
        closed = known is not None and page.viewer.account_id in known.closed_to
        if kind == "offer" and closed and (call_id, page.viewer.account_id) not in live.world.known_to:
            assert (offer["number"], offer["cases"]) == ("unknown", []), "as for a number that was never used"


def test_old_state_plus_changes_is_what_a_fresh_page_shows_for_every_kind_of_change_and_viewer() -> None:
    run_state_machine_as_test(BoardLine, settings=settings(max_examples=60, stateful_step_count=30, deadline=None))


def test_so_it_is_over_long_runs_with_every_viewer_there_from_the_beginning() -> None:
    for seed in range(60):
        draw = random.Random(seed)  # noqa: S311 - nothing is secret here
        live = LiveLine()
        for pbx in live.pbxs:
            pbx.connect()
        for viewer in VIEWERS:
            live.open(viewer)
        for _ in range(60):
            draw.choice(live.events)(draw.choice)
            assert_as_made_anew(live)
            assert_members_and_phones_are_known(live)
            live.settle()
            for page in live.pages:
                assert_theirs(live, page)
                assert_no_closed_case(live, page)
                assert page.things == live.fresh(page.viewer)


# --- every kind of message and change -------------------------------------------------------------------------------


def played(seed: int, steps: int = 150) -> list[tuple[Page, list[dict[str, Any]]]]:
    """A run of a fixed seed: each page with all that it was sent."""
    draw = random.Random(seed)  # noqa: S311 - nothing is secret here
    live = LiveLine()
    for pbx in live.pbxs:
        pbx.connect()
    pages = [live.open(viewer) for viewer in VIEWERS]
    for _ in range(steps):
        event = draw.choice(live.events)
        if event != live.page_closes:
            event(draw.choice)
    live.settle()
    return [(page, list(page.messages)) for page in live.pages if page in pages]


def told_apart(schema: dict[str, Any]) -> set[str]:
    """The words by which the variants of a schema are told apart."""
    return set(schema["discriminator"]["mapping"])


def test_every_message_that_the_schemas_name_and_every_change_of_every_kind_is_sent_in_these_runs() -> None:
    sent = [message for seed in range(4) for _, messages in played(seed) for message in messages]
    for message in sent:
        LiveMessage.model_validate(message)
    assert {message["type"] for message in sent} | {fallen_behind()} == told_apart(LiveMessage.model_json_schema())
    kinds = told_apart(LiveChanges.model_json_schema()["properties"]["entities"]["items"])
    assert kinds == {kind.value for kind in Kind}
    changes = {
        (entity["kind"], "gone" if entity["value"] is None else "shown")
        for message in sent
        if message["type"] == "changes"
        for entity in message["entities"]
    }
    assert changes == {(kind, "shown") for kind in kinds} | {(kind, "gone") for kind in kinds - NEVER_GONE}


def fallen_behind() -> str:
    """What a page is told last that was not read for too long; afterwards it is right."""
    live = LiveLine()
    for pbx in live.pbxs:
        pbx.connect()
    slow = live.open(VIEWERS[3])
    draw = random.Random(7)  # noqa: S311 - nothing is secret here
    while not slow.reader.behind:
        live.calls_go_on(draw.choice)
    live.read(slow)
    assert slow not in live.pages
    (again,) = live.pages
    live.settle()
    assert again.things == live.fresh(slow.viewer)
    last: str = slow.messages[-1]["type"]
    return last


def test_a_page_that_falls_behind_is_told_to_fetch_again_and_is_right_afterwards() -> None:
    assert fallen_behind() == "refetch"


# --- the same messages for the front end's own fold -----------------------------------------------------------------


def corpus() -> str:
    """Messages of a listener, of one who also watches the line, and of a supervisor, and what they must show then."""
    runs = []
    for seed in (1, 3, 11):
        for page, messages in played(seed, 90):
            if page.viewer in VIEWERS[:4]:
                shows = [{"kind": kind, "id": id_, "value": value} for (kind, id_), value in page.things.items()]
                runs.append(json.dumps({"messages": messages, "shows": shows}, separators=(",", ":")) + "\n")
    return "".join(runs)


def test_the_messages_that_the_front_end_follows_in_its_tests_are_current() -> None:
    assert CORPUS.read_text() == corpus(), "run: python -m tests.unit.service_live.test_board_properties"


if __name__ == "__main__":
    CORPUS.write_text(corpus())
