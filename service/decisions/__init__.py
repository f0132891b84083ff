"""Decisions: pure functions of the world and the clock, evaluated again whenever either changes."""
