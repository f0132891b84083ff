"""A certificate for this machine's own addresses, so that phones and microphones elsewhere on the network work.

A browser gives no microphone to a page that came without HTTPS, localhost apart. The certificate is signed by nobody:
each browser asks once whether to trust it, on the page and on the PBX's port.
"""

from __future__ import annotations

import datetime
import ipaddress
import socket
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pbx import conf

_VALID = datetime.timedelta(days=397)  # browsers refuse longer ones


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files. `addresses`: host names and addresses that it speaks for, the most useful first."""

    certificate: Path
    private_key: Path
    addresses: tuple[str, ...]


def for_this_machine(directory: Path) -> Certificate:
    """Reads it, or makes it when it is missing, broken, nearly over or not for today's addresses."""
    addresses = own_addresses()
    made = Certificate(directory / "lan.crt", directory / "lan.key", addresses)
    if not _still_good(made):
        _make(made)
    return made


def own_addresses() -> tuple[str, ...]:
    """Address by which this machine reaches others (no packet is sent), its name, and localhost."""
    found: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1 (RFC 5737): connecting a UDP socket only asks for the route
            found.append(str(probe.getsockname()[0]))
        except OSError:  # no network at all: localhost remains
            pass
    return tuple(dict.fromkeys([*found, socket.gethostname(), "localhost", "127.0.0.1"]))


def _still_good(wanted: Certificate) -> bool:
    try:
        known = x509.load_pem_x509_certificate(wanted.certificate.read_bytes())
        key = serialization.load_pem_private_key(wanted.private_key.read_bytes(), password=None)
    except (FileNotFoundError, ValueError):  # not there, or not all of it: the machine went down
        return False
    if key.public_key() != known.public_key():
        return False
    names = known.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    covered = {str(name.value) for name in names}
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=14)
    return covered >= set(wanted.addresses) and known.not_valid_after_utc > soon


def _make(wanted: Certificate) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Écoute")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName([_name(address) for address in wanted.addresses]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    wanted.certificate.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    conf.replace(wanted.private_key, private, mode=0o600)
    conf.replace(wanted.certificate, built.public_bytes(pem), mode=0o644)


def _name(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)
