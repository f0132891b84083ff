"""The service with a real Asterisk, SIP phones and callers: the service runs as its own process and can be killed."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from pbx.phones import PhoneAccount
from service.accounts.rights import Role
from service.accounts.use_cases import make_account
from service.centres.use_cases import seed_sample
from service.keys import Keyring, load_keyring
from service.store.engine import Store
from service.store.secrets import open_keys, unlock
from tests.support.free_ports import free_port
from tests.support.live_messages import unfit_for_the_description
from tests.support.pbx import PbxUnderTest, start_test_pbx
from tests.support.short_prompts import shorten
from tests.support.sipp import ANONYMOUS, Caller, Identity, Phone
from tests.support.wait import until

PASSWORD = "secret-of-tests"
_RUN = (
    "import uvloop, sys; from pathlib import Path; from service.settings import load; from service.app import serve;"
    "from service import log; log.configure(level='debug');"
    "uvloop.run(serve(load(Path(sys.argv[1]))))"
)
_TIMES: dict[str, Any] = {
    "overflow_after": 60,
    "overflow_again": 120,
    "grace": 6,
    "centre_ring": 3,
    "press_one": 5,
    "queue_round": 4,
}


class Page:
    """Somebody's browser, as far as the service sees it: a session, requests, and the live socket."""

    def __init__(self, port: int, username: str, password: str) -> None:
        self._port = port
        self._origin = f"http://127.0.0.1:{port}"
        self._cookie = ""
        self.entities: dict[tuple[str, str], Any] = {}
        self.messages: list[dict[str, Any]] = []
        self.unfit: list[str] = []
        status, self.me = self.ask("POST", "/session", {"username": username, "password": password})
        assert status == 200, self.me
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def cookie(self) -> str:
        """As the browser sends it."""
        return self._cookie

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON of one request below /api/v1."""
        headers = {"Origin": self._origin, "Cookie": self._cookie, "Content-Type": "application/json"}
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)) as connection:
            connection.request(method, f"/api/v1{path}", None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            raw = response.read()
            response.close()
        if cookie := response.getheader("Set-Cookie"):
            self._cookie = cookie.split(";")[0]
        return response.status, json.loads(raw) if raw else None

    def must(self, method: str, path: str, body: Any = None) -> Any:
        """The answer of a request that has to work."""
        status, answer = self.ask(method, path, body)
        assert status < 300, (status, answer)
        return answer

    def open_live(self) -> None:
        """Open the live socket, and keep `entities` as the page would."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()
        until(lambda: self.messages, "the snapshot comes")

    def close_live(self) -> None:
        """As when the browser dies."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(20)
            assert not self._thread.is_alive(), "the live socket closes"
        assert not self.unfit, "every live message is as the API describes it"

    def _follow(self) -> None:
        with contextlib.suppress(ConnectionError):  # the service went while it was asked whether we are there
            asyncio.run(self._read())

    async def _read(self) -> None:
        async with aiohttp.ClientSession() as session:
            url, headers = f"{self._origin}/api/v1/live", {"Origin": self._origin, "Cookie": self._cookie}
            async with session.ws_connect(url, headers=headers) as socket_:
                while not self._stop.is_set():
                    with contextlib.suppress(TimeoutError):
                        message = await asyncio.wait_for(socket_.receive(), 0.1)
                        if message.type is not aiohttp.WSMsgType.TEXT:
                            return
                        self.unfit += unfit_for_the_description(message.data)
                        self._take(json.loads(message.data))

    def _take(self, message: dict[str, Any]) -> None:
        now = {} if message["type"] == "snapshot" else dict(self.entities)
        for entity in message.get("entities", []):
            key = (entity["kind"], entity["id"])
            if entity["value"] is None:
                now.pop(key, None)
            else:
                now[key] = entity["value"]
        self.entities = now  # at once: who looks sees the page before a message or after it
        self.messages.append(message)

    def all(self, kind: str) -> list[Any]:
        """The values of one kind."""
        return [value for (found, _), value in list(self.entities.items()) if found == kind]

    def shown(self, kind: str) -> list[Any]:
        """Every value of one kind that the page was told, oldest first: also what went soon, like a short ring."""
        entities = (entity for message in list(self.messages) for entity in message.get("entities", []))
        return [entity["value"] for entity in entities if entity["kind"] == kind and entity["value"] is not None]

    def one(self, kind: str) -> Any:
        """The value of a kind of which there is at most one; None for none."""
        found = self.all(kind)
        assert len(found) <= 1, found
        return found[0] if found else None


class LiveLine:
    """PBX (or several), service process, accounts `listener1`… (phones l1…), `supervisor`; all end with it.

    `site`: further fields of each PBX's site. `whole_prompts`: the welcome, too, is spoken to every caller.
    """

    def __init__(
        self,
        folder: Path,
        *,
        listeners: int = 2,
        url: str = "",
        pbxs: tuple[str, ...] = ("pbx1",),
        site: Mapping[str, Any] | None = None,
        whole_prompts: bool = False,
        **sections: Any,
    ) -> None:
        self.folder = folder
        self._stack = contextlib.ExitStack()
        self.pbxs: dict[str, PbxUnderTest] = {}
        for pbx in pbxs:
            values = {**_TIMES, "outbound_caller_id": "+33199003133", "pbx": pbx, **(site or {})}
            self.pbxs[pbx] = self._stack.enter_context(start_test_pbx(folder / "var", **values))
            if not whole_prompts:
                shorten(self.pbxs[pbx].layout, "welcome")
        self.pbx = self.pbxs[pbxs[0]]
        self.http_port = free_port()
        self.url = url or f"sqlite+aiosqlite:///{folder / 'var' / 'ecoute.db'}"
        self.passwords: dict[str, str] = {}
        self.ids: dict[str, int] = {}
        asyncio.run(self._prepare(listeners))
        self.settings = folder / "ecoute.toml"
        self.settings.write_text(self._toml(sections))
        for started in self.pbxs.values():
            started.write_phones([PhoneAccount(f"l{n}", PASSWORD, "sip") for n in self.ids.values()])
        self.service: subprocess.Popen[bytes] | None = None
        self.start_service()

    async def _prepare(self, listeners: int) -> None:
        store = Store(self.url)
        keyring = await open_keys(store, self.folder / "var")
        people = [(f"listener{n}", Role.LISTENER) for n in range(1, listeners + 1)]
        async with store.transaction() as session:
            await seed_sample(session)
            for name, role in [*people, ("supervisor", Role.SUPERVISOR)]:
                account = await make_account(
                    session, keyring, username=name, display_name=name.title(), roles={role}, at=datetime.now(UTC)
                )
                self.passwords[name], self.ids[name] = account.password, account.account_id
        await store.close()

    def _toml(self, sections: dict[str, dict[str, Any]]) -> str:
        wanted: dict[str, dict[str, Any]] = {
            "http": {"port": self.http_port},
            "store": {"data_dir": str(self.folder / "var"), "url": self.url},
            "overflow": {"after_seconds": 60, "again_after_seconds": 120},
            "recovery": {"settle_seconds": 1},
        }
        for name, values in sections.items():
            wanted.setdefault(name, {}).update(values)
        text = [f"[{name}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in s.items()) for name, s in wanted.items()]
        for pbx, started in self.pbxs.items():
            ports = started.ports
            text.append(
                f"[[pbx]]\nid = '{pbx}'\nsip_port = {ports.sip}\nhttp_port = {ports.http}\nami_port = {ports.ami}\n"
                f"rtp_start = {ports.rtp_start}\nrtp_end = {ports.rtp_end}\n"
            )
        return "\n".join(text)

    # --- the service

    def start_service(self, *, wait: bool = True) -> None:
        with (self.folder / "service.log").open("ab") as log:
            self.service = subprocess.Popen(
                [sys.executable, "-c", _RUN, str(self.settings)],
                env=os.environ | {"PYTHONPATH": os.getcwd()},  # noqa: PTH109
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if wait:
            until(self.ready, "the service is ready", 30)

    def ready(self) -> bool:
        """Store and PBX answer."""
        return self.answers("/readyz")

    def answers(self, path: str) -> bool:
        """The service lives, and says 200 there."""
        assert self.service is not None
        assert self.service.poll() is None, self.log()
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=2)
        with contextlib.closing(connection), contextlib.suppress(OSError):
            connection.request("GET", path)
            return connection.getresponse().status == 200
        return False

    def kill_service(self) -> None:
        """kill -9, in the middle of whatever it does."""
        assert self.service is not None
        self.service.kill()
        self.service.wait()

    def stop_service(self) -> int:
        """As a supervisor of services stops it; its exit code."""
        assert self.service is not None
        self.service.send_signal(signal.SIGTERM)
        return self.service.wait(20)

    def log(self) -> str:
        return (self.folder / "service.log").read_text(errors="replace")

    # --- people

    def page(self, username: str) -> Page:
        """Somebody signs in to the pages and has them open."""
        page = Page(self.http_port, username, self.passwords[username])
        page.open_live()
        self._stack.callback(page.close_live)
        return page

    def phone(self, *usernames: str, pbx: str = "pbx1", expires: int = 600, **habits: Any) -> Phone:
        """A SIP phone on which these listeners are registered."""
        phone = self._stack.enter_context(Phone(self.folder, **habits))
        for username in usernames:
            phone.register(self.pbxs[pbx].ports.sip, f"l{self.ids[username]}", PASSWORD, expires=expires)
        return phone

    def listener(self, username: str, **habits: Any) -> tuple[Page, Phone]:
        """A listener with page and phone, signed in to the queue and free."""
        phone = self.phone(username, **habits)
        page = self.page(username)
        page.must("POST", "/listener/sign-in", {})
        # who waits may be given to them before anybody looks
        until(lambda: page.one("me")["state"] in {"free", "ringing", "talking", "wrap-up"}, f"{username} is served")
        return page, phone

    def caller(self, identity: Identity = ANONYMOUS, pbx: str = "pbx1", **habits: Any) -> Caller:
        """Somebody rings the line."""
        port = self.pbxs[pbx].ports.sip
        return self._stack.enter_context(Caller(port, self.folder, identity=identity, **habits))

    # --- the store, read by the test itself

    def keyring(self) -> Keyring:
        """As the service has it."""

        async def opened(session: Any) -> Keyring:
            keyring = load_keyring(self.folder / "var", create=False)
            await unlock(session, keyring)
            return keyring

        found: Keyring = self.query(opened)
        return found

    def query(self, work: Callable[[Any], Any]) -> Any:
        """What `await work(session)` gives, over an engine of the test's own."""

        async def run() -> Any:
            store = Store(self.url)
            try:
                async with store.reading() as session:
                    return await work(session)
            finally:
                await store.close()

        return asyncio.run(run())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            sys.stderr.write("--- the service said:\n" + self.log()[-8000:] + "\n")
        if self.service is not None and self.service.poll() is None:
            self.service.send_signal(signal.SIGTERM)
            try:
                self.service.wait(20)
            except subprocess.TimeoutExpired:
                self.service.kill()
                self.service.wait()
        self._stack.__exit__(kind, error, trace)
