"""What may be kept of a recording: the same always becomes the same, and what was forgotten is found."""

from __future__ import annotations

import pytest

from tests.replay.scrub import leaks, scrub

CALL = "0b6f8a1e-6a3b-4c55-9f0e-2f3f1f6f7a10"
BRIDGE = "7d3c1f2a-1111-4222-8333-944445555666"
RAW = (
    "Asterisk Call Manager/11.0.0\r\n"
    "Response: Success\r\nActionID: Ping/871\r\nPing: Pong\r\nTimestamp: 1795310694.658936\r\n\r\n"
    "Response: Success\r\nActionID: CoreStatus/872\r\nCoreStartupDate: 2026-11-22\r\nCoreStartupTime: 01:24:50\r\n\r\n"
    f"Event: UserEvent\r\nTimestamp: 1795310695.100000\r\nSystemName: attic\r\nChannel: PJSIP/trunk-0000002a\r\n"
    f"CallerIDNum: {CALL}\r\nCallerIDName: Madame Exemple\r\nUniqueid: attic-1795310694.7\r\n"
    f"ChanVariable: CALL_ID={CALL}\r\nUserEvent: CallStep\r\nCallId: {CALL}\r\nStep: 1\r\nWhat: entered\r\n"
    "Detail: k9.2ff66b153b44de94.0S6bz8/cPL3UhgCJP6iVOw== +33000000001 1795310694\r\n\r\n"
    f"Event: BridgeEnter\r\nBridgeUniqueid: {BRIDGE}\r\nChanVariable: CALL_ID={CALL}\r\n\r\n"
    "Event: QueueEntry\r\nQueue: national\r\nPriority: 352172953\r\nCallerIDNum: 0000000002\r\n\r\n"
    "Event: ContactStatus\r\nURI: sip:l1@10.1.2.3:60152\r\nRoundtripUsec: 271\r\n\r\n"
    "Event: ContactList\r\nObjectName: l1;@7292cc8370ab604332c5c964361e0556\r\nUri: sip:l1@10.1.2.3:60152\r\n\r\n"
    "Event: QueueMember\r\nMemberName: Camille Exemple\r\nInterface: PJSIP/l1\r\nLoginTime: 1795310600\r\n\r\n"
).encode()


def test_everything_of_a_person_a_machine_and_a_moment_is_replaced() -> None:
    text = scrub(RAW).decode()
    for mark in (CALL, BRIDGE, "Exemple", "attic", "10.1.2.3", "60152", "1795310", "0000000002", "33000000001", "7292"):
        assert mark not in text
    assert text.count("CALL_ID=ca110000-0000-4000-8000-000000000001") == 2
    assert "CallId: ca110000-0000-4000-8000-000000000001\r\n" in text
    assert "Timestamp: 1767268800.658936\r\n" in text
    assert "Uniqueid: pbx1-1767268800.7\r\n" in text
    assert "CoreStartupDate: 2026-01-01\r\nCoreStartupTime:" in text
    assert "Detail: k1.nonce-1.number-1 +33639980001 1767268800\r\n" in text
    assert "sip:l1@192.0.2.1:5061\r\n" in text
    assert "MemberName: l1\r\nInterface: PJSIP/l1\r\nLoginTime: 1767268706\r\n" in text
    assert f"Priority: {2**31 - 1 - 1767268800}\r\n" in text
    assert "ActionID: Ping/1\r\n" in text
    assert "ActionID: CoreStatus/2\r\n" in text


def test_scrubbing_is_the_same_every_time_and_twice_is_once() -> None:
    once = scrub(RAW)
    assert scrub(RAW) == once
    assert scrub(once) == once
    assert len(once.split(b"\r\n")) == len(RAW.split(b"\r\n"))


def test_what_was_scrubbed_passes_and_what_was_not_is_found() -> None:
    marks = ("Exemple", "attic")
    assert leaks(scrub(RAW).decode(), marks) == []
    assert len(leaks(RAW.decode(), marks)) > 15


@pytest.mark.parametrize(
    "line",
    [
        "CallerIDNum: +33000000001",
        "CallerIDNum: 0000000002",
        "CallerIDNum: 33000000001",
        "CallerIDName: Madame Exemple",
        "URI: sip:l1@10.1.2.3:5061",
        "ViaAddr: 198.51.100.7",
        "ViaAddr: 2001:db8:0:1::7",
        "URI: sip:l1@attic.lan",
        "Secret: hunter2",
        "Detail: k1.2ff66b153b44de94.0S6bz8/cPL3UhgCJP6iVOw==",
        f"CallId: {CALL}",
        "Timestamp: 1795310694.658936",
        "Priority: 352172953",
        "ObjectName: l1;@7292cc8370ab604332c5c964361e0556",
    ],
)
def test_each_thing_that_may_not_be_kept_is_found(line: str) -> None:
    clean = scrub(RAW).decode()
    assert leaks(clean, ("Exemple",)) == []
    assert leaks(f"{clean}Event: Planted\r\n{line}\r\n\r\n", ("Exemple",))
