"""The audit trail for the data-protection officer."""

from __future__ import annotations

from service.accounts.rights import Right
from service.audit import queries, use_cases
from service.audit.schemas import AuditEntryOut, AuditOut, AuditQuery, ChainOut
from service.http.keys import KEYRING, STORE
from service.http.routing import Nothing, RouteTable, Visit

routes = RouteTable("audit")


@routes.get("/audit", right=Right.READ_AUDIT, query=AuditQuery, response=AuditOut)
async def read_audit(visit: Visit[Nothing, AuditQuery]) -> AuditOut:
    """Entries of the audit trail, oldest first."""
    asked = visit.query
    async with visit.app[STORE].reading() as session:
        rows = await queries.entries(
            session, after=asked.after, limit=asked.limit, subject=asked.subject, subject_id=asked.subject_id
        )
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


@routes.get("/audit/chain", right=Right.READ_AUDIT, response=ChainOut)
async def check_audit_chain(visit: Visit) -> ChainOut:
    """Walk the whole chain and say whether it holds."""
    async with visit.app[STORE].reading() as session:
        state = await use_cases.verify(session, visit.app[KEYRING])
    return ChainOut(entries=state.entries, broken_at=state.broken_at)
