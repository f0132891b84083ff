"""Drops every second frame: twice as fast, and useless. Arguments as of tests.bench.parse_dispatch."""

from __future__ import annotations

import pytest

from pbx.protocol import PbxProtocol
from tests.bench import parse_dispatch


class EverySecondFrame(PbxProtocol):
    """Reads the others."""

    def _read(self, frames: list[bytes]) -> None:
        super()._read(frames[::2])


if __name__ == "__main__":
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parse_dispatch, "PbxProtocol", EverySecondFrame)
        parse_dispatch.main()
