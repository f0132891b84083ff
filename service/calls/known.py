"""What is known about a caller before anybody speaks: kept in memory while the call lives. Pure.

A number used before is not a person identified: this opens nothing by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

NumberSeen = Literal["known", "unknown", "anonymous"]


@dataclass(frozen=True, slots=True)
class KnownCaller:
    """`shielded`: the accused may use this number; nothing is shown or decided by it until the listener confirms.

    `departments`: of the cases found. `shown`: JSON values for the listener's page, as `KnownOut` of the API.
    """

    number: NumberSeen
    shielded: bool = False
    departments: frozenset[str] = frozenset()
    shown: Mapping[str, Any] = field(default_factory=dict)
