"""What the web side needs to know of the site."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """`origins`: our own, as browsers write them (`own_origins`). `sockets`: addresses of the PBXs' WebSockets.

    `pages`: the built front end; none: the API alone. `trusted_proxies`: whose X-Forwarded-For is believed.
    """

    origins: frozenset[str]
    sockets: tuple[str, ...] = ()
    pages: Path | None = None
    timezone: str = "Europe/Paris"  #: of the line: decides the year in a case's reference
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    max_body_bytes: int = 1024 * 1024

    @property
    def encrypted(self) -> bool:
        """Whether browsers reach us by HTTPS alone."""
        return all(origin.startswith("https://") for origin in self.origins)


def origin_of(url: str) -> str:
    """`scheme://host[:port]`, the default port left out, as a browser's Origin header has it."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    port = parts.port
    shown = "" if port is None or port == _DEFAULT_PORTS.get(parts.scheme) else f":{port}"
    return f"{parts.scheme}://{host}{shown}"


def own_origins(
    *, host: str, port: int, public_url: str = "", other_urls: Iterable[str] = (), https: bool = False
) -> frozenset[str]:
    """Under which origins pages of ours may come: the public addresses, the bound one, and localhost."""
    scheme = "https" if https else "http"
    hosts = {"localhost", "127.0.0.1", "[::1]"}
    if host not in {"0.0.0.0", "::", ""}:  # noqa: S104 compared with, not bound to
        hosts.add(f"[{host}]" if ":" in host else host)
    local = {origin_of(f"{scheme}://{name}:{port}") for name in hosts}
    return frozenset(local | {origin_of(url) for url in (public_url, *other_urls) if url})


def client_address(remote: str | None, forwarded: Iterable[str], options: HttpOptions) -> str:
    """The client's network address: the last one in X-Forwarded-For that is no trusted proxy."""
    address = remote or ""
    hops = [hop.strip() for value in forwarded for hop in value.split(",")]
    while hops and _is_trusted(address, options):
        address = hops.pop()
    return address


def _is_trusted(address: str, options: HttpOptions) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in options.trusted_proxies)
