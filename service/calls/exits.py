"""What became of a call: {result, reason} from one closed list. Pure.

Every pair that can exist is in `EXITS`, with its meaning; `python -m service.calls.exits` makes docs/exits.md of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from service.calls.model import Reason, Result


@dataclass(frozen=True, slots=True)
class Exit:
    """One way out. `means`: what happened. `told`: which facts say so. `is_not`: what it is easily taken for."""

    means: str
    told: str
    is_not: str


_DIED: Final = "an end that is presumed: the PBX started anew, or its journal stops, without the step `ended`"
_ITSELF: Final = "`ended` by `system`, or the caller's channel went without that step"
_NEVER: Final = "Never to happen (law 1): one of these is an alarm."

EXITS: Final[Mapping[tuple[Result, Reason], Exit]] = {
    (Result.ANSWERED, Reason.LISTENER_ENDED): Exit(
        "A listener talked with the caller and ended the conversation on purpose.",
        "`answered` by a listener; `ended` by `listener`",
        "A listener whose leg was lost: the caller is kept then, and the call goes on.",
    ),
    (Result.ANSWERED, Reason.CALLER_ENDED): Exit(
        "The caller talked with a listener and hung up in a conversation.",
        "`answered`, no `listener-lost` since; `ended` by `caller`",
        "A caller who had lost their listener and gave up: `left-after-loss`.",
    ),
    (Result.ANSWERED, Reason.CENTRE_ENDED): Exit(
        "A listener had talked with the caller and was lost; a person of a centre took over, and ended it.",
        "`answered` by a listener, later `answered` by a centre; `ended` by that person",
        "An overflow of somebody who had talked with nobody yet: that is `centre`.",
    ),
    (Result.ANSWERED, Reason.LEFT_AFTER_LOSS): Exit(
        "The leg of the last person who talked with the caller was lost, and the caller left before anyone else "
        "answered.",
        "`answered`, then `listener-lost` without another `answered`; `ended` by `caller`. `ended_stage` says where: "
        "in the grace, waiting again, or in an overflow",
        "A conversation that the caller ended; nor an abandoned call, for they had been answered.",
    ),
    (Result.ANSWERED, Reason.PBX_DIED): Exit(
        "A listener had talked with the caller; the PBX died under the call, or nobody knows its end.",
        f"`answered` by a listener; {_DIED}",
        "An end of the conversation by either of the two. The caller may want to be called back.",
    ),
    (Result.ANSWERED, Reason.SYSTEM): Exit(
        f"A listener had talked with the caller; the PBX itself ended the call. {_NEVER}",
        f"`answered` by a listener; {_ITSELF}",
        "A PBX that died: that is `pbx-died`.",
    ),
    (Result.CENTRE, Reason.CENTRE_ENDED): Exit(
        "Overflowed and answered: a person of a centre, at its queue or its telephone, talked and ended it.",
        "`answered` by a centre alone; `ended` by `centre`, or by `listener` where the person has a phone on this PBX",
        "A machine or a voicemail of the centre: somebody there pressed 1.",
    ),
    (Result.CENTRE, Reason.CALLER_ENDED): Exit(
        "Overflowed and answered: the caller hung up in the conversation with a centre.",
        "`answered` by a centre alone, no `listener-lost` since; `ended` by `caller`",
        "A caller who left while the centre rang: `left-centre-ringing`.",
    ),
    (Result.CENTRE, Reason.LEFT_AFTER_LOSS): Exit(
        "The leg of the centre's person was lost, and the caller left before anyone else answered.",
        "`answered` by a centre alone, then `listener-lost`; `ended` by `caller`",
        "A conversation that the caller ended.",
    ),
    (Result.CENTRE, Reason.PBX_DIED): Exit(
        "A centre had talked with the caller; the PBX died under the call, or nobody knows its end.",
        f"`answered` by a centre alone; {_DIED}",
        "An end of the conversation by either of the two.",
    ),
    (Result.CENTRE, Reason.SYSTEM): Exit(
        f"A centre had talked with the caller; the PBX itself ended the call. {_NEVER}",
        f"`answered` by a centre alone; {_ITSELF}",
        "A PBX that died: that is `pbx-died`.",
    ),
    (Result.ABANDONED, Reason.LEFT_WELCOME): Exit(
        "The caller left before the queue, while it rang or the welcome was spoken.",
        "no `queued`; `ended` by `caller`",
        "Somebody who waited: they were never offered to a listener, and no share of answered calls counts them.",
    ),
    (Result.ABANDONED, Reason.LEFT_WAITING): Exit(
        "The caller left while they waited, and no phone rang for them at that moment.",
        "`queued`; `ended` by `caller` in the stage `waiting`",
        "A withdrawal for an overflow, the end of a queue's round, or being led elsewhere, though Asterisk calls "
        "each of them QueueCallerAbandon.",
    ),
    (Result.ABANDONED, Reason.LEFT_RINGING): Exit(
        "The caller left while a listener's phone rang for them, or in the instant in which it was taken.",
        "`ended` by `caller` in the stage `waiting`, `ringing`; or in the stage `talking` without `answered`",
        "A ring that stopped unanswered while the caller waited on: that ends no call.",
    ),
    (Result.ABANDONED, Reason.LEFT_ASKED): Exit(
        "The caller left while they were asked for a department, or offered a centre, in an overflow.",
        "`overflow`, no `centre-called` since; `ended` by `caller` in the stage `overflow`",
        "Somebody who gave up in the queue: they were out of it, at their rank, by our doing.",
    ),
    (Result.ABANDONED, Reason.LEFT_CENTRE_RINGING): Exit(
        "The caller left while a centre was rung, or while nobody there had pressed 1 yet.",
        "`centre-called`, neither `answered` nor `centre-refused` since; `ended` by `caller`",
        "Overflowed and answered.",
    ),
    (Result.ABANDONED, Reason.LEFT_AFTER_CENTRE): Exit(
        "Overflowed and not there: a centre was tried and did not take the caller, who was back at their rank and "
        "left.",
        "`centre-refused` (but for `declined`) is the last word of an overflow; `ended` by `caller`, no phone ringing",
        "A caller who preferred to stay (`declined`) and left later: `left-waiting`.",
    ),
    (Result.CLOSED, Reason.NOTICE_HEARD): Exit(
        "The line was closed: the caller heard the notice that says so, to the end.",
        "`closed`; `ended` by `closed`",
        "A call that nobody answered: nobody was to.",
    ),
    (Result.CLOSED, Reason.LEFT_NOTICE): Exit(
        "The line was closed: the caller hung up before the notice had been said twice.",
        "`closed`; `ended` by `caller`",
        "An abandoned call.",
    ),
    (Result.CLOSED, Reason.PBX_DIED): Exit(
        "The line was closed; the PBX died while it said so, or nobody knows the call's end.",
        f"`closed`; {_DIED}",
        "A caller who was cut off from help by it.",
    ),
    (Result.CLOSED, Reason.SYSTEM): Exit(
        f"The line was closed; the PBX ended the call before the notice had. {_NEVER}",
        f"`closed`; {_ITSELF}",
        "The end of the notice.",
    ),
    (Result.FAULT, Reason.PBX_DIED): Exit(
        "Nobody had answered yet: the PBX died under the call, or nobody knows its end.",
        f"no `answered`; {_DIED}. `ended_stage` says how far it had come",
        "An abandoned call. The caller may want to be called back.",
    ),
    (Result.FAULT, Reason.SYSTEM): Exit(
        f"Nobody had answered yet: the PBX itself ended the call. {_NEVER}",
        f"no `answered`; {_ITSELF}",
        "An abandoned call.",
    ),
    (Result.FAULT, Reason.ENDED_UNHEARD): Exit(
        "A person's phone took the call and ended it on purpose before the two heard each other.",
        "`ended` by `listener` or `centre` without `answered`, or less than 5 ms after it",
        "An answered call: no word was said. Nor the caller's doing.",
    ),
}

_HEAD: Final = """# How a call ends

