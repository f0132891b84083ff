"""A PBX's link that takes every command and does nothing, for tests of who may ask for what."""

from __future__ import annotations

import time

from pbx.commands import Command
from pbx.link import LinkConfig, Reply


class TakingLink:
    """`taken`: what was asked for, in order."""

    def __init__(self, pbx: str = "pbx1") -> None:
        self.config = LinkConfig(
            pbx=pbx, host="127.0.0.1", port=0, username="service", secret="", provision_username="", provision_secret=""
        )
        self.taken: list[Command] = []

    def pbx_now(self) -> float:
        return time.time()

    async def send(self, command: Command, *, timeout: float = 5.0) -> Reply:
        self.taken.append(command)
        return Reply("taken")
