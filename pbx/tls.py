"""The certificate of the port for browsers elsewhere: the PBX takes it over usable and whole, or not at all."""

from __future__ import annotations

import os
import ssl
from contextlib import ExitStack
from pathlib import Path

from pbx.errors import SetupError


def taken_over(certificate: Path, private_key: Path, there: Path) -> dict[str, bytes]:
    """The files that are to lie `there` now, by name: none where these cannot be used and those of before stay."""
    try:
        return files(certificate, private_key)
    except SetupError:
        if (there / "private_key.pem").exists():
            return {}
        raise


def files(certificate: Path, private_key: Path) -> dict[str, bytes]:
    """The files of `etc/tls/`, by name. Raises SetupError where Asterisk would open no port with these two (PEM)."""
    found = {"certificate.pem": _read(certificate), "private_key.pem": _read(private_key)}
    try:
        _try(*found.values())
    except OSError as error:  # of TLS, too: ssl.SSLError is one
        raise SetupError(
            "certificate-unusable",
            f"The certificate {certificate} with {private_key} cannot be used: {error.strerror or error}.",
            "Set http.certificate and http.private_key in ecoute.toml to two files (PEM) that belong together, the key "
            "without a password, or pbx.tls_port = 0.",
        ) from error
    return found


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SetupError(
            "no-certificate",
            f"{file} cannot be read ({error.strerror}).",
            "Put it there, set http.certificate and http.private_key in ecoute.toml, or pbx.tls_port = 0.",
        ) from error


def _try(*contents: bytes) -> None:
    """As Asterisk will. From memory: what was read is tried, though it is renewed on the disk at this instant."""
    with ExitStack() as opened:
        names: list[str] = []
        for content in contents:
            file = opened.enter_context(os.fdopen(os.memfd_create("pem"), "wb", buffering=0))
            file.write(content)
            names.append(f"/proc/self/fd/{file.fileno()}")
        certificate, private_key = names
        # without a password given, it would be asked for on the terminal; Asterisk has none
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, private_key, password=lambda: "")
