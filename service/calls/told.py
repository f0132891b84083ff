"""A fact of a call as it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Told:
    """A stored fact: `what` of `fold.WHAT`, `detail` its own fields."""

    what: str
    ordinal: int
    at: datetime
    detail: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, int]:
        """Within one call of one PBX."""
        return self.what, self.ordinal
