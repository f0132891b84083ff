"""All settings: one file, `ecoute.toml`, each key overridable by `ECOUTE_<SECTION>__<KEY>`.

Nothing else reads the environment.
A wrong or unknown key is an error of one line that names the key, where it stands and what was expected.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from pbx import hours
from pbx.errors import SetupError
from service.accounts.rights import Role

Port = Annotated[int, Field(ge=1, le=65535)]

_E164 = r"^\+[1-9][0-9]{5,14}$"
_DELIVERED = r"^\+?[0-9]{2,15}$"
_IDENTIFIER = r"^[a-z][a-z0-9-]{0,31}$"
_COUNTRY = r"^[A-Z]{2}$"
_TOKEN = r"^([!-~]{16,})?$"  # noqa: S105 a pattern
#: what to say instead of a regular expression
_EXPECTED = {
    _E164: "expected an international number like +33199003133",
    _DELIVERED: "expected digits as the carrier delivers them, like 3133 or 0199003133",
    _IDENTIFIER: "expected lower-case letters, digits and hyphens, a letter first",
    _COUNTRY: "expected a country like FR",
    _TOKEN: "expected 16 characters or more, without blanks",
}
E164 = Annotated[str, StringConstraints(pattern=_E164)]
Delivered = Annotated[str, StringConstraints(pattern=_DELIVERED)]
Identifier = Annotated[str, StringConstraints(pattern=_IDENTIFIER)]


def _opening_hours(phrase: str) -> str:
    try:
        hours.parse(phrase)
    except SetupError:
        raise ValueError(
            f"expected opening hours like 'mon-fri 09:00-19:00' or 'sat,sun 10:00-24:00' (found {phrase!r})"
        ) from None
    return phrase


Hours = Annotated[str, AfterValidator(_opening_hours)]  # the PBX's own reading of them: there is no other

ENVIRONMENT_PREFIX = "ECOUTE_"


class SettingsError(Exception):
    """A setting that is wrong: the message is one line with the key, the file and what was expected."""


class NoSettingsFile(SettingsError):
    """The file that was named is not there: nobody knows whose settings were meant."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Line(_Section):
    """The national number and when it listens."""

    name: str = "Écoute"
    number: Delivered = "3133"  #: what people dial
    #: as delivered by the carrier → E.164. A short number arrives as its ten-digit translation.
    numbers: Annotated[dict[Delivered, E164], Field(min_length=1)] = {
        "3133": "+33199003133",
        "0199003133": "+33199003133",
    }
    country: Annotated[str, StringConstraints(pattern=_COUNTRY)] = "FR"
    hours: list[Hours] = ["mon-sun 00:00-24:00"]
    timezone: str = "Europe/Paris"
    language: Literal["fr", "en"] = "fr"

    @field_validator("timezone")
    @classmethod
    def _timezone_exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (LookupError, ValueError, OSError) as error:
            raise ValueError(f"expected a time zone like Europe/Paris (found {name!r})") from error
        return name


class Http(_Section):
    """The pages and the API. Beyond localhost a microphone needs HTTPS: `--lan`, or a proxy."""

    host: str = "127.0.0.1"
    port: Port = 8080
    public_url: str = ""  #: how browsers reach the pages, where that is not http://localhost:<port>
    other_urls: list[str] = []  #: further addresses under which the pages are opened
    certificate: Path | None = None
    private_key: Path | None = None
    trusted_proxies: list[IPvAnyNetwork] = []  #: whose word on a client's address is believed

    @model_validator(mode="after")
    def _certificate_with_key(self) -> Self:
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key go together")
        return self  # whether the files are there is the pages' business and the TLS port's: the PBX starts without


class Accounts(_Section):
    """Who signs in, and how."""

    #: roles that sign in with a second step, a code of one's telephone; sessions from before are asked for it at the
    #: service's next start: in a contact they finish it, then they leave the queues and set it up
    totp_roles: list[Role] = []


class Retention(_Section):
    """How long what the law lets us keep is kept (`ecoute purge`)."""

    audit_months: Annotated[int, Field(ge=1, le=120)] = 12  #: the trail of who looked at what


