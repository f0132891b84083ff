"""What goes wrong while the PBX is installed, configured or started: one sentence, and its mend."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: the end of a sentence: what a PBX needs to take over what it reads at its start alone; calls end first
START_AGAIN = (
    "stop the PBX and start it again the way it is started here (`ecoute down`, then `ecoute up`; with systemd or in "
    "containers: docs/systemd.md)"
)


#: a disk that nobody can use until somebody mends it: of a failing one, Linux makes a read-only one
_DISK_FAILS = (errno.EROFS, errno.EIO, errno.EUCLEAN, errno.ESTALE)


class SetupError(Exception):
    """Something that a person has to mend before the PBX can run.

    `id`: stable, kebab-case. `sentence`: what is wrong, one sentence. `mend`: what to do about it.
    None of them carries personal data or a secret.
    """

    def __init__(self, error_id: str, sentence: str, mend: str) -> None:
        sentence = f"{sentence.strip().rstrip('.')}."  # some end in what another program said
        super().__init__(f"{sentence} {mend}")
        self.id = error_id
        self.sentence = sentence
        self.mend = mend


@contextmanager
def on_disk(directory: Path, setting: str) -> Iterator[None]:
    """What the disk refuses below `directory`, as a SetupError. `setting`: what says where the directory is."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(directory, "there is no space left", setting) from error
        if isinstance(error, PermissionError):
            raise SetupError(
                "directory-not-ours",
                f"{error.filename or directory} belongs to another user and cannot be written.",
                f"Run as the user who made it, or set {setting} to a directory that is yours.",
            ) from error
        if error.errno in _DISK_FAILS:
            raise SetupError(
                "disk-failing",
                f"The disk that holds {directory} cannot be used: {error.strerror}.",
                f"Look at `dmesg` for its fault, and mend it, or set {setting} to a directory on another disk.",
            ) from error
        raise


def disk_full(directory: Path, why: str, setting: str) -> SetupError:
    return SetupError(
        "disk-full",
        f"The disk that holds {directory} is too full: {why}.",
        f"Free some space, or set {setting} to a directory on another disk.",
    )
