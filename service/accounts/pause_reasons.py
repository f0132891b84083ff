"""Why a listener pauses. Data, not code: the keys travel to the PBX, the labels to the page.

Never asked for an explanation; `breathing-space` is in no figure at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class PauseReason:
    """`counted`: whether team figures may count it."""

    key: str
    label_fr: str
    label_en: str
    counted: bool = True


PAUSE_REASONS: Final = (
    PauseReason(key="breathing-space", label_fr="Respiration", label_en="Breathing space", counted=False),
    PauseReason(key="break", label_fr="Pause", label_en="Break"),
    PauseReason(key="meal", label_fr="Repas", label_en="Meal"),
    PauseReason(key="meeting", label_fr="Réunion", label_en="Meeting"),
    PauseReason(key="training", label_fr="Formation", label_en="Training"),
    PauseReason(key="other-work", label_fr="Autre tâche", label_en="Other work"),
)
