"""The web side: routes that declare their right, one guard that checks it, pages, and the description of it all."""
