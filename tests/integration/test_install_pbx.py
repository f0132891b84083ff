"""The PBX starts, is found, is ended, and comes back: the real Asterisk with the shipped configuration."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pbx import console, ports, process, site, ways
from pbx.errors import SetupError
from pbx.layout import Layout
from pbx.phones import PhoneAccount
from pbx.site import TrunkByRegistration
from tests.support.pbx import PbxUnderTest, quiet, reserve_ports, start_test_pbx, the_asterisk
from tests.support.users import ORDINARY, become_ordinary, directory_for_all, in_a_child, without_mounting
from tests.support.wait import until

AS_ROOT = os.geteuid() == 0


@pytest.fixture
def pbx(tmp_path: Path) -> Iterator[PbxUnderTest]:
    with start_test_pbx(tmp_path) as pbx:
        yield pbx


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PbxUnderTest]:
    """For tests that leave it as it was."""
    with start_test_pbx(tmp_path_factory.mktemp("shared")) as pbx:
        yield pbx


@pytest.fixture
def open_directory() -> Iterator[Path]:
    with directory_for_all() as directory:
        yield directory


def ask_manager(pbx: PbxUnderTest, username: str, secret: str, action: dict[str, str]) -> str:
    """What the manager interface answers to a login and one action, until it closes after a logoff."""
    said = ""
    for one in ({"Action": "Login", "Username": username, "Secret": secret}, action, {"Action": "Logoff"}):
        said += "".join(f"{key}: {value}\r\n" for key, value in one.items()) + "\r\n"
    with socket.create_connection(("127.0.0.1", pbx.ports.ami), timeout=10) as connection:
        connection.sendall(said.encode())
        return b"".join(iter(lambda: connection.recv(4096), b"")).decode()


def status(pid: int, key: str) -> list[str]:
    text = Path(f"/proc/{pid}/status").read_text()
    return next(line.split()[1:] for line in text.splitlines() if line.startswith(f"{key}:"))


class TestStarted:
    def test_it_takes_calls_when_start_returns_and_complains_of_nothing(self, shared: PbxUnderTest) -> None:
        assert "fully booted" in shared.console("core waitfullybooted")
        for port in ports.of(json.loads(shared.layout.site.read_bytes())):
            assert not port.free()
        assert shared.running.channels() == 0
        assert "ERROR" not in shared.log()
        assert "WARNING" not in shared.log()

    def test_it_is_unprivileged_whoever_starts_it(self, shared: PbxUnderTest) -> None:
        assert "0" not in status(shared.running.pid, "Uid")
        for capabilities in ("CapEff", "CapPrm", "CapInh", "CapBnd" if AS_ROOT else "CapAmb"):
            assert int(status(shared.running.pid, capabilities)[0], 16) == 0
        assert status(shared.running.pid, "NoNewPrivs") == ["1" if AS_ROOT else "0"]

    def test_it_does_not_belong_to_our_session(self, shared: PbxUnderTest) -> None:
        assert os.getsid(shared.running.pid) != os.getsid(0)

    def test_its_files_are_nobody_elses(self, shared: PbxUnderTest) -> None:
        assert stat.S_IMODE(shared.layout.data.stat().st_mode) == 0o750
        for file in shared.layout.etc.rglob("*.conf"):
            assert file.stat().st_uid == os.geteuid(), f"{file} could be changed by Asterisk itself"
            assert stat.S_IMODE(file.stat().st_mode) & 0o027 == 0

    def test_its_own_name_is_in_its_hosts_file(self) -> None:
        assert ways.hosts("127.0.0.1 localhost\n", "pc") == "127.0.0.1 localhost\n127.0.1.1 pc\n"
        assert ways.hosts("127.0.0.1 localhost pc # x\n", "pc") == "127.0.0.1 localhost pc # x\n"
        assert ways.hosts("127.0.0.1 localhost # pc\n", "pc").endswith("127.0.1.1 pc\n")

    def test_the_prompts_and_the_music_are_heard_of(self, shared: PbxUnderTest) -> None:
        assert shared.layout.sounds.joinpath("fr/welcome.alaw").is_file()
        assert "File: " in shared.console("moh show files")

    def test_the_generated_dialplan_is_loaded(self, shared: PbxUnderTest) -> None:
        assert "Set(LINE=+33199003133)" in shared.console("dialplan show 0199003133@numbers")
        assert "GotoIfTime(00:00-23:59,*,*,*,Europe/Paris?open)" in shared.console("dialplan show hours")
        assert shared.console("dialplan show globals").count("OVERFLOW_AFTER=90") == 1

    def test_the_trunk_is_known_by_its_address(self, shared: PbxUnderTest) -> None:
        assert f"sip:127.0.0.1:{shared.ports.spare[0]}" in shared.console("pjsip show endpoint trunk")
        assert "127.0.0.1/32" in shared.console("pjsip show identify trunk")

    def test_phones_written_while_it_runs_are_usable_at_once(self, shared: PbxUnderTest) -> None:
        shared.write_phones([PhoneAccount("l12", "odd;pass word"), PhoneAccount("l13", "other", "sip")])
        assert "l12" in shared.console("pjsip show endpoints")
        assert "odd;pass word" in shared.console("pjsip show auth l12")
        assert "l13" in shared.console("pjsip show aor l13")


def test_a_trunk_by_registration_registers(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as carrier:
        carrier.bind(("127.0.0.1", 0))
        carrier.settimeout(20)
        server = f"127.0.0.1:{carrier.getsockname()[1]}"
        trunk = TrunkByRegistration(server=server, username="ecoute1", password="x;y")
        with start_test_pbx(tmp_path, trunk=trunk) as pbx:
            request = carrier.recv(4096).decode()
            assert request.startswith(f"REGISTER sip:{server} SIP/2.0")
            assert "ecoute1" in request
            assert "x;y" in pbx.console("pjsip show auth trunk")


def test_browser_phones_beyond_this_machine_reach_it_with_tls(tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    make += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(certificate), "-keyout", str(key)]
    subprocess.run(make, check=True, capture_output=True)
    with start_test_pbx(tmp_path, certificate=certificate, private_key=key) as pbx:
        trusting = ssl.create_default_context(cafile=str(certificate))
        with (
            socket.create_connection(("127.0.0.1", pbx.ports.tls), timeout=10) as plain,
            trusting.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
        ):
            connection.sendall(b"GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(4096).startswith(b"HTTP/1.1 426 Upgrade Required")
        assert "wss" in pbx.console("pjsip show transports")


def test_two_run_side_by_side_from_the_same_cache(shared: PbxUnderTest, tmp_path: Path) -> None:
    with start_test_pbx(tmp_path, pbx="pbx2") as other:
        assert other.running.pid != shared.running.pid
        assert "System name:                 pbx2" in other.console("core show settings")
        other.stop()
        assert shared.running.alive()


class TestFound:
    def test_by_its_data_directory(self, shared: PbxUnderTest) -> None:
        assert process.find(shared.layout) == shared.running

    def test_and_not_started_twice(self, shared: PbxUnderTest) -> None:
        assert process.start(shared.asterisk, shared.layout, quiet) == shared.running

    def test_but_not_when_the_settings_say_other_ports_now(self, pbx: PbxUnderTest) -> None:
        recorded = json.loads(pbx.layout.site.read_bytes())
        pbx.layout.site.write_text(json.dumps(recorded | {"sip_port": pbx.ports.spare[5]}))
        with pytest.raises(SetupError, match="ecoute down"):
            process.start(pbx.asterisk, pbx.layout, quiet)

    def test_two_runs_at_once_start_one(self, pbx: PbxUnderTest) -> None:
        pbx.kill()
        found: list[process.RunningPbx] = []
        starts = [
            threading.Thread(target=lambda: found.append(process.start(pbx.asterisk, pbx.layout, quiet)))
            for _ in range(2)
        ]
        for start in starts:
            start.start()
        for start in starts:
            start.join()
        assert len({(running.pid, running.start_time) for running in found}) == 1

    def test_nobody_when_nothing_runs(self, tmp_path: Path) -> None:
        assert process.find(Layout.of(tmp_path, "pbx1")) is None

    @pytest.mark.parametrize(
        "stale", ["", "x", "1 2", "{pid} 1 {boot}", "{pid} {start} another-boot", "4194305 1 {boot}"]
    )
    def test_nobody_by_a_stale_pid_file(self, tmp_path: Path, stale: str) -> None:
        """Not even when the pid was given to another process: this one."""
        layout = Layout.of(tmp_path, "pbx1")
        layout.data.mkdir(parents=True)
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        start = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
        layout.pid_file.write_text(stale.format(pid=os.getpid(), start=start, boot=boot))
        assert process.find(layout) is None


class TestEnded:
    def test_its_ports_are_free_and_it_is_found_no_more(self, pbx: PbxUnderTest) -> None:
        pbx.running.stop(quiet)
        assert not pbx.running.alive()
        assert process.find(pbx.layout) is None
        assert all(port.free() for port in ports.of(json.loads(pbx.layout.site.read_bytes())))
        with pytest.raises(console.ConsoleError):
            pbx.console("core show version")

    def test_calls_are_let_end_first(self, pbx: PbxUnderTest) -> None:
        pbx.add_manager("caller", "secret")
        call = {"Action": "Originate", "Channel": "Local/3133@from-trunk", "Application": "Wait", "Data": "600"}
        assert "Success" in ask_manager(pbx, "caller", "secret", call | {"Async": "true"})
        until(lambda: pbx.running.channels() > 0, "the caller is there")
        said: list[str] = []

        def end_the_call(line: str) -> None:
            said.append(line)
            assert pbx.running.alive()
            pbx.console("channel request hangup all")

        pbx.running.stop(end_the_call)
        assert said
        assert said[0].startswith("Waiting for calls to end")
        assert not pbx.running.alive()

    def test_a_hung_one_is_not_ended_unasked(self, pbx: PbxUnderTest) -> None:
        os.kill(pbx.running.pid, signal.SIGSTOP)
        with pytest.raises(SetupError, match="does not answer"):
            pbx.running.stop(quiet)
        assert pbx.running.alive()
        pbx.running.stop(quiet, let_calls_end=False, patience=0.5)
        assert not pbx.running.alive()


class TestAfterACrash:
    def test_it_starts_again_at_once(self, pbx: PbxUnderTest) -> None:
        """With a phone's TCP connection open, which the kernel keeps for a while on the dead one's port."""
        with socket.create_connection(("127.0.0.1", pbx.ports.sip)):
            before = pbx.running
            pbx.kill()
            pbx.start_again()
        assert pbx.running.pid != before.pid
        assert "fully booted" in pbx.console("core waitfullybooted")

    def test_it_waits_for_one_that_seems_to_be_there_still(self, pbx: PbxUnderTest) -> None:
        """Somebody answers on the control socket: Asterisk says "already running", until that is over."""
        pbx.kill()
        pbx.layout.control_socket.unlink()
        directory = os.open(pbx.layout.run, os.O_PATH)
        address = f"/proc/self/fd/{directory}/{pbx.layout.control_socket.name}"
        with socket.socket(socket.AF_UNIX) as somebody:
            somebody.bind(address)
            pbx.layout.control_socket.chmod(0o777)
            somebody.listen(16)

            def leave_once_seen() -> None:
                until(lambda: "already running" in pbx.layout.start_log.read_text(), "Asterisk gives way")
                pbx.layout.control_socket.unlink()
                somebody.close()

            leaving = threading.Thread(target=leave_once_seen)
            leaving.start()
            pbx.start_again()
            leaving.join()
        os.close(directory)
        assert "fully booted" in pbx.console("core waitfullybooted")

    def test_what_asterisk_keeps_itself_is_there_again(self, pbx: PbxUnderTest) -> None:
        pbx.console("database put department 38 centre-38")
        pbx.running.stop(quiet)
        pbx.start_again()
        assert "centre-38" in pbx.console("database get department 38")


@pytest.mark.skipif(not AS_ROOT, reason="every other test shows it when the tests are an ordinary user's")
class TestWithoutRootsPower:
    def lives(self, where: Path) -> str:
        """Start a PBX, look who it is, crash it, start it again, end it."""
        with start_test_pbx(where) as pbx:
            uid = status(pbx.running.pid, "Uid")[0]
            pbx.kill()
            pbx.start_again()
            complaints = [line for line in pbx.log().splitlines() if "ERROR" in line or "WARNING" in line]
            return f"{uid} {complaints} {status(pbx.running.pid, 'CapEff')[0]}"

    def test_an_ordinary_user_runs_it_as_themselves(
        self, open_directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root = the_asterisk().root
        if root is not None:  # the tests' cache may lie in root's home
            cache = open_directory / "cache"
            cache.mkdir()
            linked = subprocess.run(["cp", "-al", str(root), str(cache)], capture_output=True, check=False)
            if linked.returncode:
                subprocess.run(["cp", "-a", str(root), str(cache)], check=True)
            os.chown(cache, ORDINARY, ORDINARY)
            monkeypatch.setenv("ECOUTE_CACHE_DIR", str(cache))
        home = open_directory / "home"
        home.mkdir()
        os.chown(home, ORDINARY, ORDINARY)

        assert in_a_child(lambda: self.lives(home), become_ordinary) == f"{ORDINARY} [] {'0' * 16}"

    def test_root_in_a_container_runs_it_as_nobody_too(self, open_directory: Path) -> None:
        """Where mount namespaces are refused. The cache may lie in root's home; the data must be reachable."""
        assert in_a_child(lambda: self.lives(open_directory), without_mounting) == f"{ways.UID} [] {'0' * 16}"

    def test_root_in_a_container_is_told_when_the_data_cannot_be_reached(self, open_directory: Path) -> None:
        open_directory.chmod(0o700)
        said = in_a_child(lambda: self.lives(open_directory), without_mounting)
        assert said.startswith("SetupError: Asterisk never runs as root")


def test_no_two_tests_share_a_port() -> None:
    one, other = reserve_ports(), reserve_ports()
    try:
        assert one.sip != other.sip
        assert one.rtp_end < other.sip or other.rtp_end < one.sip
    finally:
        one.release()
        other.release()


def test_manager_secrets_open_the_manager(shared: PbxUnderTest) -> None:
    """The account that `site.write` made is the one that Asterisk knows."""
    for account, secret in site.read_secrets(shared.layout).items():
        assert "Response: Success" in ask_manager(shared, account, secret, {"Action": "Ping"})
    assert "Authentication failed" in ask_manager(shared, "service", "wrong", {"Action": "Ping"})
