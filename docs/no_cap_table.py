"""Writes the tables of docs/no-cap.md from the verifier's own catalogue: `python -m docs.no_cap_table`."""

from __future__ import annotations

import re
from pathlib import Path

from pbx.no_cap import CHAPTERS

PAGE = Path(__file__).resolve().parent / "no-cap.md"
_BEGIN = "<!-- Written by `python -m docs.no_cap_table`; a test checks that it is current. -->"
_END = "<!-- End of what is written. -->"


def tables() -> str:
    """A table for each chapter: a row for each rule."""
    parts = []
    for heading, rules in CHAPTERS.items():
        rows = [_row(rule.mechanism, rule.default, rule.rule, f"`{rule.id}`", rule.where) for rule in rules]
        head = "| mechanism | Asterisk's default | our rule | id | where it is allowed |\n|---|---|---|---|---|"
        parts.append(f"### {heading}\n\n{head}\n" + "\n".join(rows))
    return "\n\n".join(parts)


def page(text: str) -> str:
    """The page with its tables as the catalogue has them."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n\n{tables()}\n\n{_END}{after}"


def ids(text: str) -> list[str]:
    """The rules that the page's tables name."""
    return re.findall(r"^\|(?: [^|\n]* \|){3} `([a-z-]+)` \|", text, re.MULTILINE)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
