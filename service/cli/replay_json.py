"""`ecoute replay --json`: the same for scripts, one document."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from service.cli.replay import Kind, Line, Told
from service.cli.sentences import Story, number_kind


def document(told: Told, call: str = "", *, with_state: bool = False) -> str:
    """One document. A caller's encrypted number is not in it, only whether there was one."""
    chosen = told.chosen(call) if call else list(told.stories.values())
    ids = {story.call_id for story in chosen}
    counts = told.source.counts
    whole: dict[str, Any] = {
        "kind": told.kind,
        "pbx": told.source.state.pbx,
        "calls": [_call(story) for story in chosen],
        "facts": [
            _fact(line)
            for line in told.lines
            if (line.story is None and not call) or (line.story and line.story.call_id in ids)
        ],
        "counts": {
            "frames": counts.frames,
            "sessions": counts.sessions,
            "read": counts.read,
            "answers": counts.answers,
            "unneeded": counts.unneeded,
            "unreadable": [dataclasses.asdict(odd) for odd in counts.odd],
            "cut_off_at": counts.cut,
            "ends_in_session": counts.open_end,
        },
    }
    if with_state:
        whole["state"] = _board(told)
    return json.dumps(whole, indent=1, default=_plain)


def _call(story: Story) -> dict[str, Any]:
    ended = story.ended
    return {
        "call_id": story.call_id,
        "began": story.began,
        "seen_from_arrival": story.whole,
        "answered_by": story.answered_by or None,
        "answered_after": None if story.answered_after is None else round(story.answered_after, 3),
        "ended_by": None if ended is None else ended.by,
        "ended_at": None if ended is None else ended.at,
        "gone": story.gone,
    }


def _fact(line: Line) -> dict[str, Any]:
    said = {"fact": type(line.fact).__name__, **dataclasses.asdict(line.fact), "words": line.words}
    token = said.pop("caller_token", None)
    if token is not None:
        said["number"] = number_kind(token)
    return said


def _board(told: Told) -> dict[str, Any]:
    board = told.source.state
    calls = [dataclasses.asdict(call) for call in board.calls.values()]
    for call in calls:
        del call["caller_token"]
    members = [dataclasses.asdict(member) for member in board.members.values()]
    if told.kind is Kind.JOURNAL:
        return {"calls": calls, "members": None, "phones": None}
    return {"calls": calls, "members": members, "phones": board.phones}


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, set | frozenset) else str(value)
