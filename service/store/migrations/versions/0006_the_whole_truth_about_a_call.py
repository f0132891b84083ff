"""what became of a call is one pair of a closed list; its waits, conversations, visits and overflows are kept.

Of calls from before, the reason is what their rows and facts say. Whether a phone rang when a caller left was not told
then: such a caller was waiting. A call that a person's phone or the closed line ended before an answer was kept as
abandoned, and is not, also when this is taken back. How long all their waits and conversations were is left unknown,
never zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_COUNTS = ("visits", "overflows", "overflows_answered")
_BY_CENTRE = ("centre-queue", "centre-telephone")
_PAGE = 500

_calls = sa.table(
    "calls",
    *(sa.column(name, sa.String()) for name in ("pbx", "call_id", "result", "reason", "ended_by", "ended_stage")),
    *(sa.column(name, sa.Integer()) for name in _COUNTS),
)
_facts = sa.table(
    "call_facts",
    *(sa.column(name, sa.String()) for name in ("pbx", "call_id", "what")),
    sa.column("ordinal", sa.BigInteger()),
    sa.column("detail", sa.JSON()),
)


def upgrade() -> None:
    """Make it so."""
    with op.batch_alter_table("calls") as table:
        table.add_column(sa.Column("reason", sa.String(length=32), nullable=True))
        table.add_column(sa.Column("waiting_seconds", sa.Double(), nullable=True))
        table.add_column(sa.Column("talk_seconds", sa.Double(), nullable=True))
        for name in _COUNTS:
            table.add_column(sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
    connection, after = op.get_bind(), ""
    while rows := connection.execute(_page(after)).mappings().all():
        after = rows[-1]["call_id"]
        _fill(connection, [dict(row) for row in rows])


def _page(after: str) -> sa.Select[Any]:
    return sa.select(_calls).where(_calls.c.call_id > after).order_by(_calls.c.call_id).limit(_PAGE)


def _fill(connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> None:
    facts: dict[tuple[str, str], list[Any]] = {(row["pbx"], row["call_id"]): [] for row in rows}
    ids = [row["call_id"] for row in rows]
    of_rows = sa.select(_facts).where(_facts.c.call_id.in_(ids)).order_by(_facts.c.ordinal)
    for fact in connection.execute(of_rows).mappings():
        facts.get((fact["pbx"], fact["call_id"]), []).append(fact)
    for row in rows:
        steps = [
            fact for fact in facts[row["pbx"], row["call_id"]] if fact["what"] not in ("rung", "rang-out", "ended")
        ]
        result, reason = _exit(row, steps)
        values = {
            "result": result,
            "reason": reason,
            "visits": sum(step["what"] == "queued" for step in steps),
            "overflows": sum(step["what"] == "overflow" for step in steps),
            "overflows_answered": sum(map(_by_centre, steps)),
        }
        mine = (_calls.c.pbx == row["pbx"]) & (_calls.c.call_id == row["call_id"])
        connection.execute(sa.update(_calls).where(mine).values(**values))


def _by_centre(step: Any) -> bool:
    return step["what"] == "answered" and step["detail"]["via"] in _BY_CENTRE


def _exit(row: dict[str, Any], steps: Sequence[Any]) -> tuple[str | None, str | None]:
    """Result and reason, a pair of the list. An end by no caller before an answer used to be called abandoned."""
    result, by = row["result"], row["ended_by"]
    if not by:
        return result, None
    answers = [step for step in steps if step["what"] == "answered"]
    if answers:
        result = "centre" if all(map(_by_centre, answers)) else "answered"
    if result in ("answered", "centre"):
        return result, _after_an_answer(result, by, steps)
    if "closed" in (result, by) or any(step["what"] == "closed" for step in steps):
        return "closed", {"closed": "notice-heard", "caller": "left-notice", "fault": "pbx-died"}.get(by, "system")
    if by == "caller":
        return "abandoned", _left(row["ended_stage"], steps)
    return "fault", {"fault": "pbx-died", "system": "system"}.get(by, "ended-unheard")


def _after_an_answer(result: str, by: str, steps: Sequence[Any]) -> str:
    since = list(steps[max((n for n, step in enumerate(steps) if step["what"] == "answered"), default=len(steps)) :])
    if by == "caller":
        lost = any(step["what"] in ("listener-lost", "queued", "overflow") for step in since)
        return "left-after-loss" if lost else "caller-ended"
    if by in ("listener", "centre"):
        by_centre = "centre" in (result, by) or any(map(_by_centre, since))
        return "centre-ended" if by_centre else "listener-ended"
    return "pbx-died" if by == "fault" else "system"


def _left(stage: str, steps: Sequence[Any]) -> str:
    offers = [s for s in steps if s["what"] in ("overflow", "department", "centre-called", "centre-refused")]
    words = [s["what"] for s in steps if s["what"] == "queued" or s in offers]
    last = words[-1] if words else ""
    refused = bool(offers) and offers[-1]["what"] == "centre-refused"
    declined = refused and offers[-1]["detail"]["reason"] == "declined"
    if last == "centre-called":
        return "left-centre-ringing"
    if last in ("overflow", "department") or (last == "centre-refused" and declined):
        return "left-asked"
    if stage == "talking":
        return "left-ringing"
    if refused and not declined:
        return "left-after-centre"
    return "left-waiting" if last == "queued" or stage == "waiting" else "left-welcome"


def downgrade() -> None:
    """Take it back."""
    with op.batch_alter_table("calls") as table:
        for name in ("overflows_answered", "overflows", "visits", "talk_seconds", "waiting_seconds", "reason"):
            table.drop_column(name)
