"""What all commands have in common: where the settings are, and how a person is told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from service.settings import NoSettingsFile, Settings, SettingsError, data_dir, load

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

Config = Annotated[Path | None, typer.Option(help="Settings file; default: ecoute.toml here, where there is one.")]
AsJson = Annotated[bool, typer.Option("--json", help="For a script to read.")]


def settings_of(config: Path | None) -> Settings:
    """Of the file named, of ECOUTE_CONFIG, or of ecoute.toml in this directory."""
    return load(_file(config))


def data_dir_of(config: Path | None, wrong: SettingsError) -> Path:
    """Where this line has its files, although its settings are wrong.

    Raises `wrong` where the file that was named is not there: what lies in the default's place may be another line.
    """
    if isinstance(wrong, NoSettingsFile):
        raise wrong
    return data_dir(_file(config))


def _file(config: Path | None) -> Path | None:
    named = config or (Path(os.environ["ECOUTE_CONFIG"]) if "ECOUTE_CONFIG" in os.environ else None)
    default = Path("ecoute.toml")
    return named or (default if default.is_file() else None)


def progress(step: str) -> None:
    """One line for each step that takes longer than a moment."""
    out.print(f"· {step}", markup=False, soft_wrap=True)


def fail(sentence: str, code: int = 1) -> NoReturn:
    """Ends the command with one sentence that says what to do."""
    err.print(sentence, soft_wrap=True, markup=False)
    raise typer.Exit(code)
