"""What a run leaves: var/faults.json, the reports of parts added up, and the line that is published."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.faults.auditor import Kind
from tests.faults.run import Result


def report_of(result: Result) -> dict[str, Any]:
    """As JSON. Ids of calls and nothing personal."""
    return {
        "seeds": [result.plan.seed],
        "parameters": [asdict(result.plan)],
        "calls": result.calls,
        "cut_by_faults": result.cut_by_faults,
        "drawn": [asdict(drawn) | {"at": _iso(drawn.injected_at)} for drawn in result.drawn],
        "findings": [asdict(finding) | {"at": _iso(finding.at)} for finding in result.findings],
        "left_out": sorted(result.left_out),
        "notes": result.notes,
    }


def added(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Several as one. ValueError when two have one seed: the same run counted twice."""
    seeds = [seed for report in reports for seed in report["seeds"]]
    if twice := [seed for seed, count in Counter(seeds).items() if count > 1]:
        raise ValueError(f"the seed {twice[0]} is there twice: each part is counted once")
    together: dict[str, Any] = {key: [] for key in ("seeds", "parameters", "drawn", "findings", "notes")}
    for report in reports:
        for key, values in together.items():
            values.extend(report[key])
    return {
        **together,
        "calls": sum(report["calls"] for report in reports),
        "cut_by_faults": sum(report["cut_by_faults"] for report in reports),
        "left_out": sorted({name for report in reports for name in report["left_out"]}),
    }


def effective(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The faults that broke something."""
    return [drawn for drawn in report["drawn"] if drawn["took_effect"]]


def last_line(report: Mapping[str, Any]) -> str:
    """What is published. The upper bound of the share of faults that lose something is 3/M (rule of three, 95 %)."""
    found = Counter(finding["kind"] for finding in report["findings"])
    faults = len(effective(report))
    bound = f"{min(100.0, 300 / faults):.3g}" if faults else "100"
    return (
        f"{report['calls']} calls, {faults} faults, {found[Kind.LOST]} lost, {found[Kind.CUT]} cut, "
        f"{found[Kind.DUPLICATE]} duplicates, upper bound {bound} %"
    )


def table(report: Mapping[str, Any]) -> Iterable[str]:
    """A line for each kind of fault: how often, how many calls lived, how soon the board was right; then findings."""
    kinds: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for drawn in effective(report):
        kinds[drawn["name"]].append(drawn)
    for name, those in sorted(kinds.items()):
        live = sorted(drawn["live"] for drawn in those)
        boards = sorted(drawn["board"] for drawn in those if drawn["board"] is not None)
        right = f"board right after {boards[len(boards) // 2]:.1f} s, at most {boards[-1]:.1f} s" if boards else ""
        heard = sorted(drawn["heard"] for drawn in those if drawn["heard"] is not None)
        audio = f", the conversation heard for at least {heard[0]:.0%}" if heard else ""
        yield f"{name}: {len(those)} times, {live[0]} to {live[-1]} calls live, {right}{audio}"
    for finding in report["findings"]:
        ids = " ".join(filter(None, (finding["call_id"], finding["sip_call"])))
        yield f"FINDING {finding['kind']}: {finding['what']} [{finding['at']}] {ids} {finding['fault']}".rstrip()
    if report["left_out"]:
        yield f"left out, for want of what they need: {', '.join(report['left_out'])}"
    if report["cut_by_faults"]:
        yield f"{report['cut_by_faults']} calls were ended by a fault that ends calls, each marked so in the books"
    yield from report["notes"]


def write(report: Mapping[str, Any], file: Path) -> None:
    """Write it whole."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")


def read(file: Path) -> dict[str, Any]:
    """One that was written."""
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
