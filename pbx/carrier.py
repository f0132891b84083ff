"""The carrier's host names: Asterisk looks them up when it loads, and not again by itself.

A name that is not found then (DNS away at the start, as after a power cut) leaves the calls from there refused.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable

from pbx.process import RunningPbx

_IDENTIFY = re.compile(r"^\[(trunk-[0-9]+)\]\ntype = identify\nendpoint = trunk\nmatch = (\S+)$", re.MULTILINE)
_KNOWN = re.compile(r"^ Identify: +(trunk-[0-9]+)/trunk", re.MULTILINE)


def found(name: str) -> bool:
    """Whether the name has an address now."""
    try:
        return bool(socket.getaddrinfo(name, None))
    except OSError:
        return False


class CarrierNames:
    """Of one PBX. `tell`: what an administrator should know, once."""

    def __init__(self, tell: Callable[[str], None], found: Callable[[str], bool] = found) -> None:
        self._tell = tell
        self._found = found
        self._told: set[str] = set()

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
        self._told = lacking
        if any(self._found(name) for name in lacking):
            running.console("module reload res_pjsip.so")
