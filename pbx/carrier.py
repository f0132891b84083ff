"""The carrier's host names: Asterisk looks them up when it loads, and not again by itself.

A name that is not found then (DNS away at the start, as after a power cut) leaves the calls from there refused. Such a
name, and no other, is looked up again: one that was found keeps the address that it had then until the PBX starts anew.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable

from pbx import ways
from pbx.errors import START_AGAIN
from pbx.process import RunningPbx

#: vain reloads after which they become rare; and one in how many looks is a reload then
_VAIN = 3
_RARELY = 30

_IDENTIFY = re.compile(r"^\[(trunk-[0-9]+)\]\ntype = identify\nendpoint = trunk\nmatch = (\S+)$", re.MULTILINE)
_KNOWN = re.compile(r"^ Identify: +(trunk-[0-9]+)/trunk", re.MULTILINE)


def found(name: str) -> bool:
    """Whether the name has an address now."""
    try:
        return bool(socket.getaddrinfo(name, None))
    except (OSError, ValueError):  # ValueError: no name at all, like sip..carrier.example
        return False


class CarrierNames:
    """Of one PBX. `tell`: what an administrator should know, once."""

    def __init__(self, tell: Callable[[str], None], found: Callable[[str], bool] = found) -> None:
        self._tell = tell
        self._found = found
        self._told: set[str] = set()
        self._vain = 0  #: looks at which we found a name that Asterisk lacked, and had lacked at the look before

    def look(self, running: RunningPbx) -> None:
        """Asterisk is let look again for a name that it lacks, once that has an address; calls go on meanwhile.

        Raises OSError; ConsoleError where it does not answer now.
        """
        wanted = _IDENTIFY.findall((running.layout.generated / "pjsip_trunk.conf").read_text())
        if not wanted:
            return
        known = set(_KNOWN.findall(running.console("pjsip show identifies")))
        lacking = {name for section, name in wanted if section not in known}
        for name in sorted(lacking - self._told):
            self._tell(
                f"The carrier's name {name} is not found: its calls are refused until it is. Look at this machine's DNS"
            )
        for name in sorted(self._told - lacking):
            self._tell(f"The carrier's name {name} is found: its calls are taken")
        if lacking != self._told:
            self._vain = 0
        self._told = lacking
        found = sorted(name for name in lacking if self._found(name))
        if not found:
            return
        ways.write_names(running.layout)  # those of its last start, else
        if self._vain == _VAIN:
            self._tell(
                f"This machine finds {', '.join(found)}, its PBX does not: calls from there are refused. Write the "
                "carrier's addresses beside its name (pbx.trunk.addresses in ecoute.toml), then when no call runs "
                f"{START_AGAIN}."
            )
        self._vain += 1  # also where Asterisk does not answer in time, since its own look-up hangs
        if self._vain <= _VAIN or self._vain % _RARELY == 0:
            running.console("module reload res_pjsip.so")
