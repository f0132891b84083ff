"""The sample directory, and what the PBX gets of it."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from service.centres.model import Centre, Coverage, RouteKind, Routes
from service.centres.use_cases import differences, sample_directory

#: every French department: metropolitan, Corsica, overseas
DEPARTMENTS = {f"{n:02}" for n in range(1, 96)} - {"20"} | {"2A", "2B"} | {"971", "972", "973", "974", "976"}
#: the ranges that the regulator keeps for fiction
FICTIONAL = re.compile(r"\+33(19900|26191|35301|46571|53649)[0-9]{4}")


def centre(entry: dict[str, Any]) -> Centre:
    return Centre(
        id=entry["id"],
        name=entry["name"],
        route=RouteKind(entry["route"]),
        telephone=entry["telephone"],
        coverage=[Coverage(department=department, centre_id=entry["id"]) for department in entry["departments"]],
    )


SAMPLE = [centre(entry) for entry in sample_directory()]


def test_every_department_has_exactly_one_centre() -> None:
    covered = [row.department for centre in SAMPLE for row in centre.coverage]
    assert sorted(covered) == sorted(DEPARTMENTS)
    assert len(SAMPLE) == 51
    assert len({centre.name for centre in SAMPLE}) == 51


def test_telephone_numbers_are_fictional_and_all_different() -> None:
    numbers = [centre.telephone for centre in SAMPLE if centre.route is RouteKind.TELEPHONE]
    assert all(FICTIONAL.fullmatch(number or "") for number in numbers)
    assert len(set(numbers)) == len(numbers)


def test_the_pbx_gets_a_way_to_every_centre_and_corsica_as_it_is_keyed() -> None:
    entries = Routes.of(SAMPLE).entries()
    assert entries["department"]["38"] == "centre-38"
    assert entries["department"]["20"] == entries["department"]["2A"]
    assert entries["centre"]["centre-38/queue"] == "centre-38"
    assert entries["centre"]["centre-04/telephone"].startswith("+33")
    reached = {key.split("/")[0] for key in entries["centre"]}
    assert set(entries["department"].values()) == reached


def test_a_centre_without_its_telephone_number_has_no_route() -> None:
    lost = centre({"id": "x", "name": "X", "route": "telephone", "telephone": None, "departments": ["38"]})
    assert not Routes.of([lost]).any()


entries = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["1", "2", "3"]))


@given(entries, entries)
def test_differences_make_what_is_there_what_is_wanted(wanted: dict[str, str], there: dict[str, str]) -> None:
    changes = differences(wanted, there)
    after = {key: value for key, value in {**there, **changes}.items() if value}
    assert after == wanted
    assert all(there.get(key) != value for key, value in changes.items())
