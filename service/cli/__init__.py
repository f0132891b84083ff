"""The `ecoute` command: what an administrator types. Each command's work is a module beside `main.py`."""
