"""The service as its own process beside a manager interface that the bench itself speaks: for rows without calls.

As `python -m tests.bench.lone_service SETTINGS` it is that process.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from pbx import site
from pbx.layout import Layout
from service import log
from service.accounts.rights import Role
from service.accounts.use_cases import make_account
from service.app import serve
from service.settings import load
from service.store.engine import Store
from service.store.secrets import open_keys
from tests.bench import processes


async def prepare(folder: Path, people: Sequence[tuple[str, Role]]) -> dict[str, str]:
    """A data directory with these accounts; their passwords by name."""
    layout = Layout.of(folder, "pbx1")
    layout.generated.mkdir(parents=True)
    site.ensure_secrets(layout)
    store = Store(f"sqlite+aiosqlite:///{folder / 'ecoute.db'}")
    keyring = await open_keys(store, folder)
    passwords: dict[str, str] = {}
    async with store.transaction() as session:
        for name, role in people:
            made = await make_account(
                session, keyring, username=name, display_name=name.title(), roles={role}, at=datetime.now(UTC)
            )
            passwords[name] = made.password
    await store.close()
    return passwords


def secrets_of(folder: Path) -> dict[str, str]:
    """Of the accounts with which the service logs in."""
    return site.read_secrets(Layout.of(folder, "pbx1"))


def write_settings(folder: Path, *, http_port: int, ami_port: int) -> Path:
    """ecoute.toml of such a service."""
    file = folder / "ecoute.toml"
    file.write_text(
        f"[http]\nport = {http_port}\n[store]\ndata_dir = '{folder}'\n"
        f"url = 'sqlite+aiosqlite:///{folder / 'ecoute.db'}'\n[[pbx]]\nid = 'pbx1'\nami_port = {ami_port}\n"
    )
    return file


def start(settings: Path) -> subprocess.Popen[str]:
    """The service. It says a line when its modules are loaded and its work begins, and one when it is ready."""
    return processes.start("tests.bench.lone_service", str(settings))


def sign_in(port: int, username: str, password: str) -> str:
    """The session's cookie, as `name=value`."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        headers = {"Origin": f"http://127.0.0.1:{port}", "Content-Type": "application/json"}
        body = json.dumps({"username": username, "password": password})
        connection.request("POST", "/api/v1/session", body, headers)
        response = connection.getresponse()
        response.read()
        cookie = response.getheader("Set-Cookie")
    if response.status != 200 or cookie is None:
        raise RuntimeError(f"signing in gave {response.status}")
    return cookie.split(";")[0]


def main() -> None:
    log.configure(level="error")
    processes.tell(began=time.monotonic())
    with suppress(asyncio.CancelledError):
        uvloop.run(serve(load(Path(sys.argv[1])), lambda: processes.tell(ready=True)))


if __name__ == "__main__":
    main()
