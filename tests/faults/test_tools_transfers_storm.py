"""Every conversation is handed on in the same moment: nobody is cut off; one record and one contact for each call."""

from __future__ import annotations

from pathlib import Path

from pbx.facts import EndedBy
from service.calls.model import Result
from tests.faults.tools.transfers_storm import TransfersStorm
from tests.integration.live.line import LiveLine
from tests.integration.live.test_after_a_gap import contacts, ended
from tests.support.short_prompts import shorten
from tests.support.wait import until


def test_a_storm_of_transfers_cuts_nobody_and_leaves_one_record_and_one_contact_for_each_call(tmp_path: Path) -> None:
    with LiveLine(tmp_path, listeners=10) as line, TransfersStorm(line, conversations=6) as storm:
        shorten(line.pbx.layout, "welcome")
        storm.prepare()
        until(lambda: contacts(line) == 6, "a contact for each conversation")
        went = storm.break_loose()
        assert went == {"blind": 2, "attended": 2, "merged": 2}
        assert all(caller.lives for caller in storm.callers)
        supervisor = line.page("supervisor")
        until(lambda: len(supervisor.all("call")) == 6, "the board has them all")
        for caller in storm.callers:
            caller.leave()
        calls = ended(line, 6)
        assert [call.result for call in calls] == [Result.ANSWERED] * 6
        assert contacts(line) == 6
        assert len({call.call_id for call in calls}) == 6
        # Asterisk lets the second of two who were merged go once the first has left: who ended that is not claimed.
        assert [call.ended_by for call in calls].count(EndedBy.CALLER) >= 5
