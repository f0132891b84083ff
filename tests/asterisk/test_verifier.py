"""The static proof that nothing ends, limits or records a call: each seeded violation is seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from pbx import site, verifier
from pbx.layout import Layout
from pbx.phones import PhoneAccount, write_accounts


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """The shipped files with generated ones, as a PBX loads them."""
    layout = Layout.of(tmp_path, "pbx1")
    config = site.SiteConfig(
        pbx="pbx1",
        numbers={"3133": "+33199003133"},
        trunk=site.TrunkByAddress(addresses=("192.0.2.10",)),
        centres=("centre-38",),
    )
    site.write(config, layout)
    write_accounts(layout.phones, [PhoneAccount("l1", "secret", "browser"), PhoneAccount("l2", "secret", "sip")])
    return layout.etc


def test_the_shipped_files_and_our_code_pass(etc: Path) -> None:
    assert verifier.check(etc, [Path("pbx"), Path("service")]) == []


QUEUE = "Queue(national,ciIb(member^s^1),,,${ROUND},,connected)"
RING = "Dial(${LISTENER},${LEFT},giImb(member^s^1)U(connected))"
SEEDS = [
    ("dialplan/entry.conf", "Playback(welcome)", "Set(TIMEOUT(absolute)=360)", "timeout"),
    ("dialplan/entry.conf", "Playback(welcome)", "Set(TIMEOUT(digit)=1)", "timeout"),
    ("dialplan/entry.conf", "Playback(welcome)", "MixMonitor(x.wav)", "records"),
    ("dialplan/entry.conf", "Playback(welcome)", "Record(x.wav)", "records"),
    ("dialplan/entry.conf", "Playback(welcome)", "Monitor(wav,x)", "records"),
    ("dialplan/entry.conf", "Playback(welcome)", "System(rm x)", "records"),
    ("dialplan/entry.conf", "Playback(welcome)", "Hangup()", "hangup"),
    ("dialplan/entry.conf", "Playback(welcome)", "ExecIf($[1]?Hangup(16))", "hangup"),
    ("dialplan/entry.conf", "Playback(welcome)", "Congestion()", "application-unknown"),
    ("dialplan/entry.conf", "Playback(welcome)", "RetryDial(x)", "application-unknown"),
    ("dialplan/entry.conf", "Playback(welcome)", "Background(welcome)", "application-unknown"),
    ("dialplan/entry.conf", "Playback(welcome)", "Goto(nowhere,s,1)", "no-such-target"),
    ("dialplan/entry.conf", "Playback(welcome)", "Gosub(step,t,1)", "no-such-target"),
    ("dialplan/entry.conf", "Playback(welcome)", "GotoIf($[1]?nowhere)", "no-such-target"),
    ("dialplan/entry.conf", "Playback(welcome)", "Set(X=${SHELL(ls)})", "function-unknown"),
    ("dialplan/entry.conf", "Playback(welcome)", "Dial(PJSIP/x,30,g)", "dial-from-here"),
    ("dialplan/entry.conf", "Playback(welcome)", "Set(LIMIT_PLAYAUDIO_CALLER=yes)", "limits"),
    ("dialplan/entry.conf", "; Who enters: Goto from `from-trunk`", "; Goto from `from-trunk`", "context-header"),
    ("dialplan/waiting.conf", QUEUE, QUEUE.replace("ciI", "ciIh"), "queue-option"),
    ("dialplan/waiting.conf", QUEUE, QUEUE.replace("ciI", "ciIH"), "queue-option"),
    ("dialplan/waiting.conf", QUEUE, QUEUE.replace("ciI", "ciIn"), "queue-option"),
    ("dialplan/waiting.conf", QUEUE, QUEUE.replace("ciI", "ciIx"), "queue-option"),
    ("dialplan/waiting.conf", QUEUE, QUEUE.replace("ciI", "iI"), "queue-without-c"),
    ("dialplan/waiting.conf", QUEUE, QUEUE.replace(",connected", ",nowhere"), "no-such-target"),
    ("dialplan/waiting.conf", QUEUE, QUEUE.replace("member^s^1", "nobody^s^1"), "no-such-target"),
    ("dialplan/waiting.conf", QUEUE, f"{QUEUE}\n same => n,Hangup()", "queue-leads-nowhere"),
    ("dialplan/waiting.conf", "Set(QUEUE_PRIO=", "Set(QUEUE_PRIORITY=", "queue-without-rank"),
    ("dialplan/waiting.conf", "exten => status-WITHDRAW,1", "exten => status-GONE,1", "queue-status-unhandled"),
    ("dialplan/waiting.conf", "exten => status-LEAVEEMPTY,1,Goto(again,1)", "", "queue-status-unhandled"),
    ("dialplan/waiting.conf", "exten => status-FULL,1,Goto(again,1)", "exten => status-FULL,1,Hangup()", "hangup"),
    ("dialplan/listener.conf", RING, RING.replace("giI", "giIL(360000)"), "dial-option"),
    ("dialplan/listener.conf", RING, RING.replace("giI", "giIS(360)"), "dial-option"),
    ("dialplan/listener.conf", RING, RING.replace("giI", "giIh"), "dial-option"),
    ("dialplan/listener.conf", RING, RING.replace("giI", "iI"), "dial-without-g"),
    ("dialplan/guard.conf", "ended,s,1", "gone,s,1", "no-such-target"),
    ("extensions.conf", '#include "dialplan/overflow.conf"', "", "no-such-target"),
    ("extensions.conf", '#include "dialplan/overflow.conf"', '#include "dialplan/over.conf"', "unreadable"),
    ("generated/hours.conf", "Set(OPEN=1)", "Hangup()", "hangup"),
    ("queues.conf", "joinempty = yes", "joinempty = no", "queue-setting"),
    ("queues.conf", "leavewhenempty = no", "leavewhenempty = yes", "queue-setting"),
    ("queues.conf", "maxlen = 0", "maxlen = 10", "queue-setting"),
    ("queues.conf", "autopause = no", "autopause = all", "queue-setting"),
    ("queues.conf", "ringinuse = no", "", "queue-setting"),
    ("queues.conf", "wrapuptime = 0", "wrapuptime = 60", "queue-setting"),
    ("queues.conf", "timeoutpriority = conf", "timeoutpriority = app", "queue-setting"),
    ("queues.conf", "force_longest_waiting_caller = no", "force_longest_waiting_caller = yes", "queue-setting"),
    ("queues.conf", "persistentmembers = yes", "persistentmembers = no", "queue-setting"),
    ("queues.conf", "autofill = yes", "autofill = no", "queue-setting"),
    ("queues.conf", "retry = 1", "retry = 1\ncontext = keys", "queue-setting-unknown"),
    ("queues.conf", "retry = 1", "retry = 1\nmonitor-format = wav", "queue-setting-unknown"),
    ("generated/queues.conf", "[centre-38](centre)", "[centre-38](centre)\nmaxlen = 3", "queue-setting"),
    ("pjsip.conf", "rtp_timeout = 0", "rtp_timeout = 30", "endpoint-setting"),
    ("pjsip.conf", "rtp_timeout = 3", "rtp_timeout = 0", "endpoint-setting"),
    ("pjsip.conf", "timers = no", "timers = yes", "endpoint-setting"),
    ("pjsip.conf", "timers = yes", "timers = no", "endpoint-setting"),
    ("pjsip.conf", "direct_media = no", "direct_media = yes", "endpoint-setting"),
    ("pjsip.conf", "send_pai = no", "send_pai = yes", "endpoint-setting"),
    ("pjsip.conf", "allow = alaw,g722", "allow = alaw", "endpoint-setting"),
    ("pjsip.conf", "context = from-trunk", "context = listeners", "endpoint-setting"),
    ("pjsip.conf", "webrtc = yes", "webrtc = yes\none_touch_recording = yes", "records"),
    ("pjsip.conf", "max_contacts = 1", "max_contacts = 5", "aor-setting"),
    ("pjsip.conf", "qualify_frequency = 5", "qualify_frequency = 0", "aor-setting"),
    ("pjsip.conf", "taskprocessor_overload_trigger = pjsip_only", "", "global-setting"),
    ("generated/pjsip_transports.conf", "tcp_keepalive_enable = yes", "", "transport-setting"),
    ("generated/pjsip_transports.conf", "allow_reload = no", "allow_reload = yes", "transport-setting"),
    ("http.conf", "sessionlimit = 1500", "sessionlimit = 100", "http-setting"),
    ("features.conf", "[featuremap]", "[featuremap]\ndisconnect => *", "key-feature"),
    ("features.conf", "[featuremap]", "[featuremap]\nautomixmon => *3", "key-feature"),
    ("features.conf", "atxferdropcall = no", "atxferdropcall = yes", "feature-setting"),
    ("modules.conf", "autoload = no", "autoload = yes", "modules-setting"),
    ("modules.conf", "load = app_read.so", "load = app_read.so\nload = app_mixmonitor.so", "module-refused"),
    ("modules.conf", "load = app_read.so", "load = app_read.so\nload = res_parking.so", "module-refused"),
    ("modules.conf", "load = app_queue.so", "", "application-not-loaded"),
    ("modules.conf", "load = func_devstate.so", "", "function-not-loaded"),
    ("cdr.conf", "enable = no", "enable = yes", "numbers-in-clear"),
    ("cel_custom.conf", "EventTime,", "EventTime,CallerIDnum,", "numbers-in-clear"),
    ("logger.conf", "warning,error", "notice,warning,error", "numbers-in-clear"),
    ("manager.conf", "write = system", "write = system,command", "manager-rights"),
    ("manager.conf", "write = call,agent,originate,reporting", "write = all", "manager-rights"),
    ("manager.conf", "webenabled = no", "webenabled = yes", "manager-setting"),
]


@pytest.mark.parametrize(("file", "old", "new", "finding"), SEEDS, ids=[f"{s[0]}: {s[2] or s[1]}" for s in SEEDS])
def test_every_seeded_violation_is_seen_with_its_place(etc: Path, file: str, old: str, new: str, finding: str) -> None:
    path = etc / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    found = verifier.check(etc)
    assert finding in {problem.id for problem in found}, found
    assert all(problem.mend and problem.sentence for problem in found)
    place = next(problem for problem in found if problem.id == finding)
    assert (etc / place.file).exists()
    assert 1 <= place.line <= len((etc / place.file).read_text().splitlines())


@pytest.mark.parametrize("option", ["maxcalls = 100", "maxload = 2.0", "minmemfree = 100", "live_dangerously = yes"])
def test_a_pbx_that_refuses_callers_or_is_open_is_seen(etc: Path, option: str) -> None:
    (etc / "asterisk.conf").write_text(f"[options]\n{option}\n")
    assert {problem.id for problem in verifier.check(etc)} <= {"refuses-calls", "dangerous"}
    assert verifier.check(etc)


@pytest.mark.parametrize("action", ["AbsoluteTimeout", "BridgeDestroy", "MixMonitor", "Command", "Park", "Redirect"])
def test_an_action_of_the_manager_interface_that_may_cut_a_call_is_seen_in_our_code(
    etc: Path, tmp_path: Path, action: str
) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "anywhere.py").write_text(f'send({{"Action": "{action}", "Channel": "x"}})\n')
    assert [problem.id for problem in verifier.check(etc, [code])] == ["ami-action"]


def test_a_policy_that_allows_recording_is_a_finding_while_nothing_enforces_it(etc: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("recording = true\nallowed_contexts = []\n")
    assert [problem.id for problem in verifier.check(etc, policy=policy)] == ["records"]
