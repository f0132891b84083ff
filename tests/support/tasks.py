"""Tasks of a test end with it."""

from __future__ import annotations

import asyncio
from typing import Any


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel, and wait until it is over: a database that is closed under a statement never answers it."""
    task.cancel()
    await asyncio.wait([task])
