"""Stores of both kinds."""

from __future__ import annotations

from tests.support.stores import *  # noqa: F403
