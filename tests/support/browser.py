"""Listeners' browsers: a real Chromium each, with a tone for a microphone, driven through the page that people use."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from playwright.sync_api import Browser, Page, Playwright, expect

from tests.support.audio import tone_file
from tests.support.wait import until

expect.set_options(timeout=15_000)

_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-breakpad",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--lang=fr-FR",
    "--window-size=1280,900",
)

#: loudness of one frequency in what the page's remote audio plays, from a spectrum of its own; nothing of the page's
_HEARD = """
async (tone) => {
  const audio = document.querySelector('[data-testid=remote-audio]');
  if (!audio || !audio.srcObject || !audio.srcObject.getAudioTracks().length) return -200;
  const context = new AudioContext();
  await context.resume();
  const analyser = context.createAnalyser();
  analyser.fftSize = 8192;
  analyser.smoothingTimeConstant = 0;
  context.createMediaStreamSource(audio.srcObject).connect(analyser);
  await new Promise((done) => setTimeout(done, 400));
  const bins = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(bins);
  const centre = Math.round(tone / (context.sampleRate / analyser.fftSize));
  await context.close();
  return Math.max(...bins.slice(centre - 2, centre + 3));
}
"""


class ListenerBrowser:
    """One Chromium process of its own, so that it has a voice of its own and can be killed alone."""

    def __init__(self, process: subprocess.Popen[bytes], browser: Browser, page: Page) -> None:
        self._process = process
        self._browser = browser
        self.page = page

    def sign_in(self, url: str, username: str, password: str) -> None:
        """To the application."""
        self.page.goto(url)
        self.page.get_by_test_id("username").fill(username)
        self.page.get_by_test_id("password").fill(password)
        self.page.get_by_test_id("sign-in").click()

    def sign_in_to_queue(self) -> None:
        """Until the page says that calls may come."""
        self.page.get_by_test_id("queue-sign-in").click()
        self.expect_state("free")

    def leave_queue(self) -> None:
        """As at the end of a test, whatever state the page is in."""
        if self._process.poll() is None:
            button = self.page.get_by_test_id("queue-sign-out")
            if button.is_visible():
                button.click()
                self.expect_state("absent")

    def use_raw_audio(self) -> None:
        """Echo cancellation and noise suppression take a tone for noise: the page has a preference for that."""
        self.page.get_by_test_id("raw-audio").check()

    def pause(self, reason: str = "break") -> None:
        self.page.get_by_test_id("pause").click()
        self.page.get_by_test_id(f"pause-reason-{reason}").click()
        self.expect_state("paused")

    def resume(self) -> None:
        self.page.get_by_test_id("resume").click()
        self.expect_state("free")

    def expect_state(self, state: str, seconds: float = 15) -> None:
        """Of the listener, as the page shows it (attribute data-state)."""
        expect(self.page.get_by_test_id("listener-state")).to_have_attribute(
            "data-state", state, timeout=seconds * 1000
        )

    def expect_ringing(self, seconds: float = 20) -> None:
        expect(self.page.get_by_test_id("ringing")).to_be_visible(timeout=seconds * 1000)

    def answer(self) -> None:
        self.page.get_by_test_id("answer").click()
        expect(self.page.get_by_test_id("end")).to_be_visible(timeout=10_000)

    def hears(self, tone: float) -> bool:
        """Is the tone in what this listener hears?"""
        return float(self.page.evaluate(_HEARD, tone)) > -60

    def expect_hears(self, tone: float, seconds: float = 8) -> None:
        until(lambda: self.hears(tone), f"the listener hears {tone:g} Hz", seconds)

    def kill(self) -> None:
        """kill -9 of the whole browser."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        if self._process.poll() is None:
            with suppress(Exception):
                self._browser.close()
        self.kill()


@contextmanager
def listener_browser(playwright: Playwright, directory: Path, tone: float) -> Iterator[ListenerBrowser]:
    """A browser whose microphone hears `tone` (Hz). Ended with all its processes; its profile stays for the next."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "profile" / "DevToolsActivePort").unlink(missing_ok=True)
    microphone = tone_file(directory / "microphone.wav", tone)
    program = shutil.which("chromium")
    assert program is not None, "chromium is missing: make test installs it"
    command = [
        program,
        *_FLAGS,
        f"--use-file-for-fake-audio-capture={microphone}",
        f"--user-data-dir={directory / 'profile'}",
        "--remote-debugging-port=0",
        "about:blank",
    ]
    with (directory / "chromium.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        address = _debugging_address(directory / "profile" / "DevToolsActivePort")
        browser = playwright.chromium.connect_over_cdp(address)
        page = browser.contexts[0].pages[0]
        opened = ListenerBrowser(process, browser, page)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    try:
        yield opened
    finally:
        opened.close()


def _debugging_address(file: Path) -> str:
    until(lambda: file.is_file() and file.read_text().count("\n") >= 1, "Chromium listens", 30)
    return f"http://127.0.0.1:{file.read_text().splitlines()[0]}"
