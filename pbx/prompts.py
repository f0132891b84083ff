"""What callers hear: text files read by a synthesiser, or a human recording in their place.

`asterisk-config/prompts/<language>/<name>.txt` becomes `sounds/<language>/<name>` of a PBX, in the two formats that
Asterisk sends without loss to what trunks and phones speak (alaw, and 16 kHz for G.722 and Opus). `<name>.wav` beside
the text wins over it. What was rendered once is kept in the cache, under a name made of all that it depends on.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pbx.errors import SetupError, on_disk
from pbx.layout import SOURCES, Layout

Progress = Callable[[str], None]

RECIPE = 1  #: to be raised whenever a voice or a sox command below changes
VOICES = {"fr": "fr-fr", "en": "en-gb"}
_WORDS_PER_MINUTE = 150  #: slower than usual: the caller may be upset, old, or hard of hearing
#: file name extension of Asterisk → what sox writes: raw samples, one channel
_FORMATS = {
    "alaw": ("-t", "raw", "-e", "a-law", "-b", "8", "-r", "8000", "-c", "1"),
    "sln16": ("-t", "raw", "-e", "signed-integer", "-b", "16", "-r", "16000", "-c", "1"),
}
_LOUDNESS = ("norm", "-4", "pad", "0.1", "0.1")


@dataclass(frozen=True, slots=True)
class Prompt:
    """`name`: as the dialplan plays it, without language; `source`: a text or a recording."""

    language: str
    name: str
    source: Path

    def key(self) -> str:
        recipe = repr((RECIPE, VOICES[self.language], _WORDS_PER_MINUTE, _FORMATS, _LOUDNESS, self.source.suffix))
        return hashlib.sha256(recipe.encode() + self.source.read_bytes()).hexdigest()[:32]


def install(cache: Path, layout: Layout, progress: Progress, sources: Path = SOURCES) -> None:
    """Every prompt into the PBX's sounds; those of before that are no prompt any more go. Raises SetupError."""
    prompts = list(collect(sources / "asterisk-config" / "prompts"))
    with on_disk(cache, "ECOUTE_CACHE_DIR"):
        rendered = render(cache / "prompts", prompts, progress)
    with on_disk(layout.data, "store.data_dir"):
        _place_all(rendered, prompts, layout.sounds)


def _place_all(rendered: Path, prompts: list[Prompt], sounds: Path) -> None:
    sounds.mkdir(parents=True, exist_ok=True)
    sounds.chmod(0o755)
    wanted: set[Path] = set()
    for prompt in prompts:
        for extension in _FORMATS:
            target = sounds / prompt.language / f"{prompt.name}.{extension}"
            _place(rendered / f"{prompt.key()}.{extension}", target)
            wanted.add(target)
    for file in sounds.rglob("*"):
        if file.is_file() and file not in wanted:
            file.unlink()


def collect(folder: Path) -> Iterator[Prompt]:
    """All prompts of the known languages, by name."""
    for language in VOICES:
        found: dict[str, Path] = {}
        for suffix in (".txt", ".wav"):  # the later one wins
            for source in sorted((folder / language).rglob(f"*{suffix}")):
                found[str(source.relative_to(folder / language).with_suffix(""))] = source
        yield from (Prompt(language, name, source) for name, source in sorted(found.items()))


def render(folder: Path, prompts: list[Prompt], progress: Progress) -> Path:
    """Render what is not in the cache yet; returns the directory of `<key>.<extension>` files."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [prompt for prompt in prompts if not all(_whole(file) for file in _files(folder, prompt))]
    if missing:
        for tool in ("espeak-ng", "sox"):
            if shutil.which(tool) is None:
                raise SetupError(
                    f"{tool}-missing",
                    f"{tool}, which speaks the prompts, is missing.",
                    f"As root: apt-get install {tool}",
                )
        progress(f"Speaking {len(missing)} prompts")
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda prompt: _render(folder, prompt), missing))
    return folder


def _render(folder: Path, prompt: Prompt) -> None:
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as work:
        spoken = prompt.source
        if prompt.source.suffix == ".txt":
            if not prompt.source.read_text().strip():
                raise SetupError(
                    "prompt-empty", f"The prompt {prompt.language}/{prompt.name}.txt says nothing.", "Write its words."
                )
            spoken = Path(work, "spoken.wav")
            voice = ("-v", VOICES[prompt.language], "-s", str(_WORDS_PER_MINUTE), "-b", "1")
            _run("espeak-ng", *voice, "-f", str(prompt.source), "-w", str(spoken))
        for target in _files(folder, prompt):
            made = Path(work, target.name)
            _run("sox", str(spoken), *_FORMATS[target.suffix[1:]], str(made), *_LOUDNESS)
            made.chmod(0o644)
            made.rename(target)


def _run(*command: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        reason = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise SetupError(
            "prompt-not-rendered",
            f"{command[0]} could not render a prompt: {reason}",
            "Check the text files of asterisk-config/prompts and the free space.",
        )


def _files(folder: Path, prompt: Prompt) -> list[Path]:
    return [folder / f"{prompt.key()}.{extension}" for extension in _FORMATS]


def _whole(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0


def _place(source: Path, target: Path) -> None:
    """A link where cache and data share a disk, else a copy. Replaced by rename: a call may be playing the old one."""
    if target.exists() and (target.samefile(source) or target.read_bytes() == source.read_bytes()):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.parent.chmod(0o755)  # Asterisk may be another uid; the data directory around it is closed to the rest
    new = target.with_name(f".{target.name}.new")
    new.unlink(missing_ok=True)
    try:
        new.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, new)
        new.chmod(0o644)
    new.rename(target)
