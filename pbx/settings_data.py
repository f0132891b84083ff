"""What each of Asterisk's files may say so that nothing ends, limits or records a call: data, one line a setting.

Whoever adds a setting to a file adds it here, with the rule that it could break (`no_cap.RULES`) where there is one. A
file, section or setting that is not here is a finding.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Allowed = tuple[str, ...] | range | re.Pattern[str] | None


@dataclass(frozen=True, slots=True)
class Key:
    """What a setting may be. `allowed` None: anything. `required`: must be written out. `never`: must not be there."""

    rule: str = "setting-value"
    allowed: Allowed = None
    required: bool = False
    never: bool = False
    says: str = ""  #: what to write, where `allowed` does not say it


Keys = dict[str, Key]

FREE = Key()  #: whatever it says touches no call
SWITCH = ("yes", "no")


def must(rule: str, *values: str) -> Key:
    """Written out, with one of these values: the code's own default differs for some, and may change."""
    return Key(rule, values, required=True, says=values[0])


def may(*values: str, rule: str = "setting-value") -> Key:
    """Where it is written, one of these values."""
    return Key(rule, values, says=" or ".join(values))


def between(low: int, high: int, rule: str = "setting-value", *, required: bool = False) -> Key:
    return Key(rule, range(low, high + 1), required=required, says=f"{low} to {high}")


def like(pattern: str, says: str, rule: str = "setting-value", *, required: bool = False) -> Key:
    return Key(rule, re.compile(pattern), required=required, says=says)


def never(rule: str) -> Key:
    return Key(rule, never=True)


_SECONDS = between(0, 3600)
_PORT = between(1, 65535)

# --- queues ---------------------------------------------------------------------------------------------------------
QUEUES_GENERAL: Keys = {
    "persistentmembers": must("queue-persistentmembers", "yes"),
    "autofill": must("queue-autofill", "yes"),
    "force_longest_waiting_caller": must("queue-force-longest", "no"),
    "log_membername_as_agent": may("no", rule="numbers-in-clear"),
    "log-caller-id-name": may("no", rule="numbers-in-clear"),
    "shared_lastcall": FREE,
    "monitor-type": never("records"),
}
QUEUE: Keys = {
    "joinempty": must("queue-joinempty", "yes"),
    "leavewhenempty": must("queue-leavewhenempty", "no"),
    "maxlen": must("queue-maxlen", "0"),
    "autopause": must("queue-autopause", "no"),
    "ringinuse": must("queue-ringinuse", "no"),
    "wrapuptime": must("queue-wrapuptime", "0"),
    "timeoutpriority": must("queue-ring", "conf"),
    "timeout": between(5, 120, "queue-ring", required=True),
    "retry": between(1, 5, "queue-ring", required=True),
    "autofill": may("yes", rule="queue-autofill"),
    "strategy": may("rrmemory", "rrordered", "leastrecent", "fewestcalls", "random", "ringall"),
    "context": never("queue-context"),
    "member": never("queue-member"),
    "weight": may("0", rule="queue-rule"),
    "defaultrule": never("queue-rule"),
    "penaltymemberslimit": never("queue-rule"),
    "monitor-format": never("records"),
    "monitor-type": never("records"),
    "setinterfacevar": may("yes"),
    "reportholdtime": may("no"),
    "timeoutrestart": may("no"),
    **dict.fromkeys(
        (
            "musicclass", "announce-holdtime", "announce-round-seconds", "periodic-announce-frequency",
            "announce-to-first-user", "announce-position", "announce-position-limit", "announce-frequency",
            "min-announce-frequency", "queue-thankyou", "queue-youarenext", "queue-thereare", "queue-callswaiting",
            "queue-quantity1", "queue-quantity2",
        ),
        FREE,
    ),
}  # fmt: skip

