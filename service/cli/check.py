"""`ecoute check`: nothing ends a call or records one. By the files, by what runs, and by how every call ended.

Each layer says whether it ran, and why not where it did not. Findings have the ids of docs/no-cap.md.
"""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import inspect, make_url

from pbx import conf, loaded, process, site, verifier
from pbx.errors import SetupError
from pbx.layout import SOURCES, Layout
from pbx.no_cap import RULES, Layer, Problem
from pbx.phones import PhoneAccount, write_accounts
from pbx.ways import Way
from service.calls import queries
from service.calls.queries import End
from service.cli import machine
from service.cli.people import mendable
from service.settings import Pbx, Settings
from service.store.engine import Store

#: So that what a page's phone and any other SIP phone inherit is looked at, too, where no account was made yet.
_SAMPLE_PHONES = (PhoneAccount("l1", "sample", "browser"), PhoneAccount("l2", "sample", "sip"))
_SAMPLE_CENTRE = "centre-38"


@dataclass(slots=True)
class Report:
    """Of one layer. `ran` false: `why` says why. `told`: what was looked at. `ends`: how many calls ended by whom."""

    layer: Layer
    ran: bool = True
    why: str = ""
    told: str = ""
    findings: list[Problem] = field(default_factory=list)
    ends: Mapping[str, int] = field(default_factory=dict)


def check(settings: Settings, layers: Iterable[Layer] = tuple(Layer)) -> list[Report]:
    """A report of each layer asked for, in their order."""
    make = {Layer.STATIC: static, Layer.LOADED: running, Layer.OUTCOME: outcome}
    wanted = set(layers)
    return [make[layer](settings) for layer in Layer if layer in wanted]


# --- the files -------------------------------------------------------------------------------------------------------


def static(settings: Settings) -> Report:
    """Every effective Asterisk file of each PBX of the settings as it would be loaded, our code, and what runs both."""
    findings: list[Problem] = []
    with tempfile.TemporaryDirectory(prefix="ecoute-check-") as directory:
        for pbx in settings.pbx:
            layout = Layout.of(Path(directory), pbx.id)
            _write(settings, pbx, layout)
            findings += (_at_its_source(finding) for finding in verifier.check(layout.etc))
    findings += verifier.check_code([SOURCES / "pbx", SOURCES / "service"], SOURCES)
    told = f"the files of {len(settings.pbx)} PBX, the code, and what runs them"
    return Report(Layer.STATIC, told=told, findings=verifier.once(findings))


def _write(settings: Settings, pbx: Pbx, layout: Layout) -> None:
    """As `ecoute up` would, with the centres that have a queue there now."""
    real = Layout.of(settings.store.data_dir, pbx.id)
    centres: list[str] = []
    with suppress(OSError):  # nothing was started yet
        centres = re.findall(r"^\[([a-z0-9-]+)\]\(centre\)", real.centre_queues.read_text(), re.MULTILINE)
    wanted = machine.site_of(settings, pbx, tuple(centres) or (_SAMPLE_CENTRE,))
    site.write(wanted, layout)
    write_accounts(layout.phones, _SAMPLE_PHONES)
    way = Way(command=(), seen=layout.data, modules=layout.data / "modules", share=layout.data, uid=None)
    told = {"pbx": wanted.pbx, "language": wanted.language}
    conf.write(layout.asterisk_conf, process.asterisk_conf(told, way, process.ENOUGH_FILES))


def _at_its_source(finding: Problem) -> Problem:
    """Files are copied as they stand: where a person would mend them."""
    if (SOURCES / "asterisk-config" / finding.file).is_file():
        return finding._replace(file=f"asterisk-config/{finding.file}")
    return finding


# --- what runs -------------------------------------------------------------------------------------------------------


def running(settings: Settings) -> Report:
    """What each PBX that runs here has loaded, its files, and every channel in it."""
    found: list[str] = []
    findings: list[Problem] = []
    for pbx in settings.pbx:
        layout = Layout.of(settings.store.data_dir, pbx.id)
        if loaded.runs(layout):
            found.append(pbx.id)
            findings += _one_that_runs(pbx, layout)
        elif process.find(layout):
            findings.append(_unseen(pbx, "its console does not answer"))
            found.append(pbx.id)
    if not found:
        return Report(Layer.LOADED, ran=False, why="no PBX of these settings runs here")
    absent = [pbx.id for pbx in settings.pbx if pbx.id not in found]
    told = ", ".join(found) + (f" (not running here: {', '.join(absent)})" if absent else "")
    return Report(Layer.LOADED, told=told, findings=verifier.once(findings))


