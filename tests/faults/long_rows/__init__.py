"""Faults that last: each runs alone, by name, and leaves a report."""
