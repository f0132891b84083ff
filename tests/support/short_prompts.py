"""Short prompts, where a test is not about what callers hear."""

from __future__ import annotations

from pbx.layout import Layout


def shorten(layout: Layout, *prompts: str, seconds: float = 0.1) -> None:
    """So much silence instead of each; from the next time on that it is played."""
    for prompt in prompts:
        file = layout.sounds / "fr" / f"{prompt}.alaw"
        file.unlink(missing_ok=True)  # never written into: it may be the cache's own file
        file.with_suffix(".sln16").unlink(missing_ok=True)
        file.write_bytes(b"\xd5" * int(8000 * seconds))
