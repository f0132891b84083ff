"""Behind an address translator a browser is told where our audio really is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pbx.phones import PhoneAccount
from service.cli import certificate
from tests.asterisk.line import PASSWORD
from tests.support.pbx import start_test_pbx
from tests.support.sipp import Phone
from tests.support.wait import until
from tests.support.witness import Witness

OUTSIDE = "203.0.113.9"


@pytest.mark.parametrize("external", ["", OUTSIDE])
def test_a_browser_is_offered_the_external_address_beside_our_own(tmp_path: Path, external: str) -> None:
    own = certificate.own_addresses()[0]
    if not re.fullmatch(r"[0-9.]+", own):
        pytest.skip("this machine has no address but loopback, which Asterisk never offers")
    with (
        start_test_pbx(tmp_path, bind="0.0.0.0", external_address=external, own_address=own) as pbx,  # noqa: S104
        Phone(tmp_path) as phone,
    ):
        pbx.write_phones([PhoneAccount("l9", PASSWORD)])
        phone.register(pbx.ports.sip, "l9", PASSWORD)
        pbx.add_manager("witness", "witness", "read = all\nwrite = all\nwritetimeout = 5000\n")
        with Witness(pbx.ports.ami, "witness", "witness") as ami:
            ami.ask("Originate", Channel="PJSIP/l9", Application="Wait", Data="5", Async="true")
            offer = until(lambda: phone.rung, "the phone is offered a call")[0].text
        offered = set(re.findall(r"^a=candidate:.* ([0-9.]+) [0-9]+ typ host", offer, re.MULTILINE))
        assert own in offered
        assert (OUTSIDE in offered) == bool(external)
