"""What a command prints of names and other people's words: shown, never obeyed by the terminal."""

from __future__ import annotations

import unicodedata

import pytest
import typer
from rich.table import Table

from service.cli import terminal

HOSTILE = "Zoë\x1b[2J\x1b]0;owned\x07\x9b31m\u202e\x00\x7f\r"
SHOWN = r"Zoë\x1b[2J\x1b]0;owned\x07\x9b31m\u202e\x00\x7f\r"


def test_a_line_shows_what_a_terminal_would_obey(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.out.print(f"{HOSTILE} [red]x[/nothing] :smile:", markup=False, soft_wrap=True)
    terminal.out.print("first\nsecond", soft_wrap=True)
    assert capsys.readouterr().out == f"{SHOWN} [red]x[/nothing] :smile:\nfirst\nsecond\n"


def test_a_table_shows_it_too_and_takes_no_name_for_markup(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("name")
    table.add_row(f"{HOSTILE}[bold]x[/nothing]")
    terminal.out.print(table)
    text = capsys.readouterr().out
    assert f"{SHOWN}[bold]x[/nothing]" in text
    assert not [letter for letter in text if unicodedata.category(letter) == "Cc" and letter != "\n"]


def test_a_failure_shows_it_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        terminal.fail(f"{HOSTILE} is not there.")
    assert capsys.readouterr().err == f"{SHOWN} is not there.\n"


@pytest.mark.parametrize("letter", ["é", "ل", "日", "\N{FAMILY}", "\u200d", "\u00a0", "…", "\\"])
def test_letters_of_every_writing_stay_as_they_are(letter: str) -> None:
    assert terminal.visible(letter) == letter


def test_half_a_character_is_shown_and_can_be_written() -> None:
    assert terminal.visible("\udcff").encode() == rb"\udcff"
