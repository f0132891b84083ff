"""Somebody loses their rights while they talk, with the real Asterisk: nobody is cut off from call, page and notes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.integration.live.line import LiveLine
from tests.support.sipp import number
from tests.support.wait import stays, until


def _ecoute(line: LiveLine, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, beside the service that runs."""
    command = [sys.executable, "-m", "service.cli.main", *arguments, "--config", str(line.settings)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_who_is_deactivated_in_mid_call_is_signed_out_and_the_conversation_goes_on(tmp_path: Path) -> None:
    """On a telephone that no page of theirs has: there is no session in which the contact could be kept."""
    with LiveLine(tmp_path) as line:
        supervisor = line.page("supervisor")
        page, phone = line.listener("listener1")
        caller = line.caller(number("+33639980024"))
        until(lambda: page.one("contact"), "the listener talks")

        done = _ecoute(line, "listeners", "deactivate", "Listener1")
        assert done.returncode == 0, done.stderr
        assert "Listener1 can no longer sign in" in done.stdout

        def serves() -> bool:
            return any(listener["queues"] for listener in supervisor.all("listener"))

        until(lambda: page._thread is not None and not page._thread.is_alive(), "their page is closed", 15)
        assert page.ask("GET", "/session")[0] == 401
        until(lambda: not serves(), "nobody rings them any more")
        stays(lambda: not caller.was_hung_up_on, "the caller is spoken to", 3)
        assert [one["state"] for one in supervisor.all("listener")] == ["talking"]

        phone.hang_up(reason="Q.850;cause=31")
        until(lambda: caller.was_hung_up_on, "the listener ends it themselves")
        wrong = _ecoute(line, "listeners", "activate", "nobody")
        assert (wrong.returncode, "no account" in wrong.stderr) == (1, True)
        assert _ecoute(line, "listeners", "activate", "listener1").returncode == 0
        assert line.page("listener1").must("GET", "/session")["username"] == "listener1"


def test_the_trail_is_anchored_while_the_service_runs_and_a_cut_off_end_is_told(tmp_path: Path) -> None:
    with LiveLine(tmp_path) as line:
        line.page("supervisor").close_live()
        assert line.stop_service() == 0
        kept = _ecoute(line, "audit", "anchor").stdout.strip()
        whole = _ecoute(line, "audit", "verify", "--json")
        state = json.loads(whole.stdout)
        assert (whole.returncode, state["whole"]) == (0, True)
        assert state["anchored"] == state["last"] == int(kept.split(":")[0]), "the last anchor is that of the stop"
        assert "Keep anchors elsewhere" in state["not_proven"]

        (line.folder / "var" / "audit-anchors").unlink()  # as whoever may write there could
        later = f"{state['last'] + 1}:{'ab' * 32}"
        missing = _ecoute(line, "audit", "verify", "--anchor", kept, "--anchor", later)
        assert missing.returncode == 1
        assert f"MISSING: from entry {state['last'] + 1}" in missing.stdout
