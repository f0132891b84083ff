"""Words of a name, so that a case is found by name however it is written. Pure.

What people type over a telephone line varies: capitals, accents, ligatures, hyphens, apostrophes and the order of first
and last name do not matter; titles (Mme, M., Dr) and particles (de, du, d', la…) are left out, unless nothing else is
there. `Jean-François d'Œuvre`, `DOEUVRE`, no: `oeuvre jean francois`, yes. Nothing is guessed from sound or spelling.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

#: more words than this are not looked at
WORDS_LIMIT: Final = 16
_LIGATURES: Final = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "þ": "th"})
_NOT_A_WORD: Final = re.compile(r"[\W_]+")
_TITLES: Final = frozenset({"m", "mr", "mme", "mlle", "monsieur", "madame", "mademoiselle", "dr", "docteur", "me"})
_PARTICLES: Final = frozenset({"de", "du", "des", "d", "la", "le", "les", "l", "et"})


def words_of(name: str) -> frozenset[str]:
    """The words that are indexed, and searched for. Empty for what holds no letter or digit."""
    folded = unicodedata.normalize("NFKD", name).casefold().translate(_LIGATURES)
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(letter))
    words = [word for word in _NOT_A_WORD.split(plain) if word][:WORDS_LIMIT]
    telling = [word for word in words if word not in _TITLES | _PARTICLES]
    return frozenset(telling or words)
