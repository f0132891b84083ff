"""Logs: sentences and ids go out; names, numbers, notes and what exceptions quote do not."""

from __future__ import annotations

import ast
import asyncio
import gc
import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import structlog
import uvloop

from service import app, log
from service.settings import Settings

CALL = "3f2b8c1e-0d4a-4b6e-9f10-6399801010ab"


@pytest.fixture
def lines() -> io.StringIO:
    stream = io.StringIO()
    log.configure(level="debug", as_json=True, stream=stream)
    return stream


def _last(stream: io.StringIO) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(stream.getvalue().splitlines()[-1])
    return line


def test_a_sentence_and_its_ids_are_printed(lines: io.StringIO) -> None:
    structlog.get_logger("service.calls").info("a call ended", action="call-ended", call_id=CALL, account_id=12, ms=3.5)
    line = _last(lines)
    assert (line["event"], line["action"], line["call_id"], line["account_id"], line["ms"]) == (
        "a call ended",
        "call-ended",
        CALL,
        12,
        3.5,
    )
    assert (line["level"], line["logger"]) == ("info", "service.calls")
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize(
    "values",
    [
        {"number": "+33639980101"},
        {"caller_number": 33639980101},
        {"notes": "Elle parle de son frère"},
        {"display_name": "Marie"},
        {"anything": "Marie Dupont"},
        {"anything": {"number": "+33639980101"}},
        {"anything": ["0639980101"]},
        {"anything": 33639980101},
        {"detail": "06 39 98 01 01"},
        {"reason": "+33639980101"},
        {"password": "k7mpq"},
        {"token": "abc"},
        {"event": "somebody called from 06.39.98.01.01"},
        {"event": "mail of marie@example.org"},
    ],
    ids=str,
)
def test_personal_data_is_withheld_whatever_its_key(lines: io.StringIO, values: dict[str, Any]) -> None:
    values = {"event": "something happened", **values}
    structlog.get_logger("service").warning(values.pop("event"), **values)
    text = lines.getvalue()
    for secret in ("63998", "39 98", "39.98", "Marie", "marie", "frère", "k7mpq", "abc"):
        assert secret not in text


NAMES = ("Marie Dupont", "Marie Dupont, sa soeur", "marie dupont", "Hélène", "Dupont,Marie", "l'oncle", "Marie\tDupont")


@pytest.mark.parametrize("name", NAMES)
def test_what_people_call_each_other_is_withheld_under_every_key_that_is_shown(lines: io.StringIO, name: str) -> None:
    for key in sorted(log.SHOWN - {"level", "logger", "timestamp"}):
        structlog.get_logger("service").warning("something happened", **{key: name})
        assert (_last(lines)[key], _last(lines)["refused"]) == ("withheld", key), key


@pytest.mark.parametrize(("action", "key"), sorted(log.SEVERAL_WORDS))
@pytest.mark.parametrize("name", ["Marie Dupont", "Marie Dupont, sa soeur", "Hélène et sa soeur"])
def test_where_several_words_are_needed_a_name_is_no_such_word(
    lines: io.StringIO, action: str, key: str, name: str
) -> None:
    structlog.get_logger("service").warning("something happened", action=action, **{key: name})
    assert _last(lines)[key] == "withheld"


@pytest.mark.parametrize(
    ("action", "key", "value"),
    [
        ("drift-mended", "detail", "national PJSIP/l12"),
        ("drift-mended", "detail", "centre-isere national rhone"),
        ("drift-stays", "detail", "ecoute-routes/38"),
        ("drift-stays", "detail", "file"),
        ("proxy-not-named", "detail", "this machine"),
        ("proxy-not-named", "detail", "a private network"),
        ("proxy-not-named", "detail", "the internet"),
        ("loop-failed", "what", "Task exception was never retrieved"),
        ("loop-failed", "what", "Fatal write error on socket transport"),
        ("loop-failed", "task", "_mishaps.<locals>.fail"),
        ("failed", "route", "/api/v1/contacts/{contact_id}"),
        ("alarm-began", "what", "member-storm:PJSIP/l12"),
        ("departure-failed", "interface", "Local/s@overflow-00000001;1"),
    ],
)
def test_what_the_service_tells_of_itself_is_shown(lines: io.StringIO, action: str, key: str, value: str) -> None:
    structlog.get_logger("service").warning("something happened", action=action, **{key: value})
    assert _last(lines)[key] == log.without_personal_data(value)
    assert "refused" not in _last(lines)


def test_a_line_with_a_key_that_nobody_listed_says_so_and_keeps_its_sentence(lines: io.StringIO) -> None:
    structlog.get_logger("service").error("it failed", action="failed", their_name="Marie", size=3, batches="06")
    line = _last(lines)
    assert (line["event"], line["action"], line["refused"]) == ("it failed", "failed", "batches size their_name")
    assert (line["their_name"], line["size"], line["batches"]) == ("withheld", "withheld", "withheld")


