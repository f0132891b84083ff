"""The command around the faults: what is drawn, parts that add up, the line that is published, the exit code."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from tests.faults import report as reports
from tests.faults.__main__ import ROOT, chosen, main, seed_of, share
from tests.faults.auditor import Finding, Kind
from tests.faults.faults import all_faults
from tests.faults.injector import Need
from tests.faults.run import Drawn, Plan, Result, schedule


def report(seed: int = 1, faults: int = 3, *findings: Kind) -> dict[str, Any]:
    drawn = [Drawn(n, "core-reload", 20 + n, 1_700_000_000.0 + n, board=0.5) for n in range(faults)]
    found = [Finding(kind, "what", 1_700_000_000.0) for kind in findings]
    return reports.report_of(Result(Plan(10, faults, seed), 10, drawn, found))


def drawn_names(seed: int, count: int) -> list[str]:
    faults, _ = chosen([], frozenset(Need))
    return [fault.name for fault in itertools.islice(schedule(faults, seed), count)]


def test_the_same_seed_draws_the_same_faults() -> None:
    assert drawn_names(5, 60) == drawn_names(5, 60)
    assert drawn_names(5, 60) != drawn_names(6, 60)


def test_every_fault_is_drawn_once_before_any_comes_again() -> None:
    count = len(set(drawn_names(5, 200)))
    assert sorted(drawn_names(5, count)) == sorted({fault.name for fault in all_faults() if not fault.cuts_calls})


def test_what_cuts_calls_is_never_drawn_but_by_name() -> None:
    assert "asterisk-killed" not in drawn_names(5, 200)
    assert [fault.name for fault in chosen(["asterisk-killed"], frozenset())[0]] == ["asterisk-killed"]


def test_what_needs_something_that_is_not_there_is_left_out_by_name() -> None:
    able, left_out = chosen([], frozenset())
    assert "ami-half-open" in left_out
    assert not any(fault.needs for fault in able)


def test_names_are_unique_and_each_fault_says_what_is_expected() -> None:
    names = [fault.name for fault in all_faults()]
    assert len(set(names)) == len(names)
    assert all(fault.expect for fault in all_faults())


def test_every_fault_has_its_row_in_the_documentation() -> None:
    rows = (ROOT / "docs" / "faults.md").read_text()
    assert [fault.name for fault in all_faults() if f"| {fault.name} |" not in rows] == []


@pytest.mark.parametrize(("whole", "parts"), [(3000, 7), (5, 8), (300, 1)])
def test_parts_make_up_the_whole(whole: int, parts: int) -> None:
    assert sum(share(whole, part, parts) for part in range(1, parts + 1)) == whole


def test_parts_draw_from_seeds_of_their_own() -> None:
    assert len({seed_of(seed, part, 9) for seed in (1, 2, 3) for part in range(1, 10)}) == 27


def test_the_last_line_has_its_form() -> None:
    line = reports.last_line(report(1, 300, Kind.LOST, Kind.CUT, Kind.CUT, Kind.DUPLICATE, Kind.BOARD))
    assert line == "10 calls, 300 faults, 1 lost, 2 cut, 1 duplicates, upper bound 1 %"


def test_a_fault_without_effect_counts_for_nothing() -> None:
    found = report(1, 4)
    found["drawn"][0]["took_effect"] = False
    assert ", 3 faults," in reports.last_line(found)


def written(folder: Path, **parts: dict[str, Any]) -> list[str]:
    for name, found in parts.items():
        (folder / f"{name}.json").write_text(json.dumps(found))
    return [str(folder / f"{name}.json") for name in parts]


def test_parts_are_added_up_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = written(tmp_path, a=report(1001, 100), b=report(1002, 200))
    assert main(["--sum", *files, "--out", str(tmp_path / "whole.json")]) == 0
    assert (
        capsys.readouterr().out.splitlines()[-1] == "20 calls, 300 faults, 0 lost, 0 cut, 0 duplicates, upper bound 1 %"
    )
    whole = json.loads((tmp_path / "whole.json").read_text())
    assert whole["seeds"] == [1001, 1002]
    assert len(whole["drawn"]) == 300


@pytest.mark.parametrize("kind", list(Kind))
def test_any_finding_in_any_part_is_a_failure(tmp_path: Path, kind: Kind) -> None:
    files = written(tmp_path, a=report(1001), b=report(1002, 3, kind))
    assert main(["--sum", *files, "--out", str(tmp_path / "whole.json")]) == 1


def test_a_part_is_not_counted_twice(tmp_path: Path) -> None:
    files = written(tmp_path, a=report(1001), b=report(1001))
    with pytest.raises(SystemExit) as ended:
        main(["--sum", *files, "--out", str(tmp_path / "whole.json")])
    assert ended.value.code == 2


def test_a_fault_that_is_not_known_is_refused_with_the_names_of_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"no such fault: nonsense; there are service-killed"):
        chosen(["nonsense"], frozenset())
