"""What runs the PBX: containers and units as they are shipped let calls end, and every other way is seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pbx import machine_rules, verifier
from pbx.layout import SOURCES
from tests.asterisk.no_cap_code_seeds import COMPOSE_FILES, COMPOSE_SEEDS, SERVICE_UNIT_SEEDS, UNIT_SEEDS

COMPOSE = (SOURCES / "docker-compose.yml").read_text()
UNITS = SOURCES / "docs" / "systemd"
PBX_UNIT, SERVICE_UNIT = "ecoute-pbx@.service", "ecoute.service"


def found(checkout: Path) -> set[str]:
    return {problem.id for problem in verifier.check_code([], checkout)}


# --- containers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changed", COMPOSE_SEEDS, ids=[f"{old} → {new}" for old, new in COMPOSE_SEEDS])
def test_a_container_that_would_end_calls_is_seen(tmp_path: Path, changed: tuple[str, str]) -> None:
    assert changed[0] in COMPOSE
    (tmp_path / "docker-compose.yml").write_text(COMPOSE.replace(*changed))
    assert found(tmp_path) == {"container"}


def test_what_is_merged_in_is_told_where_it_stands(tmp_path: Path) -> None:
    text = COMPOSE.replace("image: ecoute:local", "image: ecoute:local\n  mem_limit: 512m")
    (tmp_path / "docker-compose.yml").write_text(text)
    (problem,) = verifier.check_code([], tmp_path)
    assert text.splitlines()[problem.line - 1].strip() == "mem_limit: 512m"
    assert problem.sentence == "pbx: mem_limit is not known to leave calls alone."


@pytest.mark.parametrize("name", COMPOSE_FILES)
def test_another_file_that_docker_reads_is_seen(tmp_path: Path, name: str) -> None:
    (tmp_path / "docker-compose.yml").write_text(COMPOSE)
    assert found(tmp_path) == set()
    (tmp_path / name).write_text("services: { pbx: { mem_limit: 512m } }\n")
    assert [(p.id, p.file) for p in verifier.check_code([], tmp_path)] == [("container", name)]


def test_a_name_of_other_files_in_the_environment_is_seen(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ECOUTE_SITE=ecoute.example\n")
    assert found(tmp_path) == set()
    (tmp_path / ".env").write_text("ECOUTE_SITE=ecoute.example\nCOMPOSE_FILE=mine.yml\n")
    assert [(p.id, p.line) for p in verifier.check_code([], tmp_path)] == [("container", 2)]


MERGED = """
x-one: &one
  image: one
  restart: always
x-two: &two
  <<: *one
  image: two
services:
  a:
    <<: *two
    command: ["x"]
  b:
    <<: [*one, *two]
  c:
    restart: "no"
    <<:
      - *two
      - *one
"""


@pytest.mark.parametrize("text", [COMPOSE, MERGED])
def test_merged_parts_are_read_as_docker_reads_them(text: str) -> None:
    lines = text.splitlines()
    known = machine_rules.anchors(lines)
    ours = {name: machine_rules.merged(written, known) for name, (_, written) in machine_rules.services(lines).items()}
    its: dict[str, dict[str, Any]] = yaml.safe_load(text)["services"]
    assert {name: set(written) for name, written in ours.items()} == {name: set(keys) for name, keys in its.items()}
    for name, keys in its.items():
        for key in ("image", "restart"):
            if key in keys:
                assert ours[name][key][1].strip('"') == keys[key]


# --- units ------------------------------------------------------------------------------------------------------------


def test_the_shipped_units_pass() -> None:
    assert {path.name for path in UNITS.iterdir()} == {PBX_UNIT, SERVICE_UNIT}
    assert verifier.check_code([], UNITS) == []


@pytest.mark.parametrize("changed", UNIT_SEEDS, ids=[f"{old} → {new}" for old, new in UNIT_SEEDS])
def test_a_unit_that_would_end_the_pbx_is_seen(tmp_path: Path, changed: tuple[str, str]) -> None:
    _planted(tmp_path, PBX_UNIT, changed)


@pytest.mark.parametrize("changed", SERVICE_UNIT_SEEDS, ids=[f"{old} → {new}" for old, new in SERVICE_UNIT_SEEDS])
def test_a_unit_beside_it_that_would_end_the_pbx_is_seen(tmp_path: Path, changed: tuple[str, str]) -> None:
    _planted(tmp_path, SERVICE_UNIT, changed)


def _planted(folder: Path, name: str, changed: tuple[str, str]) -> None:
    text = (UNITS / name).read_text()
    assert changed[0] in text
    (folder / name).write_text(text.replace(*changed))
    assert found(folder) == {"service-unit"}


def test_more_of_a_unit_needs_not_say_all_of_it_again(tmp_path: Path) -> None:
    (tmp_path / "ecoute-pbx@.service.d").mkdir()
    more = tmp_path / "ecoute-pbx@.service.d" / "site.conf"
    more.write_text("[Service]\nEnvironment=ECOUTE_CONFIG=/etc/ecoute.toml\n")
    assert found(tmp_path) == set()
    more.write_text("[Service]\nMemoryMax=1G\n")
    assert found(tmp_path) == {"service-unit"}
