"""Regional centres: which departments each covers, and how a caller is brought to it."""
