"""The PBX refuses our account: told once, tried again slowly, and taken as soon as somebody has mended it."""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pbx.commands import ReloadPhones
from pbx.errors import SetupError
from pbx.facts import PbxConnected, PbxLost, PbxRefused
from pbx.layout import Layout
from pbx.link import LinkConfig, NotConnected, PbxLink
from pbx.session import Timing
from pbx.site import read_secrets
from tests.fakes.ami_server import AmiServer
from tests.fakes.reader import QUICK, Reader, config_of, linked

SLOWLY = replace(QUICK, refused_again=0.3)


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


def test_a_refused_account_is_asked_for_once_a_minute() -> None:
    assert Timing().refused_again == 60.0


async def test_refused_credentials_are_told_once_and_tried_slowly(caplog: pytest.LogCaptureFixture) -> None:
    came: list[float] = []
    async with AmiServer() as server, linked(server, SLOWLY, secret="wrong") as reader:
        while len(came) < 3:
            await server.until(lambda: len(server.logins) > len(came))
            came.append(time.monotonic())
        assert all(after - before > 0.9 * SLOWLY.refused_again for before, after in itertools.pairwise(came))
        assert [type(fact) for fact in reader.facts] == [PbxRefused]
    (said,) = errors(caplog)
    assert "refused the account service" in said


async def test_a_pbx_that_takes_the_account_after_all_is_connected_without_a_new_start() -> None:
    async with AmiServer() as server, linked(server, SLOWLY, secret="wrong") as reader:
        await reader.until(lambda _: reader.count(PbxRefused))
        server.secrets["service"] = "wrong"
        await reader.connected()
        assert [type(fact) for fact in reader.facts if not isinstance(fact, PbxLost)] == [PbxRefused, PbxConnected]


async def test_the_secret_is_read_again_after_a_refusal() -> None:
    async with AmiServer() as server:
        mended = config_of(server)
        kept: list[LinkConfig | SetupError] = [SetupError("no-file", "There is none.", "Put it there."), mended]

        def reread() -> LinkConfig:
            found = kept.pop(0)
            if isinstance(found, SetupError):
                raise found
            return found

        reader = Reader(PbxLink(replace(mended, secret="wrong"), SLOWLY, reread=reread))
        try:
            await reader.connected()
        finally:
            await reader.close()
        assert server.logins[:3] == [("service", False), ("service", False), ("service", True)]
        assert reader.count(PbxRefused) == 1


@pytest.mark.parametrize("written", ["[]", '"secret"', "null", "{", '{"service": "only"}'])
async def test_secrets_of_another_shape_end_no_link(tmp_path: Path, written: str) -> None:
    layout = Layout(tmp_path)
    layout.secrets.parent.mkdir(parents=True, exist_ok=True)
    layout.secrets.write_text(written)
    async with AmiServer() as server:
        wrong = config_of(server, secret="wrong")

        def reread() -> LinkConfig:
            secrets = read_secrets(layout)
            return replace(wrong, secret=secrets["service"], provision_secret=secrets["provision"])

        reader = Reader(PbxLink(wrong, SLOWLY, reread=reread))
        try:
            await server.until(lambda: server.logins.count(("service", False)) >= 3)
        finally:
            await reader.close()


async def test_a_link_that_is_refused_closes_at_once() -> None:
    async with AmiServer() as server:
        reader = Reader(PbxLink(config_of(server, secret="wrong"), replace(QUICK, refused_again=3600.0)))
        await reader.until(lambda _: reader.count(PbxRefused))
        async with asyncio.timeout(2):
            await reader.close()


async def test_the_provisioning_account_refused_is_tried_again_slowly_with_its_secret_as_it_is_then(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AmiServer() as server:
        mended = config_of(server)
        seldom = replace(QUICK, refused_again=3600.0)
        link = PbxLink(replace(mended, provision_secret="wrong"), seldom, reread=lambda: mended)
        reader = Reader(link)
        try:
            await reader.connected()  # without the phones' contacts, which need that account
            for _ in range(3):
                with pytest.raises(NotConnected):
                    await link.send(ReloadPhones(pbx="pbx1"))
            assert server.logins.count(("provision", False)) == 1
            monkeypatch.setattr(link._provisioning, "_refused_at", time.monotonic() - 3601.0)
            await link.send(ReloadPhones(pbx="pbx1"))
            assert ("provision", True) in server.logins
            assert server.logins.count(("provision", False)) == 1
        finally:
            await reader.close()
    assert len(errors(caplog)) == 1


@pytest.mark.parametrize("secret", ["right\n", "\ud800", "x" * 2000])
async def test_a_secret_that_cannot_be_sent_is_refused_before_a_connection_is_made_and_read_again(
    secret: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with AmiServer() as server:
        mended = config_of(server)
        kept = [replace(mended, secret=secret), mended]
        reader = Reader(PbxLink(kept[0], SLOWLY, reread=lambda: kept.pop(0)))
        try:
            await reader.connected()
            assert [type(fact) for fact in reader.facts] == [PbxRefused, PbxConnected]
            assert server.logins == [("service", True), ("provision", True)]
            assert len(server.connections) == 2
        finally:
            await reader.close()
    (said,) = errors(caplog)
    assert "Put the right file back" in said