class Store(_Section):
    """Where what people write is kept."""

    data_dir: Path = Path("var")
    url: str = ""  #: SQLAlchemy address; empty: SQLite in the data directory

    @field_validator("url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        if url and not url.startswith(("sqlite+aiosqlite:///", "postgresql+asyncpg://")):
            raise ValueError("expected postgresql+asyncpg://user@host/database or sqlite+aiosqlite:///path")
        return url


class Overflow(_Section):
    """When a waiting caller is offered a centre. No value here ever puts a caller out."""

    after_seconds: Annotated[int, Field(ge=5)] = 90
    again_after_seconds: Annotated[int, Field(ge=30)] = 180
    centre_ring_seconds: Annotated[int, Field(ge=5, le=120)] = 25
    press_one_seconds: Annotated[int, Field(ge=5, le=60)] = 15


class Recovery(_Section):
    """After a listener's leg is lost."""

    grace_seconds: Annotated[int, Field(ge=0, le=120)] = 20
    settle_seconds: Annotated[int, Field(ge=0)] = 30


class Storms(_Section):
    """A telephone that refuses call after call at once: its listener is paused and told so."""

    failed_legs: Annotated[int, Field(ge=3, le=100)] = 5  #: refused within a second each, with no conversation between
    within_seconds: Annotated[int, Field(ge=5, le=3600)] = 60


class Drafts(_Section):
    """Notes that were typed and could not be saved yet: they wait in the browser, encrypted, for who typed them."""

    keep_days: Annotated[int, Field(ge=1, le=365)] = 30  #: then they are erased there, and their owner is told


Megabytes = Annotated[int, Field(ge=0, le=1_000_000_000)]


class Health(_Section):
    """When an alarm is given (docs/alarms.md). No value here changes what the service does."""

    disk_full_mb: Megabytes = 200  #: free for the service on a disk that it needs; below, it is as good as full
    disk_low_mb: Megabytes = 2_000
    disk_full_files: Annotated[int, Field(ge=0)] = 1_000  #: further files for which a disk has room (inodes)
    disk_low_files: Annotated[int, Field(ge=0)] = 10_000
    clock_offset_seconds: Annotated[float, Field(gt=0)] = 2.0  #: between the PBX's clock and ours
    backlog_batches: Annotated[int, Field(ge=1)] = 200  #: batches of facts that wait to be stored
    backlog_events: Annotated[int, Field(ge=1)] = 2_000  #: events of the PBX that wait to be taken in
    task_backlog: Annotated[int, Field(ge=1, le=499)] = 450  #: tasks inside Asterisk; at 500 it ignores requests


class Metrics(_Section):
    """Who reads /metrics."""

    #: sent as `Authorization: Bearer …`; empty: it is read on this machine alone, past any proxy
    token: Annotated[str, StringConstraints(pattern=_TOKEN)] = ""


class Trunk(_Section):
    """How the carrier delivers calls: from its addresses, or to a registration of ours."""

    profile: Literal["address", "registration"] = "address"
    addresses: list[str] = ["127.0.0.1"]  #: of the carrier; calls from elsewhere are not the trunk's
    server: str = ""  #: host[:port] of the carrier, for outbound calls and registration
    username: str = ""
    password: str = ""
    caller_id: Delivered | Literal[""] = ""  #: shown on outbound calls; empty: none

    @model_validator(mode="after")
    def _carrier_is_known(self) -> Self:
        if self.profile == "address" and not self.addresses:
            raise ValueError("profile 'address' needs addresses: from where the carrier calls")
        return self

    @model_validator(mode="after")
    def _registration_is_complete(self) -> Self:
        if self.profile == "registration" and not (self.server and self.username and self.password):
            raise ValueError("profile 'registration' needs server, username and password")
        return self


class Pbx(_Section):
    """One Asterisk."""

    id: Identifier = "pbx1"
    host: str = "127.0.0.1"  #: where the service reaches its manager interface
    bind: str = "127.0.0.1"  #: where it listens for SIP, audio and browser phones
    sip_port: Port = 5060
    http_port: Port = 8088  #: WebSocket of the browser phones
    tls_port: Annotated[int, Field(ge=0, le=65535)] = 0  #: the same over TLS, with http.certificate; 0: none
    ami_port: Port = 5038
    rtp_start: Port = 10000
    rtp_end: Port = 12000
    websocket_url: str = ""  #: as browsers reach it; empty: ws://localhost:<http_port>/ws
    external_address: str = ""  #: as the carrier sees this PBX, when an address translator lies between
    local_networks: list[IPvAnyNetwork] = []  #: on our side of that translator
    queue_round_seconds: Annotated[int, Field(ge=5, le=300)] = 60
    trunk: Trunk = Trunk()

    @field_validator("bind")
    @classmethod
    def _bind_is_an_address(cls, bind: str) -> str:
        ip_address(bind)
        return bind

    @model_validator(mode="after")
    def _range_of_ports(self) -> Self:
        if self.rtp_end - self.rtp_start < 400:
            raise ValueError("rtp_end must lie at least 400 above rtp_start: a call takes four ports")
        return self


class Settings(BaseSettings):
    """Everything that differs between sites."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__", validate_default=True
    )

    line: Line = Line()
    http: Http = Http()
    accounts: Accounts = Accounts()
    retention: Retention = Retention()
    store: Store = Store()
    overflow: Overflow = Overflow()
    recovery: Recovery = Recovery()
    storms: Storms = Storms()
    drafts: Drafts = Drafts()
    health: Health = Health()
    metrics: Metrics = Metrics()
    pbx: Annotated[list[Pbx], Field(min_length=1)] = [Pbx()]

    @model_validator(mode="after")
    def _pbx_ids_differ(self) -> Self:
        ids = [pbx.id for pbx in self.pbx]
        if len(set(ids)) != len(ids):
            raise ValueError("each [[pbx]] needs an id of its own")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings

    @property
    def store_url(self) -> str:
        """SQLAlchemy address of the store."""
        return self.store.url or f"sqlite+aiosqlite:///{self.store.data_dir.absolute() / 'ecoute.db'}"

    def pbx_data_dir(self, pbx: Pbx) -> Path:
        """Where a PBX of this machine keeps its files."""
        return self.store.data_dir.absolute() / "pbx" / pbx.id


def load(file: Path | None) -> Settings:
    """Settings of `file` (none: defaults) and the environment.

    Raises SettingsError with one line: which key, in which file, what was expected.
    """
    values: dict[str, Any] = {}
    if file is not None:
        try:
            values = TomlConfigSettingsSource(Settings, toml_file=file)() if file.is_file() else {}
        except ValueError as error:  # not TOML
            raise SettingsError(f"{file}: {error}") from None
        except OSError as error:
            raise SettingsError(
                f"{file}: it cannot be read ({error.strerror}); its owner must be who runs this"
            ) from None
        if not file.is_file():
            raise NoSettingsFile(
                f"{file}: there is no such settings file; name the one of this line (--config or ECOUTE_CONFIG)"
            )
    _refuse_unknown_variables()
    try:
        return Settings(**values)
    except ValidationError as error:
        raise SettingsError(_one_line(error, file)) from None
    except ValueError as error:  # of pydantic-settings: a whole section in one variable; without the value, a secret
        raise SettingsError(f'environment: {error}: it is no JSON, like ECOUTE_PBX=\'[{{"id": "pbx1"}}]\'') from None


_DATA_DIR = re.compile(r"""^[^#\n]*\bdata_dir\s*=\s*(["'])(.+?)\1""", re.MULTILINE)


def data_dir(file: Path | None) -> Path:
    """`store.data_dir` by what can be read of `file` and the environment, whatever else is wrong in them."""
    variable = f"{ENVIRONMENT_PREFIX}STORE__DATA_DIR"
    if named := next((value for name, value in os.environ.items() if name.upper() == variable), ""):
        return Path(named)
    said = None
    if file is not None:
        with suppress(OSError):  # that is what is wrong, then
            said = _DATA_DIR.search(file.read_text(errors="replace"))
    return Path(said[2]) if said else Store().data_dir


def _refuse_unknown_variables() -> None:
    """A misspelt ECOUTE_ variable must not pass in silence."""
    known = {f"{ENVIRONMENT_PREFIX}{name}".upper() for name in Settings.model_fields}
    source = EnvSettingsSource(Settings)
    for name in source.env_vars:
        upper = name.upper()
        if upper.startswith(ENVIRONMENT_PREFIX) and upper not in _OTHER_VARIABLES:
            section, _, key = upper.partition("__")
            if section == "ECOUTE_PBX" and key:
                raise SettingsError(
                    f'environment: {upper}: there may be several PBXs; say ECOUTE_PBX=\'[{{"id": "pbx1", …}}]\', which '
                    "stands in place of every [[pbx]] of the file"
                )
            if section not in known:
                raise SettingsError(f"environment: {upper}: no such setting; sections are {', '.join(sorted(known))}")


#: read by `make` and the command line, not settings of the service
_OTHER_VARIABLES = frozenset({"ECOUTE_CACHE_DIR", "ECOUTE_CONFIG"})


def _one_line(error: ValidationError, file: Path | None) -> str:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"]) or "settings"
    variable = ENVIRONMENT_PREFIX + "__".join(str(part) for part in first["loc"]).upper()
    named = next((name for name in os.environ if name.upper() == variable), "")
    where: Path | str = f"{named} in the environment" if named else file or "the environment"
    if first["type"] == "extra_forbidden":
        return f"{where}: {key}: there is no such setting"
    expected = re.sub(r"^Value error, ", "", first["msg"])
    if first["type"] == "string_pattern_mismatch":
        expected = _EXPECTED[first["ctx"]["pattern"]]
    secret = {"password", "token"} & set(map(str, first["loc"]))
    got = "" if secret or first["type"] in ("value_error", "missing") else f" (found {first['input']!r})"
    return f"{where}: {key}: {expected}{got}"


def from_values(**values: Any) -> Settings:
    """Settings of values in hand, for tests and generated sample lines; the environment still overrides."""
    return Settings(**InitSettingsSource(Settings, init_kwargs=values)())
