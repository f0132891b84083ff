"""The static proof that nothing ends, limits or records a call: each seeded violation is seen, by its own rule."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from pbx import machine_rules, process, site, verifier
from pbx.layout import SOURCES, Layout
from pbx.no_cap import RULES
from pbx.phones import PhoneAccount, write_accounts
from pbx.ways import Way
from service.cli import certificate
from tests.asterisk.dialplan_seeds import DIALPLAN_SEEDS
from tests.asterisk.no_cap_seeds import CODE_SEEDS, COMPOSE_SEEDS, SEEDS, CodeSeed, Seed

PHONES = (PhoneAccount("l1", "secret", "browser"), PhoneAccount("l2", "secret", "sip"))


def written(where: Path, phones: Sequence[PhoneAccount] = PHONES, **values: Any) -> Path:
    """The shipped files with generated ones, as a PBX loads them."""
    layout = Layout.of(where, "pbx1")
    config = {
        "pbx": "pbx1",
        "numbers": {"3133": "+33199003133"},
        "trunk": site.TrunkByAddress(addresses=("192.0.2.10",)),
        "centres": ("centre-38",),
        **values,
    }
    site.write(site.SiteConfig(**config), layout)
    if phones:
        write_accounts(layout.phones, phones)
    way = Way(command=(), seen=layout.data, modules=layout.data, share=layout.data, uid=None)
    layout.asterisk_conf.write_text(process.asterisk_conf({"pbx": "pbx1", "language": "fr"}, way, 65536))
    return layout.etc


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("shipped"))


@pytest.fixture
def etc(shipped: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(shipped, tmp_path / "etc"))


def test_the_shipped_files_pass(etc: Path) -> None:
    assert verifier.check(etc) == []


def test_our_code_and_what_runs_it_pass() -> None:
    assert verifier.check_code([SOURCES / "pbx", SOURCES / "service"], SOURCES) == []


SITES: dict[str, dict[str, Any]] = {
    "browser phones alone": {"phones": PHONES[:1]},
    "SIP phones alone": {"phones": PHONES[1:]},
    "no phone yet": {"phones": ()},
    "six hundred phones": {"phones": [PhoneAccount(f"l{n}", "secret") for n in range(600)]},
    "a trunk by registration": {
        "trunk": site.TrunkByRegistration(
            server="sip.example.org:5070", username="33199003133", password="a;b--;c", addresses=("192.0.2.0/24",)
        )
    },
    "a trunk of several networks": {
        "trunk": site.TrunkByAddress(addresses=("192.0.2.10", "sip.example.org", "2001:db8::/32"), server="192.0.2.10")
    },
    "behind an address translator": {
        "bind": "198.51.100.4",
        "external_address": "203.0.113.7",
        "local_networks": ("10.0.0.0/8", "192.168.0.0/16"),
    },
    "many hours and centres": {
        "hours": ("mon-fri 09:00-12:00", "mon-fri 14:00-19:00", "sat 10:00-12:00"),
        "centres": tuple(f"centre-{n}" for n in range(1, 52)),
    },
    "a second PBX, in English": {
        "pbx": "pbx2", "sip_port": 5062, "http_port": 8090, "ami_port": 5040, "language": "en",
        "outbound_caller_id": "+33199003133", "rtp_start": 20000, "rtp_end": 30000,
    },
}  # fmt: skip


@pytest.mark.parametrize("values", SITES.values(), ids=SITES)
def test_no_site_is_found_fault_with(tmp_path: Path, values: dict[str, Any]) -> None:
    assert verifier.check(written(tmp_path, **values)) == []


def test_a_wss_port_with_its_certificate_passes(tmp_path: Path) -> None:
    made = certificate.for_this_machine(tmp_path / "tls")
    etc = written(tmp_path, tls_port=8089, certificate=made.certificate, private_key=made.private_key)
    assert verifier.check(etc) == []


ALL_SEEDS = [*SEEDS, *DIALPLAN_SEEDS]


@pytest.mark.parametrize("seed", ALL_SEEDS, ids=[f"{s.rule}: {s.file}: {s.new or s.old}" for s in ALL_SEEDS])
def test_every_seeded_violation_is_seen_by_its_own_rule_with_its_place(etc: Path, seed: Seed) -> None:
    path = etc / seed.file
    text = path.read_text() if path.exists() else ""
    assert seed.old in text
    path.write_text(text.replace(seed.old, seed.new) if seed.old else text + seed.new)
    found = verifier.check(etc)
    mine = [problem for problem in found if problem.id == seed.rule]
    assert mine, found
    for problem in found:
        assert problem.mend
        assert problem.sentence
        assert RULES[problem.id].why
        lines = (etc / problem.file).read_text().splitlines()
        assert 0 <= problem.line <= max(len(lines), 1)


@pytest.mark.parametrize("seed", CODE_SEEDS, ids=[f"{s.rule}: {s.file}: {s.source}" for s in CODE_SEEDS])
def test_what_our_code_may_not_ask_of_asterisk_is_seen(tmp_path: Path, seed: CodeSeed) -> None:
    file = tmp_path / seed.file
    file.parent.mkdir(parents=True)
    file.write_text(seed.source)
    found = verifier.check_code([tmp_path / seed.file.partition("/")[0]])
    assert seed.rule in {problem.id for problem in found}, found
    assert {problem.file for problem in found} == {seed.file}


@pytest.mark.parametrize("changed", COMPOSE_SEEDS, ids=[new or old for old, new in COMPOSE_SEEDS])
def test_a_container_that_would_end_the_pbx_is_seen(tmp_path: Path, changed: tuple[str, str]) -> None:
    text = (SOURCES / "docker-compose.yml").read_text()
    assert changed[0] in text
    (tmp_path / "docker-compose.yml").write_text(text.replace(*changed))
    assert {problem.id for problem in verifier.check_code([], tmp_path)} == {"container"}


def test_the_containers_are_read_as_docker_reads_them() -> None:
    text = (SOURCES / "docker-compose.yml").read_text()
    ours = {name: set(written) for name, (_, written) in machine_rules.services(text.splitlines()).items()}
    its = {name: set(keys) for name, keys in yaml.safe_load(text)["services"].items()}
    merged = {"image", "build"}
    assert {name: keys - {"<<"} for name, keys in ours.items()} == {
        name: keys - merged if "<<" in ours[name] else keys for name, keys in its.items()
    }


def test_a_policy_that_allows_recording_is_a_finding_while_nothing_enforces_it(etc: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("recording = true\nallowed_contexts = []\n")
    assert [problem.id for problem in verifier.check(etc, policy)] == ["records"]


def test_one_fault_in_a_template_is_told_once_however_many_phones_inherit_it(tmp_path: Path) -> None:
    etc = written(tmp_path, [PhoneAccount(f"l{n}", "secret") for n in range(50)])
    file = etc / "pjsip.conf"
    file.write_text(file.read_text().replace("timers = no", "timers = yes"))
    assert [problem.id for problem in verifier.check(etc)] == ["endpoint-timers"]


def test_no_finding_tells_a_secret(etc: Path) -> None:
    for name in ("generated/pjsip_phones.conf", "generated/manager_secrets.conf"):
        file = etc / name
        file.write_text(file.read_text().replace("password = secret", "password = ").replace("secret =", "secrets ="))
    told = "".join(map(str, verifier.check(etc)))
    assert told
    assert "'secret'" not in told


def test_the_case_of_a_setting_s_letters_and_its_arrow_change_nothing(etc: Path) -> None:
    file = etc / "queues.conf"
    file.write_text(file.read_text().replace("maxlen = 0", "MaxLen => 0").replace("autofill = yes", "AUTOFILL=1"))
    assert verifier.check(etc) == []
