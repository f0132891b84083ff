"""What a call of `line_model.py` is made of: its channels, and the variables of the caller's."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Leg:
    """A channel of a call."""

    channel: str
    uniqueid: str
    up: bool = False
    bridge: str = ""  #: the bridge that it is in
    told: bool = False  #: something was said of it: who did not hear it knows it from a list alone

    @property
    def bridged(self) -> bool:
        """It hears somebody."""
        return bool(self.bridge)


@dataclass(slots=True)
class Variables:
    """Of the caller's channel, as the snapshot asks for them."""

    step: int = 0
    stage: str = "entry"
    queue_now: str = ""
    centre: str = ""
    listener: str = ""
    listener_channel: str = ""
    connected_at: float | None = None
    step_what: str = ""
    step_detail: str = ""
    waiting_since: float | None = None
    overflowed_at: float | None = None
