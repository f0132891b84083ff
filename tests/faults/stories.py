"""What each caller and each phone lived through, read from sipp's own message logs: the oracle of the audit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.support import sip_log
from tests.support.sip_log import SipMessage


@dataclass(frozen=True, slots=True)
class CallerStory:
    """One call as its caller saw it. Instants: epoch seconds on the machine's clock, None: it never came.

    `ended_by`: `caller` or `line`, whoever said BYE first; empty while nobody has. `refused`: the final status of an
    INVITE that was not taken, else 0.
    """

    sip_call: str
    number: str
    rang_at: float
    answered_at: float | None
    ended_at: float | None
    ended_by: str
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Leg:
    """One ring of one phone. `call_id`: the call's UUID, which the phone is shown instead of a number.

    `talked_at`: the phone's answer was acknowledged. `ended_by`: `phone` or `line`, whoever said BYE first; empty where
    nobody did. `killed_at`: the phone's process was killed under it, by the test.
    """

    call_id: str
    user: str
    rung_at: float
    talked_at: float | None
    ended_at: float | None
    ended_by: str
    sip_call: str = ""
    killed_at: float | None = None


def caller_stories(logs: Iterable[Path]) -> list[CallerStory]:
    """Every call that was made, in the order of their first INVITE."""
    stories = [
        found for log in logs for messages in _by_call(log).values() if (found := _caller_story(messages)) is not None
    ]
    return sorted(stories, key=lambda story: story.rang_at)


def legs(log: Path, killed_at: float | None = None) -> list[Leg]:
    """Every ring in the log of one process of phones. `killed_at`: when that process was killed."""
    found = (_leg(messages, killed_at) for messages in _by_call(log).values())
    return sorted((leg for leg in found if leg is not None), key=lambda leg: leg.rung_at)


def _by_call(log: Path) -> dict[str, list[SipMessage]]:
    calls: dict[str, list[SipMessage]] = defaultdict(list)
    for message in sip_log.read(log):
        calls[message.call].append(message)
    return calls


def _user(uri: str) -> str:
    return uri.partition("sip:")[2].partition("@")[0]


def _caller_story(messages: list[SipMessage]) -> CallerStory | None:
    first = next((m for m in messages if m.ours and m.method == "INVITE"), None)
    if first is None:
        return None
    finals = [m for m in messages if not m.ours and m.method == "INVITE" and m.status >= 200]
    taken = next((m for m in finals if m.status == 200), None)
    bye = next((m for m in messages if m.method == "BYE" and not m.status), None)
    return CallerStory(
        sip_call=first.call,
        number=_user(first.header("From")),
        rang_at=first.at,
        answered_at=taken.at if taken else None,
        ended_at=bye.at if bye else None,
        ended_by="" if bye is None else "caller" if bye.ours else "line",
        refused=finals[0].status if finals and taken is None else 0,
    )


def _leg(messages: list[SipMessage], killed_at: float | None) -> Leg | None:
    invite = next((m for m in messages if not m.ours and m.method == "INVITE" and not m.status), None)
    if invite is None:
        return None
    answered = any(m.ours and m.status == 200 and m.method == "INVITE" for m in messages)
    ack = next((m for m in messages if not m.ours and m.method == "ACK"), None) if answered else None
    bye = next((m for m in messages if m.method == "BYE" and not m.status), None)
    return Leg(
        call_id=_user(invite.header("From")),
        user=_user(invite.start),
        rung_at=invite.at,
        talked_at=ack.at if ack else None,
        ended_at=bye.at if bye else None,
        ended_by="" if bye is None else "phone" if bye.ours else "line",
        sip_call=invite.call,
        killed_at=killed_at if ack is not None and bye is None else None,
    )
