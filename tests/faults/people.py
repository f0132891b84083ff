"""Everybody's pages, kept open whatever becomes of the service: listeners who write and a supervisor who watches.

One thread with an event loop. A page that loses its socket opens it again, as a browser does. A listener saves notes in
the conversation and again afterwards, now and then keeps the case, ends the writing-up and is free again. What was
acknowledged is remembered (`Ledger`): all of it must be there at the end, whatever was broken meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from tests.bench import lone_service

#: part of every text that is saved: what is searched for in the logs afterwards
NOTE_MARK: Final = "orchidée-7731"
_SIGN_INS_AT_ONCE: Final = 3
_REQUEST_SECONDS: Final = 12.0
_REOPEN_SECONDS: Final = 0.2
_LOOK_SECONDS: Final = 0.25


@dataclass(slots=True)
class Written:
    """What one contact's notes must be. `sent`: texts without an answer, by the version that they would have made."""

    by: str
    version: int = 0
    text: str = ""
    sent: dict[int, list[str]] = field(default_factory=dict)


class Ledger:
    """Contact → what was acknowledged, and what may have been taken without our knowing."""

    def __init__(self) -> None:
        self.contacts: dict[int, Written] = {}
        self.kept: set[int] = set()  #: cases whose keeping was acknowledged
        self.acknowledged = 0

    def sending(self, contact_id: int, by: str, version: int, text: str) -> None:
        entry = self.contacts.setdefault(contact_id, Written(by))
        entry.sent.setdefault(version + 1, []).append(text)

    def taken(self, contact_id: int, version: int, text: str) -> None:
        entry = self.contacts[contact_id]
        self.acknowledged += 1
        if version >= entry.version:
            entry.version, entry.text = version, text