def _one_that_runs(pbx: Pbx, layout: Layout) -> Iterator[Problem]:
    try:
        secret = site.read_secrets(layout)["service"]
        seen = asyncio.run(loaded.look(layout, pbx.host, pbx.ami_port, secret))
        here = [*verifier.check(layout.etc), *loaded.check(layout.etc, seen, pbx.id)]
    except loaded.Unseen as error:
        yield _unseen(pbx, error.reason)
        return
    except SetupError as error:  # of its secrets
        yield _unseen(pbx, error.sentence.rstrip("."))
        return
    except (OSError, ValueError, KeyError) as error:
        yield _unseen(pbx, f"its files cannot be read by this user ({type(error).__name__})")
        return
    for finding in here:
        yield finding._replace(file=str(layout.etc / finding.file)) if finding.line else finding


def _unseen(pbx: Pbx, reason: str) -> Problem:
    mend = "Look at its log; run this as the user who started it."
    return Problem(f"{pbx.id}: runs", 0, "loaded-unseen", f"What {pbx.id} has loaded is not known: {reason}.", mend)


# --- how calls ended -------------------------------------------------------------------------------------------------


def outcome(settings: Settings) -> Report:
    """How every stored call ended: by the system must be none."""
    where = "store.url"
    try:
        with mendable(settings):
            url = make_url(settings.store_url)
            where = url.render_as_string(hide_password=True)
            if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
                return Report(Layer.OUTCOME, ran=False, why="no store here yet")
            ends = asyncio.run(_ends(settings.store_url))
    except SetupError as error:
        unseen = Problem(where, 0, "outcome-unseen", error.sentence, error.mend)
        return Report(Layer.OUTCOME, told="the store", findings=[unseen])
    if ends is None:
        return Report(Layer.OUTCOME, ran=False, why="no call was ever stored: the store has no tables yet")
    counts, odd = ends
    told = f"{sum(counts.values())} calls that ended"
    return Report(Layer.OUTCOME, told=told, findings=[_odd_end(end) for end in odd], ends=counts)


async def _ends(url: str) -> tuple[dict[str, int], Sequence[End]] | None:
    store = Store(url)
    try:
        async with store.engine.connect() as connection:
            if not await connection.run_sync(lambda plain: inspect(plain).has_table("calls")):
                return None
        async with store.reading() as session:
            return await queries.count_ends(session), await queries.odd_ends(session)
    finally:
        await store.close()


def _odd_end(end: End) -> Problem:
    """The call's id and instant; nothing of who called."""
    when = end.ended_at.isoformat(timespec="milliseconds")
    if end.ended_by == "system":
        sentence = f"Call {end.call_id} was ended by the system at {when} (stage: {end.ended_stage or 'unknown'})."
        mend = "Look into the PBX's log and journal at that instant; call the person back if they agreed to it."
        return Problem(f"{end.pbx}: call {end.call_id}", 0, "ended-by-system", sentence, mend)
    sentence = f"Call {end.call_id} ended at {when} by {end.ended_by or 'nobody that is known'}."
    mend = "Look into the PBX's journal at that instant."
    return Problem(f"{end.pbx}: call {end.call_id}", 0, "ended-unclassified", sentence, mend)


# --- told ------------------------------------------------------------------------------------------------------------


def findings_of(reports: Iterable[Report]) -> list[Problem]:
    return [finding for report in reports for finding in report.findings]


def sentences(reports: Iterable[Report]) -> list[str]:
    """For a person: each finding with its place, why it matters and the mend."""
    return [
        f"{found.place}: {found.sentence} Why: {RULES[found.id].why}. Mend: {found.mend} [{found.id}]"
        for found in findings_of(reports)
    ]


def summary(report: Report) -> str:
    """What a layer looked at, or why it did not run."""
    if not report.ran:
        return f"{report.layer}: did not run: {report.why}"
    ends = "".join(f", {by} {count}" for by, count in sorted(report.ends.items()))
    ends = f"{ends}, system 0" if report.layer is Layer.OUTCOME and "system" not in report.ends else ends
    return f"{report.layer}: {len(report.findings)} findings in {report.told}{ends}"


def as_json(reports: Iterable[Report]) -> str:
    """`{"layers": [{layer, ran, why, looked_at, findings, ends}], "findings": [{layer, id, file, line, …}]}`.

    docs/no-cap.md describes it.
    """
    whole = list(reports)
    layers = [
        {
            "layer": report.layer, "ran": report.ran, "why": report.why, "looked_at": report.told,
            "findings": len(report.findings), "ends": dict(report.ends),
        }
        for report in whole
    ]  # fmt: skip
    findings = [
        {"layer": report.layer, **finding._asdict(), "why": RULES[finding.id].why}
        for report in whole
        for finding in report.findings
    ]
    return json.dumps({"layers": layers, "findings": findings}, indent=2)
