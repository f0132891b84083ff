"""Row c: the pop-up's latency. From AgentCalled on the manager interface to the pop-up in the listener's DOM.

A real Asterisk, 10 callers a second, 100 listeners signed in: 98 SIP telephones with a live socket each, and 2 Chromium
with the real page and its WebRTC phone. Two thirds of the telephones' listeners are on a break: a round of the queue
takes about three seconds, so that minutes give enough pop-ups.
In the page a script answers, ends the call and ends the writing-up, as a person would, only quicker; the next call
finds a page at rest.

AgentCalled is timed by Asterisk itself (manager.conf: timestampevents), the pop-up by a MutationObserver in the page,
as soon as the panel of that very call holds what is known of its number. All are clocks of one machine; how far the
page's and Asterisk's are from the bench's is measured before and after. When the event's bytes reached a reader of the
bench's own is in the note: a reader that waits for a processor is late, and would make the pop-up quicker than it is.
"""

from __future__ import annotations

import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
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
#: how far a clock's offset itself may be out, in milliseconds
_UNSURE_MS: Final = 1.0
#: What a page notes of a call, in epoch milliseconds: the panel is there, what is known is in it, the next frame.
_MOMENTS: Final = ("panel", "known", "frame")
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


@dataclass(frozen=True, slots=True)
class Rung:
    """An AgentCalled. Epoch seconds."""

    made_at: float  #: by Asterisk's own word; 0: it gave none
    read_at: float  #: its bytes were here
    call: str
    phone: str


class AgentWatch:
    """Hears the class `agent` alone: when AgentCalled came, for which call and phone; and lets the crowd go on."""

    def __init__(self, port: int, secret: str, crowd_phones: set[str]) -> None:
        self.called: list[Rung] = []
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
                    self.called.append(_rung(frame, now))
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


def _rung(frame: bytes, now: float) -> Rung:
    made_at = float(_field(frame, "Timestamp: ") or 0)
    return Rung(made_at, now, _field(frame, "ChanVariable: CALL_ID="), _field(frame, "Interface: "))


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


def _calls(bench: Bench, line: LiveLine, watch: AgentWatch, pages: dict[str, Page]) -> tuple[Delays, float]:
    """How long each pop-up took, and by how many milliseconds the clocks differed at most."""
    offsets = _clock_offsets(line, pages.values())
    seconds = 60 + 2 * bench.size.popups
    numbers = [f"+3363998{n % _NUMBERS:04}" for n in range(_CALLS_PER_SECOND * seconds)]
    caller = line.caller(numbers=numbers, rate=_CALLS_PER_SECOND, stay=90)

    def enough() -> bool:
        assert caller.process.poll() is None, "the callers go on"
        for page in pages.values():
            page.wait_for_timeout(250)  # also lets Playwright work
        return sum(rung.phone in pages for rung in list(watch.called)) >= bench.size.popups

    until(enough, f"{bench.size.popups} calls for the pages", seconds)
    called = [rung for rung in list(watch.called) if rung.phone in pages]
    next(iter(pages.values())).wait_for_timeout(2000)  # the last of them may still be on its way
    seen = {phone: page.evaluate("window.__popups") for phone, page in pages.items()}
    offsets += _clock_offsets(line, pages.values())
    return delays_of(called, seen), max(map(abs, offsets))


@dataclass(frozen=True, slots=True)
class Delays:
    """Milliseconds, by what the page noted: from when Asterisk made AgentCalled, and from when its bytes were read.

    `late`: between the two. `missed`: calls that rang without a pop-up.
    """

    made: Mapping[str, Sequence[float]]
    read: Mapping[str, Sequence[float]]
    late: Sequence[float]
    missed: int


def delays_of(called: Sequence[Rung], seen: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Delays:
    """`seen`: phone → call → what its page noted. ValueError where Asterisk gave no time."""
    if not all(rung.made_at for rung in called):
        raise ValueError("Asterisk gives no time with its events")
    noted = [(rung, seen[rung.phone].get(rung.call, {})) for rung in called]
    return Delays(
        made={what: [at[what] - rung.made_at * 1000 for rung, at in noted if what in at] for what in _MOMENTS},
        read={what: [at[what] - rung.read_at * 1000 for rung, at in noted if what in at] for what in _MOMENTS},
        late=[(rung.read_at - rung.made_at) * 1000 for rung in called],
        missed=sum("known" not in at for _, at in noted),
    )


def _clock_offsets(line: LiveLine, pages: Iterable[Page]) -> list[float]:
    """Of the pages' clocks, and of Asterisk's, which is the same for a Ping as for an event."""
    with Witness(line.pbx.ports.ami, "bench", "bench-secret") as witness:
        clocks: list[Callable[[], float]] = [partial(_page_clock, page) for page in pages]
        clocks.append(lambda: float(witness.ask("Ping")["Timestamp"]) * 1000)
        return [_clock_offset(clock) for clock in clocks]


def _page_clock(page: Page) -> float:
    """Epoch milliseconds."""
    return float(page.evaluate("performance.timeOrigin + performance.now()"))


def _clock_offset(clock: Callable[[], float]) -> float:
    """Milliseconds by which a clock is ahead of the bench's, by its quickest answer."""
    found: list[tuple[float, float]] = []
    for _ in range(20):
        before = time.time()
        there = clock()
        after = time.time()
        found.append((after - before, there - (before + after) * 500))
    return min(found)[1]


def _row(bench: Bench, delays: Delays, drift: float) -> Row:
    known = delays.made["known"]
    if delays.missed or not known:
        return did_not_run(_NAME, _GOAL, f"{delays.missed} calls rang without a pop-up, {len(known)} with one")
    if min(delays.late) < -drift - _UNSURE_MS:
        return did_not_run(_NAME, _GOAL, f"an event was read {-min(delays.late):.1f} ms before Asterisk made it")
    p99 = quantile(known, 0.99)
    also = {what: _median_and_p99(values) for what, values in delays.made.items()}
    return Row(
        name=_NAME,
        value=p99,
        unit="ms",
        goal=_GOAL,
        holds=p99 <= GOAL_MS,
        n=len(known),
        note=(
            f"{_BROWSERS} Chromium and {bench.size.phones} SIP telephones with a live socket each ({_AT_WORK} take "
            f"calls, the others are on a break), {_CALLS_PER_SECOND} calls/s; median/p99 from AgentCalled, by "
            f"Asterisk's own Timestamp, to the panel {also['panel']}, to what is known of the number in it "
            f"{also['known']} (this is the value), to the frame after it {also['frame']}; from its bytes at a reader "
            f"of the bench's own to what is known {_median_and_p99(delays.read['known'])}; that reader had them "
            f"{_median_and_p99(delays.late)} after the Timestamp; the clocks differed by at most {drift:.1f} ms; "
            f"callers, telephones, browsers and Asterisk share the cores with the service; {processes.load()}"
        ),
    )


def _median_and_p99(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.1f}/{quantile(values, 0.99):.1f} ms"
