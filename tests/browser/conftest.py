"""One Playwright for all browser tests; the browsers themselves are each test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Playwright, sync_playwright


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """The driver of Chromium; it downloads nothing."""
    with sync_playwright() as driver:
        yield driver
