"""DNS is away when the PBX starts, as after a power cut: the carrier's calls are taken as soon as its name is found."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from pbx import carrier, process, ways
from pbx.carrier import CarrierNames
from pbx.site import TrunkByAddress
from tests.support.pbx import PbxUnderTest, start_test_pbx, the_asterisk
from tests.support.sipp import Caller
from tests.support.wait import until

CARRIER, OTHER = "carrier.invalid", "other.invalid"


def _identified(pbx: PbxUnderTest) -> str:
    return pbx.console("pjsip show identifies")


def test_a_name_that_is_not_found_takes_no_address_of_the_carrier_along(tmp_path: Path) -> None:
    trunk = TrunkByAddress(addresses=(CARRIER, "127.0.0.1", "192.0.2.10"))
    with start_test_pbx(tmp_path, trunk=trunk) as pbx:
        assert "192.0.2.10/32" in _identified(pbx)
        with Caller(pbx.ports.sip, tmp_path) as caller:
            until(lambda: caller.answered, "a call from an address that is known is answered")


def test_a_name_is_looked_up_again_until_it_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: set[str] = set()
    machines = tmp_path / "hosts"
    machines.write_text("127.0.0.1 localhost\n")
    monkeypatch.setattr(ways, "MACHINE_HOSTS", machines)
    told: list[str] = []
    with start_test_pbx(tmp_path, trunk=TrunkByAddress(addresses=(CARRIER, OTHER))) as pbx:
        if not _has_hosts_of_its_own(pbx):
            pytest.skip("this PBX has the machine's names, which a test does not change")
        names = CarrierNames(told.append, found.__contains__)
        names.look(pbx.running)
        names.look(pbx.running)
        assert [line.split(":")[0] for line in told] == [
            f"The carrier's name {CARRIER} is not found",
            f"The carrier's name {OTHER} is not found",
        ]
        _put_in_place_of(machines, f"127.0.0.1 localhost {CARRIER}\n")
        found.add(CARRIER)
        names.look(pbx.running)
        until(lambda: "127.0.0.1/32" in _identified(pbx), "the name is known")
        with Caller(pbx.ports.sip, tmp_path) as caller:
            until(lambda: caller.answered, "the carrier's call is answered")
        names.look(pbx.running)
        assert told[-1] == f"The carrier's name {CARRIER} is found: its calls are taken"
        assert len(told) == 3


def test_a_new_resolv_conf_of_the_machine_reaches_a_pbx_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut there is none yet; then one takes its place, by a rename, each time the network changes."""
    machines = tmp_path / "resolv.conf"
    monkeypatch.setattr(ways, "MACHINE_RESOLV", machines)
    with start_test_pbx(tmp_path, trunk=TrunkByAddress(addresses=(CARRIER,))) as pbx:
        if not _has_hosts_of_its_own(pbx):
            pytest.skip("this PBX has the machine's names, which a test does not change")
        names = CarrierNames(lambda _: None, lambda _: True)
        for nth in (1, 2):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as dns:
                own = f"127.{nth}.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
                dns.bind((own, 53))
                dns.setblocking(False)
                _put_in_place_of(machines, f"nameserver {own}\noptions timeout:1 attempts:1\n")
                names.look(pbx.running)
                until(lambda: b"carrier" in _received(dns), "Asterisk asks the DNS of today")


def test_a_name_that_the_machine_alone_finds_is_told_and_asked_for_rarely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start_test_pbx(tmp_path, trunk=TrunkByAddress(addresses=(CARRIER, "127.0.0.1"))) as pbx:
        told, reloads = list[str](), list[str]()
        console = process.RunningPbx.console

        def counted(running: process.RunningPbx, command: str) -> str:
            if "reload" in command:
                reloads.append(command)
                return ""
            return console(running, command)

        monkeypatch.setattr(process.RunningPbx, "console", counted)
        names = CarrierNames(told.append, lambda _: True)
        for _ in range(carrier._RARELY - 1):
            names.look(pbx.running)
        assert len(reloads) == carrier._VAIN
        assert sum("its PBX does not" in line for line in told) == 1
        assert CARRIER in told[-1]
        names.look(pbx.running)
        assert len(reloads) == carrier._VAIN + 1


def _received(dns: socket.socket) -> bytes:
    with suppress(BlockingIOError):
        return dns.recv(1024)
    return b""


def _put_in_place_of(file: Path, text: str) -> None:
    """As who looks after it does: beside it, then renamed."""
    new = file.with_name(f"{file.name}.new")
    new.write_text(text)
    new.rename(file)


def _has_hosts_of_its_own(pbx: PbxUnderTest) -> bool:
    return ways.choose(the_asterisk(), pbx.layout, lambda _: None).seen != pbx.layout.data
