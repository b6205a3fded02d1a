"""References: every entry can be cited, and what is cited is there."""

from __future__ import annotations

import pytest

from gnomon.data.errors import UnknownNameError
from gnomon.data.references import GNOMON, bibtex, find_reference, load_references


def test_every_entry_has_author_title_and_year_and_says_its_names_in_short() -> None:
    for key, reference in load_references().items():
        if key != GNOMON:
            assert {"author", "title", "year"} <= set(reference.fields), key
            assert reference.short.endswith(f"({reference.fields['year']})"), key
            assert not set("{}\\") & set(reference.short), key
    assert find_reference("dawid1979").short == "Dawid and Skene (1979)"
    assert find_reference("vehtari2021").short == "Vehtari et al. (2021)"


def test_bibtex_has_gnomon_with_its_version_and_each_key_once() -> None:
    text = bibtex(["lee2009", "lee2009"], "1.2")
    assert "version = {1.2}" in text
    assert text.count("@article{lee2009,") == 1
    assert text.count("@") == 2


def test_an_unknown_key_is_one_line() -> None:
    with pytest.raises(UnknownNameError, match=r"reference 'nobody2000' is not in references\.bib: add it there"):
        bibtex(["nobody2000"], "1")
