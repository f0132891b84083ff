"""The audit trail for the data-protection officer."""

from __future__ import annotations

import asyncio

from service.accounts.rights import Right
from service.audit import anchors, chain, queries
from service.audit.model import Action
from service.audit.schemas import AuditEntryOut, AuditOut, AuditQuery, ChainOut
from service.audit.use_cases import Act, append
from service.errors import Conflict, Unfit
from service.http.keys import CLOCK, KEYRING, OPTIONS, STORE, THROTTLE
from service.http.routing import Nothing, Reach, RouteTable, Visit

routes = RouteTable("audit")


@routes.get(
    "/audit",
    right=Right.READ_AUDIT,
    query=AuditQuery,
    response=AuditOut,
    reach=Reach.TRAIL,
    audits=(Action.TRAIL_READ,),
    fails=[(Unfit, "subject-missing")],
    per_minute=120,
)
async def read_audit(visit: Visit[Nothing, AuditQuery]) -> AuditOut:
    """Entries of the audit trail, oldest first. Who looks at them is on it as well."""
    asked, app = visit.query, visit.app
    if asked.subject_id is not None and asked.subject is None:
        raise Unfit("subject-missing", "Say of what kind it is, too: case, contact, call, account.", field="subject")
    async with app[STORE].reading() as session:  # nobody who writes waits for it
        rows = await queries.entries(
            session, after=asked.after, limit=asked.limit, subject=asked.subject, subject_id=asked.subject_id
        )
    async with app[STORE].transaction() as session:
        act = Act(action=Action.TRAIL_READ, subject="trail", subject_id=asked.after)
        await append(session, app[KEYRING], [act], account_id=visit.viewer.account_id, at=app[CLOCK]())
    return AuditOut(
        entries=[
            AuditEntryOut(
                seq=row.seq,
                at=row.at,
                account_id=row.account_id,
                action=row.action,
                subject=row.subject,
                subject_id=row.subject_id,
            )
            for row in rows
        ]
    )


@routes.get(
    "/audit/chain",
    right=Right.READ_AUDIT,
    response=ChainOut,
    reach=Reach.NOBODY,
    audits="counts alone",
    fails=[(Conflict, "asked-already")],
    per_minute=6,
)
async def check_audit_chain(visit: Visit) -> ChainOut:
    """Walk the whole chain, hold the anchors of the service's own file to it, and say whether the trail is whole."""
    keyring, file = visit.app[KEYRING], visit.app[OPTIONS].audit_anchors
    kept: list[chain.Anchor] = []
    damaged: int | None = None
    with visit.app[THROTTLE].alone("/audit/chain"):
        if file is not None:
            try:
                # Before the database is read: an anchor from after it would speak of entries that this look does not
                # see.
                kept = await asyncio.to_thread(anchors.read, file, keyring)
            except anchors.AnchorsDamaged as error:
                damaged = error.line
        state = await chain.verify(visit.app[STORE], keyring, kept)
    return ChainOut(
        entries=state.entries,
        purged=state.purged,
        last=state.last,
        broken_at=state.broken_at,
        anchored=state.anchored,
        missing_from=state.missing_from,
        anchors_damaged=damaged,
        not_proven=chain.NOT_PROVEN,
    )
