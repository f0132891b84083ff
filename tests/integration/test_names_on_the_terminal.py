"""`ecoute listeners list` with names that are not only letters."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def ecoute(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "service.cli.main", *arguments],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


def test_the_list_of_listeners_shows_a_name_as_it_is_and_obeys_nothing_in_it(tmp_path: Path) -> None:
    ecoute(tmp_path, "init")
    ecoute(tmp_path, "listeners", "add", "zoe", "Zoë\x1b[2J\u202e")
    ecoute(tmp_path, "listeners", "add", "remi", "Rémi [/nuit]")
    listed = ecoute(tmp_path, "listeners", "list").stdout
    assert r"Zoë\x1b[2J\u202e" in listed
    assert "Rémi [/nuit]" in listed
    assert not {"\x1b", "\u202e"} & set(listed)
