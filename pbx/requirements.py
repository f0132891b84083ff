"""The programs of the machine that we need: which are missing, and getting them.

Root gets them from the machine's own package archive. An ordinary user gets one sentence that names the packages.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from pbx.errors import SetupError

Progress = Callable[[str], None]
Purpose = Literal["run", "demo", "test"]


@dataclass(frozen=True, slots=True)
class Requirement:
    """Met when every one of `signs` is there: a program on PATH, or a glob of absolute paths."""

    purpose: Purpose
    packages: tuple[str, ...]
    signs: tuple[str, ...]
    what_for: str

    def met(self) -> bool:
        return all(_found(sign) for sign in self.signs)


REQUIREMENTS = (
    Requirement("run", ("mmdebstrap",), ("mmdebstrap",), "fetches Asterisk"),
    Requirement("run", ("debian-archive-keyring",), ("/usr/share/keyrings/debian-archive-keyring.*",), "trusts Debian"),
    Requirement("run", ("espeak-ng",), ("espeak-ng",), "speaks the prompts"),
    Requirement("run", ("sox",), ("sox",), "writes audio"),
    Requirement("run", ("util-linux",), ("setpriv", "unshare", "setsid"), "runs Asterisk without root's power"),
    Requirement("run", ("tzdata",), ("/usr/share/zoneinfo/Europe/Paris",), "knows the hours of the line"),
    Requirement("demo", ("espeak-ng",), ("espeak-ng",), "speaks as a caller"),
    Requirement("demo", ("sox",), ("sox",), "writes audio"),
    Requirement("demo", ("sip-tester",), ("sipp",), "places a call"),
    Requirement("test", ("sip-tester",), ("sipp",), "places calls"),
    Requirement("test", ("baresip-core",), ("baresip",), "is a SIP phone"),
    Requirement(
        "test", ("libfaketime",), ("/usr/lib/*/faketime/libfaketime.so.1",), "sets the clock of a test's own PBX"
    ),
    Requirement("test", ("chromium",), ("chromium",), "is a listener's browser"),
    Requirement("test", ("nftables",), ("nft",), "loses packets in a network of a test's own"),
    Requirement("test", ("postgresql",), ("/usr/lib/postgresql/*/bin/postgres",), "is the second database"),
)


def missing(purposes: Collection[Purpose]) -> list[Requirement]:
    """What the machine lacks for these purposes."""
    return [need for need in REQUIREMENTS if need.purpose in purposes and not need.met()]


def ensure(purposes: Collection[Purpose], progress: Progress) -> None:
    """Get what is missing, as root; else raise SetupError that names it. Does nothing when nothing is missing."""
    lacking = missing(purposes)
    if not lacking:
        return
    packages = list(dict.fromkeys(package for need in lacking for package in need.packages))
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise SetupError(
            "packages-missing",
            "This machine lacks " + ", ".join(f"{need.packages[0]} ({need.what_for})" for need in lacking) + ".",
            f"As root: apt-get install {' '.join(packages)}",
        )
    progress(f"Installing {', '.join(packages)}")
    _apt("update")
    _apt("install", "--yes", "--no-install-recommends", *packages)
    if still := [need.packages[0] for need in missing(purposes)]:
        raise SetupError(
            "packages-missing",
            f"Still missing after their installation: {', '.join(still)}.",
            "Install them by hand, and see that they are on PATH.",
        )


def _apt(*arguments: str) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    command = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120", *arguments]
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode and arguments[0] != "update":  # one broken source of many does not matter if the rest has it
        errors = [line for line in done.stderr.splitlines() if line.startswith("E:")] or ["E: no reason given"]
        raise SetupError(
            "packages-not-installed",
            f"apt-get {arguments[0]} failed: {errors[0].removeprefix('E:').strip()}",
            f"Mend that, then: apt-get install {' '.join(name for name in arguments[1:] if not name.startswith('-'))}",
        )


def _found(sign: str) -> bool:
    if sign.startswith("/"):
        return any(Path("/").glob(sign.lstrip("/")))
    return shutil.which(sign) is not None or shutil.which(sign, path="/usr/sbin:/sbin") is not None


def main(arguments: list[str]) -> int:
    """`python -m pbx.requirements run test`: gets what is lacking; exit code 1 and a sentence when it cannot."""
    known: tuple[Purpose, ...] = get_args(Purpose)
    purposes = [purpose for purpose in known if purpose in arguments]
    if not purposes or len(purposes) != len(set(arguments)):
        sys.stderr.write(f"Name one or more of: {', '.join(known)}\n")
        return 2
    try:
        ensure(purposes, lambda step: print(step, flush=True))
    except SetupError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
