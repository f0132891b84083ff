"""What all commands have in common: where the settings are, and how a person is told."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.console import Console
from rich.text import Text

from service.settings import NoSettingsFile, Settings, SettingsError, data_dir, load

#: What a terminal obeys instead of showing it: C0, DEL and C1, what turns the direction of writing, line and paragraph
#: separators; and half of a character, which cannot be written.
_OBEYED: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """The text with those characters as escapes: `\\x1b`, `\\n`. What a PBX, a name or a file says is never obeyed."""
    return _OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class Terminal(Console):
    """Shows text as it is, in lines and in tables: no markup, no emoji codes, and of the obeyed only line ends."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)

    def render_str(self, text: str, **how: Any) -> Text:
        """Every string that is printed comes by here, a table's cells, too."""
        return super().render_str("\n".join(map(visible, text.split("\n"))), **how)


out = Terminal()
err = Terminal(stderr=True)

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
