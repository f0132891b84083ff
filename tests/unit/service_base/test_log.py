"""Logs: sentences and ids go out; names, numbers, notes and what exceptions quote do not."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from service import log

CALL = "3f2b8c1e-0d4a-4b6e-9f10-6399801010ab"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level, structlog.get_config())
    stream = io.StringIO()
    log.configure(level="debug", as_json=True, stream=stream)
    yield stream
    root.handlers[:], config = before[0], before[2]
    root.setLevel(before[1])
    structlog.configure(**config)


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


def test_our_own_packages_lines_name_the_pbx_but_fill_in_no_number(lines: io.StringIO) -> None:
    logging.getLogger("pbx.link").warning("the PBX %s did not answer: %s", "pbx1", "call of +33639980001")
    logging.getLogger("elsewhere").warning("the PBX %s did not answer", "pbx2")
    said = lines.getvalue()
    assert "the PBX pbx1 did not answer" in said
    assert "39980001" not in said
    assert "pbx2" not in said
