"""The application: one folder per feature. Reaches Asterisk only through `pbx`. Wired together in `app.py`."""
