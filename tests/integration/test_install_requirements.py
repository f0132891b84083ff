"""What the machine lacks is one sentence with its mend."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pbx import requirements
from pbx.errors import SetupError
from pbx.requirements import Purpose, Requirement
from tests.support.pbx import quiet

RUN: tuple[Purpose, ...] = ("run",)
TEST: tuple[Purpose, ...] = ("test",)
ABSENT = Requirement("run", ("ecoute-no-such-package", "another"), ("ecoute-no-such-program",), "does nothing")


def test_this_machine_has_what_the_tests_need() -> None:
    assert requirements.missing(("run", "demo", "test")) == []
    said: list[str] = []
    requirements.ensure(("run", "demo", "test"), said.append)
    assert said == []


def test_a_program_a_file_or_a_pattern_is_a_sign(tmp_path: Path) -> None:
    (tmp_path / "15").mkdir()
    (tmp_path / "15" / "postgres").touch()
    assert Requirement("run", ("x",), ("sh", f"{tmp_path}/*/postgres"), "").met()
    assert not Requirement("run", ("x",), ("sh", f"{tmp_path}/*/mysql"), "").met()


def test_only_what_the_purpose_needs_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "REQUIREMENTS", (ABSENT,))
    assert requirements.missing(TEST) == []
    assert requirements.missing(RUN) == [ABSENT]


def test_an_ordinary_user_is_told_all_packages_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "REQUIREMENTS", (ABSENT,))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SetupError) as refused:
        requirements.ensure(RUN, quiet)
    assert refused.value.sentence == "This machine lacks ecoute-no-such-package (does nothing)."
    assert refused.value.mend == "As root: apt-get install ecoute-no-such-package another"


def test_the_command_says_it_on_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(requirements, "REQUIREMENTS", (ABSENT,))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert requirements.main(["run"]) == 1
    assert "apt-get install" in capsys.readouterr().err
    assert requirements.main(["test"]) == 0
    assert requirements.main(["everything"]) == 2
