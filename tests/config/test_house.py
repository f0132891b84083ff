"""The drawing of the house is the house: current, complete, and the way of the data is in the code."""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap

import pytest

from docs import house, house_svg
from docs.house_plan import ROOMS, WAY, End, Step, room_of

ROOT = Path(__file__).parents[2]


def test_the_drawing_and_its_page_are_current() -> None:
    assert house.svg() == house.SVG.read_text(), "run: make house"
    assert house.page() == house.PAGE.read_text(), "run: make house"


def test_the_same_house_is_drawn_the_same_way_whatever_the_order_in_which_it_is_found() -> None:
    built = house.built()
    listed = {name: [(item.path, item.purpose) for item in items] for name, items in built.items.items()}
    backwards = dict(reversed(list(built.arrows.items())))
    assert house_svg.draw(dict(reversed(list(listed.items()))), backwards) == house.svg()


def test_a_name_that_is_longer_than_a_line_has_its_folder_on_one_of_its_own_and_is_said_once() -> None:
    name = f"some/folder/{'x' * (house_svg.LETTERS - 15)}.py"
    lines = house_svg._lines(name, " (3)", "What it is for.")
    assert [bold for bold, _ in lines if bold] == ["some/folder/", name.removeprefix("some/folder/")]
    assert " ".join(words for _, words in lines if words) == "What it is for."
    assert house_svg._lines("one.py", "", "What it is for.") == [("one.py", "What it is for.")]


def test_what_a_room_says_fits_into_its_box_in_the_plan() -> None:
    lines = {room.name: wrap(room.says, house_svg.BOX_LETTERS) for room in ROOMS}
    assert {name: said for name, said in lines.items() if len(said) > 3} == {}


def test_every_file_stands_in_a_room() -> None:
    assert house.built().homeless == [], "say in docs/house_plan.py in which room they stand"


def test_every_file_says_what_it_is_for() -> None:
    assert house.built().silent() == [], "a docstring or a comment at the head: its first sentence goes into the house"


def test_a_room_takes_what_is_its_own_and_every_place_in_the_plan_has_something_in_it() -> None:
    paths = house.files()
    for room in ROOMS:
        for place in room.places:
            assert any(path.startswith(place) and room_of(path) is room for path in paths), (room.name, place)
    assert len({room.at for room in ROOMS}) == len(ROOMS)


@pytest.mark.parametrize("step", WAY, ids=lambda step: str(step.target))
def test_each_step_of_the_way_of_the_data_is_in_the_code(step: Step) -> None:
    assert house.missing(step) == ""


@pytest.mark.parametrize(
    ("step", "why"),
    [
        (Step("", End("service/pump.py", "Pump.nowhere"), End("pbx/link.py", "PbxLink")), "does not exist"),
        (Step("", End("service/pump.py", "Pump.take"), End("pbx/link.py", "PbxLink.send")), "does not name send"),
        (Step("", End("pbx/calls.py", "CallTracker.step"), End("service/pump.py", "Pump"), "track"), "does not import"),
    ],
)
def test_a_step_that_is_not_in_the_code_is_found(step: Step, why: str) -> None:
    assert why in house.missing(step)


def test_the_way_goes_from_asterisk_through_every_room_of_the_design_and_back() -> None:
    rooms = [room.name for step in WAY for end in (step.source, step.target) if (room := room_of(end.path))]
    assert (rooms[0], rooms[-1]) == ("dialplan", "dialplan")
    passed = {"pbx-wire", "pbx-happened", "heart", "push", "frontend-parts", "decisions", "calls", "store", "pbx-asked"}
    assert passed <= set(rooms)


def test_no_arrow_leads_out_of_pbx_upwards_or_into_the_root_from_a_feature() -> None:
    family = {room.name: room.family for room in ROOMS}
    for here, there in house.arrows():
        assert not (family[here] == "pbx" and family[there] != "pbx"), (here, there)
        assert there != "cli", (here, there)


def test_a_comment_at_the_head_is_read_in_every_language_of_the_house() -> None:
    assert house.head_comment("; How a call\n; ends.\n[x]\n") == "How a call\nends."
    assert house.head_comment("/**\n * A page. More.\n */\nimport") == "\nA page. More.\n"
    assert house.head_comment("// One\n// word.\nimport x") == "One\nword."
    assert house.head_comment("#!/bin/sh\n# Starts.\nset -e") == "\nStarts."
    assert house.head_comment("#include x\n") == ""
    assert house.first_sentence("What it is: this. And more.") == "What it is: this"
