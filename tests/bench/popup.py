"""Row c: the pop-up's latency. From AgentCalled on the manager interface to the pop-up in the listener's DOM.

A real Asterisk, 10 callers a second, 100 listeners signed in: 98 SIP telephones with a live socket each, and 2 Chromium
with the real page and its WebRTC phone. Two thirds of the telephones' listeners are on a break: a round of the queue
takes about three seconds, so that minutes give enough pop-ups.
In the page a script answers, ends the call and ends the writing-up, as a person would, only quicker; the next call
finds a page at rest.

AgentCalled is timed by a reader of the bench's own, as its bytes arrive; the pop-up by a MutationObserver in the page,
as soon as the panel of that very call holds what is known of its number. Both are the clock of one machine; how far the
page's clock is from the bench's is measured before and after.
"""

from __future__ import annotations

import socket
import statistics
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page, sync_playwright

from tests.bench import crowd, processes
from tests.bench.row import Bench, Row, did_not_run, quantile
from tests.integration.live.line import LiveLine
from tests.support.browser import listener_browser
from tests.support.wait import until
from tests.support.witness import Witness

GOAL_MS: Final = 50.0
_GOAL: Final = f"p99 <= {GOAL_MS:g} ms"
_NAME: Final = "pop-up latency, p99"
_CALLS_PER_SECOND: Final = 10
_TALK_SECONDS: Final = 2.0
#: telephones whose listeners take calls: with the pages, a round of the queue in 3.2 s
_AT_WORK: Final = 30
_BROWSERS: Final = 2
#: callers' numbers, each again and again: after so many calls every one was used before
_NUMBERS: Final = 1000

#: Notes when each call's pop-up is there, and handles the call. Times: epoch milliseconds.
_IN_THE_PAGE: Final = """
() => {
  const now = () => performance.timeOrigin + performance.now();
  const seen = (window.__popups = {});
  const one = (id) => document.querySelector(`[data-testid=${id}]`);
  const look = () => {
    const panel = one("ringing");
    const call = panel?.dataset.callId;
    if (!call) return;
    const entry = (seen[call] ??= { panel: now() });
    const number = panel.querySelector("[data-testid=offer-number]")?.dataset.number;
    if (!entry.known && number && number !== "unavailable") {
      entry.known = now();
      requestAnimationFrame(() => { entry.frame = now(); });
    }
  };
  new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true });
  const since = {};
  const after = (id, there, seconds) => {
    since[id] = there ? since[id] ?? performance.now() : undefined;
    if (there && performance.now() - since[id] >= seconds * 1000) one(id).click();
  };
  setInterval(() => {
    const panel = one("ringing");
    after("answer", panel && one("answer") && seen[panel.dataset.callId]?.frame, 0.3);
    for (const id of ["end", "end-wrapup"]) { const button = one(id); after(id, button && !button.disabled, 0.7); }
  }, 100);
}
"""


class AgentWatch:
    """Hears the class `agent` alone: when AgentCalled came, for which call and phone; and lets the crowd go on."""

    def __init__(self, port: int, secret: str, crowd_phones: set[str]) -> None:
        self.called: list[tuple[float, str, str]] = []
        self._crowd = crowd_phones
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(f"Action: Login\r\nUsername: bench\r\nSecret: {secret}\r\n\r\n".encode())
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        rest = b""
        while read := self._socket.recv(1 << 16):
            now = time.time()
            *frames, rest = (rest + read).split(b"\r\n\r\n")
            for frame in frames:
                if frame.startswith(b"Event: AgentCalled\r\n"):
                    self.called.append((now, _field(frame, "ChanVariable: CALL_ID="), _field(frame, "Interface: ")))
                elif frame.startswith(b"Event: QueueMemberPause\r\n") and b"\r\nPausedReason: wrap-up" in frame:
                    self._go_on(_field(frame, "Interface: "))

    def _go_on(self, phone: str) -> None:
        """A telephone of the crowd writes nothing up."""
        if phone in self._crowd:
            self._socket.sendall(f"Action: QueuePause\r\nInterface: {phone}\r\nPaused: false\r\n\r\n".encode())

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._socket.close()


def _field(frame: bytes, key: str) -> str:
    return frame.partition(f"\r\n{key}".encode())[2].partition(b"\r\n")[0].decode("utf-8", "replace")


