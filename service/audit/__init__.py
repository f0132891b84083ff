"""Who looked at what, and who changed it: append-only, chained, ids alone."""
