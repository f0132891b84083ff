"""The generated Asterisk files: what each setting becomes, and what is refused before anything is written."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from pbx import phones, site, verifier
from pbx.errors import SetupError
from pbx.layout import Layout
from pbx.site import SiteConfig, TrunkByAddress, TrunkByRegistration
from service.cli import certificate

BY_ADDRESS = TrunkByAddress(addresses=("192.0.2.10", "198.51.100.0/28"), server="192.0.2.10:5062")
BY_REGISTRATION = TrunkByRegistration(server="sip.carrier.example", username="ecoute1", password="a;b c")
SITE = SiteConfig(pbx="pbx1", numbers={"3133": "+33199003133", "0199003133": "+33199003133"}, trunk=BY_ADDRESS)


def with_values(**values: Any) -> SiteConfig:
    return dataclasses.replace(SITE, **values)


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith(";")]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout.of(tmp_path, "pbx1")


def test_a_trunk_by_address_takes_calls_from_the_carriers_addresses_alone() -> None:
    assert lines(site.generated(SITE)["pjsip_trunk.conf"]) == [
        "[trunk](trunk-common)",
        "aors = trunk",
        "identify_by = ip",
        "[trunk]",
        "type = aor",
        "contact = sip:192.0.2.10:5062",
        "[trunk]",
        "type = identify",
        "endpoint = trunk",
        "match = 192.0.2.10",
        "match = 198.51.100.0/28",
    ]


def test_a_trunk_by_registration_registers_for_ever_and_takes_calls_from_the_server() -> None:
    written = lines(site.generated(with_values(trunk=BY_REGISTRATION))["pjsip_trunk.conf"])
    for expected in (
        "outbound_auth = trunk",
        "match = sip.carrier.example",
        "username = ecoute1",
        "password = a\\;b c",
        "server_uri = sip:sip.carrier.example",
        "client_uri = sip:ecoute1@sip.carrier.example",
        "line = yes",
        "auth_rejection_permanent = no",
    ):
        assert expected in written


def test_numbers_as_delivered_become_e164_and_any_other_is_still_answered() -> None:
    assert lines(site.generated(SITE)["numbers.conf"]) == [
        "[numbers]",
        "exten => 3133,1,Set(LINE=+33199003133)",
        " same => n,Return()",
        "exten => 0199003133,1,Set(LINE=+33199003133)",
        " same => n,Return()",
        "exten => _[+0-9]!,1,Set(LINE=)",
        " same => n,Return()",
        "exten => s,1,Set(LINE=)",
        " same => n,Return()",
    ]


@pytest.mark.parametrize(
    ("phrase", "conditions"),
    [
        ("mon-sun 00:00-24:00", ["00:00-23:59,*"]),
        ("mon-fri 09:00-18:30", ["09:00-18:29,mon-fri"]),
        ("sat,sun 10:00-12:00", ["10:00-11:59,sat-sun"]),
        ("mon,wed,thu 08:00-09:00", ["08:00-08:59,mon", "08:00-08:59,wed-thu"]),
        ("fri 22:00-02:00", ["22:00-23:59,fri", "00:00-01:59,sat"]),
        ("sun 20:00-04:00", ["20:00-23:59,sun", "00:00-03:59,mon"]),
        ("sat-mon 10:00-12:00", ["10:00-11:59,mon", "10:00-11:59,sat-sun"]),
        ("tue 18:00-00:00", ["18:00-23:59,tue"]),
    ],
)
def test_hours_end_at_their_last_minute_and_go_over_midnight(phrase: str, conditions: list[str]) -> None:
    written = lines(site.generated(with_values(hours=(phrase,)))["hours.conf"])
    assert written == [
        "[hours]",
        "exten => s,1,Set(OPEN=0)",
        *(f" same => n,GotoIfTime({condition},*,*,Europe/Paris?open)" for condition in conditions),
        " same => n,Return()",
        " same => n(open),Set(OPEN=1)",
        " same => n,Return()",
    ]


@pytest.mark.parametrize(
    "phrase", ["always", "mon 25:00-26:00", "mon 10:00-10:00", "lun 10:00-12:00", "mon 10:61-12:00"]
)
def test_hours_that_mean_nothing_are_refused(phrase: str) -> None:
    with pytest.raises(SetupError, match="opening hours"):
        site.generated(with_values(hours=(phrase,)))


def test_browser_phones_beyond_this_machine_get_a_port_with_a_certificate(layout: Layout, tmp_path: Path) -> None:
    made = certificate.for_this_machine(tmp_path / "tls")
    lan = with_values(
        bind="0.0.0.0",  # noqa: S104
        tls_port=8089,
        certificate=made.certificate,
        private_key=made.private_key,
    )
    site.write(lan, layout)
    written = lines((layout.generated / "http.conf").read_text())
    assert "tlsbindaddr = 0.0.0.0:8089" in written
    assert "tlsprivatekey = etc/tls/private_key.pem" in written
    assert (layout.tls / "private_key.pem").read_bytes() == made.private_key.read_bytes()
    assert (layout.tls / "private_key.pem").stat().st_mode & 0o777 == 0o640
    assert "[wss]" in (layout.generated / "pjsip_transports.conf").read_text()


HOSTILE = "x\nlive_dangerously = yes"


@pytest.mark.parametrize(
    "values",
    [
        {"trunk": TrunkByAddress(addresses=(HOSTILE,))},
        {"trunk": TrunkByAddress(addresses=("192.0.2.1",), server=HOSTILE)},
        {"trunk": dataclasses.replace(BY_REGISTRATION, server=HOSTILE)},
        {"trunk": dataclasses.replace(BY_REGISTRATION, username=HOSTILE)},
        {"trunk": dataclasses.replace(BY_REGISTRATION, password=HOSTILE)},
        {"trunk": dataclasses.replace(BY_REGISTRATION, password="a\\")},
        {"trunk": TrunkByAddress(addresses=())},
        {"numbers": {HOSTILE: "+33199003133"}},
        {"numbers": {"3133": "+33199003133)\n"}},
        {"numbers": {"3133": "${SHELL(id)}"}},
        {"numbers": {}},
        {"outbound_caller_id": HOSTILE},
        {"outbound_caller_id": "${X}"},
        {"bind": HOSTILE},
        {"external_address": HOSTILE},
        {"external_address": "192.0.2.1", "local_networks": (HOSTILE,)},
        {"timezone": "Europe/Paris\n"},
        {"timezone": "Mars/Olympus"},
        {"hours": (HOSTILE,)},
        {"language": HOSTILE},
        {"sip_port": 0},
        {"http_port": 70000},
        {"rtp_start": 12000, "rtp_end": 10000},
        {"tls_port": 8089},
    ],
)
def test_a_value_that_could_become_another_setting_is_refused_before_anything_is_written(
    values: dict[str, Any], layout: Layout
) -> None:
    with pytest.raises(SetupError):
        site.write(with_values(**values), layout)
    assert not layout.data.exists()


def test_a_hostile_centre_is_refused(layout: Layout) -> None:
    site.write(SITE, layout)
    with pytest.raises(SetupError):
        site.write_centre_queues(layout, ["centre-38](x)\n[general"])


def test_each_centre_has_a_queue_of_its_own_name(layout: Layout) -> None:
    site.write(with_values(centres=("centre-69", "centre-38")), layout)
    assert lines(layout.centre_queues.read_text()) == ["[centre-38](centre)", "[centre-69](centre)"]


def test_the_plain_files_are_copied_as_they_stand_and_stale_ones_go(layout: Layout, tmp_path: Path) -> None:
    sources = tmp_path / "sources"
    for name in ("asterisk-config/a.conf", "asterisk-config/b.conf", "dialplan/c.conf"):
        (sources / name).parent.mkdir(parents=True, exist_ok=True)
        (sources / name).write_text(f"; {name}\n")
    site.write(SITE, layout, sources)
    layout.asterisk_conf.write_text("; written at each start\n")
    (sources / "asterisk-config/b.conf").unlink()
    site.write(SITE, layout, sources)
    assert (layout.etc / "dialplan/c.conf").read_text() == "; dialplan/c.conf\n"
    assert sorted(file.name for file in layout.etc.glob("*.conf")) == ["a.conf", "asterisk.conf"]


def test_files_that_say_the_same_are_not_touched(layout: Layout) -> None:
    site.write(SITE, layout)
    before = {file: file.stat().st_ino for file in layout.etc.rglob("*.conf")}
    site.write(SITE, layout)
    assert {file: file.stat().st_ino for file in layout.etc.rglob("*.conf")} == before


def test_manager_secrets_are_made_once_and_kept_from_others(layout: Layout) -> None:
    site.write(SITE, layout)
    secrets = site.read_secrets(layout)
    site.write(SITE, layout)
    assert site.read_secrets(layout) == secrets
    assert set(secrets) == {"service", "provision"}
    assert secrets["service"] != secrets["provision"]
    assert layout.secrets.stat().st_mode & 0o777 == 0o600
    assert (layout.generated / "manager_secrets.conf").stat().st_mode & 0o007 == 0


def test_what_the_start_needs_to_know_carries_no_secret(layout: Layout) -> None:
    site.write(with_values(trunk=BY_REGISTRATION), layout)
    recorded = layout.site.read_text()
    assert json.loads(recorded)["sip_port"] == 5060
    assert BY_REGISTRATION.password not in recorded
    assert BY_REGISTRATION.password not in repr(BY_REGISTRATION)


class TestPhones:
    def test_an_account_is_endpoint_aor_and_password_from_the_templates(self, layout: Layout) -> None:
        site.write(SITE, layout)
        phones.write_accounts(
            layout.phones, [phones.PhoneAccount("l12", "p;w"), phones.PhoneAccount("l13", "x", "sip")]
        )
        assert lines(layout.phones.read_text()) == [
            "[l12](browser-phone)",
            "aors = l12",
            "auth = l12",
            "[l12](browser-aor)",
            "[l12](phone-auth)",
            "username = l12",
            "password = p\\;w",
            "[l13](sip-phone)",
            "aors = l13",
            "auth = l13",
            "[l13](sip-aor)",
            "[l13](phone-auth)",
            "username = l13",
            "password = x",
        ]

    def test_the_file_is_never_written_empty(self, layout: Layout) -> None:
        site.write(SITE, layout)
        phones.write_accounts(layout.phones, [phones.PhoneAccount("l12", "secret")])
        before = layout.phones.read_text()
        with pytest.raises(SetupError, match="silence every phone"):
            phones.write_accounts(layout.phones, [])
        assert layout.phones.read_text() == before

    def test_the_accounts_survive_a_new_start(self, layout: Layout) -> None:
        site.write(SITE, layout)
        phones.write_accounts(layout.phones, [phones.PhoneAccount("l12", "secret")])
        site.write(SITE, layout)
        assert "[l12](browser-phone)" in layout.phones.read_text()

    @pytest.mark.parametrize(
        ("endpoint", "password"), [("l12", HOSTILE), (HOSTILE, "x"), ("trunk](x", "x"), ("l12", "")]
    )
    def test_a_hostile_account_is_refused_and_the_file_stays(
        self, layout: Layout, endpoint: str, password: str
    ) -> None:
        site.write(SITE, layout)
        before = layout.phones.read_text()
        with pytest.raises(SetupError):
            phones.write_accounts(layout.phones, [phones.PhoneAccount(endpoint, password)])
        assert layout.phones.read_text() == before
        assert list(layout.generated.glob(".*")) == []


@pytest.mark.parametrize("addresses", [("203.0.113.5",), ("198.51.100.0/28",), ("carrier.example", "192.0.2.1")])
def test_without_a_server_nobody_is_telephoned(addresses: tuple[str, ...]) -> None:
    files = site.generated(with_values(trunk=TrunkByAddress(addresses=addresses)))
    assert "OUTBOUND_ENDPOINT = \n" in files["globals.conf"]
    assert "contact" not in files["pjsip_trunk.conf"]
    assert "OUTBOUND_ENDPOINT = trunk\n" in site.generated(SITE)["globals.conf"]


def test_a_carrier_that_calls_our_contact_calls_a_number_of_the_line() -> None:
    written = lines(site.generated(with_values(trunk=BY_REGISTRATION))["pjsip_trunk.conf"])
    assert "contact_user = 3133" in written


@pytest.mark.parametrize(
    ("values", "mend"),
    [
        ({"trunk": TrunkByAddress(addresses=("two names",))}, "Give one name or address, like sip.carrier.example."),
        ({"numbers": {"a": "+33199003133"}}, "Give digits as the carrier delivers them, like 3133 or 0199003133."),
        ({"numbers": {"3133": "3133"}}, "Give an international number like +33199003133."),
        ({"centres": ("Isère",)}, "Give lower-case letters, digits and hyphens, a letter first."),
    ],
)
def test_what_does_not_fit_is_told_in_words(values: dict[str, Any], mend: str, layout: Layout) -> None:
    with pytest.raises(SetupError) as refused:
        site.write(with_values(**values), layout)
    assert refused.value.mend == mend


@pytest.mark.parametrize(
    ("external", "own", "written"),
    [
        ("203.0.113.9", "192.0.2.2", "192.0.2.2 => 203.0.113.9,include_local_address"),
        ("203.0.113.9", "", ""),
        ("pbx.example", "192.0.2.2", ""),
        ("", "192.0.2.2", ""),
    ],
)
def test_browsers_are_told_of_an_external_address_where_asterisk_can_say_it(
    external: str, own: str, written: str
) -> None:
    rtp = lines(site.generated(with_values(external_address=external, own_address=own))["rtp.conf"])
    assert rtp[2:] == (["[ice_host_candidates]", written] if written else [])


def test_the_centres_queues_of_before_stay_where_no_centres_are_named(layout: Layout) -> None:
    site.write(with_values(centres=("centre-38",)), layout)
    site.write(SITE, layout)
    assert lines(layout.centre_queues.read_text()) == ["[centre-38](centre)"]
    site.write(with_values(centres=()), layout)
    assert lines(layout.centre_queues.read_text()) == []


def test_the_proof_knows_every_form_that_the_files_take(layout: Layout) -> None:
    site.write(with_values(external_address="203.0.113.9", own_address="192.0.2.2", trunk=BY_REGISTRATION), layout)
    assert list(verifier.check(layout.etc)) == []
    site.write(with_values(trunk=TrunkByAddress(addresses=("203.0.113.5",))), layout)
    assert list(verifier.check(layout.etc)) == []


@pytest.mark.parametrize("held", ["", "{", "[]", "null", '"secret"', '{"service": "only"}'])
def test_secrets_that_are_none_are_named_before_anything_is_replaced(layout: Layout, held: str) -> None:
    site.write(SITE, layout)
    layout.secrets.write_text(held)
    before = {file: file.read_bytes() for file in layout.data.rglob("*") if file.is_file()}
    with pytest.raises(SetupError, match=r"secrets\.json") as refused:
        site.write(with_values(sip_port=5070), layout)
    assert refused.value.id == "secrets-unusable"
    assert {file: file.read_bytes() for file in layout.data.rglob("*") if file.is_file()} == before


def test_a_disk_that_cannot_be_read_is_told(layout: Layout) -> None:
    site.write(SITE, layout)
    layout.secrets.unlink()
    layout.secrets.symlink_to("/proc/self/mem")  # read from its beginning, it answers EIO
    with pytest.raises(SetupError, match="Input/output error") as refused:
        site.write(SITE, layout)
    assert refused.value.id == "disk-failing"
    assert "store.data_dir" in refused.value.mend
