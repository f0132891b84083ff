"""docker-compose.yml names only what exists, proven of the file itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from service.cli.main import app
from service.settings import Settings, load

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service and "command" in service}


def test_the_parts_are_there() -> None:
    assert set(SERVICES) == {"net", "pbx", "service", "proxy", "postgres"}
    assert SERVICES["postgres"]["profiles"] == ["scale"]


@pytest.mark.parametrize("name", OURS)
def test_a_container_runs_a_command_that_exists(name: str) -> None:
    result = CliRunner().invoke(app, [*OURS[name]["command"], "--help"])
    assert result.exit_code == 0, result.output


def test_the_image_is_built_with_the_steps_of_a_bare_machine() -> None:
    makefile = (ROOT / "Makefile").read_text()
    recipe = OURS["pbx"]["build"]["dockerfile_inline"]
    for target in re.findall(r"RUN make ([a-z-]+)", recipe):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for command in re.findall(r"ecoute ([a-z]+)$", recipe, re.MULTILINE):
        assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0
    for source in re.findall(r"^COPY (\S+)", recipe, re.MULTILINE):
        assert (ROOT / source).exists()


def test_every_volume_network_and_dependency_is_declared() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or source.startswith("./"), source
        for dependency in service.get("depends_on", []):
            assert dependency in SERVICES
        for config in service.get("configs", []):
            assert config["source"] in COMPOSE["configs"]
        shared = service.get("network_mode", "")
        assert not shared or shared.removeprefix("service:") in SERVICES


def test_published_and_proxied_ports_are_the_settings_own(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = compose_settings(monkeypatch)
    published = {int(re.split(r"[:/-]", port)[0]) for port in SERVICES["net"]["ports"]}
    assert published == {settings.pbx[0].sip_port, settings.pbx[0].rtp_start}
    proxied = re.findall(r"reverse_proxy .*?net:(\d+)", COMPOSE["configs"]["caddyfile"]["content"])
    assert {int(port) for port in proxied} == {settings.pbx[0].http_port, settings.http.port}


def test_the_manager_interface_is_published_nowhere() -> None:
    for service in SERVICES.values():
        assert not any("5038" in port for port in service.get("ports", []))


def test_a_new_image_of_ours_leaves_the_network_of_live_calls_alone() -> None:
    net = SERVICES["net"]
    assert "build" not in net
    assert net["image"] not in {service["image"] for name, service in SERVICES.items() if name != "net"}


def test_a_process_of_the_pbx_is_found_by_its_number_from_the_service_s_container() -> None:
    for name in ("pbx", "service"):
        assert (SERVICES[name]["pid"], SERVICES[name]["network_mode"]) == ("service:net", "service:net")


def test_stopping_the_pbx_leaves_the_service_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert SERVICES["pbx"]["command"] == ["pbx", "run", *(pbx.id for pbx in compose_settings(monkeypatch).pbx)]


def test_conversations_are_not_cut_by_stopping_a_container() -> None:
    assert SERVICES["pbx"]["stop_grace_period"] == "12h"


def compose_settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings as the containers' environment makes them: each variable must be one that the service knows."""
    for key, value in OURS["pbx"]["environment"].items():
        monkeypatch.setenv(key, re.sub(r"\$\{\w+:-(.*?)\}", r"\1", str(value)))
    return load(None)


def test_without_a_carrier_no_centre_is_telephoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """The PBX would telephone itself, and the caller be led back to where they came from."""
    assert compose_settings(monkeypatch).pbx[0].trunk.server == ""
