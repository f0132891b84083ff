"""Debian packages, extracted into a directory with mmdebstrap; and what its complaints mean."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pbx.errors import SetupError

Progress = Callable[[str], None]

_STEPS = {
    "running apt-get update": "Reading Debian's list of packages",
    "downloading packages": "Downloading",
    "extracting archives": "Extracting",
}
#: apt, when the signed list of the archive is past its date: a frozen mirror, or a wrong clock
_EXPIRED = re.compile(r"Release file .* (?:is expired|is not valid anymore)|Release file expired", re.IGNORECASE)
_NO_NETWORK = re.compile(
    r"Could not resolve|Temporary failure resolving|Could not connect|Unable to connect|Network is unreachable"
    r"|Connection (?:timed out|refused|reset)|No route to host|Connection failed|Proxy|timed out",
    re.IGNORECASE,
)
_NO_SPACE = re.compile(r"No space left on device|don't have enough free space|Disk quota exceeded", re.IGNORECASE)
_NO_KEY = re.compile(r"NO_PUBKEY|couldn't be verified|is not signed|keyring", re.IGNORECASE)
_NEVERMIND_THE_DATE = '--aptopt=Acquire::Check-Valid-Until "false"'


def debian_tree(tree: Path, suite: str, packages: Sequence[str], progress: Progress) -> None:
    """Extract the packages and all that they depend on into `tree`, which must not exist. Raises SetupError.

    Tried with the machine's own archive first, then with Debian's. Signatures are checked always; only the date of the
    list is let pass, and only after the archive was refused for it.
    """
    if shutil.which("mmdebstrap") is None:
        raise SetupError(
            "mmdebstrap-missing",
            "Asterisk is not on this machine, and mmdebstrap, which would fetch it, is missing.",
            "As root: apt-get install mmdebstrap",
        )
    for last, mirror in _marked_last(_mirrors()):
        what = [f"--include={','.join(packages)}", suite, str(tree), *([mirror] if mirror else [])]
        said = _attempt(tree, what, [], progress)
        if said is not None and is_expired(said):
            progress(
                "The archive's list is past its date (a frozen mirror?): taking it all the same, its signature holds"
            )
            said = _attempt(tree, what, [_NEVERMIND_THE_DATE], progress)
        if said is None:
            return
        if last or _NO_SPACE.search(said):
            raise complaint(said, suite)
        progress("This machine's own archive did not give it: trying Debian's")


def is_expired(said: str) -> bool:
    """Whether apt refused the archive because its list is past its date, and for nothing else."""
    return bool(_EXPIRED.search(said)) and not _NO_KEY.search(said)


def complaint(said: str, suite: str) -> SetupError:
    """What mmdebstrap and apt said, as one sentence with its mend."""
    if _NO_SPACE.search(said):
        return SetupError(
            "disk-full",
            "The disk is full: Asterisk could not be fetched.",
            "Free 1 GB, or set ECOUTE_CACHE_DIR to a directory on another disk.",
        )
    if _NO_NETWORK.search(said):
        return SetupError(
            "no-network",
            "Debian's archive cannot be reached, and Asterisk is fetched from there the first time.",
            "Connect this machine (http_proxy is honoured), or install Asterisk 22.10.1 or later, and run this again.",
        )
    if _NO_KEY.search(said):
        return SetupError(
            "archive-not-trusted",
            "The signature of Debian's archive could not be checked.",
            "As root: apt-get install --only-upgrade debian-archive-keyring",
        )
    errors = [line for line in said.splitlines() if line.startswith("E:")] or said.splitlines()[-1:] or ["no reason"]
    return SetupError(
        "asterisk-not-fetched",
        f"Debian's {suite} did not give Asterisk: {errors[0].removeprefix('E:').strip()}.",
        "Run this again later, or put an Asterisk 22.10.1 or later on PATH.",
    )


def _attempt(tree: Path, what: list[str], options: list[str], progress: Progress) -> str | None:
    """None when it worked, else all that was said. `what`: what to include, from where."""
    shutil.rmtree(tree, ignore_errors=True)
    command = ["mmdebstrap", "--mode=chrootless", "--variant=extract", "--format=directory"]
    command += ['--aptopt=Acquire::Retries "2"', *_proxies(), *options, *what]
    lines: list[str] = []
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None  # noqa: S101  asked for above
        for line in running.stderr:
            lines.append(line)
            for words, step in _STEPS.items():
                if words in line:
                    progress(step)
    return None if running.returncode == 0 else "".join(lines)


def _mirrors() -> list[str]:
    """The machine's own Debian archives, and last "": mmdebstrap's default."""
    found: dict[str, None] = {}
    for file in (Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))):
        if file.suffix in (".list", ".sources") and file.is_file():
            found |= dict.fromkeys(archives(file.read_text(errors="replace")))
    return [*found, ""]


def archives(sources: str) -> Iterator[str]:
    """The Debian archives (not those of others, nor the security one) named in an apt sources file of either form."""
    for line in sources.splitlines():
        entry = line.split("#", 1)[0]
        if re.match(r"\s*(deb\s|URIs:)", entry):
            yield from (uri.rstrip("/") for uri in re.findall(r"https?://\S+?/debian/?(?=\s|$)", entry))


def _proxies() -> list[str]:
    """The machine's proxy, which mmdebstrap's own apt would not know."""
    if shutil.which("apt-config") is None:
        return []
    said = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, timeout=20, check=False).stdout
    lines = [line.rstrip(";") for line in said.splitlines()]
    return [f"--aptopt={line}" for line in lines if re.match(r'Acquire::https?::Proxy(::\S+)? ".+"', line)]


def _marked_last(items: Sequence[str]) -> Iterator[tuple[bool, str]]:
    for number, item in enumerate(items, start=1):
        yield number == len(items), item
