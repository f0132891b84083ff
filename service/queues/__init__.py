"""Who waits and who is free: read from what Asterisk said, kept nowhere else."""
