"""What any route takes in: nothing that a database cannot hold, whatever field somebody adds."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, ValidationError

from service.app import ROUTE_TABLES
from service.http.routing import all_routes

#: never in the database as it is: sealed, or hashed
_NOT_STORED_AS_IT_IS: Final = {
    *(f"{model}.password" for model in ("NewCodesIn", "OwnPasswordIn", "SignInIn")),
    *(f"{model}.code" for model in ("CodeIn", "NewCodesIn", "SignInIn")),
    *("NamesIn.caller", "NamesIn.person_concerned", "NotesIn.text", "SearchIn.name"),
}


def _takes(value: Any) -> set[str]:
    """Fields of bodies and queries that this value fits."""
    models = {model for route in all_routes(ROUTE_TABLES) for model in (route.body, route.query)}
    return {f"{model.__name__}.{name}" for model in models for name in model.model_fields if _fits(model, name, value)}


def _fits(model: type[BaseModel], name: str, value: Any) -> bool:
    try:
        model.model_validate({name: value})
    except ValidationError as error:
        return all(found["loc"] != (name,) for found in error.errors())
    return True


def test_no_text_with_a_nul_reaches_the_database_and_nothing_that_is_sealed_is_refused_for_one() -> None:
    assert _takes("a\0bcdef") == _NOT_STORED_AS_IT_IS


def test_no_number_is_larger_or_smaller_than_a_row_s_may_be() -> None:
    assert _takes(2**63) == set()
    assert _takes(-(2**63) - 1) == set()


def test_no_instant_is_so_far_off_that_time_zones_have_no_room() -> None:
    for text in ("0001-01-01", "9999-12-31"):
        assert not _takes(text) & {"CallsQuery.since", "SearchIn.opened_from", "SearchIn.opened_to"}
    for text in ("1900-01-01", "2200-12-31"):
        assert _takes(text) >= {"CallsQuery.since", "SearchIn.opened_from", "SearchIn.opened_to"}
