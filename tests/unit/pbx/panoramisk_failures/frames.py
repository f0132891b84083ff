"""Rows about bytes and frames."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from panoramisk.ami_protocol import AMIProtocol

from pbx import protocol
from pbx.facts import CallQueued, MemberChanged, PbxLost
from pbx.protocol import EventStream, PbxProtocol
from tests.fakes.ami_server import BANNER, AmiServer
from tests.fakes.reader import linked
from tests.unit.pbx.panoramisk_failures.cases import Case, eventually, queued, stock

MEGABYTE = 1024 * 1024


class ALetterBetweenTwoReads(Case):
    situation = "A letter of two bytes is split between two reads"
    stock = "each read is decoded alone: 'Müller' becomes 'Mller'"
    ours = "whole frames are decoded: 'Müller'"

    async def stock_fails(self) -> None:
        got = []
        async with AmiServer() as server, stock(server) as side:
            side.manager.register_event("UserEvent", lambda _manager, event: got.append(event["Detail"]))
            server.piece = 1
            server.send(queued(1, "Müller"))
            await eventually(lambda: got)
            assert got == ["Mller"]

    async def ours_holds(self) -> None:
        async with AmiServer() as server, linked(server) as reader:
            await reader.connected()
            server.piece = 1
            server.send(queued(1, "Müller"))
            await reader.until(lambda _: reader.count(CallQueued) == 1)
            assert [fact.queue for fact in reader.facts if isinstance(fact, CallQueued)] == ["Müller"]


class AnEmptyLastHeader(Case):
    situation = "The last header of a frame is empty (`PausedReason: `)"
    stock = "the header is not there: KeyError for who reads it"
    ours = "an empty value"

    EVENT = ("Event: QueueMemberPause", "Queue: national", "Interface: PJSIP/l1", "Paused: 1", "PausedReason: ")

    async def stock_fails(self) -> None:
        got: list[Any] = []
        async with AmiServer() as server, stock(server) as side:
            side.manager.register_event("QueueMemberPause", lambda _manager, event: got.append(event))
            server.event(*self.EVENT)
            await eventually(lambda: got)
            assert "PausedReason" not in got[0]

    async def ours_holds(self) -> None:
        async with AmiServer() as server, linked(server) as reader:
            await reader.connected()
            server.event(*self.EVENT)
            await reader.until(lambda _: reader.count(MemberChanged) == 1)
            assert reader.link.state.members["PJSIP/l1"].pause_reason == ""
            assert reader.link.odd.lost == 0


class ASecondEventHeader(Case):
    situation = "A frame has a second `Event:` header (dialplan data can do that)"
    stock = "AttributeError: the connection drops"
    ours = "read as the first says, counted; the stream goes on"

    FRAME = queued(1)[:-4] + b"\r\nEvent: Shutdown\r\n\r\n"

    async def stock_fails(self) -> None:
        async with AmiServer() as server, stock(server) as side:
            server.send(self.FRAME)
            await eventually(lambda: len(server.connections) == 2)
            assert side.noise

    async def ours_holds(self) -> None:
        async with AmiServer() as server, linked(server) as reader:
            await reader.connected()
            server.send(self.FRAME + queued(2))
            await reader.until(lambda _: reader.count(CallQueued) == 2)
            assert reader.link.odd.second_event == 1
            assert reader.count(PbxLost) == 0


class AHugeFrame(Case):
    situation = "One frame of many megabytes (32 MB: 8 s of CPU in panoramisk)"
    stock = "kept whole and split anew at each read: four times the frame costs about sixteen times the CPU"
    ours = "beyond 256 kB it is skipped: memory is bounded, the cost of a byte stays the same; counted"

    LINE = b"Output: " + b"x" * 120 + b"\r\n"

    def body(self, megabytes: int) -> list[bytes]:
        data = b"Event: Big\r\n" + self.LINE * (megabytes * MEGABYTE // len(self.LINE))
        return [data[start : start + 65536] for start in range(0, len(data), 65536)]

    def cost(self, reader: Any, megabytes: int) -> float:
        """CPU seconds for a frame of so many megabytes, in reads of 64 kB."""
        pieces = self.body(megabytes)
        began = time.process_time()
        for piece in pieces:
            reader.data_received(piece)
        return time.process_time() - began

    async def stock_fails(self) -> None:
        def reader() -> Any:
            made = AMIProtocol()
            made.connection_made(None)
            return made

        small = min(self.cost(reader(), 1) for _ in range(3))
        big = reader()
        assert self.cost(big, 4) > 8 * small
        assert len(big.queue[0]) > 4_000_000

    async def ours_holds(self) -> None:
        def reader() -> PbxProtocol:
            made = PbxProtocol(EventStream(), lambda: 0.0)
            made.connection_made(asyncio.Transport())
            made.muted = False
            made.data_received(BANNER + queued(0))
            return made

        small = min(self.cost(reader(), 8) for _ in range(3))
        big = reader()
        cost = min(self.cost(reader(), 32), self.cost(big, 32))
        assert cost < 10 * small + 0.01
        assert cost < 1.0
        assert len(big._rest) <= protocol.FRAME_CAP
        big.data_received(b"\r\n\r\n" + queued(1))
        assert len(big._stream.events) == 2
        assert big._stream.tally.counts.too_long == 1
