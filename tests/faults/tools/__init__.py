"""Faults that are really in effect: each is bounded, cleans up after itself, and says when it did nothing."""