Made from the code by `python -m service.calls.exits`: nothing here is written by hand.

Every call that has ended has one **result** and one **reason**, over all its legs, queue visits, transfers and
conferences: whose call it is never changes. Only the pairs below exist. `ended_by` and `ended_stage` of the record say
the same in the telephone system's words. Facts are named as in the call's timeline (`GET /api/v1/calls/{call_id}`).

Of calls that were recorded before this list, the reason is what their facts say. That a phone rang when the caller left
was not told then: such a caller is `left-waiting`.
"""


def document() -> str:
    """docs/exits.md."""
    lines = [_HEAD]
    meanings = {
        Result.ANSWERED: "a listener talked with the caller, whatever followed",
        Result.CENTRE: "a centre alone talked with the caller",
        Result.ABANDONED: "the caller left before anybody answered",
        Result.CLOSED: "the line was closed",
        Result.FAULT: "cut before an answer, not by the caller",
    }
    for result, meaning in meanings.items():
        lines += [f"## {result}: {meaning}", "", "| reason | means | told by | is not |", "|---|---|---|---|"]
        for (of, reason), found in EXITS.items():
            if of is result:
                lines.append(f"| `{reason}` | {found.means} | {found.told} | {found.is_not} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    (Path(__file__).parents[2] / "docs" / "exits.md").write_text(document())
