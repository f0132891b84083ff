"""`ecoute check`: the shipped and generated files, proven to end no call and to record none."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pbx import site, verifier
from pbx.layout import SOURCES, Layout
from service.cli import machine
from service.settings import Settings


def static(settings: Settings) -> list[verifier.Finding]:
    """Every effective Asterisk file of each PBX of the settings, as it would be loaded, and the code's own actions."""
    findings: list[verifier.Finding] = []
    with tempfile.TemporaryDirectory(prefix="ecoute-check-") as directory:
        for pbx in settings.pbx:
            layout = Layout.of(Path(directory), pbx.id)
            site.write(machine.site_of(settings, pbx, ("centre-38",)), layout)
            findings += verifier.check(layout.etc, [SOURCES / "pbx", SOURCES / "service"])
    return sorted(set(findings))


def as_json(findings: Sequence[verifier.Finding]) -> str:
    """A list of objects, one for each finding."""
    return json.dumps([finding._asdict() for finding in findings], indent=2)
