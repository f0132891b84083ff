"""A carrier at which the line registers calls the contact that it was given there."""

from __future__ import annotations

import re
import socket
from pathlib import Path

from pbx.site import TrunkByRegistration
from tests.support.pbx import start_test_pbx
from tests.support.sipp import Caller
from tests.support.wait import until


def _accepted(request: str, expires: str) -> str:
    """200 to a REGISTER: its own header lines, and its contact for `expires` seconds."""
    kept = re.findall(r"^(?:Via|From|To|Call-ID|CSeq|Contact): .*$", request, re.MULTILINE | re.IGNORECASE)
    return "\r\n".join(["SIP/2.0 200 OK", *(line.strip() for line in kept), f"Expires: {expires}", "", ""])


def test_a_call_through_the_registration_is_answered(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as carrier:
        carrier.bind(("127.0.0.1", 0))
        carrier.settimeout(20)
        server = f"127.0.0.1:{carrier.getsockname()[1]}"
        trunk = TrunkByRegistration(server=server, username="ecoute1", password="x;y")
        with start_test_pbx(tmp_path, trunk=trunk) as pbx:
            request, sender = carrier.recvfrom(4096)
            carrier.sendto(_accepted(request.decode(), "300").encode(), sender)
            until(lambda: "Registered" in pbx.console("pjsip show registrations"), "the line is registered")
            contact = re.search(r"^Contact: <sip:([^@;]+)@", request.decode(), re.MULTILINE)
            assert contact is not None
            with Caller(pbx.ports.sip, tmp_path, line=contact[1]) as caller:
                until(lambda: caller.answered or caller.process.poll() is not None, "the carrier's call has an answer")
                assert caller.answered, caller.errors()
                assert "number-not-in-table" not in pbx.log()
