"""Where Asterisk comes from: the one on PATH when it is new enough, else Debian's package in a cache of our own.

The package is extracted, never installed: no root, container or namespace is needed, and the machine stays as it is.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pbx import fetch, manifest
from pbx.errors import SetupError, disk_full, on_disk

Progress = Callable[[str], None]

#: Older ones have known holes, and queue behaviour that the dialplan was not proven with.
OLDEST = (22, 10, 1)
RECIPE = 1  #: to be raised whenever `_finish` changes
SUITE = "forky"
#: util-linux for setpriv, tzdata for opening hours; both inside the root that Asterisk sees.
PACKAGES = ("asterisk", "asterisk-moh-opsound-g722", "tzdata", "util-linux")
NEEDED_MB = 1000  #: while fetching: the archives and the extracted tree lie there together
MOUNT_POINTS = ("dev", "proc", "tmp", "ecoute")
_HASHED = (
    "usr/sbin/asterisk",
    "usr/lib/*/asterisk/modules/*.so",
    "usr/lib/*/libasterisk*",
    "usr/lib/*/libc.so.6",
    "usr/lib/*/ld-linux-*",
)
_UNUSED = ("usr/share/doc", "usr/share/man", "usr/share/lintian", "var/cache/apt", "var/lib/apt")


@dataclass(frozen=True, slots=True)
class Asterisk:
    """An Asterisk that can be run. `root`: its own root file system, or None for the machine's own."""

    version: str
    root: Path | None
    binary: Path
    modules: Path
    share: Path  #: music on hold, documentation
    loader: Path  #: of dynamic libraries; matters where there is a `root`

    @property
    def libraries(self) -> Path:
        """Beside the modules' directory: where `loader` finds the libraries of `root`."""
        return self.modules.parent.parent


def ensure_asterisk(cache: Path, progress: Progress) -> Asterisk:
    """The Asterisk to run; fetched into `cache` when it is not there yet or damaged. Raises SetupError."""
    return on_path(progress) or extracted(cache, progress)


def on_path(progress: Progress) -> Asterisk | None:
    """The machine's own Asterisk, when it is new enough."""
    binary = shutil.which("asterisk") or shutil.which("asterisk", path="/usr/sbin:/usr/local/sbin")
    if binary is None:
        return None
    version = _version([binary, "-V"])
    modules = next((path.parent for path in _module_directories() if path.is_file()), None)
    if _parsed(version) < OLDEST or modules is None:
        progress(f"{binary} is {version or 'of unknown version'}; {_text(OLDEST)} or later is needed: using our own")
        return None
    return Asterisk(version, None, Path(binary), modules, _share(), Path())


def extracted(cache: Path, progress: Progress) -> Asterisk:
    """Debian's Asterisk from the cache; fetched first when it is not there, or not as it was."""
    target = cache / f"asterisk-{_key()}"
    with on_disk(cache, "ECOUTE_CACHE_DIR"):
        cache.mkdir(parents=True, exist_ok=True)
        with _alone(cache / f"{target.name}.lock", progress):
            _ensure(target, progress)
    return _in_root(target)


def _ensure(target: Path, progress: Progress) -> None:
    if target.exists():
        damage = manifest.damage(target)
        if damage is None:
            return
        progress(f"Asterisk in the cache is damaged ({damage}): fetching it again")
    for left in target.parent.glob(f".{target.name}.*"):
        shutil.rmtree(left, ignore_errors=True)
    free = shutil.disk_usage(target.parent).free // 1_000_000
    if free < NEEDED_MB:
        raise disk_full(target.parent, f"{NEEDED_MB} MB are needed, {free} MB are free", "ECOUTE_CACHE_DIR")
    work = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        tree = work / "tree"
        progress("Fetching Asterisk from Debian (about 100 MB, once)")
        fetch.debian_tree(tree, SUITE, PACKAGES, progress)
        _finish(tree)
        _in_root(tree)  # refuses one that is too old, or does not run, before it gets into the cache
        manifest.write(tree, _HASHED)
        if target.exists():
            target.rename(work / "damaged")
        tree.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _finish(tree: Path) -> None:
    """Make a root of the extracted packages: the merged /usr, places to mount on, names looked up in files first."""
    for name in ("bin", "sbin", "lib", "lib64"):
        if not (tree / name).exists() and (tree / "usr" / name).exists():
            (tree / name).symlink_to(f"usr/{name}")
    shutil.rmtree(tree / "dev", ignore_errors=True)
    for name in MOUNT_POINTS:
        (tree / name).mkdir(exist_ok=True)
    for name in ("hosts", "resolv.conf", "localtime"):
        (tree / "etc" / name).unlink(missing_ok=True)
        (tree / "etc" / name).touch()
    (tree / "etc/nsswitch.conf").write_text("hosts: files dns\n")
    for name in _UNUSED:
        shutil.rmtree(tree / name, ignore_errors=True)
    tree.chmod(0o755)


def _in_root(root: Path) -> Asterisk:
    binary = root / "usr/sbin/asterisk"
    modules = next(iter(root.glob("usr/lib/*/asterisk/modules")), root / "usr/lib/asterisk/modules")
    loader = next(iter(sorted(modules.parent.parent.glob("ld-linux-*.so.*"))), root / "lib64/ld-linux.so")
    version = _version([str(loader), "--library-path", str(modules.parent.parent), str(binary), "-V"])
    if _parsed(version) < OLDEST:
        raise SetupError(
            "asterisk-too-old",
            f"Debian's {SUITE} gave Asterisk {version or 'of an unknown version'}, but {_text(OLDEST)} is the oldest "
            "that is safe to run.",
            f"Put an Asterisk {_text(OLDEST)} or later on PATH, or fetch from an archive that is up to date.",
        )
    return Asterisk(version, root, binary, modules, root / "usr/share/asterisk", loader)


def _key() -> str:
    """What the cached tree depends on. Another machine's architecture never finds this one's tree."""
    contents = repr((RECIPE, SUITE, PACKAGES, os.uname().machine))
    return hashlib.sha256(contents.encode()).hexdigest()[:12]


def _version(command: list[str]) -> str:
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
    match = re.match(r"Asterisk (\d+\.\d+\.\d+)", said)
    return match[1] if match else ""


def _parsed(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")) if version else (0,)


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _module_directories() -> Iterator[Path]:
    for base in (Path("/usr/lib"), Path("/usr/lib64"), Path("/usr/local/lib")):
        yield from (folder / "asterisk/modules/chan_pjsip.so" for folder in (base, *sorted(base.glob("*-linux-gnu"))))


def _share() -> Path:
    debian = Path("/usr/share/asterisk")
    return debian if debian.is_dir() else Path("/var/lib/asterisk")


@contextmanager
def _alone(lock: Path, progress: Progress) -> Iterator[None]:
    """One run at a time fetches; the others wait for it. The lock goes with its process, however that ends."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("Another run is preparing Asterisk: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
