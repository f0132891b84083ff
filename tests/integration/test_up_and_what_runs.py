"""`ecoute up` where a PBX runs otherwise than the settings say by now, and where a key asks for a password."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from pbx import ports, process
from pbx.errors import SetupError
from pbx.layout import Layout
from service.cli import certificate, machine, up
from service.settings import Pbx, Settings
from tests.integration.test_pbx_first import block as block  # noqa: PLC0414  a fixture
from tests.integration.test_pbx_first import command, settings_of, write_settings
from tests.support.pbx import Ports, quiet, reserve_ports


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    """What runs there afterwards is ended."""
    layout = Layout.of(tmp_path / "var", "pbx1")
    yield layout
    if running := process.find(layout):
        running.kill()


def changed(settings: Settings, **values: object) -> Settings:
    """The same with other values for its first PBX."""
    return settings.model_copy(update={"pbx": [settings.pbx[0].model_copy(update=values), *settings.pbx[1:]]})


def with_a_wrong_trunk(settings: Settings) -> Settings:
    """With an address that Asterisk cannot have."""
    return changed(settings, trunk=settings.pbx[0].trunk.model_copy(update={"addresses": ["no host name"]}))


def test_a_pbx_that_runs_is_not_said_not_to_start(tmp_path: Path, block: Ports, layout: Layout) -> None:
    settings, said = settings_of(tmp_path, block), list[str]()
    running = machine.start(settings, settings.pbx[0], quiet)
    up._start_pbxs(with_a_wrong_trunk(settings), said.append)
    assert running.alive()
    assert [line for line in said if "does not start" in line] == []
    assert any("goes on as it was started" in line and "address of the trunk" in line for line in said)


def test_other_ports_of_one_pbx_are_refused_once_the_others_run(tmp_path: Path, block: Ports, layout: Layout) -> None:
    first, other, ran = settings_of(tmp_path, block), reserve_ports(), Layout.of(tmp_path / "var", "pbx2")
    second = Pbx(
        id="pbx2", sip_port=other.sip, http_port=other.http, ami_port=other.ami,
        rtp_start=other.rtp_start, rtp_end=other.rtp_end,
    )  # fmt: skip
    machine.start(first, first.pbx[0], quiet)
    both, said = first.model_copy(update={"pbx": [first.pbx[0], second]}), list[str]()
    try:
        with pytest.raises(SetupError) as refused:
            up._start_pbxs(changed(both, ami_port=block.spare[7]), said.append)
        assert refused.value.id == "pbx-runs-on-other-ports"
        assert process.find(ran)
        assert said[-1].startswith("The service does not start. The PBX and its calls go on")
    finally:
        if running := process.find(ran):
            running.kill()
        other.release()


def test_a_wrong_value_beside_new_ports_answers_callers_and_says_that_the_service_would_not_find_it(
    tmp_path: Path, block: Ports, layout: Layout
) -> None:
    settings, said = settings_of(tmp_path, block), list[str]()
    machine.start(settings, settings.pbx[0], quiet).kill()
    wrong = with_a_wrong_trunk(changed(settings, ami_port=block.spare[7]))
    with pytest.raises(SetupError) as refused:
        up._start_pbxs(wrong, said.append)
    assert refused.value.id == "pbx-runs-on-other-ports"
    assert any("address of the trunk" in line for line in said), "what to mend first"
    running = process.find(layout)
    assert running
    assert not ports.Port("tcp", "127.0.0.1", block.ami, "").free(), "on the ports of its last start"
    running.kill()
    alone = up._started_or_running(wrong, wrong.pbx[0], said.append)
    assert alone.alive(), "a PBX alone is looked after all the same"
    assert said[-1].endswith("Until then it goes on as it was started")


def test_a_key_with_a_password_is_refused_and_the_terminal_is_not_asked(tmp_path: Path, block: Ports) -> None:
    made = certificate.for_this_machine(tmp_path / "tls")
    key = serialization.load_pem_private_key(made.private_key.read_bytes(), password=None)
    sealed = serialization.BestAvailableEncryption(b"a password")
    made.private_key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed)
    )
    http = f"port = {block.spare[8]}\ncertificate = '{made.certificate}'\nprivate_key = '{made.private_key}'"
    write_settings(tmp_path, block, f"[http]\n{http}")
    line, environment = command(tmp_path, "serve")
    ours, its = pty.openpty()
    try:
        done = subprocess.run(
            ["setsid", "--ctty", *line],
            cwd=tmp_path, env=environment, stdin=its, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    finally:
        os.close(ours)
        os.close(its)
    assert done.returncode == 1
    assert f"{made.private_key} cannot be used" in done.stderr
    assert "without a password (`openssl pkey" in done.stderr
