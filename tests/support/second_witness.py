"""queue_log of a line against its books, all of it: whatever the service compared before."""

from __future__ import annotations

from typing import Any

from pbx.journal_file import Position
from pbx.queue_log import QueueLogTally, read
from service.calls import queries
from service.calls.books import Difference, compare
from tests.integration.live.line import LiveLine


def differences(line: LiveLine) -> tuple[int, list[Difference]]:
    """How many calls were compared, and what differs, the benign too. For a line on which every call has ended."""
    tally, place = QueueLogTally(), Position()
    while True:
        entries, after = read(line.pbx.layout.queue_log, place, pbx=line.pbx.site.pbx)
        tally.feed(entries)
        if after == place:
            break
        place = after

    async def compared(session: Any) -> list[Difference]:
        found: list[Difference] = []
        seen = list(tally.seen.values())
        for start in range(0, len(seen), 200):
            some = {one.call_id: one for one in seen[start : start + 200]}
            facts = await queries.facts_of(session, line.pbx.site.pbx, some)
            found += [difference for call_id, one in some.items() for difference in compare(one, facts[call_id])]
        return found

    found: list[Difference] = line.query(compared)
    return len(tally.seen), found
