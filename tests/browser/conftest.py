"""One Playwright for all browser tests; the browsers themselves are each test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Playwright, sync_playwright


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """The driver of Chromium; it downloads nothing. Its event loop would be in the way of tests elsewhere."""
    with sync_playwright() as driver:
        yield driver
