"""The part of the command line that makes and reads recordings of the manager interface, to find a fault."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from service.cli.terminal import out

RecordAmi = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="To find a fault: append the PBX's events (never a voice) to this file, for `ecoute replay`, up to 1 GiB. "
        "It holds calls' ids, encrypted numbers and phones' addresses: delete it afterwards.",
    ),
]


def replay(
    file: Annotated[Path, typer.Argument(help="A recording (`serve --record-ami FILE`), or a PBX's journal.")],
    call: Annotated[str, typer.Option(metavar="ID", help="Only the call whose id begins so.")] = "",
    *,
    flat: Annotated[bool, typer.Option("--flat", help="All in the order of time, not call by call.")] = False,
    state: Annotated[bool, typer.Option("--state", help="Also what the board shows at its end.")] = False,
    journal: Annotated[bool, typer.Option("--journal", help="Read it as a journal, whatever it looks like.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For a script to read.")] = False,
) -> None:
    """What happened in each call, step by step, of a recording or of the PBX's journal.

    For example, of the line that runs here:

    ecoute replay var/pbx/pbx1/log/cel-custom/journal.json
    """
    from service.cli import replay as read

    told = read.read(file, as_journal=journal)
    if as_json:
        from service.cli.replay_json import document

        sys.stdout.write(document(told, call, with_state=state) + "\n")
        return
    for line in read.lines(told, call, flat=flat, with_state=state):
        out.print(line, markup=False, soft_wrap=True)
