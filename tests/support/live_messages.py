"""Live messages held against the published description, as a program that was written from it would read them."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from openapi_schema_validator import OAS31Validator
from pydantic import ValidationError

from service.http.openapi import describe
from service.push.routes import routes
from service.push.schemas import LiveMessage


@cache
def _validator() -> Any:
    described = describe([routes])
    return OAS31Validator({"$ref": "#/components/schemas/LiveMessage", "components": described["components"]})


def unfit_for_the_description(text: str) -> list[str]:
    """Where a message is not as described: by the JSON schema alone, and by the models (which know instants)."""
    places = [f"{error.json_path}: {error.validator}" for error in _validator().iter_errors(json.loads(text))]
    try:
        LiveMessage.model_validate_json(text)
    except ValidationError as error:
        places += [f"{one['loc']}: {one['type']}" for one in error.errors(include_input=False)]
    return places
