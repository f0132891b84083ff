"""What is stored of a call, and how it is told."""

from __future__ import annotations

from pbx.facts import PRESUMED, CallEnded, CallEntered, EndedBy, Stage
from service.calls import queries
from service.calls.fold import told
from service.store.engine import Store

PBX, CALL = "pbx1", "aaaaaaaa-0000-4000-8000-000000000001"


def ended(ordinal: int, at: float, by: EndedBy) -> CallEnded:
    return CallEnded(pbx=PBX, at=at, call_id=CALL, ordinal=ordinal, by=by, stage=Stage.WAITING)


async def test_a_stored_end_that_was_presumed_is_not_told_beside_the_one_that_the_dialplan_told(store: Store) -> None:
    entered = CallEntered(
        pbx=PBX, at=1000.0, call_id=CALL, ordinal=1, line="+33199003133", caller_token="none", arrived=1000
    )
    presumed, certain = ended(PRESUMED, 1050.0, EndedBy.FAULT), ended(4, 1060.0, EndedBy.CALLER)
    for facts, shown in (([entered, presumed], [entered, presumed]), ([certain], [entered, certain])):
        async with store.transaction() as session:
            await queries.store_facts(session, PBX, [(CALL, told(fact)) for fact in facts])
        async with store.reading() as session:
            found = await queries.timeline(session, PBX, CALL)
        assert [fact.key for fact in found] == [told(fact).key for fact in shown]
