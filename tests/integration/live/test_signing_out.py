"""Somebody signs out without leaving the queue, with the real Asterisk: nobody rings a phone that is gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import select

from service.accounts.model import QueueWish
from tests.integration.live.line import LiveLine
from tests.support.wait import until


def _wanted(line: LiveLine) -> list[bool]:
    async def wishes(session: Any) -> list[bool]:
        return list(await session.scalars(select(QueueWish.wanted)))

    found: list[bool] = line.query(wishes)
    return found


def test_who_signs_out_with_their_phone_is_rung_no_more_and_comes_back_out_of_the_queue(tmp_path: Path) -> None:
    """As a page does that was loaded a moment ago, and has heard nothing yet of the queue that its person is in."""
    with LiveLine(tmp_path) as line:
        supervisor = line.page("supervisor")
        page, _ = line.listener("listener1")
        page.must("POST", "/phone", {})

        def served() -> list[str]:
            return [queue for listener in supervisor.all("listener") for queue in listener["queues"]]

        until(served, "the board shows them in the queue")
        assert page.ask("DELETE", "/session")[0] == 204
        until(lambda: not served(), "nobody rings them any more")
        until(lambda: _wanted(line) == [False], "and nothing puts them back")


def test_whose_sessions_are_ended_from_another_browser_is_rung_no_more(tmp_path: Path) -> None:
    with LiveLine(tmp_path) as line:
        supervisor = line.page("supervisor")
        page, _ = line.listener("listener1")
        page.must("POST", "/phone", {})
        elsewhere = line.page("listener1")

        def served() -> list[str]:
            return [queue for listener in supervisor.all("listener") for queue in listener["queues"]]

        until(served, "the board shows them in the queue")
        assert elsewhere.must("POST", "/account/sessions/end-others", {}) == {"ended": 1}
        until(lambda: not served(), "nobody rings them any more")
        until(lambda: _wanted(line) == [False], "and nothing puts them back")
