"""What keeps the PBX from starting is one sentence with its mend, and leaves nothing running."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pbx import process, site
from pbx.errors import SetupError
from pbx.layout import Layout
from pbx.site import TrunkByAddress
from tests.support.pbx import quiet, start_test_pbx, the_asterisk
from tests.support.users import become_ordinary, directory_for_all, in_a_child

AS_ROOT = os.geteuid() == 0


@pytest.fixture
def open_directory() -> Iterator[Path]:
    with directory_for_all() as directory:
        yield directory


@pytest.mark.parametrize(
    ("key", "setting", "protocol"),
    [
        ("sip_port", "pbx.sip_port", socket.SOCK_DGRAM),
        ("sip_port", "pbx.sip_port", socket.SOCK_STREAM),
        ("http_port", "pbx.http_port", socket.SOCK_STREAM),
        ("ami_port", "pbx.ami_port", socket.SOCK_STREAM),
    ],
)
def test_a_port_that_is_taken_names_the_process_and_the_setting(
    tmp_path: Path, key: str, setting: str, protocol: socket.SocketKind
) -> None:
    with socket.socket(socket.AF_INET, protocol) as taken:
        taken.bind(("127.0.0.1", 0))
        if protocol == socket.SOCK_STREAM:
            taken.listen(1)
        with pytest.raises(SetupError) as refused:
            start_test_pbx(tmp_path, **{key: taken.getsockname()[1]})
    assert refused.value.id == "port-taken"
    name = Path("/proc/self/comm").read_text().strip()
    assert f"is held by {name} (process {os.getpid()})" in refused.value.sentence
    assert setting in refused.value.mend


def test_an_address_that_is_not_here(tmp_path: Path) -> None:
    with pytest.raises(SetupError) as refused:
        start_test_pbx(tmp_path, bind="192.0.2.77")
    assert refused.value.id == "address-not-here"


@pytest.mark.skipif(not AS_ROOT, reason="it takes two users")
def test_a_data_directory_of_another_user(open_directory: Path) -> None:
    where = Layout.of(open_directory, "pbx1")
    config = site.SiteConfig(
        pbx="pbx1", numbers={"3133": "+33199003133"}, trunk=TrunkByAddress(addresses=("127.0.0.1",))
    )
    site.write(config, where)

    def write() -> str:
        site.write(config, where)
        return "written"

    said = in_a_child(write, become_ordinary)
    assert said.startswith(f"SetupError: {where.data}")
    assert "belongs to another user" in said


@pytest.mark.skipif(not AS_ROOT, reason="mounting a small disk takes root")
def test_a_full_disk(open_directory: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(open_directory)], check=True)
    try:
        with pytest.raises(SetupError) as refused:
            start_test_pbx(open_directory)
    finally:
        subprocess.run(["umount", str(open_directory)], check=True)
    assert refused.value.id == "disk-full"
    assert "store.data_dir" in refused.value.mend


def test_an_asterisk_that_does_not_come_up_says_why(tmp_path: Path) -> None:
    sources = tmp_path / "sources"
    (sources / "asterisk-config").mkdir(parents=True)
    (sources / "dialplan").mkdir()
    (sources / "asterisk-config/modules.conf").write_text("[modules]\nautoload = no\nrequire = no_such_module.so\n")
    with pytest.raises(SetupError) as refused:
        start_test_pbx(tmp_path, sources=sources)
    assert refused.value.id == "pbx-did-not-start"
    assert "no_such_module" in refused.value.sentence
    assert process.find(Layout.of(tmp_path, "pbx1")) is None


def test_an_asterisk_that_does_not_listen_is_ended_again(tmp_path: Path) -> None:
    sources = tmp_path / "sources"
    (sources / "asterisk-config").mkdir(parents=True)
    (sources / "dialplan").mkdir()
    (sources / "asterisk-config/modules.conf").write_text("[modules]\nautoload = no\n")
    with pytest.raises(SetupError) as refused:
        start_test_pbx(tmp_path, sources=sources)
    assert refused.value.id == "pbx-not-listening"
    assert process.find(Layout.of(tmp_path, "pbx1")) is None


@pytest.mark.skipif(not AS_ROOT, reason="mounting a small disk takes root")
def test_a_disk_that_became_read_only(open_directory: Path) -> None:
    """As Linux makes one that fails."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(open_directory)], check=True)
    config = site.SiteConfig(
        pbx="pbx1", numbers={"3133": "+33199003133"}, trunk=TrunkByAddress(addresses=("127.0.0.1",))
    )
    where = Layout.of(open_directory, "pbx1")
    try:
        site.write(config, where)
        subprocess.run(["mount", "-o", "remount,ro", str(open_directory)], check=True)
        with pytest.raises(SetupError) as refused:
            site.write(config, where)
        with pytest.raises(SetupError) as not_started:
            process.start(the_asterisk(), where, quiet)
    finally:
        subprocess.run(["umount", str(open_directory)], check=True)
    assert refused.value.id == not_started.value.id == "disk-failing"
