"""Asterisk's own console, asked through its control socket: what `asterisk -rx` does, without starting an Asterisk."""

from __future__ import annotations

import os
import socket
from pathlib import Path


class ConsoleError(Exception):
    """No Asterisk listens on this control socket, or it did not answer in time."""


def ask(control_socket: Path, command: str, timeout: float = 5.0) -> str:
    """What Asterisk says to a console command. Raises ConsoleError.

    On connecting, Asterisk sends a line `host/pid/version`; it closes the connection once the command is done.
    """
    try:
        # through the directory's descriptor: the address of a Unix socket has 108 bytes at most, a path may have more
        directory = os.open(control_socket.parent, os.O_PATH | os.O_DIRECTORY)
    except OSError as error:
        raise ConsoleError from error
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(f"/proc/self/fd/{directory}/{control_socket.name}")
            connection.sendall(f"cli quit after {command}\0".encode())
            said = b"".join(iter(lambda: connection.recv(65536), b""))
    except OSError as error:
        raise ConsoleError from error
    finally:
        os.close(directory)
    lines = said.replace(b"\0", b"").decode(errors="replace").splitlines(keepends=True)
    return "".join(lines[1:])
