"""Words of a name: found however it is written."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.cases.names import WORDS_LIMIT, words_of


@pytest.mark.parametrize(
    ("written", "typed"),
    [
        ("Zoé Lefèvre", "LEFEVRE zoe"),
        ("Jean-François Le Gall", "gall jean françois"),
        ("Mme Anne d'Œuvre", "oeuvre anne"),
        ("Anne d’Œuvre", "ANNE D'OEUVRE"),
        ("M. de La Tour", "Tour"),
        ("Zoe\u0301 Lefe\u0300vre", "Zoé Lefèvre"),  # accents apart, as some keyboards write them
        ("N'Diaye", "n diaye"),
        ("Strauß", "strauss"),
        ("  Ève\tMartin ", "eve martin"),
    ],
)
def test_a_name_is_the_same_however_it_is_written(written: str, typed: str) -> None:
    assert words_of(typed) == words_of(written)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Le", {"le"}),  # nothing else is there
        ("Madame", {"madame"}),
        ("?", set()),
        ("Жанна", {"жанна"}),
        ("Marie 2", {"marie", "2"}),
    ],
)
def test_what_is_left_of_an_odd_name(name: str, words: set[str]) -> None:
    assert words_of(name) == words


def test_other_names_have_other_words() -> None:
    assert words_of("Marie Martin") != words_of("Maria Martin")
    assert not words_of("Jeanpierre") & words_of("Jean-Pierre")


@given(st.text(max_size=200))
def test_the_order_and_the_form_of_unicode_never_matter(name: str) -> None:
    words = words_of(name)
    assert len(words) <= WORDS_LIMIT
    assert words_of(unicodedata.normalize("NFD", name)) == words_of(unicodedata.normalize("NFC", name))
    if len(name.split()) <= 8:
        assert words_of(" ".join(reversed(name.split()))) == words
