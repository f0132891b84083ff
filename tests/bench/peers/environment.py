"""The virtual environment of the peers: made once in the cache, and again when the lock changes."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from pbx.layout import cache_dir

LOCK = Path(__file__).parent / "requirements.lock"


def ensure() -> str:
    """The peers' Python. CalledProcessError when the packages cannot be fetched."""
    key = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:16]
    home = cache_dir(os.environ) / "bench"
    place = home / key
    python = place / "bin" / "python"
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "ready").exists():
            shutil.rmtree(place, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", str(place)], check=True, stdout=subprocess.DEVNULL)
            install = [
                "-m",
                "pip",
                "install",
                "-qq",
                "--disable-pip-version-check",
                "--require-hashes",
                "-r",
                str(LOCK),
            ]
            subprocess.run([str(python), *install], check=True, stdout=subprocess.DEVNULL)
            (place / "ready").touch()
    return str(python)
