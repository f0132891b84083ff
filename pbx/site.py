"""What differs between sites, and the generated Asterisk files that say it.

Everything else is plain files of asterisk-config/ and dialplan/, which include these.
"""

from __future__ import annotations

import ipaddress
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pbx import conf, hours, tls
from pbx.errors import START_AGAIN, SetupError, on_disk
from pbx.layout import SOURCES, Layout

_ID = conf.Form(r"[a-z][a-z0-9-]{0,31}", "lower-case letters, digits and hyphens, a letter first")
_E164 = conf.Form(r"\+[1-9][0-9]{5,14}", "an international number like +33199003133")
_DELIVERED = conf.Form(r"\+?[0-9]{2,15}", "digits as the carrier delivers them, like 3133 or 0199003133")
_CALLER_ID = conf.Form(r"(\+?[0-9]{2,15})?", "digits like 0199003133, or nothing")
_HOST = conf.Form(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?", "one name or address, like sip.carrier.example")
_LANGUAGE = conf.Form("fr|en", "fr or en")
_USERNAME = conf.Form(r"[A-Za-z0-9+._~-]{1,64}", "the name that the carrier gave: letters, digits, and + . _ ~ -")
_ACCOUNT_OF_AMI = ("service", "provision")

#: audio and its control, of the caller's leg and of the listener's
PORTS_OF_A_CALL = 4

_NO_PHONES = "; No phone yet. Once there are accounts, this file is never written empty again.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkByAddress:
    """The carrier sends calls from its own addresses, and takes ours at `server`."""

    addresses: tuple[str, ...]  #: host names, addresses or networks; calls from elsewhere are not the trunk's
    server: str = ""  #: host[:port] for outbound calls; empty: none are made


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkByRegistration:
    """We register at the carrier, as behind most small connections."""

    server: str  #: host[:port]
    username: str
    password: str = field(repr=False)
    addresses: tuple[str, ...] = ()  #: where its calls come from, besides the server itself


Trunk = TrunkByAddress | TrunkByRegistration


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteConfig:
    """One PBX of one site. Times in seconds. Numbers: as delivered by the carrier → E.164."""

    pbx: str
    numbers: Mapping[str, str]
    trunk: Trunk
    bind: str = "127.0.0.1"  #: SIP, audio and browser phones; the manager interface is on loopback always
    sip_port: int = 5060
    http_port: int = 8088
    ami_port: int = 5038
    rtp_start: int = 10000
    rtp_end: int = 12000
    external_address: str = ""  #: as carrier and browsers see us, when an address translator lies between
    own_address: str = ""  #: on our side of that translator
    local_networks: tuple[str, ...] = ()  #: on our side of that translator
    tls_port: int = 0  #: of the browser phones' WebSocket beyond localhost; 0: none
    certificate: Path | None = None  #: PEM, with `private_key`, for that port
    private_key: Path | None = None
    hours: tuple[str, ...] = ("mon-sun 00:00-24:00",)
    timezone: str = "Europe/Paris"
    language: Literal["fr", "en"] = "fr"
    centres: tuple[str, ...] | None = None  #: ids of the centres whose queue is on this PBX; None: as they are there
    overflow_after: int = 90
    overflow_again: int = 180
    grace: int = 20
    centre_ring: int = 25
    press_one: int = 15
    queue_round: int = 60
    outbound_caller_id: str = ""  #: shown on outbound legs; empty: none


def write(site: SiteConfig, layout: Layout, sources: Path = SOURCES) -> None:
    """Copy the plain files as they stand, and write the generated ones. Unchanged files are not touched.

    Phones' accounts that are there stay, and centres' queues where the site names no centres. Raises SetupError before
    anything is written when a value does not fit, or the secrets that are there do not.
    """
    files, certificate = generated(site), _certificate(site, layout)
    with on_disk(layout.data, "store.data_dir"):
        layout.generated.mkdir(parents=True, exist_ok=True)
        accounts = _manager_secrets(ensure_secrets(layout))
        _mirror(sources / "asterisk-config", layout.etc, "*.conf")
        _mirror(sources / "dialplan", layout.etc / "dialplan", "*.conf")
        for name, body in files.items():
            conf.write(layout.generated / name, body)
        conf.write(layout.generated / "manager_secrets.conf", accounts)
        if site.centres is not None or not layout.centre_queues.exists():
            write_centre_queues(layout, site.centres or ())
        for name, content in certificate.items():
            layout.tls.mkdir(exist_ok=True)
            conf.replace(layout.tls / name, content, mode=0o640)
        if not layout.phones.exists():
            conf.write(layout.phones, _NO_PHONES)
        conf.replace(layout.site, json.dumps(asdict(site) | {"trunk": None}, default=str).encode(), mode=0o640)


def generated(site: SiteConfig) -> dict[str, str]:
    """The files of `etc/generated/` that follow from the settings alone, by name."""
    return {
        "globals.conf": _globals(site),
        "numbers.conf": _numbers(site),
        "hours.conf": _hours(site),
        "pjsip_transports.conf": _transports(site),
        "pjsip_trunk.conf": _trunk(site),
        "manager.conf": f"port = {_port(site.ami_port)}\nbindaddr = 127.0.0.1\n",
        "http.conf": _http(site),
        "rtp.conf": _rtp(site),
    }


def write_centre_queues(layout: Layout, centres: Sequence[str]) -> None:
    """One queue for each centre on this PBX; its name is the centre's id. To be followed by a reload of the queues."""
    conf.write(layout.centre_queues, centre_queues_body(centres))


def centre_queues_body(centres: Sequence[str]) -> str:
    """What that file says."""
    return "".join(f"[{conf.matching(_ID, centre, 'id of a centre')}](centre)\n" for centre in sorted(set(centres)))


def read_secrets(layout: Layout) -> dict[str, str]:
    """Secrets of the manager accounts `service` and `provision`, once the site was written. SetupError: not those."""
    try:
        found = json.loads(layout.secrets.read_bytes())
        return {account: str(found[account]) for account in _ACCOUNT_OF_AMI}
    except (ValueError, KeyError, TypeError) as error:
        raise SetupError(
            "secrets-unusable",
            f"{layout.secrets} does not hold the secrets of the PBX's accounts.",
            f"Put the right one back, or remove it and {START_AGAIN}: new ones are made then.",
        ) from error


def ensure_secrets(layout: Layout) -> dict[str, str]:
    """Read them, or make them if this is the first time."""
    if not layout.secrets.exists():
        made = {account: secrets.token_urlsafe(32) for account in _ACCOUNT_OF_AMI}
        conf.replace(layout.secrets, json.dumps(made).encode(), mode=0o600)
    return read_secrets(layout)


def _manager_secrets(known: Mapping[str, str]) -> str:
    return "".join(
        f"[{account}]({account}-rights)\nsecret = {conf.value(known[account], 'secret')}\n"
        for account in _ACCOUNT_OF_AMI
    )


def _globals(site: SiteConfig) -> str:
    values = {
        "OVERFLOW_AFTER": site.overflow_after,
        "OVERFLOW_AGAIN": site.overflow_again,
        "GRACE": site.grace,
        "CENTRE_RING": site.centre_ring,
        "PRESS_ONE": site.press_one,
        "QUEUE_ROUND": site.queue_round,
        "CALLERS_MOST": max(1, (site.rtp_end - site.rtp_start + 1) // PORTS_OF_A_CALL),
        "OUTBOUND_CALLER_ID": conf.matching(_CALLER_ID, site.outbound_caller_id, "caller id of outbound calls"),
        "OUTBOUND_ENDPOINT": "trunk" if site.trunk.server else "",
        "LINE_LANGUAGE": conf.matching(_LANGUAGE, site.language, "language"),
    }
    return "".join(f"{name} = {value}\n" for name, value in values.items())


def _numbers(site: SiteConfig) -> str:
    if not site.numbers:
        raise SetupError("no-numbers", "The line has no number.", "Give line.numbers in ecoute.toml.")
    lines = ["; Who may enter: Gosub from the entry of the line. Sets LINE: the number dialled, in E.164.\n[numbers]\n"]
    for delivered, number in site.numbers.items():
        exten = conf.matching(_DELIVERED, delivered, "number as delivered")
        e164 = conf.matching(_E164, number, "number of the line in E.164")
        lines.append(f"exten => {exten},1,Set(LINE={e164})\n same => n,Return()\n")
    lines.append("; Delivered in a form that is not in the table: the call is taken all the same.\n")
    lines += [f"exten => {exten},1,Set(LINE=)\n same => n,Return()\n" for exten in ("_[+0-9]!", "s")]
    return "".join(lines)


def _hours(site: SiteConfig) -> str:
    return _hours_body(site.hours, site.timezone)


def _hours_body(phrases: Sequence[str], timezone: str) -> str:
    try:
        ZoneInfo(timezone)
    except (KeyError, ValueError, OSError) as error:
        raise SetupError(
            "timezone-unknown", f"The time zone {timezone!r} is not known here.", "Give one like 'Europe/Paris'."
        ) from error
    openings = [opening for phrase in phrases for opening in hours.parse(phrase)]
    lines = [
        "; Who may enter: Gosub from the entry of the line. Sets OPEN: 1 while the line listens, else 0.\n[hours]\n"
    ]
    lines.append("exten => s,1,Set(OPEN=0)\n")
    lines += [f" same => n,GotoIfTime({condition}?open)\n" for condition in hours.conditions(openings, timezone)]
    lines.append(" same => n,Return()\n same => n(open),Set(OPEN=1)\n same => n,Return()\n")
    return "".join(lines)


def hours_as_started(layout: Layout) -> str | None:
    """The body of `hours.conf` as it was when the PBX that runs was started; None where no PBX of ours was."""
    file = layout.started if layout.started.exists() else layout.site
    if not file.exists():
        return None
    said = json.loads(file.read_bytes())
    return _hours_body(said["hours"], said["timezone"])


def _transports(site: SiteConfig) -> str:
    bind = _address(site.bind)
    outside = ""
    if site.external_address:
        external = conf.matching(_HOST, site.external_address, "external address")
        outside = f"external_media_address = {external}\nexternal_signaling_address = {external}\n"
        outside += "".join(f"local_net = {_network(network)}\n" for network in site.local_networks)
    common = f"bind = {_bracketed(bind)}:{_port(site.sip_port)}\nallow_reload = no\n{outside}"
    keepalive = "tcp_keepalive_enable = yes\n"
    return (
        f"[udp]\ntype = transport\nprotocol = udp\n{common}"
        f"\n[tcp]\ntype = transport\nprotocol = tcp\n{keepalive}{common}"
        "\n; The port of the browsers' WebSocket is that of http.conf.\n"
        + "\n".join(
            f"[{name}]\ntype = transport\nprotocol = {name}\nbind = {_bracketed(bind)}\nallow_reload = no\n{outside}"
            for name in (("ws", "wss") if site.tls_port else ("ws",))
        )
    )


def _trunk(site: SiteConfig) -> str:
    trunk = site.trunk
    registration = isinstance(trunk, TrunkByRegistration)
    sources = dict.fromkeys((*([trunk.server.partition(":")[0]] if registration else []), *trunk.addresses))
    if not sources:
        raise SetupError(
            "no-trunk-address",
            "The trunk names no address from which the carrier calls.",
            "Give addresses under [pbx.trunk] in ecoute.toml.",
        )
    target = _server(trunk.server) if trunk.server else ""
    return (
        f"[trunk](trunk-common)\naors = trunk\nidentify_by = ip\n{'outbound_auth = trunk' if registration else ''}\n"
        f"\n[trunk]\ntype = aor\n{f'contact = sip:{target}' if target else ''}\n"
        f"{_identified([_source(source) for source in sources])}"
    ) + (_registration(trunk, target, next(iter(site.numbers))) if isinstance(trunk, TrunkByRegistration) else "")


def _identified(sources: Sequence[str]) -> str:
    """Each name apart: Asterisk forgets a whole section when one of its names is not found (`carrier.look`)."""
    numbers = [source for source in sources if "/" in source or _is_address(source)]
    names = [source for source in sources if source not in numbers]
    sections = [("trunk", numbers)] if numbers else []
    sections += [(f"trunk-{nth}", [name]) for nth, name in enumerate(names, 1)]
    return "".join(
        f"\n[{section}]\ntype = identify\nendpoint = trunk\n" + "".join(f"match = {source}\n" for source in known)
        for section, known in sections
    )


def _registration(trunk: TrunkByRegistration, target: str, number: str) -> str:
    """`number`: as delivered. A carrier may call the contact that we registered instead of the number dialled."""
    username = conf.matching(_USERNAME, trunk.username, "user name of the trunk")
    password = conf.value(trunk.password, "password of the trunk")
    return (
        f"\n[trunk]\ntype = auth\nauth_type = userpass\nusername = {username}\npassword = {password}\n"
        "\n; Tries again for ever: a carrier that was away must not leave the line unreachable.\n"
        "[trunk]\ntype = registration\noutbound_auth = trunk\nendpoint = trunk\nline = yes\n"
        f"server_uri = sip:{target}\nclient_uri = sip:{username}@{target}\ncontact_user = {number}\n"
        "max_random_initial_delay = 1\nexpiration = 300\nmax_retries = 1000000\nauth_rejection_permanent = no\n"
        "retry_interval = 20\nforbidden_retry_interval = 300\nfatal_retry_interval = 300\n"
    )


def _http(site: SiteConfig) -> str:
    bind = _address(site.bind)
    plain = f"bindaddr = {bind}\nbindport = {_port(site.http_port)}\n"
    if not site.tls_port:
        return plain
    if site.certificate is None or site.private_key is None:
        raise SetupError(
            "no-certificate",
            "Phones beyond this machine need a certificate.",
            "Give the PBX a certificate with its private key, or no tls_port.",
        )
    return plain + (
        f"tlsenable = yes\ntlsbindaddr = {_bracketed(bind)}:{_port(site.tls_port)}\n"
        # from the data directory, which is Asterisk's working directory however it is run
        "tlscertfile = etc/tls/certificate.pem\ntlsprivatekey = etc/tls/private_key.pem\n"
    )


def _certificate(site: SiteConfig, layout: Layout) -> dict[str, bytes]:
    if not (site.tls_port and site.certificate and site.private_key):
        return {}
    return tls.taken_over(site.certificate, site.private_key, layout.tls)


def _rtp(site: SiteConfig) -> str:
    if not _port(site.rtp_start) < _port(site.rtp_end):
        raise SetupError(
            "rtp-range", "The range of audio ports is empty.", "Give pbx.rtp_start below pbx.rtp_end in ecoute.toml."
        )
    return f"rtpstart = {site.rtp_start}\nrtpend = {site.rtp_end}\n{_candidates(site)}"


def _candidates(site: SiteConfig) -> str:
    """Where browsers look for our audio (ICE, RFC 8445): Asterisk would offer addresses of its own machine alone.

    It takes no host names here. The own address stays on offer, for browsers on our side of the translator.
    https://docs.asterisk.org/Latest_API/API_Documentation/Module_Configuration/res_rtp_asterisk/
    """
    if not (site.own_address and _is_address(site.external_address)):
        return ""
    advertised = f"{_address(site.external_address)},include_local_address"
    return f"\n[ice_host_candidates]\n{_address(site.own_address)} => {advertised}\n"


def _mirror(source: Path, target: Path, pattern: str) -> None:
    """`target` gets the files of `source`, and loses those which are not there any more."""
    target.mkdir(exist_ok=True)
    names = {file.name for file in source.glob(pattern)}
    for name in names:
        content = (source / name).read_bytes()
        if not (target / name).exists() or (target / name).read_bytes() != content:
            conf.replace(target / name, content, mode=0o640)
    for stale in {file.name for file in target.glob(pattern)} - names - {"asterisk.conf"}:
        (target / stale).unlink()


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise _bad_address(text) from None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise _bad_address(text) from None


def _source(text: str) -> str:
    """An address, a network or a host name."""
    try:
        return str(ipaddress.ip_network(text, strict=False)) if "/" in text else str(ipaddress.ip_address(text))
    except ValueError:
        return conf.matching(_HOST, text, "address of the trunk")


def _server(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not colon:
        return conf.matching(_HOST, text, "server of the trunk")
    if not port.isascii() or not port.isdigit():
        raise _bad_address(text)
    return f"{conf.matching(_HOST, host, 'server of the trunk')}:{_port(int(port))}"


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _port(number: int) -> int:
    if not 0 < number < 65536:
        raise SetupError("port-refused", f"{number} is not a port.", "Give a number from 1 to 65535.")
    return number


def _bad_address(text: str) -> SetupError:
    return SetupError("address-refused", f"{text!r} is not an address.", "Give one like 192.0.2.10.")
