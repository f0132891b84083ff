"""panoramisk plus cacofonisk 0.7.10 as they come, reading a stream from a manager interface. Prints JSON lines.

python -m tests.bench.peers.cacofonisk_calls PORT SECRET

Its reporter counts what it was told and stores nothing. The stream ends with a second FullyBooted.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from importlib import import_module
from typing import Any


def say(**values: Any) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def main() -> None:
    port, secret = sys.argv[1:]
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    cacofonisk: Any = import_module("cacofonisk")
    told: Counter[str] = Counter()
    began = [0.0]

    class Reporter(cacofonisk.BaseReporter):  # type: ignore[misc]
        """Counts calls that rang, were answered, and ended."""

        def on_b_dial(self, caller: Any, targets: Any) -> None:
            told["rung"] += 1

        def on_up(self, caller: Any, target: Any) -> None:
            told["answered"] += 1

        def on_hangup(self, caller: Any, reason: str) -> None:
            told["ended"] += 1

        def on_event(self, event: Any) -> None:
            if event["Event"] != "FullyBooted":
                return
            told["boots"] += 1
            if told["boots"] == 1:
                began[0] = time.process_time()
                say(ready=True)
            else:
                seconds = time.process_time() - began[0]
                say(seconds=seconds, calls=told["ended"], answered=told["answered"], rung=told["rung"])
                loop.stop()

    runner = cacofonisk.AmiRunner([f"tcp://service:{secret}@127.0.0.1:{port}"], Reporter())
    runner.attach_all()
    loop.run_forever()


if __name__ == "__main__":
    main()
