"""What a row of the table is made of, and the two sides: panoramisk's own classes, and ours.

The stock half runs `panoramisk.Manager` as its documentation says, with shorter waits. It is noisy: callbacks that
raise, connections that nothing closes. `stock` takes that in and puts it away, and nothing else does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, ClassVar

from panoramisk import Manager

from tests.fakes.ami_server import AmiServer
from tests.unit.pbx.ami_frames import CALL, CALLER, on_channel

#: How long we look at what should never happen, or should happen and never does: several of the stock side's periods.
WINDOW = 0.3


class Case(ABC):
    """One row: a situation, what panoramisk 1.4 does, what our session does."""

    situation: ClassVar[str]
    stock: ClassVar[str]
    ours: ClassVar[str]

    @abstractmethod
    async def stock_fails(self) -> None:
        """Passes when the stock classes show the failure."""

    @abstractmethod
    async def ours_holds(self) -> None:
        """Passes when ours do what the row says."""


class Stock:
    """A manager of panoramisk's, and what reached nobody but the event loop."""

    def __init__(self, manager: Any) -> None:
        self.manager = manager
        self.noise: list[str] = []

    @property
    def connected(self) -> bool:
        return bool(self.manager._connected)


@contextlib.asynccontextmanager
async def stock(server: AmiServer, kind: Any = Manager, *, login: bool = True, **config: Any) -> AsyncIterator[Stock]:
    """A stock manager, logged in where `login`; whatever it leaves behind is ended."""
    loop = asyncio.get_running_loop()
    values = {"host": "127.0.0.1", "port": server.port, "username": "service", "secret": "right", **config}
    side = Stock(kind(loop=loop, **values))
    side.manager.reconnect_timeout = 0.05
    loop.set_exception_handler(lambda _loop, context: side.noise.append(context["message"]))
    others = asyncio.all_tasks()
    try:
        await side.manager.connect()
        if login:
            await eventually(lambda: side.manager.authenticated)
        yield side
    finally:
        side.manager.connect = lambda: None  # its next attempt cannot be called off
        side.manager.close()
        left = asyncio.all_tasks() - others
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await asyncio.sleep(0.06)  # attempts that were planned come to nothing, transports close
        loop.set_exception_handler(None)


async def eventually(look: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait until `look` is true; TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        while not look():
            await asyncio.sleep(0.005)


async def hangs(future: asyncio.Future[Any]) -> bool:
    """No result, no error, for the whole window."""
    done, _ = await asyncio.wait({future}, timeout=WINDOW)
    return not done


def queued(n: int, queue: str = "national", call: str = CALL) -> bytes:
    """An event of the dialplan's: the `n`th step of a call."""
    words = ("UserEvent: CallStep", f"CallId: {call}", f"Step: {n}", "What: queued", f"Detail: {queue}")
    return on_channel("UserEvent", *CALLER, *words, call=call)


@contextlib.contextmanager
def logged(name: str) -> Iterator[list[logging.LogRecord]]:
    """What a logger says meanwhile."""
    records: list[logging.LogRecord] = []

    class Keeps(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    handler = Keeps()
    logging.getLogger(name).addHandler(handler)
    try:
        yield records
    finally:
        logging.getLogger(name).removeHandler(handler)
