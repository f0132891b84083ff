"""Hundreds of phones that register at once, as after a power cut in a whole region or a restart of the PBX."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults.tools.effect import prove
from tests.support.sipp import HOST, Sipp

_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Registered:
    """`seconds`: from the first REGISTER to the last 200. `phones`: how many got one."""

    phones: int
    seconds: float


def register_all(
    pbx_port: int, folder: Path, users: Sequence[str], password: str, *, contact: str, expires: int = 600
) -> Registered:
    """All of them register in the same second at `contact`; AssertionError when one does not, within a minute."""
    table = folder / f"phones-{time.monotonic_ns()}.csv"
    given = [f"{user};[authentication username={user} password={password}]" for user in users]
    table.write_text("\n".join(["SEQUENTIAL", *given, ""]))
    values = {"CONTACT": contact, "EXPIRES": str(expires)}
    count = str(len(users))
    arguments = ["-m", count, "-l", count, "-r", count, "-inf", str(table), f"{HOST}:{pbx_port}"]
    with Sipp("registers", values, folder, arguments) as storm:
        try:
            code = storm.process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"not all registered within a minute: {storm.errors()[-300:]}") from None
        messages = storm.messages()
    taken = [message for message in messages if message.status == 200]
    assert code == 0, f"sipp ended with {code}: {storm.errors()[-300:]}"
    prove(len({message.call for message in taken}) == len(users), "not every phone was answered")
    return Registered(len(users), taken[-1].at - messages[0].at)
