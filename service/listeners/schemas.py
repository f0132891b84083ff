"""What travels between a listener's page and us."""

from __future__ import annotations

from service.http.fields import Word
from service.http.routing import Wire, example


class PhoneOut(Wire):
    """For the browser phone: it registers straight at the PBX. The password holds as long as the session, `session`."""

    endpoint: str
    sip_uri: str
    password: str
    websocket_url: str
    session: int


class Requested(Wire):
    """Asked of the PBX; the page changes when the PBX's event comes back."""

    requested: bool = True


class PauseIn(Wire):
    """`reason`: a key of Me.pause_reasons."""

    model_config = example(reason="breathing-space")

    reason: Word
