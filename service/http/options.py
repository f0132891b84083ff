"""What the web side needs to know of the site."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from service.accounts.rights import Role

_DEFAULT_PORTS = {"http": 80, "https": 443}
_log = structlog.get_logger(__name__)


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
    second_step_roles: frozenset[Role] = frozenset()  #: who must sign in with a second step
    audit_anchors: Path | None = None  #: the file of the audit trail's anchors; none: the chain is checked alone
    drafts_keep_days: int = 30  #: how long a browser keeps notes that could not be saved
    max_body_bytes: int = 1024 * 1024
    metrics_token: str = ""  #: with which /metrics is read; empty: from this machine alone

    @property
    def encrypted(self) -> bool:
        """Whether browsers reach us by HTTPS alone."""
        return all(origin.startswith("https://") for origin in self.origins)


def asked_encrypted(host: str, options: HttpOptions) -> bool:
    """Whether pages of this host (a request's) are ours by HTTPS alone, be it that a proxy before us encrypts."""
    schemes = {urlsplit(origin).scheme for origin in options.origins if urlsplit(origin).netloc == host}
    return schemes == {"https"}


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


class Clients:
    """Where sign-ins come from."""

    def __init__(self, options: HttpOptions) -> None:
        self._options = options
        self._told: set[str] = set()

    def address(self, remote: str | None, forwarded: Sequence[str]) -> str:
        """The client's. Behind a proxy that the settings do not name all are one; the log says so, once.

        Anybody may send the header: said once for each kind of peer, so that nobody from afar uses up a near one's.
        """
        peer = _whereabouts(remote)
        if forwarded and not self._options.trusted_proxies and peer not in self._told:
            self._told.add(peer)
            _log.warning(
                "a sign-in says that it came through a proxy, and http.trusted_proxies names none: if the proxy is "
                "ours, all who sign in through it count as one address, so that wrong passwords of one keep others "
                "out; name it in ecoute.toml",
                action="proxy-not-named",
                detail=peer,
            )
        return client_address(remote, forwarded, self._options)


def _whereabouts(remote: str | None) -> str:
    parsed = parsed_address(remote or "")
    if parsed is None or parsed.is_loopback:
        return "this machine"
    return "a private network" if parsed.is_private else "the internet"


def client_address(remote: str | None, forwarded: Iterable[str], options: HttpOptions) -> str:
    """The client's network address: the last one in X-Forwarded-For that is no trusted proxy; without its port."""
    address = remote or ""
    hops = [hop.strip() for value in forwarded for hop in value.split(",")]
    while hops and is_trusted(address, options):
        address = hops.pop()
    return str(parsed_address(address) or address)


def parsed_address(address: str) -> IPv4Address | IPv6Address | None:
    """An address as proxies and sockets write it: a port goes, IPv4 in IPv6 is IPv4. None: it is none."""
    text = address.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        parsed = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (parsed.ipv4_mapped or parsed) if isinstance(parsed, IPv6Address) else parsed


def is_trusted(address: str, options: HttpOptions) -> bool:
    """Whether this is a proxy of ours, whose word on its client is believed."""
    parsed = parsed_address(address)
    return parsed is not None and any(parsed in network for network in options.trusted_proxies)
