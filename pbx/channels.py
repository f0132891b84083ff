"""Names and numbers of channels."""

from __future__ import annotations


def interface_of(channel: str) -> str:
    """`PJSIP/l12-0000002a` → `PJSIP/l12`: what is dialled, without the channel's own number."""
    return channel.rpartition("-")[0] or channel


def serial(uniqueid: str) -> int:
    """The number of a channel within one run of Asterisk: `pbx1-1795299970.17` → 17. It grows with every channel."""
    tail = uniqueid.rpartition(".")[2]
    return int(tail) if tail.isdecimal() else 0
