"""Recordings that may be kept: everything of a person, a machine or a moment is replaced, always by the same.

`scrub` is a function of the bytes alone: the same recording gives the same fixture. `leaks` looks for what it should
have replaced, with rules of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

#: When every recording begins: noon of a new year's day, UTC.
BEGINS: Final = 1_767_268_800
_DAY: Final = 86_400
_GREATEST: Final = 2**31 - 1
#: The regulator's ranges for fiction, from which every number in the tests is, as E.164.
FICTION: Final = re.compile(r"\+33(1990\d|26191|35301|46571|53649|63998)\d+$")

_CALL: Final = re.compile(r"(?:CALL_ID=|CallId: |caller_uuid=)([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_UUID: Final = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_TOKEN: Final = re.compile(r"\b[\w-]+\.([0-9a-f]{16}\.[A-Za-z0-9+/]{20,}={0,2})")
_EPOCH: Final = re.compile(r"(?<!\d)\d{10}(?!\d)")
_NUMBER: Final = re.compile(r"\+\d{7,15}\b|(?<![\d.:-])0\d{9}\b")
_ADDRESS: Final = re.compile(r"\b(\d{1,3}(?:\.\d{1,3}){3})(?::(\d+))?\b")
_ACTION: Final = re.compile(r"(?<=\r\nActionID: )([\w-]+)/(\d+)")
_STARTED: Final = re.compile(r"(Core(?:Startup|Reload))Date: (\S+)\r\n\1Time: (\S+)")
#: A waiting caller's rank: the greatest integer less their arrival.
_RANK: Final = re.compile(r"(?<=\r\nPriority: )\d{9}\b")
_CONTACT: Final = re.compile(r"(?<=;@)[0-9a-f]{32}\b")
_NAMES: Final = re.compile(r"((?:CallerID|ConnectedLine|Effective\w+Line)Name: )(?!<?unknown)[^\r\n]+")
_MEMBER: Final = re.compile(r"(MemberName: )[^\r\n]*(\r\nInterface: \w+/)([^\r\n@]+)")


def scrub(raw: bytes) -> bytes:
    """The recording with everything replaced; of the same shape, and so of the same facts."""
    text = raw.decode()
    for replace in (_times, _calls, _tokens, _numbers, _addresses, _names, _machine, _actions):
        text = replace(text)
    return text.encode()


def _in_order(found: Callable[[int], str]) -> Callable[[str], str]:
    """The nth different text becomes `found(n)`."""
    known: dict[str, str] = {}

    def replaced(text: str) -> str:
        if text not in known:
            known[text] = found(len(known) + 1)
        return known[text]

    return replaced


def _times(text: str) -> str:
    first = re.search(r"Timestamp: (\d{10})\.", text)
    if first is None:
        return text
    begins = int(first[1])
    later = BEGINS - begins

    def epoch(match: re.Match[str]) -> str:
        moment = int(match[0])
        return str(moment + later) if abs(moment - begins) < _DAY else match[0]

    def rank(match: re.Match[str]) -> str:
        arrived = _GREATEST - int(match[0])
        return str(int(match[0]) - later) if abs(arrived - begins) < _DAY else match[0]

    def started(match: re.Match[str]) -> str:
        moment = datetime.fromisoformat(f"{match[2]}T{match[3]}").replace(tzinfo=UTC) + timedelta(seconds=later)
        return f"{match[1]}Date: {moment:%Y-%m-%d}\r\n{match[1]}Time: {moment:%H:%M:%S}"

    return _RANK.sub(rank, _STARTED.sub(started, _EPOCH.sub(epoch, text)))


def _calls(text: str) -> str:
    call = _in_order("ca110000-0000-4000-8000-{:012}".format)
    for match in _CALL.finditer(text):
        call(match[1])
    calls = {match[1]: call(match[1]) for match in _CALL.finditer(text)}
    other = _in_order("b21d0000-0000-4000-8000-{:012}".format)
    contact = _in_order("{:032}".format)
    text = _CONTACT.sub(lambda match: contact(match[0]), text)
    return _UUID.sub(lambda match: calls.get(match[0]) or other(match[0]), text)


def _tokens(text: str) -> str:
    token = _in_order("nonce-{0}.number-{0}".format)
    return _TOKEN.sub(lambda match: f"k1.{token(match[1])}", text)


def _numbers(text: str) -> str:
    other = _in_order("+3363998{:04}".format)
    return _NUMBER.sub(lambda match: match[0] if FICTION.match(match[0]) else other(match[0]), text)


def _addresses(text: str) -> str:
    host, port = _in_order("192.0.2.{}".format), _in_order("{}".format)

    def address(match: re.Match[str]) -> str:
        where = match[1] if match[1] == "127.0.0.1" else host(match[1])
        return f"{where}:{5060 + int(port(match[2]))}" if match[2] else where

    return _ADDRESS.sub(address, text)


def _names(text: str) -> str:
    """A carrier's name for a caller, and a listener's in the queue."""
    return _MEMBER.sub(r"\1\3\2\3", _NAMES.sub(r"\1Somebody", text))


def _machine(text: str) -> str:
    """What differs from one computer to the next and means nothing."""
    for system in dict.fromkeys(re.findall(r"\r\nSystemName: ([^\r\n]+)", text)):
        text = re.sub(rf"\b{re.escape(system)}\b", "pbx1", text)
    text = re.sub(r"RoundtripUsec: [1-9]\d*", "RoundtripUsec: 1000", text)
    return re.sub(r"CoreMaxFilehandles: \d+", "CoreMaxFilehandles: 65536", text)


def _actions(text: str) -> str:
    number = _in_order("{}".format)
    return _ACTION.sub(lambda match: f"{match[1]}/{number(match[2])}", text)


# --- what should not be there -------------------------------------------------------------------------------------

_READABLE: Final = re.compile(r"\b(?:ca11|b21d)0000-0000-4000-8000-\d{12}\b")
_CHANNEL: Final = re.compile(r"-[0-9a-f]{8}(?=[;\s,)]|$)", re.MULTILINE)
#: What may stand behind an @ besides an address: an endpoint, a context.
_OURS: Final = {"trunk", "shapes"}
#: Lines of Asterisk's own words, without a person's.
_ITS_OWN: Final = re.compile(r"(?:AsteriskVersion|Readtrans|Writetrans): [^\r\n]*|@0{20,}\d+\b")


def leaks(text: str, marks: tuple[str, ...] = ()) -> list[str]:
    """What a kept recording must not hold. `marks`: words that must not stand in it anywhere."""
    found = [mark for mark in marks if re.search(rf"\b{re.escape(mark)}\b", text)]
    found += re.findall(r"(?im)^(?:secret|password|username): .*", text)
    text = _ITS_OWN.sub("", _CHANNEL.sub("", _READABLE.sub("", text)))
    found += _UUID.findall(text)
    found += [host for host in re.findall(r"@([\w.-]+)", text) if not _our_address(host) and host not in _OURS]
    found += [host for host in re.findall(r"\b\d+\.\d+\.\d+\.\d+\b", text) if not _our_address(host)]
    found += re.findall(r"\b(?:[0-9a-f]{1,4}:){3,}[0-9a-f]{0,4}", text)
    found += re.findall(r"\.[0-9a-f]{16}\.", text)
    for digits in re.findall(r"(?<!\.)\+?\d{7,}", text):
        number = digits if digits.startswith("+") else f"+33{digits[1:]}"
        moment = digits.isdecimal() and min(abs(int(digits) - BEGINS), abs(_GREATEST - int(digits) - BEGINS)) < _DAY
        if not moment and not FICTION.match(number):
            found.append(digits)
    return found


def _our_address(host: str) -> bool:
    return host == "127.0.0.1" or host.startswith("192.0.2.")
