"""`ecoute demo`: a caller who speaks, played to the line that runs, so that a newcomer sees a whole call."""
