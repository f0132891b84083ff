"""The faults there are. One list: what is in it is drawn, unless it cuts calls or needs what is not there."""

from __future__ import annotations

from collections.abc import Sequence

from tests.faults.injector import Injector, Need
from tests.faults.of_pbx import AsteriskFrozen, AsteriskKilled, CoreReload, QueueReload
from tests.faults.of_people import CentreFails, ListenerKilled, ListenersLeave, PhonesReconnect
from tests.faults.of_service import (
    AmiHalfOpen,
    Held,
    ServiceFrozen,
    ServiceKilled,
    ServiceStopped,
    SipFlooded,
    StoreFull,
)
from tests.faults.tools.limits import few_descriptors
from tests.faults.tools.locked_sqlite import locked_for_all, locked_for_writing
from tests.faults.tools.sip_flood import bad_register, options


def all_faults() -> Sequence[Injector]:
    """A new one of each: they remember what they broke."""
    return (
        ServiceKilled(),
        ServiceStopped(),
        ServiceFrozen(),
        Held("ami-reset", 0.7, "connected again; no action twice", lambda line: line.proxy.refusing()),
        Held("ami-slow", 8.0, "no action twice", lambda line: line.proxy.slower(delay=0.5)),
        AmiHalfOpen(),
        Held("ami-lossy", 8.0, "no action twice", lambda line: line.proxy.lossy(5), Need.NAMESPACE),
        Held(
            "store-locked",
            7.5,
            "calls flow; what was acknowledged is there",
            lambda line: locked_for_writing(line.store_file),
        ),
        Held(
            "store-closed",
            5.0,
            "calls flow with a store that cannot even be read",
            lambda line: locked_for_all(line.store_file),
        ),
        StoreFull(),
        Held(
            "descriptors-exhausted",
            5.0,
            "the service refuses visibly, and recovers",
            lambda line: few_descriptors(line.service_pid),
        ),
        SipFlooded("options-flood", options, 1000),
        SipFlooded("bad-registers", bad_register, 100),
        AsteriskFrozen(),
        CoreReload(),
        QueueReload(),
        ListenerKilled(),
        ListenersLeave(),
        PhonesReconnect(),
        CentreFails("centre-refuses", tries=3.0, status="503 Service Unavailable"),
        CentreFails("centre-silent", tries=7.0, ring=600.0),
        CentreFails("centre-machine", tries=9.0),
        AsteriskKilled(),
    )
