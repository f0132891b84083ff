"""DNS is away when the PBX starts, as after a power cut: the carrier's calls are taken as soon as its name is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from pbx import ways
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


def test_a_name_is_looked_up_again_until_it_is_found(tmp_path: Path) -> None:
    found: set[str] = set()
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
        with pbx.layout.hosts.open("a") as hosts:
            hosts.write(f"127.0.0.1 {CARRIER}\n")
        found.add(CARRIER)
        names.look(pbx.running)
        until(lambda: "127.0.0.1/32" in _identified(pbx), "the name is known")
        with Caller(pbx.ports.sip, tmp_path) as caller:
            until(lambda: caller.answered, "the carrier's call is answered")
        names.look(pbx.running)
        assert told[-1] == f"The carrier's name {CARRIER} is found: its calls are taken"
        assert len(told) == 3


def _has_hosts_of_its_own(pbx: PbxUnderTest) -> bool:
    return ways.choose(the_asterisk(), pbx.layout, lambda _: None).seen != pbx.layout.data
