"""Contacts and the cases that group them: drafted on answer, kept or discarded by the listener, read with a trace."""
