"""What callers hear is rendered from text, by the real synthesiser, once."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from pbx import prompts
from pbx.errors import SetupError
from pbx.layout import SOURCES, Layout
from tests.support.pbx import quiet


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "sources" / "asterisk-config" / "prompts"
    for name, text in {
        "fr/welcome.txt": "Bonjour, vous êtes bien au 3133.",
        "fr/digits/1.txt": "un",
        "en/welcome.txt": "Hello, this is the listening line.",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return tmp_path / "sources"


class House:
    """A cache, a PBX's data directory and the texts."""

    def __init__(self, base: Path, sources: Path) -> None:
        self.cache = base / "cache"
        self.layout = Layout.of(base / "data", "pbx1")
        self.texts = sources / "asterisk-config" / "prompts"
        self.sources = sources

    def install(self) -> list[str]:
        said: list[str] = []
        prompts.install(self.cache, self.layout, said.append, self.sources)
        return said

    def sounds(self) -> list[str]:
        found = (file for file in self.layout.sounds.rglob("*") if file.is_file())
        return sorted(str(file.relative_to(self.layout.sounds)) for file in found)


def loudness(file: Path, *form: str) -> float:
    """Root mean square, where full scale is 32767."""
    said = ["sox", "-t", "raw", "-c", "1", *form, str(file), "-t", "raw", "-e", "signed", "-b", "16", "-"]
    samples = np.frombuffer(subprocess.run(said, capture_output=True, check=True).stdout, dtype="<i2")
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))


@pytest.fixture
def house(tmp_path: Path, sources: Path) -> House:
    return House(tmp_path, sources)


def test_every_text_becomes_speech_in_both_formats_and_keeps_its_folder(house: House) -> None:
    assert house.install() == ["Speaking 3 prompts"]
    assert house.sounds() == [
        "en/welcome.alaw",
        "en/welcome.sln16",
        "fr/digits/1.alaw",
        "fr/digits/1.sln16",
        "fr/welcome.alaw",
        "fr/welcome.sln16",
    ]
    assert loudness(house.layout.sounds / "fr/welcome.alaw", "-e", "a-law", "-r", "8000") > 1000  # it speaks
    assert loudness(house.layout.sounds / "fr/welcome.sln16", "-e", "signed", "-b", "16", "-r", "16000") > 1000
    narrow = (house.layout.sounds / "fr/welcome.alaw").read_bytes()
    wide = (house.layout.sounds / "fr/welcome.sln16").read_bytes()
    assert 1.5 < len(narrow) / 8000 < 6
    assert abs(len(wide) / 32000 - len(narrow) / 8000) < 0.05


def test_a_second_time_nothing_is_rendered(house: House) -> None:
    house.install()
    before = (house.layout.sounds / "fr/welcome.alaw").stat().st_ino
    assert house.install() == []
    assert (house.layout.sounds / "fr/welcome.alaw").stat().st_ino == before


def test_a_changed_text_is_spoken_anew_and_a_removed_one_is_gone(house: House) -> None:
    house.install()
    before = (house.layout.sounds / "fr/welcome.alaw").read_bytes()
    (house.texts / "fr/welcome.txt").write_text("Bonsoir.")
    (house.texts / "en/welcome.txt").unlink()
    assert house.install() == ["Speaking 1 prompts"]
    assert (house.layout.sounds / "fr/welcome.alaw").read_bytes() != before
    assert house.sounds() == ["fr/digits/1.alaw", "fr/digits/1.sln16", "fr/welcome.alaw", "fr/welcome.sln16"]


def test_a_cut_file_in_the_cache_is_rendered_again(house: House) -> None:
    house.install()
    cut = next(iter((house.cache / "prompts").glob("*.alaw")))
    cut.write_bytes(b"")
    assert house.install() == ["Speaking 1 prompts"]
    assert cut.stat().st_size > 0


def test_a_human_recording_takes_the_place_of_the_text(house: House) -> None:
    tone = ["sox", "-n", "-r", "48000", "-c", "2", str(house.texts / "fr/welcome.wav"), "synth", "1", "sine", "440"]
    subprocess.run(tone, check=True)
    house.install()
    recorded = (house.layout.sounds / "fr/welcome.alaw").read_bytes()
    assert abs(len(recorded) / 8000 - 1.2) < 0.02  # a second, and a breath before and after


def test_a_text_that_says_nothing_is_refused(house: House) -> None:
    (house.texts / "fr/welcome.txt").write_text(" \n")
    with pytest.raises(SetupError, match=r"fr/welcome\.txt"):
        house.install()


def test_without_the_synthesiser_the_package_is_named(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(house.cache))
    assert shutil.which("espeak-ng") is None
    with pytest.raises(SetupError, match="apt-get install espeak-ng"):
        house.install()


def test_the_shipped_prompts_render(tmp_path: Path) -> None:
    layout = Layout.of(tmp_path, "pbx1")
    prompts.install(tmp_path / "cache", layout, quiet)
    assert (layout.sounds / "fr/welcome.alaw").stat().st_size / 8000 < 6.0  # the notice is short
    for prompt in prompts.collect(SOURCES / "asterisk-config" / "prompts"):
        assert (layout.sounds / prompt.language / f"{prompt.name}.sln16").stat().st_size > 0
