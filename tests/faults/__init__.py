"""Faults, injected one at a time into a line with live calls; what callers and phones saw is the judge."""