# --- SIP ------------------------------------------------------------------------------------------------------------
_ENDPOINT: Keys = {
    "type": FREE,
    "aors": FREE,
    "auth": FREE,
    "outbound_auth": FREE,
    "disallow": may("all", rule="endpoint-codecs"),
    "identify_by": may("username", "ip", rule="endpoint-context"),
    "direct_media": must("endpoint-direct-media", "no"),
    "allow_transfer": must("endpoint-transfer", "no"),
    "allow_subscribe": may("no"),
    "send_pai": must("endpoint-identity", "no"),
    "send_rpid": must("endpoint-identity", "no"),
    "send_connected_line": must("endpoint-identity", "no"),
    "send_diversion": may("no", rule="endpoint-identity"),
    "timers_min_se": between(90, 1800, "endpoint-timers"),
    "timers_sess_expires": between(600, 7200, "endpoint-timers"),
    "t38_udptl": may("no"),
    "dtmf_mode": may("rfc4733", "auto"),
    "language": FREE,
    "tone_zone": FREE,
    "one_touch_recording": never("records"),
    "record_on_feature": never("records"),
    "record_off_feature": never("records"),
    "device_state_busy_at": never("endpoint-limit"),
    "rtp_keepalive": never("endpoint-limit"),
    "redirect_method": never("endpoint-limit"),
    "max_audio_streams": never("endpoint-limit"),
}
_SILENCE: Keys = {
    "rtp_timeout": must("endpoint-rtp-timeout", "0"),
    "rtp_timeout_hold": must("endpoint-rtp-timeout", "0"),
    "timers": must("endpoint-timers", "yes"),
}


def _listener(kind: str) -> Keys:
    """What tells a page that was closed from a phone that was hung up: both say BYE, with the same cause."""
    said = f"LISTENER_KIND={kind}"
    return {
        "context": must("endpoint-context", "listeners"),
        "set_var": like(said, said, "endpoint-kind", required=True),
    }


#: By `type` in pjsip.conf; endpoints and aors by what they are for.
PJSIP: dict[str, Keys] = {
    "trunk": {
        **_ENDPOINT, **_SILENCE,
        "context": must("endpoint-context", "from-trunk"),
        "allow": must("endpoint-codecs", "alaw,g722"),
        "trust_id_inbound": may(*SWITCH),
        "trust_id_outbound": must("endpoint-identity", "no"),
        "dtmf_mode": must("setting-value", "rfc4733"),
    },
    "browser": {
        **_ENDPOINT, **_listener("browser"),
        "webrtc": must("setting-value", "yes"),
        "allow": must("endpoint-codecs", "opus,alaw"),
        "timers": must("endpoint-timers", "no"),
        "rtp_timeout": between(1, 3, "endpoint-rtp-timeout", required=True),
        "rtp_timeout_hold": between(10, 120, "endpoint-rtp-timeout", required=True),
    },
    "sip": {**_ENDPOINT, **_SILENCE, **_listener("sip"), "allow": must("endpoint-codecs", "alaw,g722,ulaw")},
    "aor": {
        "type": FREE,
        "max_contacts": must("aor-contacts", "1"),
        "remove_existing": must("aor-contacts", "yes"),
        "remove_unavailable": must("aor-contacts", "yes"),
        "qualify_frequency": between(1, 30, "aor-qualify", required=True),
        "qualify_timeout": between(1, 5, "aor-qualify"),
        "support_path": may("no"),
        "maximum_expiration": between(60, 7200, "aor-contacts"),
    },
    "trunk-aor": {"type": FREE, "contact": FREE, "qualify_frequency": between(0, 300, "aor-qualify")},
    "auth": {"type": FREE, "auth_type": may("userpass", "digest"), "username": FREE, "password": FREE},
    "identify": {"type": FREE, "endpoint": FREE, "match": FREE},
    "registration": {
        "type": FREE,
        **dict.fromkeys(("outbound_auth", "endpoint", "server_uri", "client_uri", "contact_user", "line"), FREE),
        **dict.fromkeys(("max_random_initial_delay", "expiration", "retry_interval"), _SECONDS),
        **dict.fromkeys(("forbidden_retry_interval", "fatal_retry_interval"), between(1, 3600)),
        "max_retries": between(100_000, 10**9),
        "auth_rejection_permanent": must("setting-value", "no"),
    },
    "transport": {
        "type": FREE,
        "protocol": may("udp", "tcp", "tls", "ws", "wss"),
        **dict.fromkeys(
            ("bind", "external_media_address", "external_signaling_address", "local_net", "cert_file", "priv_key_file"),
            FREE,
        ),
        "allow_reload": must("transport-reload", "no"),
        "tcp_keepalive_enable": may("yes", rule="transport-keepalive"),
        "websocket_write_timeout": between(100, 10_000, "transport-keepalive"),
    },
    "global": {
        "type": FREE,
        "user_agent": FREE,
        "endpoint_identifier_order": FREE,
        "taskprocessor_overload_trigger": must("overload", "pjsip_only"),
        "keep_alive_interval": between(5, 90, "transport-keepalive"),
        "send_contact_status_on_update_registration": may("yes"),
        "default_from_user": FREE,
    },
}  # fmt: skip

