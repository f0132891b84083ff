"""The way between the service and Asterisk's manager interface, and all that can happen to it.

    with own_namespaces(network=True), AmiPath(pbx.ports.ami) as path:
        ...  # the service connects to path.port
        with path.half_open() as lost:
            ...  # both ends believe in their connection, and nothing arrives

Half open and lossy need a network of one's own (packets are dropped in the kernel, on both stretches: between the
service and the path, and between the path and Asterisk); the rest needs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from tests.faults.tools.packets import Lost, losing
from tests.faults.tools.tcp_path import TcpPath


class Way(StrEnum):
    """Which packets are lost: those of the service, those of Asterisk, or all."""

    BOTH = "both"
    TO_PBX = "to the PBX"
    FROM_PBX = "from the PBX"


class AmiPath(TcpPath):
    """`target`: Asterisk's manager port."""

    @contextmanager
    def half_open(self, way: Way = Way.BOTH) -> Iterator[Lost]:
        """Drop every packet in that direction; TCP tells nobody. New connections do not come about either."""
        towards = [f"tcp dport {self.port}"]
        back = [f"tcp sport {self.port}"]
        if ports := self.source_ports():
            own = "{ " + ", ".join(map(str, ports)) + " }"
            towards.append(f"tcp sport {own} tcp dport {self.target}")
            back.append(f"tcp sport {self.target} tcp dport {own}")
        lost = {Way.BOTH: towards + back, Way.TO_PBX: towards, Way.FROM_PBX: back}[way]
        with losing(lost) as dropped:
            yield dropped

    @contextmanager
    def lossy(self, percent: int = 5) -> Iterator[Lost]:
        """So many of a hundred packets are lost, by chance, in both directions; TCP sends them again."""
        with losing([f"tcp dport {self.port}", f"tcp sport {self.port}"], percent=percent) as dropped:
            yield dropped
