"""Some of the things that happen on the line of `line_model.py`, by name, and how late they are heard."""

from __future__ import annotations

#: seconds by which an event may be late, at most: in truth milliseconds. A conversation lasts longer
LATE = 2.0
#: what every caller may do at any time
LEAVES = "the caller leaves"
MOVED = "is moved to another bridge"
#: what brings a caller to a person
ONWARD = ("the line is open", "is rung", "is answered", "enters the bridge")
