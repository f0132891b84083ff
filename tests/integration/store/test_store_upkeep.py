"""Backups and their keys, and the trail's anchors, as an administrator meets them: no command sends anybody astray."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from service.audit import anchors
from service.audit.chain import head_anchor
from service.keys import load_keyring
from service.keys.ring import key_id
from service.store.engine import Store
from service.store.secrets import open_keys
from tests.integration.store.conftest import NOW
from tests.integration.store.line import Line


@pytest.fixture
def line(tmp_path: Path) -> Line:
    return Line(tmp_path)


def _restore(line: Line, copy: str) -> None:
    for file in line.data.glob("ecoute.db*"):
        file.unlink()
    shutil.copy(line.place / copy, line.data / "ecoute.db")


def _put_beside(line: Line, name: str) -> None:
    """The retired key, where the error says."""
    refused = line.run("keys", "status")
    asked = re.search(rf"as (\S+/master-{name}\.key)", refused.stderr)
    assert (refused.returncode, asked is not None) == (1, True), refused.stderr
    assert asked is not None
    assert not Path(asked[1]).exists(), "nothing is replaced"
    shutil.copy(line.data / "secrets" / "retired" / f"master-{name}.key", asked[1])


async def test_an_older_backup_is_restored_as_the_error_says_and_newer_ones_keep_their_key(line: Line) -> None:
    first = await line.made()
    assert line.run("backup", "old.db").returncode == 0
    assert line.run("keys", "rotate").returncode == 0
    assert line.run("keys", "retire").returncode == 0
    second = key_id(load_keyring(line.data, create=False).fingerprint)
    assert line.run("backup", "new.db").returncode == 0
    _restore(line, "old.db")
    _put_beside(line, first)
    assert f"Master key {first} seals" in line.run("keys", "status").stdout
    assert line.run("keys", "rotate").returncode == 0
    retired = line.run("keys", "retire")
    assert f"master-{second}.key" in retired.stdout, "the key of the newer backup is put away, not lost"
    assert "or destroy it" not in retired.stdout
    assert "destroy it only with the last of them" in retired.stdout
    _restore(line, "new.db")
    _put_beside(line, second)
    assert f"Master key {second} seals" in line.run("keys", "status").stdout


async def test_a_copy_whose_key_is_not_here_is_kept_and_says_which_key_has_to_go_with_it(line: Line) -> None:
    wanted = await line.made()
    shutil.move(line.data / "secrets", line.place / "theirs")
    other = key_id(load_keyring(line.data).fingerprint)
    done = line.run("backup", "copy.db")
    assert (done.returncode, (line.place / "copy.db").is_file()) == (1, True), done.stderr
    assert "It opens with" not in done.stdout
    assert f"Put master key {wanted} with this copy" in done.stderr
    assert f"does NOT open it. It is not here: here is master key {other}." in done.stderr
    shutil.copy(line.place / "theirs" / "master.key", line.data / "secrets" / f"master-{wanted}.key")
    done = line.run("backup", "another.db")
    assert (done.returncode, "It opens with" in done.stdout) == (0, True), done.stderr


# --- anchors ----------------------------------------------------------------------------------------------------------


async def _anchored(line: Line) -> str:
    """A trail whose last entries an anchor knows that is kept elsewhere; then they are cut off. The anchor."""
    await line.made()
    assert line.run("backup", "copy.db").returncode == 0
    shutil.copy(line.data / "ecoute.db", line.place / "early.db")
    assert line.run("backup", "second.db").returncode == 0
    store = Store(line.url)
    keyring = await open_keys(store, line.data)
    await anchors.Anchors(store, keyring, anchors.file_of(line.data)).drop()
    async with store.reading() as session:
        found = await head_anchor(session, NOW)
    await store.close()
    assert found is not None
    return found.text


@pytest.mark.parametrize("garbage", [b"rubbish\n", b"\xff\xfe\n", b"\n", None], ids=["words", "bytes", "empty", "mark"])
async def test_a_damaged_anchor_hides_no_other_finding(line: Line, garbage: bytes | None) -> None:
    kept_elsewhere = await _anchored(line)
    file = anchors.file_of(line.data)
    (good,) = file.read_bytes().splitlines(keepends=True)
    if garbage is None:
        garbage = re.sub(rb'"mark":"..', b'"mark":"\xc3\xa9', good)
    file.write_bytes(good + garbage + good)
    done = line.run("audit", "verify")
    assert done.returncode == 1, done.stdout
    assert "2 entries, up to number 2." in done.stdout
    assert f"ANCHORS DAMAGED: line 2 of {file}" in done.stdout
    assert "The chain holds." in done.stdout
    _restore(line, "early.db")
    done = line.run("audit", "verify", "--json", "--anchor", kept_elsewhere)
    found = json.loads(done.stdout)
    assert (done.returncode, found["whole"], found["anchors_damaged"]) == (1, False, 2)
    assert (found["entries"], found["broken_at"], found["missing_from"]) == (1, None, 2)


async def test_anchors_that_are_whole_are_not_called_damaged(line: Line) -> None:
    kept_elsewhere = await _anchored(line)
    done = line.run("audit", "verify", "--json", "--anchor", kept_elsewhere)
    found = json.loads(done.stdout)
    assert (done.returncode, found["whole"], found["anchors_damaged"], found["anchored"]) == (0, True, None, 2)
