"""SIP phones that hand a caller on: by REFER, alone or after a consultation (Replaces, RFC 3891)."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from tests.support.sipp import HOST, Phone, Sipp
from tests.support.wait import until

_DISCARD = "9"


class TransferringPhone(Phone):
    """Answers after `ring` seconds; `refer` hands its caller on and then waits for the line's BYE."""

    def __init__(self, folder: Path, *, ring: float = 0.2) -> None:
        values = {"RING_MS": str(int(ring * 1000)), "MEDIA_PORT": _DISCARD}
        Sipp.__init__(self, "transfers", values, folder, [])

    def refer(self, target: str) -> None:
        """To `target`, a SIP address: the conversation that goes on."""
        call = until(lambda: self.talks, "the phone is in a conversation")[-1]
        self.tell(call, f"Refer-To: <{target}>")
        until(lambda: self.seen("REFER", status=202), "the line accepts the transfer")


class Consultation(Sipp):
    """A listener's phone dials a colleague and talks, on a leg of its own."""

    def __init__(self, folder: Path, pbx_port: int, user: str, password: str, whom: str) -> None:
        self._whom = f"sip:{whom}@{HOST}:{pbx_port}"
        arguments = ["-s", whom, "-m", "1", f"{HOST}:{pbx_port}"]
        super().__init__("consults", {"USER": user, "PASSWORD": password}, folder, arguments)

    def answered(self) -> None:
        """The colleague took the call."""
        until(lambda: self.seen("ACK", ours=True) and self.seen("INVITE", status=200), "the colleague answers")

    def replaced(self) -> str:
        """What a REFER must ask for, to put the caller in the place of this leg (RFC 5589, 7)."""
        answer = until(lambda: self.seen("INVITE", status=200), "the colleague answers")
        to_tag, from_tag = (answer.header(name).rpartition("tag=")[2] for name in ("To", "From"))
        replaces = quote(f"{answer.call};to-tag={to_tag};from-tag={from_tag}", safe="")
        return f"{self._whom}?Replaces={replaces}"

    def leave(self) -> None:
        """Hangs up."""
        self.tell(until(lambda: self.seen("INVITE", status=200), "the colleague answers").call)
