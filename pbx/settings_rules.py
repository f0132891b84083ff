"""What Asterisk's settings must be so that nothing ends, limits or records a call. Each deviation is a finding."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pbx.dialplan_rules import Problem
from pbx.effective import Section

#: Every queue: the value that must be written out (the code's own default differs for some).
QUEUE = {
    "joinempty": "yes", "leavewhenempty": "no", "maxlen": "0", "autopause": "no", "ringinuse": "no", "wrapuptime": "0",
    "timeoutpriority": "conf",
}  # fmt: skip
QUEUE_KNOWN = set(QUEUE) | {
    "strategy", "timeout", "retry", "setinterfacevar", "reportholdtime", "timeoutrestart", "musicclass",
    "announce-holdtime", "announce-round-seconds", "periodic-announce-frequency", "announce-to-first-user",
    "queue-thankyou", "announce-position", "announce-position-limit", "announce-frequency", "min-announce-frequency",
    "queue-youarenext", "queue-thereare", "queue-callswaiting", "queue-quantity1", "queue-quantity2",
}  # fmt: skip
QUEUES_GENERAL = {"autofill": "yes", "persistentmembers": "yes", "force_longest_waiting_caller": "no"}
ENDPOINT = {"direct_media": "no", "send_pai": "no", "send_rpid": "no", "allow_transfer": "no"}
TRUNK = {
    "rtp_timeout": "0", "rtp_timeout_hold": "0", "timers": "yes", "trust_id_outbound": "no", "dtmf_mode": "rfc4733",
    "allow": "alaw,g722", "context": "from-trunk",
}  # fmt: skip
BROWSER = {"timers": "no", "allow": "opus,alaw", "context": "listeners"}
SIP_PHONE = {"rtp_timeout": "0", "rtp_timeout_hold": "0", "context": "listeners"}
RECORDING_MODULES = {
    "app_mixmonitor", "app_record", "app_voicemail", "app_minivm", "app_dictate", "app_chanspy", "res_stasis_recording",
    "res_monitor", "app_audiosocket", "res_parking", "func_timeout", "app_confbridge", "app_externalivr", "res_agi",
}  # fmt: skip
_RIGHTS = {"service": {"call", "agent", "originate", "reporting"}, "provision": {"system"}}


def queues(found: list[Section]) -> Iterator[Problem]:
    for section in found:
        if section.name == "general":
            yield from _must(section, QUEUES_GENERAL, "queue-setting")
        elif not section.template:
            yield from _must(section, QUEUE, "queue-setting")
            for setting in section.settings:
                if setting.key not in QUEUE_KNOWN:
                    yield Problem(
                        setting.file,
                        setting.line,
                        "queue-setting-unknown",
                        f"[{section.name}] {setting.key} is not known to keep callers.",
                        "Remove it, or add it to the verifier with its reason.",
                    )


def pjsip(found: list[Section]) -> Iterator[Problem]:
    trunks = {section.value("endpoint") for section in found if section.value("type") == "identify"}
    for section in (s for s in found if not s.template):
        kind = section.value("type")
        if kind == "endpoint":
            yield from _endpoint(section, section.name in trunks)
        elif kind == "aor" and not section.last("contact"):
            yield from _must(section, {"max_contacts": "1", "remove_existing": "yes"}, "aor-setting")
            if not 1 <= _number(section, "qualify_frequency") <= 30:
                yield _at(section, "aor-setting", "qualify_frequency", "1 to 30 seconds")
        elif kind == "transport":
            if section.value("allow_reload") == "yes":
                yield _at(section, "transport-setting", "allow_reload", "no: a reload would cut connections")
            if section.value("protocol") in {"tcp", "tls"}:
                yield from _must(section, {"tcp_keepalive_enable": "yes"}, "transport-setting")
        elif kind == "global" and section.value("taskprocessor_overload_trigger") not in {"pjsip_only", "none"}:
            yield _at(section, "global-setting", "taskprocessor_overload_trigger", "pjsip_only")


def _endpoint(section: Section, trunk: bool) -> Iterator[Problem]:
    yield from _must(section, ENDPOINT, "endpoint-setting")
    if trunk:
        yield from _must(section, TRUNK, "endpoint-setting")
    elif section.value("webrtc") == "yes":
        yield from _must(section, BROWSER, "endpoint-setting")
        if not 1 <= _number(section, "rtp_timeout") <= 3:
            yield _at(section, "endpoint-setting", "rtp_timeout", "1 to 3: the caller is spoken to within 3 s")
    else:
        yield from _must(section, SIP_PHONE, "endpoint-setting")
    for setting in section.settings:
        if setting.key.startswith(("one_touch", "record_o")):
            yield Problem(setting.file, setting.line, "records", f"{setting.key} lets a phone record.", "Remove it.")


def http(found: list[Section]) -> Iterator[Problem]:
    for section in found:
        if _number(section, "sessionlimit") < 1500:
            yield _at(section, "http-setting", "sessionlimit", "1500 or more: it counts the phones' WebSockets")
        yield from _must(section, {"enable_static": "no", "enable_status": "no"}, "http-setting")


def asterisk(found: list[Section]) -> Iterator[Problem]:
    for section in (s for s in found if s.name == "options"):
        for setting in section.settings:
            if setting.key in {"maxcalls", "maxload", "minmemfree"}:
                yield Problem(
                    setting.file, setting.line, "refuses-calls", f"{setting.key} refuses callers.", "Remove the line."
                )
            elif setting.key in {"live_dangerously", "execincludes"} and setting.value not in {"no", "0"}:
                yield _at(section, "dangerous", setting.key, "no")


def rtp(found: list[Section]) -> Iterator[Problem]:
    for section in found:
        if _number(section, "rtpend") - _number(section, "rtpstart") < 400:
            yield _at(section, "rtp-setting", "rtpend", "400 ports above rtpstart at least: four for each call")


def features(found: list[Section]) -> Iterator[Problem]:
    for section in (s for s in found if s.name in {"featuremap", "applicationmap"}):
        for setting in section.settings:
            yield Problem(
                setting.file, setting.line, "key-feature", f"{setting.key} acts on a key pressed.", "Remove the line."
            )
    for section in (s for s in found if s.name == "general"):
        yield from _must(section, {"atxferdropcall": "no"}, "feature-setting")


def modules(found: list[Section]) -> Iterator[Problem]:
    for section in found:
        yield from _must(section, {"autoload": "no"}, "modules-setting")
        for setting in section.settings:
            if setting.key == "load" and setting.value.removesuffix(".so") in RECORDING_MODULES:
                yield Problem(
                    setting.file,
                    setting.line,
                    "module-refused",
                    f"{setting.value} can record, cut or park a call.",
                    "Remove the line; a policy that needs it changes recordings-policy/ first.",
                )


def cdr(found: list[Section]) -> Iterator[Problem]:
    for section in found:
        yield from _must(section, {"enable": "no"}, "numbers-in-clear")


def cel_custom(found: list[Section]) -> Iterator[Problem]:
    harmless = {
        "EventTime", "EventType", "userdeftype", "AccountCode", "UniqueID", "LinkedID", "ChanName", "Exten", "Context",
        "AppName", "Peer", "EventExtra",
    }  # fmt: skip
    for section in found:
        if set(section.value("fields").split(",")) - harmless:
            yield _at(section, "numbers-in-clear", "fields", "columns that cannot carry a number")


def logger(found: list[Section]) -> Iterator[Problem]:
    for section in (s for s in found if s.name == "logfiles"):
        for setting in section.settings:
            if set(setting.value.replace(" ", "").split(",")) - {"warning", "error"}:
                yield Problem(
                    setting.file,
                    setting.line,
                    "numbers-in-clear",
                    f"{setting.key} logs {setting.value}, in which telephone numbers appear.",
                    "Log warning,error only.",
                )


def manager(found: list[Section]) -> Iterator[Problem]:
    for section in found:
        if section.name == "general":
            yield from _must(section, {"webenabled": "no", "channelvars": "CALL_ID"}, "manager-setting")
        elif not section.template:
            rights = {right.strip() for right in section.value("write").split(",") if right.strip()}
            if rights - _RIGHTS.get(section.name, set()):
                yield _at(section, "manager-rights", "write", "no more than the account's task needs")
            if section.value("deny") != "0.0.0.0/0.0.0.0" or not section.last("permit"):
                yield _at(section, "manager-rights", "deny", "0.0.0.0/0.0.0.0, and a permit for what may connect")


FILES: dict[str, Callable[[list[Section]], Iterator[Problem]]] = {
    "queues.conf": queues, "pjsip.conf": pjsip, "http.conf": http, "asterisk.conf": asterisk, "rtp.conf": rtp,
    "features.conf": features, "modules.conf": modules, "cdr.conf": cdr, "cel_custom.conf": cel_custom,
    "logger.conf": logger, "manager.conf": manager,
}  # fmt: skip


def _must(section: Section, wanted: dict[str, str], name: str) -> Iterator[Problem]:
    for key, value in wanted.items():
        if section.value(key) != value:
            yield _at(section, name, key, value)


def _at(section: Section, name: str, key: str, wanted: str) -> Problem:
    setting = section.last(key)
    file, line = (setting.file, setting.line) if setting else (section.file, section.line)
    has = f"is {setting.value!r}" if setting else "is not set"
    return Problem(file, line, name, f"[{section.name}] {key} {has}.", f"Write {key} = {wanted}.")


def _number(section: Section, key: str) -> int:
    value = section.value(key)
    return int(value) if value.isdigit() else 0
