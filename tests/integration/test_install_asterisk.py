"""Where Asterisk comes from: the cache, and what a person is told when it cannot be filled."""

from __future__ import annotations

import fcntl
import os
import subprocess
import threading
from pathlib import Path

import pytest

from pbx import fetch, install, layout, manifest
from pbx.errors import SetupError
from tests.support.pbx import quiet, the_asterisk


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small root as the cache holds it, with its manifest."""
    root = tmp_path / "asterisk-0"
    for name, content in {"usr/sbin/asterisk": "binary", "usr/lib/m/a.so": "module", "etc/x": "plain"}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    (root / "lib").symlink_to("usr/lib")
    manifest.write(root, ("usr/sbin/asterisk", "usr/lib/*/*.so"))
    return root


class TestTheRealOne:
    def test_is_fetched_once_and_is_new_enough(self) -> None:
        asterisk = the_asterisk()
        assert tuple(map(int, asterisk.version.split("."))) >= install.OLDEST
        if asterisk.root is not None:
            assert manifest.damage(asterisk.root) is None
            assert list(asterisk.root.parent.glob(f".{asterisk.root.name}.*")) == []

    def test_is_taken_from_the_cache_without_a_word_afterwards(self) -> None:
        the_asterisk()
        said: list[str] = []
        install.extracted(layout.cache_dir(os.environ), said.append)
        assert said == []


class TestDamage:
    def test_a_whole_tree_has_none(self, tree: Path) -> None:
        assert manifest.damage(tree) is None

    def test_a_missing_file_is_noticed(self, tree: Path) -> None:
        (tree / "etc/x").unlink()
        assert manifest.damage(tree) == "etc/x is missing"

    def test_a_cut_file_is_noticed(self, tree: Path) -> None:
        (tree / "etc/x").write_text("")
        assert manifest.damage(tree) == "etc/x is changed"

    def test_a_module_of_the_same_size_but_other_content_is_noticed(self, tree: Path) -> None:
        (tree / "usr/lib/m/a.so").write_text("modulE")
        assert manifest.damage(tree) == "usr/lib/m/a.so is changed"

    def test_a_link_that_points_elsewhere_is_noticed(self, tree: Path) -> None:
        (tree / "lib").unlink()
        (tree / "lib").symlink_to("/usr/lib")
        assert manifest.damage(tree) == "lib is changed"

    @pytest.mark.parametrize("content", ["", "{", "{}", "[]", '{"entries": 1, "hashes": {}}'])
    def test_a_broken_manifest_is_damage(self, tree: Path, content: str) -> None:
        (tree / manifest.NAME).write_text(content)
        assert manifest.damage(tree) == "its manifest is missing or unreadable"


class FromMachine:
    """In place of Debian's archive: packages "extracted" from the Asterisk that is in the cache already."""

    def __init__(self) -> None:
        self.fetched = 0

    def __call__(self, tree: Path, suite: str, packages: object, progress: install.Progress) -> None:
        root = the_asterisk().root
        assert root is not None
        self.fetched += 1
        linked = subprocess.run(["cp", "-al", str(root), str(tree)], capture_output=True, check=False)
        if linked.returncode:  # the cache lies on another disk
            subprocess.run(["cp", "-a", str(root), str(tree)], check=True)
        (tree / manifest.NAME).unlink()


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> FromMachine:
    if the_asterisk().root is None:
        pytest.skip("this machine has its own Asterisk: nothing is cached")
    archive = FromMachine()
    monkeypatch.setattr(fetch, "debian_tree", archive)
    return archive


class TestTheCache:
    """`archive` stands for the network alone; what is extracted, checked and put in place is real."""

    def test_a_damaged_one_is_fetched_again_and_said_so(self, tmp_path: Path, archive: FromMachine) -> None:
        asterisk = install.extracted(tmp_path, quiet)
        assert asterisk.root is not None
        (asterisk.modules / "chan_pjsip.so").unlink()
        said: list[str] = []
        mended = install.extracted(tmp_path, said.append)
        assert "damaged" in said[0]
        assert "chan_pjsip.so is missing" in said[0]
        assert (mended.modules / "chan_pjsip.so").is_file()
        assert archive.fetched == 2
        assert list(tmp_path.glob(".*")) == []

    def test_one_that_was_interrupted_leaves_nothing_behind(self, tmp_path: Path, archive: FromMachine) -> None:
        key = install.extracted(tmp_path / "other", quiet)
        assert key.root is not None
        (tmp_path / f".{key.root.name}.halfway" / "tree").mkdir(parents=True)
        install.extracted(tmp_path, quiet)
        assert list(tmp_path.glob(".asterisk-*")) == []

    def test_two_runs_side_by_side_fetch_once(self, tmp_path: Path, archive: FromMachine) -> None:
        runs = [threading.Thread(target=install.extracted, args=(tmp_path, quiet)) for _ in range(2)]
        for run in runs:
            run.start()
        for run in runs:
            run.join()
        assert archive.fetched == 1

    def test_who_waits_for_another_run_says_so(self, tmp_path: Path, archive: FromMachine) -> None:
        done = install.extracted(tmp_path, quiet)
        assert done.root is not None
        said: list[str] = []
        with (tmp_path / f"{done.root.name}.lock").open("w") as other:
            fcntl.flock(other, fcntl.LOCK_EX)

            def heard(line: str) -> None:
                said.append(line)
                fcntl.flock(other, fcntl.LOCK_UN)

            install.extracted(tmp_path, heard)
        assert said == ["Another run is preparing Asterisk: waiting for it"]


