"""The certificate for browsers elsewhere: one that Asterisk has no use for takes the place of none that it has."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from pbx import site
from pbx.errors import SetupError
from pbx.layout import Layout
from pbx.site import SiteConfig, TrunkByAddress
from service.cli import certificate
from service.cli.certificate import Certificate


@pytest.fixture
def made(tmp_path: Path) -> Certificate:
    return certificate.for_this_machine(tmp_path / "tls")


def broken(made: Certificate) -> None:
    made.certificate.write_text("no certificate")


def renewed_by_half(made: Certificate) -> None:
    other = certificate.for_this_machine(made.certificate.parent / "other")
    other.certificate.rename(made.certificate)


def cut_short(made: Certificate) -> None:
    made.private_key.write_bytes(made.private_key.read_bytes()[:100])


def empty(made: Certificate) -> None:
    made.private_key.write_bytes(b"")


def under_a_password(made: Certificate) -> None:
    key = serialization.load_pem_private_key(made.private_key.read_bytes(), password=None)
    locked = serialization.BestAvailableEncryption(b"a password")
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    made.private_key.write_bytes(key.private_bytes(pem, form, locked))


Damage = Callable[[Certificate], None]
DAMAGES: tuple[Damage, ...] = (broken, renewed_by_half, cut_short, empty)


def of(made: Certificate) -> SiteConfig:
    return SiteConfig(
        pbx="pbx1",
        numbers={"3133": "+33199003133"},
        trunk=TrunkByAddress(addresses=("192.0.2.10",)),
        tls_port=8089,
        certificate=made.certificate,
        private_key=made.private_key,
    )


@pytest.mark.parametrize("damage", [*DAMAGES, under_a_password])
def test_what_asterisk_has_no_use_for_replaces_nothing(tmp_path: Path, made: Certificate, damage: Damage) -> None:
    layout = Layout.of(tmp_path, "pbx1")
    site.write(of(made), layout)
    before = {file.name: file.read_bytes() for file in layout.tls.iterdir()}
    damage(made)
    site.write(of(made), layout)
    assert {file.name: file.read_bytes() for file in layout.tls.iterdir()} == before
    with pytest.raises(SetupError, match=f"{made.certificate} with {made.private_key}") as refused:
        site.write(of(made), Layout.of(tmp_path, "pbx2"))
    assert refused.value.id == "certificate-unusable"


@pytest.mark.parametrize("damage", DAMAGES)
def test_one_that_was_made_here_and_is_damaged_is_made_anew(tmp_path: Path, made: Certificate, damage: Damage) -> None:
    """As after a power cut between the two files."""
    damage(made)
    assert certificate.for_this_machine(tmp_path / "tls") == made
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(made.certificate, made.private_key)
    assert made.private_key.stat().st_mode & 0o777 == 0o600


SITE = "from pbx import tls; from pathlib import Path; tls.files(*map(Path, sys.argv[1:]))"
PAGES = (
    "from service import app; from service.settings import Http, Settings; "
    "app._tls(Settings(http=Http(certificate=sys.argv[1], private_key=sys.argv[2])))"
)


@pytest.mark.parametrize(("load", "refused"), [(SITE, b"SetupError"), (PAGES, b"SSLError")], ids=["site", "pages"])
def test_nobody_is_asked_for_a_password_on_the_terminal(made: Certificate, load: str, refused: bytes) -> None:
    """The line would wait for it: of systemd's, or of nobody's."""
    under_a_password(made)
    ours, theirs = os.openpty()
    os.write(ours, b"whoever is asked says this\n")  # which the terminal echoes
    try:
        done = subprocess.run(
            ["setsid", "--ctty", sys.executable, "-c", f"import sys; {load}", made.certificate, made.private_key],
            stdin=theirs,
            capture_output=True,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
            timeout=60,
            check=False,
        )
        assert b"pass phrase" not in os.read(ours, 4096)
        assert done.returncode == 1
        assert refused in done.stderr
    finally:
        os.close(ours)
        os.close(theirs)
