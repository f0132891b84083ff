"""Packets that are lost on the way, in a network of one's own: nobody is told, and the connections stay up.

Rules of nftables at the hook `input`: what was sent is gone, and its sender does not know. Each rule counts.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.faults.tools.effect import prove
from tests.faults.tools.namespaces import in_own_network

_numbers = itertools.count(1)
_COUNTED = re.compile(r"counter packets (\d+)")


@dataclass(slots=True)
class Lost:
    """What was lost so far. `packets` is asked of the kernel."""

    table: str
    network: int  #: descriptor of the namespace
    final: int | None = field(default=None)

    @property
    def packets(self) -> int:
        return self._counted() if self.final is None else self.final

    def _counted(self) -> int:
        return sum(map(int, _COUNTED.findall(nft(self.network, f"list table inet {self.table}"))))


@contextmanager
def losing(matches: Sequence[str], *, percent: int = 100, verdict: str = "drop") -> Iterator[Lost]:
    """Lose the packets that one of `matches` names, as nft has it (`tcp dport 5038`); `percent` of them, by chance.

    `verdict`: `reject with tcp reset` tells the sender. FaultWithoutEffect when not one was lost by the end.
    """
    if not in_own_network():
        raise PermissionError("packets are lost in a network of one's own only: see own_namespaces")
    network = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    lost = Lost(f"ecoute_faults_{os.getpid()}_{next(_numbers)}", network)
    chance = "" if percent == 100 else f" numgen random mod 100 < {percent}"
    rules = "\n".join(f"    {match}{chance} counter {verdict}" for match in matches)
    chain = f"  chain way {{\n    type filter hook input priority 0; policy accept;\n{rules}\n  }}"
    try:
        nft(network, f"table inet {lost.table} {{\n{chain}\n}}")
        try:
            yield lost
        finally:
            lost.final = lost.packets
            nft(network, f"delete table inet {lost.table}")
        prove(lost.final, f"no packet of {', '.join(matches)} came by")
    finally:
        os.close(network)


def nft(network: int, script: str) -> str:
    """Run nftables' own program in that network, whichever thread asks; what it says."""
    command = ["nsenter", f"--net=/proc/self/fd/{network}", "nft", "-f", "-"]
    done = subprocess.run(command, input=script, capture_output=True, text=True, pass_fds=[network], check=False)
    if done.returncode:
        raise RuntimeError(f"nft: {done.stderr.strip()}")
    return done.stdout
