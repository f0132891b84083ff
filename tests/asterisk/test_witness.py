"""The second client (pyst2) hears and asks what the real Asterisk says, and ends with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pbx import PbxUnderTest, start_test_pbx
from tests.support.pyst2 import ManagerException
from tests.support.wait import until
from tests.support.witness import Witness


@pytest.fixture(scope="module")
def pbx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PbxUnderTest]:
    with start_test_pbx(tmp_path_factory.mktemp("pbx"), sounds=False) as pbx:
        pbx.add_manager("witness", "witness")
        yield pbx


@pytest.fixture
def witness(pbx: PbxUnderTest) -> Iterator[Witness]:
    with Witness(pbx.ports.ami, "witness", "witness") as witness:
        yield witness


def test_many_who_ask_at_once_each_get_their_own_answer(witness: Witness) -> None:
    got: dict[int, list[str]] = {}

    def ask(n: int) -> None:
        for turn in range(20):
            witness.ask("Setvar", Variable=f"V{n}", Value=f"{n}-{turn}")
        got[n] = [witness.ask("Getvar", Variable=f"V{n}")["Value"]]

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == {n: [f"{n}-19"] for n in range(5)}


def test_the_items_of_a_list_are_events_though_pyst2_takes_them_for_one_answer(witness: Witness) -> None:
    witness.ask("QueueAdd", Queue="national", Interface="PJSIP/l1", MemberName="1")
    begin = len(witness.events)
    assert witness.ask("QueueStatus")["Response"] == "Success"
    member = witness.event("QueueMember", after=begin)
    assert (member["Queue"], member["Location"]) == ("national", "PJSIP/l1")
    witness.event("QueueStatusComplete", after=begin)
    assert witness.ask("Ping")["Ping"] == "Pong"


def test_an_event_of_a_call_is_heard_with_the_variable_that_pyst2_stumbles_over(witness: Witness) -> None:
    reply = witness.ask(
        "Originate",
        Channel="Local/s@step",
        Application="UserEvent",
        Data="Heard,Word: here",
        Variable="__CALL_ID=call-1",
        Async="true",
    )
    assert reply["Response"] == "Success"
    newest = witness.event("Newchannel")
    assert "ChanVariable" in newest
    until(lambda: len(witness.events) == len(witness.heard), "each event has its instant")


def test_a_wrong_secret_is_an_error(pbx: PbxUnderTest) -> None:
    with pytest.raises(ManagerException):
        Witness(pbx.ports.ami, "witness", "wrong")


def test_a_pbx_that_dies_ends_the_witness_at_once(tmp_path: Path) -> None:
    with start_test_pbx(tmp_path, sounds=False) as pbx:
        pbx.add_manager("witness", "witness")
        others = set(threading.enumerate())  # of a refused one some may still live: Asterisk closes it a second later
        witness = Witness(pbx.ports.ami, "witness", "witness")
        its = set(threading.enumerate()) - others
        assert its
        pbx.kill()
        until(lambda: not any(thread.is_alive() for thread in its), "its threads end by themselves")
        began = time.monotonic()
        with pytest.raises(ManagerException):
            witness.ask("Ping")
        witness.close()
        assert time.monotonic() - began < 5.0
