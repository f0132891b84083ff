"""What pages need to keep unsaved notes in the browser; the drafts themselves never come here."""