def test_a_hash_of_the_audit_trail_is_shown_whole_and_nothing_else_under_its_key(lines: io.StringIO) -> None:
    whole = "0639980101" + "a" * 54
    structlog.get_logger("service").info("the trail reaches to here", hash=whole)
    assert _last(lines)["hash"] == whole
    structlog.get_logger("service").info("the trail reaches to here", hash="0639980101")
    assert _last(lines)["hash"] == "withheld"


@pytest.mark.parametrize("name", ["master-12345678.key", "master-0639980a.key"])
def test_the_name_of_a_key_file_is_shown_whole_and_nothing_that_only_looks_like_it(
    lines: io.StringIO, name: str
) -> None:
    structlog.get_logger("service").error("a key is missing", detail=name)
    assert _last(lines)["detail"] == name
    structlog.get_logger("service").error("a key is missing", detail="master-0639980101.key")
    assert _last(lines)["detail"] == "master-….key"


_LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
_OUR_CODE = [file for room in ("service", "pbx") for file in Path(room).rglob("*.py") if "frontend" not in file.parts]


def log_calls(source: str) -> list[ast.Call]:
    """Calls of a logger: by our convention it is called `log` or `_log`."""
    return [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _LEVELS
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in {"log", "_log", "logger", "_logger"}
    ]


def faults_of(call: ast.Call) -> list[str]:
    """What a log call must not have: a key that is not listed, a text beside its sentence, a sentence put together."""
    allowed = log.SHOWN | log.FIGURES | {"hash", "exc_info"}
    faults = [str(keyword.arg) for keyword in call.keywords if keyword.arg not in allowed]
    for keyword in call.keywords:
        if isinstance(keyword.value, ast.JoinedStr) or (isinstance(keyword.value, ast.Constant) and keyword.arg):
            parts = keyword.value.values if isinstance(keyword.value, ast.JoinedStr) else [keyword.value]
            if any(isinstance(part, ast.Constant) and " " in str(part.value) for part in parts):
                faults.append(f"{keyword.arg} is a text")
    sentence = call.args[0] if call.args else None
    if not (isinstance(sentence, ast.Constant) and isinstance(sentence.value, str)):
        faults.append("its sentence is not written out")
    return faults


def test_every_log_call_of_the_source_uses_listed_keys_and_a_written_sentence() -> None:
    found = {f"{file}:{call.lineno}": faults_of(call) for file in _OUR_CODE for call in log_calls(file.read_text())}
    assert len(found) > 20
    assert {place: faults for place, faults in found.items() if faults} == {}


@pytest.mark.parametrize(
    "source",
    [
        '_log.info("a call", caller_number=number)',
        '_log.info(f"a call of {number}")',
        "_log.info(sentence)",
        '_log.warning("a call", **everything)',
        'log.error("%s called" % number)',
    ],
)
def test_a_seeded_log_call_that_could_tell_is_found(source: str) -> None:
    (call,) = log_calls(source)
    assert faults_of(call)


def test_an_exception_shows_its_class_and_place_and_not_what_it_quotes(lines: io.StringIO) -> None:
    def inner() -> None:
        raise ValueError("could not parse +33639980101 of Marie")

    try:
        try:
            inner()
        except ValueError as error:
            raise RuntimeError("Marie again") from error
    except RuntimeError:
        structlog.get_logger("service").exception("it failed", action="failed")
    text = lines.getvalue()
    assert "builtins.RuntimeError" in text
    assert "builtins.ValueError" in text
    assert "test_log.py" in text
    assert "Marie" not in text
    assert "63998" not in text


def test_another_library_s_line_loses_what_would_be_filled_in(lines: io.StringIO) -> None:
    logging.getLogger("aiohttp.server").error("Error handling request from %s: %r", "192.0.2.7", {"text": "Marie"})
    text = lines.getvalue()
    assert "Error handling request" in text
    assert "192.0.2" not in text
    assert "Marie" not in text


def test_another_library_s_exception_is_cleaned_too(lines: io.StringIO) -> None:
    try:
        {"a": 1}.pop("Marie")
    except KeyError:
        logging.getLogger("asyncio").exception("Task exception was never retrieved")
    text = lines.getvalue()
    assert "builtins.KeyError" in text
    assert "Marie" not in text


def test_who_asked_for_what_is_not_logged_by_the_web_server(lines: io.StringIO) -> None:
    logging.getLogger("aiohttp.access").info("192.0.2.7 GET /api/v1/contacts/7")
    assert lines.getvalue() == ""


