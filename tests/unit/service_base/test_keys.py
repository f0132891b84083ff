"""Keys: what is sealed opens only where it belongs; callers' numbers open as the PBX's dialplan encrypted them."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.keys import DataKey, Keyring, KeysError, Sealed, load_keyring, new_caller_key
from service.keys.files import new_master_key, retire_all_but
from service.keys.ring import sealed_by
from tests.support.caller_tokens import KEY, ring, token

KEYRING = Keyring(bytes(range(32)))


# --- sealing ----------------------------------------------------------------------------------------------------------


@given(st.text())
def test_what_was_sealed_opens_with_its_key_and_context(text: str) -> None:
    key, wrapped = KEYRING.new_data_key()
    sealed = key.seal(text, "contact:1:notes")
    assert KEYRING.unwrap(wrapped).open(sealed, "contact:1:notes") == text
    assert KEYRING.open(KEYRING.seal(text, "phone:1"), "phone:1") == text


def test_a_sealed_text_opens_nowhere_else() -> None:
    key, _ = KEYRING.new_data_key()
    other, _ = KEYRING.new_data_key()
    sealed = key.seal("un secret", "contact:1:notes")
    for opener, context in ((key, "contact:2:notes"), (other, "contact:1:notes")):
        with pytest.raises(KeysError) as caught:
            opener.open(sealed, context)
        assert caught.value.id == "sealed-unreadable"
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize("position", [0, 1, 13, -1])
def test_a_changed_byte_is_noticed(position: int) -> None:
    key, _ = KEYRING.new_data_key()
    sealed = bytearray(key.seal("un secret", "c"))
    sealed[position] ^= 1
    with pytest.raises(KeysError):
        key.open(Sealed(sealed), "c")


def test_the_same_text_never_seals_the_same_twice() -> None:
    assert KEYRING.seal("a", "c") != KEYRING.seal("a", "c")


def test_another_master_key_opens_nothing_and_has_another_fingerprint() -> None:
    other = Keyring(bytes(32))
    _, wrapped = KEYRING.new_data_key()
    with pytest.raises(KeysError):
        other.unwrap(wrapped)
    assert other.fingerprint != KEYRING.fingerprint


def test_the_blind_index_is_equal_for_equal_numbers_and_only_under_one_key() -> None:
    number = "+33639980101"
    assert KEYRING.blind_index(number) == KEYRING.blind_index(number)
    assert (
        len({KEYRING.blind_index(number), KEYRING.blind_index("+33639980102"), Keyring(bytes(32)).blind_index(number)})
        == 3
    )
    assert KEYRING.blind_index(number) != KEYRING.attempt_index(number)


def test_keys_do_not_print_themselves() -> None:
    key, _ = KEYRING.new_data_key()
    assert repr(key) == "DataKey(…)"
    assert repr(KEYRING) == "Keyring(…)"
    assert repr(ring(("k1", KEY))) == "CallerKeyRing(1 keys)"


# --- the master key's file --------------------------------------------------------------------------------------------


def test_the_master_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    first = load_keyring(tmp_path)
    file = tmp_path / "secrets" / "master.key"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in file.parent.iterdir()] == ["master.key"]
    assert load_keyring(tmp_path, create=False).fingerprint == first.fingerprint


def test_of_many_that_start_at_once_all_use_the_same_key(tmp_path: Path) -> None:
    found: list[str] = []
    start = threading.Barrier(8)

    def begin() -> None:
        start.wait()
        found.append(load_keyring(tmp_path).fingerprint)

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


@pytest.mark.parametrize(
    ("damage", "error_id"),
    [
        (lambda file: file.chmod(0o640), "master-key-exposed"),
        (lambda file: file.unlink(), "master-key-missing"),
        (lambda file: file.write_text("c2hvcnQ="), "key-damaged"),
        (lambda file: file.write_text("!"), "key-damaged"),
    ],
    ids=["others may read", "gone", "short", "no key"],
)
def test_a_master_key_in_a_bad_state_is_refused_by_name(tmp_path: Path, damage: object, error_id: str) -> None:
    load_keyring(tmp_path)
    damage(tmp_path / "secrets" / "master.key")  # type: ignore[operator]
    with pytest.raises(KeysError) as caught:
        load_keyring(tmp_path, create=False)
    assert caught.value.id == error_id


# --- callers' numbers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["+33639980101", "0639980101", "0199000001", "+123456789012345"])
def test_a_number_opens_as_the_trunk_delivered_it(number: str) -> None:
    assert ring(("k1", KEY)).open_token(token(number)) == number


def test_a_number_of_a_call_while_we_were_away_opens_with_the_key_of_its_time() -> None:
    keys = ring(("k1", KEY), ("k2", "AnotherKey012345"))
    assert keys.open_token(token("0639980101", key_id="k1")) == "0639980101"


def test_a_token_whose_id_was_not_yet_renamed_opens_with_the_other_key() -> None:
    keys = ring(("k1", "AnotherKey012345"), ("k2", KEY))
    assert keys.open_token(token("0639980101", key_id="k1")) == "0639980101"


@pytest.mark.parametrize(
    "text",
    [
        "withheld",
        "none",
        "nokey",
        "",
        "k1",
        "k1..",
        "k1.fa060f40fb706005.",
        "k1.fa060f40fb706005.!!!!",
        "k1.short.AAAA",
        token("0639980101", key="SomebodyElsesKey"),
        token("0639980101")[:-4] + "AAA=",
    ],
)
def test_what_is_no_number_is_anonymous(text: str) -> None:
    assert ring(("k1", KEY)).open_token(text) is None


@given(st.text(max_size=80))
def test_no_token_whatever_breaks_the_ring(text: str) -> None:
    keys = ring(("k1", KEY))
    assert keys.open_token(text) is None
    assert keys.open_token(f"k1.fa060f40fb706005.{text}") is None


def test_a_new_caller_key_has_the_length_that_the_dialplan_needs() -> None:
    key_id, key = new_caller_key()
    assert len(key) == 16
    assert (key_id + key).isalnum()
    assert new_caller_key() != (key_id, key)
    assert os.fsencode(key) == key.encode()


# --- another master key -----------------------------------------------------------------------------------------------

OLD, NEW = bytes(range(32)), bytes(range(1, 33))


@given(st.text(), st.text(max_size=20))
def test_what_is_sealed_anew_opens_with_the_new_master_key_alone(text: str, context: str) -> None:
    both = Keyring(OLD, NEW)
    key, wrapped = both.new_data_key()
    note, secret = key.seal(text, context), both.seal(text, context)
    both.seal_with(Keyring(NEW).fingerprint)
    anew = both.rewrap(wrapped), both.rewrap(secret)
    new, old = Keyring(NEW), Keyring(OLD)
    assert new.unwrap(anew[0]).open(note, context) == new.open(anew[1], context) == text
    assert [both.rewrap(value) for value in anew] == list(anew), "once is enough"
    for opener in (lambda: old.unwrap(anew[0]), lambda: old.open(anew[1], context), lambda: new.open(secret, context)):
        with pytest.raises(KeysError) as caught:
            opener()
        assert caught.value.id == "master-key-unknown"


def test_a_key_that_came_meanwhile_is_found_by_its_id(tmp_path: Path) -> None:
    keyring = load_keyring(tmp_path)
    fingerprint = new_master_key(tmp_path)
    file = tmp_path / "secrets" / f"master-{fingerprint[:8]}.key"
    assert file.stat().st_mode & 0o777 == 0o600
    other = load_keyring(tmp_path)
    other.seal_with(fingerprint)
    assert keyring.open(other.seal("text", "c"), "c") == "text"
    file.unlink()
    with pytest.raises(KeysError, match=f"master-{fingerprint[:8]}.key"):
        load_keyring(tmp_path).open(other.seal("text", "c"), "c")


def test_a_key_s_head_says_which_master_key_sealed(tmp_path: Path) -> None:
    assert sealed_by(KEYRING.seal("a", "c")) == KEYRING.known[0] == KEYRING.fingerprint[:8]
    assert sealed_by(DataKey(bytes(32)).seal("a", "c")) is None


def test_old_keys_are_put_away_whole_wherever_that_was_interrupted(tmp_path: Path) -> None:
    first = load_keyring(tmp_path).fingerprint
    second = new_master_key(tmp_path)
    place = tmp_path / "secrets"
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    retire_all_but(tmp_path, second)
    away = place / "retired" / f"master-{first[:8]}.key"
    assert (place / "master.key").read_bytes() == before[f"master-{second[:8]}.key"]
    assert away.read_bytes() == before["master.key"]
    # killed after the copy, before the new one took its name
    for name, content in before.items():
        (place / name).write_bytes(content)
        (place / name).chmod(0o600)
    retire_all_but(tmp_path, second)
    assert sorted(path.name for path in place.glob("*.key")) == ["master.key"]
    assert load_keyring(tmp_path).fingerprint == second
    assert away.read_bytes() == before["master.key"]


def test_a_draft_of_a_killed_process_does_not_keep_a_retired_key_alive(tmp_path: Path) -> None:
    load_keyring(tmp_path)
    draft = tmp_path / "secrets" / ".master.0123"
    os.link(tmp_path / "secrets" / "master.key", draft)
    os.utime(draft, (0, 0))
    retire_all_but(tmp_path, new_master_key(tmp_path))
    assert not draft.exists()