# --- the rest, by file and section; `*`: any other section -----------------------------------------------------------
_TIGHT_MANAGER: Keys = {
    "deny": must("manager-address", "0.0.0.0/0.0.0.0"),
    "permit": must("manager-address", "127.0.0.1/255.255.255.255"),
    "secret": Key(required=True, says="a secret"),
    "read": like(r"((system|call|agent|user)(,|$))*", "system,call,agent,user at most", "manager-rights"),
    "writetimeout": between(100, 10_000),
}
FILES: dict[str, dict[str, Keys]] = {
    "asterisk.conf": {
        "directories": dict.fromkeys(
            (
                "astetcdir", "astmoddir", "astvarlibdir", "astdatadir", "astdbdir", "astcachedir", "astkeydir",
                "astagidir", "astspooldir", "astrundir", "astlogdir", "astsbindir",
            ),
            FREE,
        ),
        "options": {
            "systemname": FREE, "defaultlanguage": FREE, "documentation_language": FREE,
            "live_dangerously": may("no", rule="dangerous"),
            "execincludes": may("no", rule="dangerous"),
            "maxfiles": FREE,  # beside what the machine allows: settings_rules
            **dict.fromkeys(("maxcalls", "maxload", "minmemfree"), never("refuses-calls")),
        },
    },
    "acl.conf": {},
    "ccss.conf": {"general": {}},
    "cdr.conf": {"general": {"enable": must("numbers-in-clear", "no")}},
    "cel.conf": {
        "general": {"enable": must("setting-value", "yes"), "apps": FREE, "events": must("setting-value", "ALL")}
    },
    "cel_custom.conf": {
        "journal.json": {
            "format": may("json"),
            "fields": like(
                r"((EventTime|EventType|userdeftype|AccountCode|UniqueID|LinkedID|ChanName|Exten|Context|AppName|Peer"
                r"|EventExtra)(,|$))+", "columns that cannot carry a number", "numbers-in-clear", required=True,
            ),
        }
    },
    "extensions.conf": {},  # dialplan_rules
    "features.conf": {
        "general": {
            "atxferdropcall": must("feature-transfer", "no"),
            "transferdigittimeout": between(1, 10),
        },
        "featuremap": {"*": never("feature-key")},
        "applicationmap": {"*": never("feature-key")},
    },
    "http.conf": {
        "general": {
            "enabled": may("yes"),
            "enable_static": must("http-serves", "no"),
            "enable_status": must("http-serves", "no"),
            "sessionlimit": between(1500, 100_000, "http-sessions", required=True),
            "bindport": _PORT,
            **dict.fromkeys(
                ("servername", "bindaddr", "tlsenable", "tlsbindaddr", "tlscertfile", "tlsprivatekey"), FREE
            ),
        }
    },
    "indications.conf": {"general": {"country": FREE}, "*": {"*": FREE}},
    "logger.conf": {
        "general": {"dateformat": FREE, "queue_log": may("yes"), "rotatestrategy": FREE},
        "logfiles": {"messages": like(r"((warning|error)(,|$))+", "warning,error", "numbers-in-clear")},
    },
    "manager.conf": {
        "general": {
            "enabled": may("yes"),
            "webenabled": must("manager-general", "no"),
            "channelvars": must("manager-general", "CALL_ID"),
            "displayconnects": FREE, "allowmultiplelogin": FREE, "authtimeout": FREE, "authlimit": FREE,
            "timestampevents": FREE, "port": _PORT,
            "bindaddr": must("manager-address", "127.0.0.1"),
        },
        "service": {
            **_TIGHT_MANAGER,
            "write": like(
                r"((call|agent|originate|reporting)(,|$))*", "call,agent,originate,reporting at most", "manager-rights",
                required=True,
            ),
            "eventfilter(*": FREE,
        },
        "provision": {**_TIGHT_MANAGER, "write": must("manager-rights", "system"), "read": must("manager-rights", "")},
    },
    "modules.conf": {
        "modules": {"autoload": must("modules-autoload", "no"), "load": FREE}  # names: settings_rules
    },
    "musiconhold.conf": {"*": {"mode": must("setting-value", "files"), "directory": FREE}},
    "pjproject.conf": {
        "log_mappings": {
            "type": FREE,
            "asterisk_error": FREE, "asterisk_warning": FREE, "asterisk_debug": FREE,
            **dict.fromkeys(("asterisk_notice", "asterisk_verbose"), never("numbers-in-clear")),
        }
    },
    "pjsip.conf": {},  # PJSIP, by type
    "queuerules.conf": {"*": {"*": never("queue-rule")}},
    "queues.conf": {"general": QUEUES_GENERAL, "*": QUEUE},
    "rtp.conf": {
        "general": {
            "srtpreplayprotection": may("yes", rule="rtp-replay"),
            "strictrtp": may("yes", rule="rtp-replay"),
            "icesupport": may("yes"),
            "rtpstart": _PORT,
            "rtpend": _PORT,  # how many: settings_rules
        },
        "ice_host_candidates": {"*": FREE},  # under which addresses browsers look for our audio
    },
    "udptl.conf": {"general": {}},
}  # fmt: skip
#: Beside them below etc/, read by others than Asterisk's configuration.
NOT_CONFIGURATION = {"hosts", "resolv", "tls/certificate.pem", "tls/private_key.pem"}
#: Written when the PBX is started: may be absent before.
LATER = {"asterisk.conf"}

