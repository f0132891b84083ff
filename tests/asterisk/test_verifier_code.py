"""What our own code may not ask of Asterisk, in whatever way it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from pbx import verifier
from pbx.no_cap import Problem
from tests.asterisk.no_cap_code_seeds import CODE_SEEDS
from tests.asterisk.no_cap_seeds import CodeSeed


def of(folder: Path, seed: CodeSeed) -> list[Problem]:
    file = folder / seed.file
    file.parent.mkdir(parents=True)
    file.write_text(seed.source)
    return verifier.check_code([folder / seed.file.partition("/")[0]])


@pytest.mark.parametrize("seed", CODE_SEEDS, ids=[f"{s.rule}: {s.file}: {s.source}" for s in CODE_SEEDS])
def test_another_way_of_writing_it_is_seen(tmp_path: Path, seed: CodeSeed) -> None:
    found = of(tmp_path, seed)
    assert seed.rule in {problem.id for problem in found}, found
    assert {problem.file for problem in found} == {seed.file}


HARMLESS = (
    CodeSeed("service/pump.py", 'log.info("a sentence", action="routes-synchronised")\n', ""),
    CodeSeed("service/pump.py", "from pbx.console import ask\nSAID = 'module show'\nask(s, SAID)\n", ""),
    CodeSeed(
        "service/pump.py",
        "from pbx import console\nasyncio.to_thread(console.ask, s, 'core show uptime seconds')\n",
        "",
    ),
    CodeSeed("service/pump.py", "from pbx.commands import EndConversation\nisinstance(c, EndConversation)\n", ""),
    CodeSeed("service/pump.py", "def of(c: EndConversation) -> list[EndConversation]:\n    return [c]\n", ""),
    CodeSeed("service/pump.py", "from subprocess import TimeoutExpired\nraise TimeoutExpired\n", ""),
    CodeSeed("pbx/actions.py", 'def ping():\n    fields = {"Action": "Ping"}\n    return Action(fields)\n', ""),
)


@pytest.mark.parametrize("seed", HARMLESS, ids=[seed.source for seed in HARMLESS])
def test_what_asks_nothing_of_asterisk_is_no_finding(tmp_path: Path, seed: CodeSeed) -> None:
    assert of(tmp_path, seed) == []
