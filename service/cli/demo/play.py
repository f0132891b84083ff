"""Plays the caller: espeak-ng speaks, sipp carries the call, from this machine to the line's own address."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

from pbx.errors import SetupError

#: reserved for fiction by the French regulator: nobody real may be shown as a caller
FICTIONAL = re.compile(r"\+33(19900|26191|35301|46571|53649|63998)[0-9]{4}")
FICTIONAL_CALLER = "+33639980042"
_CALL_ID = "ecoute-demo"
_GOODBYE_SECONDS = 15
_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoCall:
    """Whom to call and for how long. `seconds`: until the caller says goodbye, where the listener does not first."""

    host: str
    sip_port: int
    number: str
    caller: str = FICTIONAL_CALLER
    seconds: int = 3600
    speech: Path = _HERE / "speech.fr.txt"
    language: str = "fr"


def play(call: DemoCall) -> int:
    """Calls, speaks, waits for the end. Returns sipp's exit code (0: the call went as it should).

    Raises SetupError where sipp, espeak-ng or sox is missing.
    """
    if not FICTIONAL.fullmatch(call.caller):
        raise SetupError(
            "caller-not-fictional", f"{call.caller} is no fictional number.", f"Take one like {FICTIONAL_CALLER}."
        )
    for program, package in (("sipp", "sip-tester"), ("espeak-ng", "espeak-ng"), ("sox", "sox")):
        if shutil.which(program) is None:
            raise SetupError("program-missing", f"The demo needs {program}", f"apt-get install {package}")
    with tempfile.TemporaryDirectory(prefix="ecoute-demo-") as directory:
        folder = Path(directory)
        speech = _speak(call, folder)
        scenario = folder / "caller.xml"
        text = (_HERE / "caller.xml").read_text()
        text = text.replace('"@speech@,-1,8"', quoteattr(f"{speech},-1,8"))
        scenario.write_text(text.replace("@milliseconds@", str(call.seconds * 1000)))
        return _sipp(call, scenario, folder)


def _speak(call: DemoCall, folder: Path) -> Path:
    wave, alaw = folder / "speech.wav", folder / "speech.al"
    subprocess.run(["espeak-ng", "-v", call.language, "-s", "130", "-f", str(call.speech), "-w", str(wave)], check=True)
    subprocess.run(["sox", str(wave), "-r", "8000", "-c", "1", "-t", "al", str(alaw), "pad", "1", "3"], check=True)
    return alaw


def _sipp(call: DemoCall, scenario: Path, folder: Path) -> int:
    sip, audio, control = (_free_udp_port() for _ in range(3))
    command = ["sipp", f"{call.host}:{call.sip_port}", "-sf", str(scenario), "-s", call.number]
    command += ["-key", "caller", call.caller, "-i", call.host, "-mi", call.host, "-p", str(sip)]
    command += ["-mp", str(audio), "-cp", str(control), "-m", "1", "-nostdin"]
    command += ["-cid_str", _CALL_ID]
    with (folder / "sipp.log").open("w") as log:
        # in a session of its own: a Ctrl-C reaches us alone, so that the caller can say goodbye before sipp ends
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)
        try:
            return process.wait()
        except KeyboardInterrupt:
            _hang_up(call.host, sip)
            return process.wait(timeout=_GOODBYE_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def _hang_up(host: str, port: int) -> None:
    """Tells the scenario to say BYE. A telephone that merely vanishes would leave its caller in the queue."""
    text = (
        f"INFO sip:{host}:{port} SIP/2.0\r\nVia: SIP/2.0/UDP {host}:9;branch=z9hG4bKdemo\r\n"
        f"From: <sip:demo@{host}>;tag=demo\r\nTo: <sip:{host}>\r\nCall-ID: {_CALL_ID}\r\nCSeq: 1 INFO\r\n"
        "Content-Length: 0\r\n\r\n"
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.sendto(text.encode(), (host, port))


def _free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