def test_the_readable_form_is_as_discreet(lines: io.StringIO) -> None:
    stream = io.StringIO()
    log.configure(stream=stream)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            int("Marie")
        except ValueError:
            structlog.get_logger("service").exception("it failed", number="+33639980101", call_id=CALL)
    text = stream.getvalue()
    assert CALL in text
    assert "ValueError" in text
    assert "Marie" not in text
    assert "63998" not in text.replace(CALL, "")


def test_a_line_that_cannot_be_put_together_quotes_nothing(
    lines: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    logging.getLogger("pbx.link").warning("from %s came %d", "pbx1", 33639980101)
    logging.getLogger("pbx.link").warning("from %s came %d so far", "pbx1", 3)
    said = lines.getvalue() + "".join(capfd.readouterr())
    assert "from pbx1 came 3 so far" in said
    assert not [secret for secret in ("63998", "Traceback") if secret in said]


def test_a_line_that_cannot_be_written_quotes_nothing(
    lines: io.StringIO, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> str:
        raise RuntimeError("Marie")

    monkeypatch.setattr(logging.getLogger().handlers[0], "format", broken)
    logging.getLogger("pbx.link").warning("from %s", "+33639980101")
    said = lines.getvalue() + "".join(capfd.readouterr())
    assert "could not be written" in said
    assert not [secret for secret in ("63998", "Marie") if secret in said]


def test_an_error_that_nobody_caught_quotes_nothing(lines: io.StringIO, capfd: pytest.CaptureFixture[str]) -> None:
    thread = threading.Thread(target=lambda: int("+33639980101 of Marie"))
    thread.start()
    thread.join()
    try:
        int("Marie")
    except ValueError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    said = lines.getvalue() + "".join(capfd.readouterr())
    assert said.count("builtins.ValueError") == 2
    assert not [secret for secret in ("63998", "Marie") if secret in said]


def test_our_own_packages_lines_name_the_pbx_but_fill_in_no_number(lines: io.StringIO) -> None:
    logging.getLogger("pbx.link").warning("the PBX %s did not answer: %s", "pbx1", "call of +33639980001")
    logging.getLogger("elsewhere").warning("the PBX %s did not answer", "pbx2")
    said = lines.getvalue()
    assert "the PBX pbx1 did not answer" in said
    assert "39980001" not in said
    assert "pbx2" not in said


RUNNERS: list[Callable[[Coroutine[Any, Any, None]], None]] = [asyncio.run, uvloop.run]


async def _mishaps() -> None:
    """What fails where nobody waits for it: a task that nobody asks for its end, a callback, a task that is dropped."""

    async def fail() -> None:
        raise ValueError("Jeanne Martin, 06 39 98 01 01")

    def callback(name: str) -> None:
        raise KeyError(name)

    forgotten = asyncio.ensure_future(fail())
    asyncio.get_running_loop().call_soon(callback, "Jeanne Martin")
    await asyncio.wait([forgotten])
    del forgotten
    gc.collect()
    await asyncio.sleep(0)


@pytest.mark.parametrize("run", RUNNERS, ids=["asyncio", "uvloop"])
def test_what_fails_where_nobody_waits_for_it_is_told_with_its_place_and_quotes_nothing(
    lines: io.StringIO, capfd: pytest.CaptureFixture[str], run: Callable[[Coroutine[Any, Any, None]], None]
) -> None:
    run(_mishaps())
    said = lines.getvalue() + "".join(capfd.readouterr())
    assert "Task exception was never retrieved" in said
    assert "Exception in callback" in said
    assert {"builtins.ValueError", "builtins.KeyError"} <= set(said.replace('"', " ").replace("\\n", " ").split())
    assert not [secret for secret in ("Jeanne", "Martin", "39 98") if secret in said]


@pytest.mark.parametrize("run", RUNNERS, ids=["asyncio", "uvloop"])
def test_the_service_tells_of_its_own_loop_which_task_failed_and_quotes_nothing(
    lines: io.StringIO,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    run: Callable[[Coroutine[Any, Any, None]], None],
) -> None:
    class Running:
        def stop(self) -> None: ...

        async def run(self, _ready: object) -> None:
            await _mishaps()

    async def build(_settings: Settings, **_: object) -> Running:
        return Running()

    monkeypatch.setattr(app, "build", build)
    monkeypatch.setattr(app, "come_first", lambda: None)
    run(app.serve(Settings()))
    said = lines.getvalue() + "".join(capfd.readouterr())
    told = [json.loads(line) for line in lines.getvalue().splitlines()]
    failed = [line for line in told if line.get("action") == "loop-failed"]
    assert {line["what"].split(" callback")[0] for line in failed} == {
        "Task exception was never retrieved",
        "Exception in",
    }
    assert "_mishaps.<locals>.fail" in {line["task"] for line in failed}
    assert all("exception" in line and "refused" not in line for line in failed)
    assert not [secret for secret in ("Jeanne", "Martin", "39 98") if secret in said]
