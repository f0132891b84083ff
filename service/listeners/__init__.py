"""Listeners: signed in or not, ringing, talking, writing, pausing; and their phones."""