def measure(bench: Bench) -> Sequence[Row]:
    """One row."""
    folder = bench.folder / "popup"
    folder.mkdir()
    bench.say(f"{_NAME}: {bench.size.popups} pop-ups")
    with ExitStack() as stack:
        line = stack.enter_context(LiveLine(folder, listeners=_BROWSERS))
        line.kill_service()
        ids, _phone = crowd.join(line, bench.size.phones, folder, talk=_TALK_SECONDS)
        line.start_service()
        line.pbx.add_manager("bench", "bench-secret", "read = agent\nwrite = agent,system\nwritetimeout = 5000\n")
        with Witness(line.pbx.ports.ami, "bench", "bench-secret") as witness:
            accounts = list(ids.values())
            crowd.serve(witness, accounts)
            crowd.take_a_break(witness, accounts[_AT_WORK:])
        cookies = crowd.sign_in(line, list(ids))
        arguments = (str(line.http_port), str(len(cookies)), *cookies)
        clients = processes.start("tests.bench.live_clients", *arguments)
        stack.callback(processes.end, clients)
        assert processes.told(clients)["open"] == len(cookies)
        driver = stack.enter_context(sync_playwright())
        pages = {f"PJSIP/l{line.ids[name]}": _listener(stack, driver, line, name, folder) for name in _names()}
        watch = AgentWatch(line.pbx.ports.ami, "bench-secret", {f"PJSIP/l{account}" for account in ids.values()})
        stack.callback(watch.close)
        return [_row(bench, *_calls(bench, line, watch, pages))]


def _names() -> list[str]:
    return [f"listener{n}" for n in range(1, _BROWSERS + 1)]


def _listener(stack: ExitStack, driver: Any, line: LiveLine, name: str, folder: Path) -> Page:
    """A Chromium signed in to the queue, with our script in its page."""
    opened = stack.enter_context(listener_browser(driver, folder / name, 440.0))
    opened.sign_in(f"http://localhost:{line.http_port}", name, line.passwords[name])
    opened.sign_in_to_queue()
    opened.page.evaluate(_IN_THE_PAGE)
    return opened.page


def _calls(
    bench: Bench, line: LiveLine, watch: AgentWatch, pages: dict[str, Page]
) -> tuple[dict[str, list[float]], int, float]:
    """Milliseconds from AgentCalled to the panel, to what is known in it, to the next frame; and how many not seen."""
    offsets = [_clock_offset(page) for page in pages.values()]
    seconds = 60 + 2 * bench.size.popups
    numbers = [f"+3363998{n % _NUMBERS:04}" for n in range(_CALLS_PER_SECOND * seconds)]
    caller = line.caller(numbers=numbers, rate=_CALLS_PER_SECOND, stay=90)

    def enough() -> bool:
        assert caller.process.poll() is None, "the callers go on"
        for page in pages.values():
            page.wait_for_timeout(250)  # also lets Playwright work
        return sum(phone in pages for _, _, phone in list(watch.called)) >= bench.size.popups

    until(enough, f"{bench.size.popups} calls for the pages", seconds)
    called = list(watch.called)
    next(iter(pages.values())).wait_for_timeout(2000)  # the last of them may still be on its way
    seen = {phone: page.evaluate("window.__popups") for phone, page in pages.items()}
    drift = max(abs(offset) for offset in [*offsets, *(_clock_offset(page) for page in pages.values())])
    delays: dict[str, list[float]] = {"panel": [], "known": [], "frame": []}
    missed = 0
    for at, call, phone in called:
        if phone in pages:
            entry = seen[phone].get(call, {})
            missed += "known" not in entry
            for what, values in delays.items():
                if what in entry:
                    values.append(entry[what] - at * 1000)
    return delays, missed, drift


def _clock_offset(page: Page) -> float:
    """Milliseconds by which the page's clock is ahead, by its quickest answer."""
    found: list[tuple[float, float]] = []
    for _ in range(20):
        before = time.time()
        there = page.evaluate("performance.timeOrigin + performance.now()")
        after = time.time()
        found.append((after - before, there - (before + after) * 500))
    return min(found)[1]


def _row(bench: Bench, delays: dict[str, list[float]], missed: int, drift: float) -> Row:
    known = delays["known"]
    if missed or not known:
        return did_not_run(_NAME, _GOAL, f"{missed} calls rang without a pop-up, {len(known)} with one")
    p99 = quantile(known, 0.99)
    also = {what: f"{statistics.median(values):.1f}/{quantile(values, 0.99):.1f} ms" for what, values in delays.items()}
    return Row(
        name=_NAME,
        value=p99,
        unit="ms",
        goal=_GOAL,
        holds=p99 <= GOAL_MS,
        n=len(known),
        note=(
            f"{_BROWSERS} Chromium and {bench.size.phones} SIP telephones with a live socket each ({_AT_WORK} take "
            f"calls, the others are on a break), {_CALLS_PER_SECOND} calls/s; median/p99 from AgentCalled to the panel "
            f"{also['panel']}, to what is known of the number in it {also['known']} (this is the value), to the frame "
            f"after it {also['frame']}; the clocks differed by at most {drift:.1f} ms; callers, telephones, browsers "
            f"and Asterisk share the cores with the service; {processes.load()}"
        ),
    )
