"""Our reading of Asterisk's files is Asterisk's own: what we say of an odd dialplan is what it has loaded."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from pbx import effective, loaded
from pbx.layout import SOURCES
from tests.support.pbx import start_test_pbx

ODD = """\
[odd-base](!)
exten => base,1,NoOp(from a template)
 same => n,Return()

[odd](odd-base)
Exten = 1,1,NoOp(one) ; a comment
SAME => n(label),NoOp(two\\;three)
 same=>n,NoOp( blanks, within )
 same => label+5,NoOp(five after the label)
exten => 1,10,NoOp(ten)
 same => n+2(jump),NoOp(thirteen)
;-- exten => 1,14,Hangup()
exten => 1,15,Hangup()
;-- [hidden] --;
[also-hidden]
exten => s,1,Hangup()
--; exten => 2,1,NoOp(behind a comment) ; and one more
exten => 2,2,NoOp(a ;-- hidden --; shown)
;--- no block: three hyphens
exten => 3,1,NoOp(${IF($["${X}" = "(" ]?a:b)},c)
[ODD](+)
exten => 4,1,NoOp(added, whatever the case)
exten => _[5-7]X.,1,noop(a pattern)
#tryinclude <dialplan/not-there.conf>
#include "dialplan/odd-more.conf"
exten => 8,1,NoOp(behind the include: still odd)
[odd-last](odd-base,odd)
exten => 10,1,NoOp
"""
MORE = """\
exten => 9,1,NoOp(first of the included)
[odd-more]
exten => s,1,NoOp(x)
[odd-more]
exten => t,1,NoOp(the same context again)
"""


def test_an_odd_dialplan_is_read_as_asterisk_reads_it(tmp_path: Path) -> None:
    sources = tmp_path / "sources"
    for name in ("asterisk-config", "dialplan"):
        shutil.copytree(SOURCES / name, sources / name)
    (sources / "dialplan" / "odd.conf").write_text(ODD)
    (sources / "dialplan" / "odd-more.conf").write_text(MORE)
    plan = sources / "asterisk-config" / "extensions.conf"
    plan.write_text(plan.read_text() + '#include "dialplan/odd.conf"\n')
    with start_test_pbx(tmp_path, sources=sources, sounds=False) as pbx:
        seen = asyncio.run(loaded.look(pbx.layout, "127.0.0.1", pbx.ports.ami, pbx.secrets["service"]))
        found = [problem for problem in loaded.check(pbx.layout.etc, seen, "pbx1") if problem.id == "loaded-dialplan"]
        said = pbx.console("dialplan show odd")
        read = [p for p in effective.dialplan(pbx.layout.etc).priorities if p.context == "odd"]
    assert found == []
    assert "13. NoOp(thirteen)" in said
    assert (len(read), {p.number for p in read if p.exten == "1"}) == (15, {1, 2, 3, 7, 10, 13})
    assert not [p for p in read if p.app == "Hangup"]


def etc_with(folder: Path, text: str) -> Path:
    (folder / "a.conf").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("[a]\nk=1\nK => 2", ["1", "2"]),
        ("[a]\nk = x\\;y ; z", ["x;y"]),
        ("[a]\nk = 1\nk += 2", ["1 2"]),
        ("[t](!)\nk = 1\n[a](t)\nk = 2", ["1", "2"]),
        ("[a]\nk = 1\n[b]\n[a](+)\nk = 2", ["1", "2"]),
        ("[a]\n;--\nk = 1\n;-- k = 2 --;\n--;\nk = 3", ["3"]),
        ("[a]\nk = 1 ;-- 2 --; 3", ["1  3"]),
        ("[a] ; k\nk = 1", ["1"]),
        ("[a]\nk =", [""]),
    ],
)
def test_settings_are_read_as_asterisk_reads_them(tmp_path: Path, text: str, values: list[str]) -> None:
    found = next(s for s in effective.sections(etc_with(tmp_path, text), "a.conf") if s.name == "a")
    assert [setting.value for setting in found.all("k")] == values


@pytest.mark.parametrize(
    "text",
    [
        "k = 1", "[a\nk = 1", "[a](b)\n", "[a]( !)\n", "[a](+)\n", "[a]\nk", "[a]\n= 1", "[a]\n;-- k = 1",
        "[a]\n--;\nk = 1",
        "[a]\n#includes x", "[a]\n#include", '[a]\n#include "nowhere.conf"', '[a]\n#include "a.conf"', "[a]\n\\[k = 1",
        "[a]\nk = " + "x" * 9000, "[a](+type=x)\n",
    ],
)  # fmt: skip
def test_what_asterisk_would_refuse_or_read_otherwise_is_not_read(tmp_path: Path, text: str) -> None:
    with pytest.raises(effective.Unreadable):
        effective.sections(etc_with(tmp_path, text), "a.conf")


@pytest.mark.parametrize(
    "line",
    ["exten => s", "same => n,NoOp()", "exten => s,nolabel,NoOp()", "exten => s,1,Goto,x", "exten => s,1,No Op()"],
)
def test_a_line_that_is_no_priority_is_not_read(tmp_path: Path, line: str) -> None:
    (tmp_path / "extensions.conf").write_text(f"[a]\n{line}\n")
    with pytest.raises(effective.Unreadable):
        effective.dialplan(tmp_path)
