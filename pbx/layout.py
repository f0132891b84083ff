"""Where everything lies: the cache that PBXs share, and the data directory that each one has for itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

#: The checkout: asterisk-config/ and dialplan/ are loaded from here as they stand.
SOURCES = Path(__file__).resolve().parent.parent


def cache_dir(environment: Mapping[str, str]) -> Path:
    """What is fetched or rendered once: `ECOUTE_CACHE_DIR`, else the user's own cache (XDG base directories)."""
    if given := environment.get("ECOUTE_CACHE_DIR"):
        return Path(given).resolve()
    base = environment.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache").resolve() / "ecoute"


@dataclass(frozen=True, slots=True)
class Layout:
    """The data directory of one PBX: `<data_dir>/pbx/<pbx id>`. All that Asterisk reads or writes is below it."""

    data: Path

    @classmethod
    def of(cls, data_dir: Path, pbx: str) -> Layout:
        return cls((data_dir / "pbx" / pbx).resolve())

    @property
    def etc(self) -> Path:
        return self.data / "etc"

    @property
    def generated(self) -> Path:
        return self.etc / "generated"

    @property
    def phones(self) -> Path:
        """The phones' accounts; written by `phones.write_accounts`."""
        return self.generated / "pjsip_phones.conf"

    @property
    def centre_queues(self) -> Path:
        """One queue for each centre on this PBX; written by `site.write_centre_queues`."""
        return self.generated / "queues.conf"

    @property
    def asterisk_conf(self) -> Path:
        return self.etc / "asterisk.conf"

    @property
    def tls(self) -> Path:
        """Certificate and private key of the browser phones' WebSocket, where there is one."""
        return self.etc / "tls"

    @property
    def hosts(self) -> Path:
        """What the PBX sees as /etc/hosts where it has a root of its own."""
        return self.etc / "hosts"

    @property
    def resolv(self) -> Path:
        """What it sees as /etc/resolv.conf there."""
        return self.etc / "resolv"

    @property
    def db(self) -> Path:
        return self.data / "db"

    @property
    def keys(self) -> Path:
        return self.data / "keys"

    @property
    def log(self) -> Path:
        return self.data / "log"

    @property
    def journal(self) -> Path:
        """CEL as JSON lines: what the service learns from after it was away."""
        return self.log / "cel-custom" / "journal.json"

    @property
    def queue_log(self) -> Path:
        return self.log / "queue_log"

    @property
    def start_log(self) -> Path:
        """What Asterisk says on its standard output since its last start. Outside log/: Asterisk cannot replace it."""
        return self.data / "start.log"

    @property
    def spool(self) -> Path:
        return self.data / "spool"

    @property
    def run(self) -> Path:
        return self.data / "run"

    @property
    def control_socket(self) -> Path:
        return self.run / "asterisk.ctl"

    @property
    def pid_file(self) -> Path:
        """`pid start-time boot-id`, written by the process itself before it becomes Asterisk."""
        return self.data / "pbx.pid"

    @property
    def stopped(self) -> Path:
        """There from when somebody stopped the PBX on purpose until it is started again; one that died leaves none."""
        return self.data / "stopped"

    @property
    def started(self) -> Path:
        """What `site` said when the PBX that runs was started."""
        return self.data / "started.json"

    @property
    def sounds(self) -> Path:
        return self.data / "sounds"

    @property
    def secrets(self) -> Path:
        return self.data / "secrets.json"

    @property
    def site(self) -> Path:
        """What `process.start` must know of the site: id, address and ports."""
        return self.data / "site.json"

    def writable(self) -> tuple[Path, ...]:
        """The directories that Asterisk itself writes into; the rest it only reads."""
        return (self.db, self.keys, self.log, self.log / "cel-custom", self.spool, self.run)