class TestComplaints:
    """Each is what apt or mmdebstrap really says."""

    @pytest.mark.parametrize(
        ("said", "error", "mend"),
        [
            ("E: Failed to fetch http://h/x.deb  Could not connect to h:80", "no-network", "http_proxy"),
            (
                "Err:1 http://h forky InRelease\n  Temporary failure resolving 'h'\nE: apt-get failed",
                "no-network",
                "Connect",
            ),
            (
                "dpkg-deb: error: write error: No space left on device\nE: dpkg-deb failed",
                "disk-full",
                "ECOUTE_CACHE_DIR",
            ),
            ("W: The following signatures couldn't be verified: NO_PUBKEY 0", "archive-not-trusted", "keyring"),
            ("E: Unable to locate package asterisk", "asterisk-not-fetched", "PATH"),
            ("", "asterisk-not-fetched", "PATH"),
        ],
    )
    def test_each_becomes_one_sentence_with_its_mend(self, said: str, error: str, mend: str) -> None:
        complaint = fetch.complaint(said, "forky")
        assert complaint.id == error
        assert mend in complaint.mend
        assert "\n" not in str(complaint)

    def test_without_a_network_the_real_tool_says_so(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")  # the discard port: nobody listens
        monkeypatch.setattr(fetch, "_proxies", list)
        with pytest.raises(SetupError) as refused:
            install.extracted(tmp_path, quiet)
        assert refused.value.id == "no-network"
        assert [file.name for file in tmp_path.iterdir() if not file.name.endswith(".lock")] == []

    @pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")
    def test_a_disk_that_is_too_small_is_refused_at_once(self, tmp_path: Path) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(tmp_path)], check=True)
        try:
            with pytest.raises(SetupError, match="too full") as refused:
                install.extracted(tmp_path, quiet)
        finally:
            subprocess.run(["umount", str(tmp_path)], check=True)
        assert refused.value.id == "disk-full"
        assert "ECOUTE_CACHE_DIR" in refused.value.mend

    def test_only_an_expired_list_lets_its_date_pass(self) -> None:
        real = (
            "E: Release file for http://h/debian/dists/forky/InRelease is expired (invalid since 3d 4h 5min 6s). "
            "Updates for this repository will not be applied."
        )
        assert fetch.is_expired(real)
        assert fetch.is_expired("E: Release file for http://h is not valid anymore")
        assert not fetch.is_expired("E: Release file for http://h is not valid yet (invalid for another 2h).")
        assert not fetch.is_expired("E: The repository 'http://h forky Release' is not signed.")


@pytest.mark.parametrize(
    ("sources", "archives"),
    [
        ("deb http://mirror.example/debian bookworm main", ["http://mirror.example/debian"]),
        ("deb [signed-by=/k] https://mirror.example/debian/ bookworm main\n", ["https://mirror.example/debian"]),
        ("Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\n", ["http://mirror.example/debian"]),
        ("# deb http://mirror.example/debian bookworm main", []),
        ("deb http://mirror.example/debian-security bookworm-security main", []),
        ("deb-src http://mirror.example/debian bookworm main", []),
        ("deb https://other.example/packages stable main", []),
    ],
)
def test_the_machines_own_debian_archive_is_read_from_its_sources(sources: str, archives: list[str]) -> None:
    assert list(fetch.archives(sources)) == archives


class TestOnPath:
    """A program that says what an old or a new Asterisk says: only the answer to `-V` decides."""

    @pytest.fixture
    def answering(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        program = tmp_path / "asterisk"
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        program.write_text("#!/bin/sh\necho Asterisk 20.6.0~dfsg+~cs6\n")
        program.chmod(0o755)
        return program

    def test_an_old_asterisk_is_passed_over_and_said_so(self, answering: Path) -> None:
        said: list[str] = []
        assert install.on_path(said.append) is None
        assert f"{answering} is 20.6.0; 22.10.1 or later is needed" in said[0]

    def test_something_that_is_no_asterisk_is_passed_over(self, answering: Path) -> None:
        answering.write_text("#!/bin/sh\nexit 1\n")
        assert install.on_path(quiet) is None
