"""The short form of a long row: the service is away for twenty seconds under load."""

from __future__ import annotations

from pathlib import Path

from tests.faults.long_rows import service_down


def test_the_books_are_what_the_telephones_saw_though_the_service_was_away(tmp_path: Path) -> None:
    report = service_down.run(tmp_path, seconds=20.0, rate=2.0)
    assert report.findings == []
    assert report.calls >= 80
    assert report.missed >= 10
    assert report.answered >= 10
    assert report.live_at_kill >= 5
    assert report.live_at_return >= 5
