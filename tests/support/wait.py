"""Waiting for a condition instead of sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(
    look: Callable[[], T | None], what: str | Callable[[], str], timeout: float = 15.0, *, every: float = 0.02
) -> T:
    """The first value of `look` that is true; fails by name when there is none within `timeout` seconds.

    `what`: its name; called where it tells how things stood in the end.
    `every`: seconds between two looks, where looking is dear.
    """
    deadline = time.monotonic() + timeout
    while True:
        if value := look():
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {what if isinstance(what, str) else what()}")
        time.sleep(every)


def stays(look: Callable[[], object], what: str, seconds: float) -> None:
    """`look` is true for the whole time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert look(), f"no longer true: {what}"
        time.sleep(0.02)
