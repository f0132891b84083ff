"""The table of panoramisk's failures: for each row the stock classes fail, and ours hold."""

from __future__ import annotations

import inspect

import pytest

from tests.unit.pbx.panoramisk_failures import answers, connection, frames, handlers, table, unused
from tests.unit.pbx.panoramisk_failures.cases import Case

by_name = pytest.mark.parametrize("row", table.ROWS, ids=lambda row: row.__name__)


@by_name
async def test_stock_fails(row: type[Case]) -> None:
    await row().stock_fails()


@by_name
async def test_ours_holds(row: type[Case]) -> None:
    await row().ours_holds()


def test_every_case_is_a_row() -> None:
    found = {
        case
        for module in (handlers, answers, connection, frames, unused)
        for case in vars(module).values()
        if inspect.isclass(case) and issubclass(case, Case) and case is not Case
    }
    assert found == set(table.ROWS)


def test_the_page_is_current() -> None:
    assert table.PAGE.read_text() == table.page(), (
        "write it: python -m tests.unit.pbx.panoramisk_failures.table --write"
    )
