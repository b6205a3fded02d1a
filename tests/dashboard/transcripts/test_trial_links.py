"""A trial's address is the same from every page, names its study where there are several, and never a rater."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urljoin, urlsplit

from gnomon.dashboard import study_picker
from gnomon.dashboard.transcripts import trial_links


def test_an_address_is_relative_and_survives_odd_names():
    address = trial_links.trial_address("ab & c/é", "my study & more")
    for page in ("http://host/", "http://host/judges", "http://host/scaling?study=x"):
        whole = urlsplit(urljoin(page, address))
        assert whole.path == "/transcripts"
        assert parse_qs(whole.query) == {"trial": ["ab & c/é"], "study": ["my study & more"]}
    assert trial_links.trial_address("abc") == "transcripts?trial=abc"


def test_a_study_is_named_only_where_there_are_several(monkeypatch):
    places = [study_picker.StudyRef("one", "sqlite://"), study_picker.StudyRef("two", "sqlite://")]
    monkeypatch.setattr(study_picker, "current_study", lambda: (places[1], None))
    monkeypatch.setattr(study_picker, "all_places", lambda: places)
    assert trial_links.trial_addresses(["a", "b"]) == ["transcripts?trial=a&study=two", "transcripts?trial=b&study=two"]
    monkeypatch.setattr(study_picker, "all_places", lambda: places[1:])
    assert trial_links.trial_addresses(["a"]) == ["transcripts?trial=a"]


def test_a_table_shows_the_beginning_of_the_id():
    shown = trial_links.link_column()["type_config"]["display_text"]
    assert re.search(shown, trial_links.trial_address("0123456789abcdef", "two")).group(1) == "01234567"
    assert re.search(shown, "transcripts?study=two&trial=abc").group(1) == "abc"