# --- modules --------------------------------------------------------------------------------------------------------
MODULES = {
    "res_timing_timerfd", "res_crypto", "res_sorcery_config", "res_sorcery_memory", "res_sorcery_astdb",
    "res_rtp_asterisk", "res_srtp", "codec_alaw", "codec_ulaw", "codec_a_mu", "codec_g722", "codec_resample",
    "codec_opus_open_source", "res_format_attr_opus", "format_pcm", "format_wav", "format_sln", "res_musiconhold",
    "res_pjproject", "res_pjsip", "res_pjsip_session", "res_pjsip_sdp_rtp", "res_http_websocket",
    "res_pjsip_transport_websocket", "res_pjsip_pubsub", "res_pjsip_registrar", "res_pjsip_authenticator_digest",
    "res_pjsip_outbound_authenticator_digest", "res_pjsip_outbound_registration", "res_pjsip_endpoint_identifier_ip",
    "res_pjsip_endpoint_identifier_user", "res_pjsip_caller_id", "res_pjsip_rfc3326", "res_pjsip_nat", "res_pjsip_acl",
    "res_pjsip_dlg_options", "chan_pjsip", "bridge_simple", "bridge_native_rtp", "bridge_softmix", "bridge_holding",
    "bridge_builtin_features", "pbx_config", "app_stack", "app_exec", "app_dial", "app_queue", "app_playback",
    "app_read", "app_verbose", "app_userevent", "app_celgenuserevent", "func_aes", "func_callerid", "func_channel",
    "func_cut", "func_db", "func_devstate", "func_dialplan", "func_export", "func_global",
    "func_groupcount", "func_logic", "func_math", "func_sha1", "func_strings", "func_uuid", "res_cdrel_custom",
    "cel_custom",
}  # fmt: skip
MODULES_REFUSED = {
    "app_mixmonitor", "app_record", "app_voicemail", "app_minivm", "app_dictate", "app_chanspy", "res_stasis_recording",
    "res_monitor", "app_audiosocket", "res_parking", "func_timeout", "app_confbridge", "app_externalivr", "res_agi",
    "res_stasis", "app_stasis", "res_ari", "app_followme", "app_page", "app_system", "func_shell", "pbx_ael", "pbx_lua",
    "pbx_dundi", "pbx_realtime", "pbx_spool", "app_softhangup", "app_channelredirect", "app_bridgewait", "app_transfer",
    "app_disa", "app_retrydial", "app_directed_pickup", "func_periodic_hook", "res_config_sqlite3", "res_config_pgsql",
    "res_config_odbc", "res_realtime", "res_pjsip_refer", "res_pjsip_header_funcs",
}  # fmt: skip
