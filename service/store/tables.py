"""All tables: the `model.py` of every feature, found by name, so that a new feature's tables are never forgotten."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from sqlalchemy import MetaData

from service.store.base import Base

_SERVICE = Path(__file__).resolve().parent.parent


def metadata() -> MetaData:
    """The schema as the code has it: every `service/<feature>/model.py` that holds tables is imported."""
    for file in sorted(_SERVICE.glob("*/model.py")):
        import_module(f"service.{file.parent.name}.model")
    return Base.metadata
