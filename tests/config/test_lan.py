"""`--lan`: the same line for browsers, microphones and telephones elsewhere on the network."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography import x509

from pbx import process, prompts, site
from pbx.layout import Layout
from service.cli import certificate, machine, up
from service.http.options import own_origins
from service.settings import Settings, Store


def lan(tmp_path: Path) -> Settings:
    return up.for_lan(Settings(store=Store(data_dir=tmp_path)))


def test_pages_and_phones_are_served_under_a_certificate_for_every_name_of_this_machine(tmp_path: Path) -> None:
    settings = lan(tmp_path)
    http, pbx = settings.http, settings.pbx[0]
    assert http.certificate is not None
    names = x509.load_pem_x509_certificate(http.certificate.read_bytes()).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    covered = {str(name.value) for name in names.value}
    assert covered == set(certificate.own_addresses())
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(http.certificate, http.private_key)
    assert pbx.websocket_url == f"wss://{certificate.own_addresses()[0]}:{pbx.http_port + 1}/ws"
    assert f"tlsbindaddr = 0.0.0.0:{pbx.http_port + 1}" in site.generated(machine.site_of(settings, pbx))["http.conf"]


def test_the_pages_may_be_opened_by_any_of_these_names(tmp_path: Path) -> None:
    http = lan(tmp_path).http
    origins = own_origins(
        host=http.host, port=http.port, public_url=http.public_url, other_urls=http.other_urls, https=True
    )
    assert {f"https://{name}:{http.port}" for name in certificate.own_addresses()} <= origins


def test_the_certificate_is_made_once(tmp_path: Path) -> None:
    first = lan(tmp_path).http.certificate
    assert first is not None
    before = first.read_bytes()
    assert lan(tmp_path).http.certificate == first
    assert first.read_bytes() == before


def test_the_samples_line_can_be_rung_from_the_same_network_and_telephones_nobody(tmp_path: Path) -> None:
    settings = lan(tmp_path)
    addresses = settings.pbx[0].trunk.addresses
    assert addresses[0] == "127.0.0.1"
    files = site.generated(machine.site_of(settings, settings.pbx[0]))
    assert all(f"match = {address}" in files["pjsip_trunk.conf"] for address in addresses)
    assert "OUTBOUND_ENDPOINT = \n" in files["globals.conf"]


def test_a_pbx_on_all_addresses_knows_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = lan(tmp_path)
    for addresses, own in ((("192.0.2.9", "pc", "127.0.0.1"), "192.0.2.9"), (("pc", "127.0.0.1"), "")):
        monkeypatch.setattr(certificate, "own_addresses", lambda known=addresses: known)
        assert machine.site_of(settings, settings.pbx[0]).own_address == own
    inside = settings.pbx[0].model_copy(update={"bind": "192.0.2.77"})
    assert machine.site_of(settings, inside).own_address == "192.0.2.77"
    alone = settings.pbx[0].model_copy(update={"bind": "127.0.0.1"})
    assert machine.site_of(settings, alone).own_address == ""


def test_a_pbx_behind_a_translator_without_a_network_yet_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut: browsers elsewhere would hear nothing, and nobody would know why."""
    settings, said = lan(tmp_path), list[str]()
    outside = settings.pbx[0].model_copy(update={"external_address": "203.0.113.7"})
    started: list[Layout] = []
    monkeypatch.setattr(machine, "prepare", lambda _: None)
    monkeypatch.setattr(prompts, "install", lambda *_: None)
    monkeypatch.setattr(process, "start", lambda _, layout, __: started.append(layout))
    monkeypatch.setattr(process, "refuse_other_ports", lambda *_: None)
    monkeypatch.setattr(certificate, "own_addresses", lambda: ("localhost", "127.0.0.1"))
    machine.start(settings, outside, said.append)
    assert any("no network yet" in line for line in said)
    assert started, "telephones are answered all the same"
    monkeypatch.setattr(certificate, "own_addresses", lambda: ("192.0.2.77", "127.0.0.1"))
    said.clear()
    machine.start(settings, outside, said.append)
    assert said == []
