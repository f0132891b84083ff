"""Which ports a PBX needs, and who holds one that is taken."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pbx.errors import SetupError


@dataclass(frozen=True, slots=True)
class Port:
    """`key`: the setting that says so."""

    protocol: Literal["tcp", "udp"]
    address: str
    number: int
    key: str
    of_browsers: bool = False  #: elsewhere; telephones do without it

    def free(self) -> bool:
        """Whether it can be bound now. Raises SetupError when the address is none of this machine's."""
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        kind = socket.SOCK_DGRAM if self.protocol == "udp" else socket.SOCK_STREAM
        with socket.socket(family, kind) as probe:
            if self.protocol == "tcp":  # as Asterisk does: connections of before that linger do not hold a port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.address, self.number))
                if self.protocol == "tcp":
                    probe.listen(1)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    return False
                raise self._refused(error) from error
        return True

    def _refused(self, error: OSError) -> SetupError:
        if error.errno == errno.EADDRNOTAVAIL:
            return SetupError(
                "address-not-here",
                f"{self.address} is not an address of this machine.",
                "Set pbx.bind in ecoute.toml to one that is (127.0.0.1: this machine alone; 0.0.0.0: all).",
            )
        return SetupError(
            "port-refused",
            f"Port {self.number}/{self.protocol} of {self.address} cannot be used ({error.strerror}).",
            f"Set {self.key} in ecoute.toml to another port (those below 1024 are for root).",
        )


def of(site: dict[str, object]) -> list[Port]:
    """The ports that a PBX listens on, from what `site.write` recorded. Audio ports are found free call by call."""
    bind = str(site["bind"])
    sip, http, ami = (int(str(site[key])) for key in ("sip_port", "http_port", "ami_port"))
    tls = int(str(site["tls_port"]))
    return [
        *([Port("tcp", bind, tls, "pbx.tls_port", of_browsers=True)] if tls else []),
        Port("udp", bind, sip, "pbx.sip_port"),
        Port("tcp", bind, sip, "pbx.sip_port"),
        Port("tcp", bind, http, "pbx.http_port"),
        Port("tcp", "127.0.0.1", ami, "pbx.ami_port"),
    ]


def refuse_taken(ports: list[Port]) -> None:
    """Raise SetupError for the first port that somebody else holds: which process, which setting."""
    for port in ports:
        if not port.free():
            raise SetupError(
                "port-taken",
                f"Port {port.number}/{port.protocol} is held by {holder(port) or 'another process'}.",
                f"Stop that process, or set {port.key} in ecoute.toml to a free port.",
            )


def holder(port: Port) -> str:
    """Name and pid of the process that listens there; empty when it may not be known (another user's)."""
    inodes = set(_inodes(port))
    if not inodes:
        return ""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                with suppress(OSError):
                    if str(descriptor.readlink()) in inodes:
                        return f"{(process / 'comm').read_text().strip()} (process {process.name})"
    return ""


def _inodes(port: Port) -> Iterator[str]:
    """Sockets bound to the port, as the links in /proc/<pid>/fd name them. Columns: proc(5), /proc/net/tcp."""
    for version in ("", "6"):
        with suppress(OSError):
            for line in Path(f"/proc/net/{port.protocol}{version}").read_text().splitlines()[1:]:
                columns = line.split()
                listening = port.protocol == "udp" or columns[3] == "0A"
                if listening and int(columns[1].rpartition(":")[2], 16) == port.number:
                    yield f"socket:[{columns[9]}]"
