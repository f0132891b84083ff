"""A fault that did nothing proves nothing: it is an error of the run, never a success of the product."""

from __future__ import annotations


class FaultWithoutEffect(AssertionError):
    """The fault was to happen, and nothing shows that it did."""


def prove(effect: object, what: str) -> None:
    """`effect` is true: packets were dropped, a disk was full, a lock was held. Raises FaultWithoutEffect."""
    if not effect:
        raise FaultWithoutEffect(f"the fault had no effect: {what}")