class OpenPage:
    """One person's page: a cookie, and the entities of the live feed as they stand."""

    def __init__(self, name: str, account_id: int, cookie: str) -> None:
        self.name = name
        self.account_id = account_id
        self.cookie = cookie
        self.entities: dict[tuple[str, str], Any] = {}
        self.connected = False
        self.wanted = True  #: the browser runs

    def all(self, kind: str) -> dict[str, Any]:
        return {found: value for (of, found), value in list(self.entities.items()) if of == kind}

    def one(self, kind: str) -> Any:
        return next(iter(self.all(kind).values()), None)

    def take(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "snapshot":
            self.entities = {}
        for entity in message.get("entities", []):
            key = (entity["kind"], entity["id"])
            if entity["value"] is None:
                self.entities.pop(key, None)
            else:
                self.entities[key] = entity["value"]


class People:
    """`listeners`: name → account id. Use as a context manager."""

    def __init__(
        self,
        port: int,
        listeners: Mapping[str, int],
        supervisor: tuple[str, int],
        passwords: Mapping[str, str],
        *,
        seed: int,
        away: Iterable[str] = (),
    ) -> None:
        self._origin = f"http://127.0.0.1:{port}"
        self._random = random.Random(seed)  # noqa: S311  habits, not secrets
        self.ledger = Ledger()
        everybody = {**listeners, supervisor[0]: supervisor[1]}
        with ThreadPoolExecutor(_SIGN_INS_AT_ONCE) as threads:
            cookies = list(threads.map(lambda name: lone_service.sign_in(port, name, passwords[name]), everybody))
        pages = [OpenPage(name, everybody[name], cookie) for name, cookie in zip(everybody, cookies, strict=True)]
        self.supervisor = pages[-1]
        self.pages = {page.name: page for page in pages[:-1]}
        self.away = set(away)  #: listeners who do not want to be signed in to the queue
        self.writing = True
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()

    def cookies(self) -> Sequence[str]:
        return [page.cookie.partition("=")[2] for page in (*self.pages.values(), self.supervisor)]

    def board(self) -> OpenPage | None:
        """The supervisor's page, while its socket is open and the line is up."""
        page = self.supervisor
        line = page.one("line")
        return page if page.connected and line is not None and line["state"] == "up" else None

    def states(self) -> dict[str, str]:
        """Listener → state, as their own pages show it; without those whose page is closed."""
        found = {name: page.one("me") for name, page in self.pages.items() if page.connected}
        return {name: me["state"] for name, me in found.items() if me is not None}

    def __enter__(self) -> People:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def read(self, name: str, path: str) -> tuple[int, Any]:
        """What this listener's page gets, asked from outside the loop."""
        asked = asyncio.run_coroutine_threadsafe(self._ask(self._session, self.pages[name], "GET", path), self._loop)
        return asked.result(30)

    # --- the loop

    async def _run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=_REQUEST_SECONDS)
        self._loop = asyncio.get_running_loop()
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
            self._session = session
            pages = [self._keep_open(session, page) for page in (*self.pages.values(), self.supervisor)]
            work = [self._listener(session, page, self._random.random()) for page in self.pages.values()]
            tasks = [asyncio.create_task(part) for part in (*pages, *work)]
            while not self._stop.is_set():
                await asyncio.sleep(0.1)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_open(self, session: aiohttp.ClientSession, page: OpenPage) -> None:
        headers = {"Origin": self._origin, "Cookie": page.cookie}
        while True:
            if page.wanted:
                with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                    async with session.ws_connect(f"{self._origin}/api/v1/live", headers=headers) as socket:
                        await self._read(socket, page)
                page.connected = False
            await asyncio.sleep(_REOPEN_SECONDS)

    async def _read(self, socket: aiohttp.ClientWebSocketResponse, page: OpenPage) -> None:
        while page.wanted:
            with contextlib.suppress(TimeoutError):
                message = await asyncio.wait_for(socket.receive(), 0.5)
                if message.type is not aiohttp.WSMsgType.TEXT:
                    return
                page.take(json.loads(message.data))
                page.connected = True

    async def _ask(
        self, session: aiohttp.ClientSession, page: OpenPage, method: str, path: str, body: Any = None
    ) -> tuple[int, Any]:
        """Status and JSON; status 0 where no answer came: nobody knows whether it was done."""
        headers = {"Origin": self._origin, "Cookie": page.cookie}
        try:
            async with session.request(
                method,
                f"{self._origin}/api/v1{path}",
                headers=headers,
                json={} if body is None and method != "GET" else body,
            ) as answer:
                raw = await answer.read()
                if renewed := answer.headers.get("Set-Cookie"):
                    page.cookie = renewed.split(";")[0]
                return answer.status, json.loads(raw) if raw else None
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return 0, None

    # --- a listener

    async def _listener(self, session: aiohttp.ClientSession, page: OpenPage, temper: float) -> None:
        """Signs in, writes, resumes; takes between one and three seconds for the writing-up."""
        finished: set[int] = set()  # contacts whose writing-up was written
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            me = page.one("me")
            if not page.connected or me is None or not self.supervisor.connected:
                continue
            contact = page.one("contact")
            if self.writing and contact is not None and page.name not in self.away:
                await self._write(session, page, contact, me["state"] == "wrap-up", finished)
            if page.name in self.away:
                if self._serves(page):
                    await self._ask(session, page, "POST", "/listener/sign-out")
            elif not self._serves(page):  # also in a conversation during which they had signed out
                await self._ask(session, page, "POST", "/listener/sign-in")
            elif me["state"] in ("wrap-up", "paused") and me["pause_reason"] != "reconnecting":
                await asyncio.sleep(0.5 + 2 * temper)
                await self._ask(session, page, "POST", "/listener/resume")

    def _serves(self, page: OpenPage) -> bool:
        """Whether the board has them in a queue."""
        shown = self.supervisor.all("listener").get(str(page.account_id))
        return shown is not None and bool(shown["queues"])

    async def _write(
        self, session: aiohttp.ClientSession, page: OpenPage, contact: Any, writes_up: bool, finished: set[int]
    ) -> None:
        contact_id, case_id = contact["contact_id"], contact["case_id"]
        if contact["call_live"] is writes_up or contact_id in finished:
            return
        entry = self.ledger.contacts.get(contact_id)
        if writes_up:
            finished.add(contact_id)
            await self._save(session, page, contact_id, contact["notes_version"])
            if contact_id % 3 == 0:
                status, _ = await self._ask(session, page, "POST", f"/cases/{case_id}/keep", {"department": "38"})
                if status == 200:
                    self.ledger.kept.add(case_id)
        elif entry is None:
            await self._save(session, page, contact_id, contact["notes_version"])

    async def _save(self, session: aiohttp.ClientSession, page: OpenPage, contact_id: int, version: int) -> None:
        text = f"{NOTE_MARK} {page.name} {contact_id} {self._random.getrandbits(48):x}"
        for _ in range(3):
            self.ledger.sending(contact_id, page.name, version, text)
            status, answer = await self._ask(
                session, page, "PUT", f"/contacts/{contact_id}/notes", {"text": text, "version": version}
            )
            if status == 200:
                self.ledger.taken(contact_id, answer["version"], text)
                return
            if status == 409 and answer["error"]["id"] == "notes-changed-elsewhere":
                version = answer["error"]["stored"]["version"]
                continue
            await asyncio.sleep(1.0)
