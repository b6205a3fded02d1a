"""The guideline that raters follow: from the study file to the label, and with imported labels."""

from __future__ import annotations

import pytest

from gnomon.api.study import open_study
from gnomon.data.errors import NotEnoughDataError, StudyFileError
from gnomon.data.records import LabelPolicy
from gnomon.data.study_settings import load_settings

STRICT = "The concept must be named.\n"


@pytest.fixture
def folder(tmp_path):
    study = tmp_path / "study"
    study.mkdir()
    (study / "study.toml").write_text('name = "t"\nimported = true\nconcepts = ["ocean"]\n')
    return study


def name_guideline(folder, text=STRICT, name="guideline.md"):
    (folder / name).write_text(text)
    settings = '\n[labels]\nguideline = "guideline.md"\n'
    file = folder / "study.toml"
    if "guideline" not in file.read_text():
        file.write_text(file.read_text() + settings)


def test_a_study_without_a_guideline_has_no_setting_for_it(folder):
    with open_study(folder) as study:
        assert "label_policy" not in study.store.study_settings()
        assert study.store.label_policies() == {}


def test_a_named_guideline_is_stored_and_an_edited_one_is_a_second(folder):
    name_guideline(folder)
    with open_study(folder) as study:
        assert load_settings(study.store).label_policy == LabelPolicy("", STRICT).hash
    name_guideline(folder, STRICT + "Or plainly described.\n")
    with open_study(folder) as study:
        known = study.store.label_policies()
        assert next(iter(known.values())).text == STRICT
        assert len(known) == 2
        assert load_settings(study.store).label_policy == list(known)[1]


@pytest.mark.parametrize(("text", "said"), [("", "0 characters"), ("x" * 100_001, "100,001 characters")])
def test_a_guideline_that_is_none_is_refused_in_one_line(folder, text, said):
    name_guideline(folder, text)
    with pytest.raises(StudyFileError, match=said) as raised, open_study(folder):
        pass
    assert "\n" not in str(raised.value)


def test_a_guideline_that_is_missing_or_outside_is_refused(folder, tmp_path):
    name_guideline(folder)
    (folder / "guideline.md").unlink()
    with pytest.raises(StudyFileError, match="cannot be read"), open_study(folder):
        pass
    (tmp_path / "outside.md").write_text(STRICT)
    file = folder / "study.toml"
    file.write_text(file.read_text().replace("guideline.md", "../outside.md"))
    with pytest.raises(StudyFileError, match="outside the study's folder"), open_study(folder):
        pass


def test_no_policy_is_one_line(folder):
    with open_study(folder) as study, pytest.raises(NotEnoughDataError, match="guideline"):
        study.compare_policies()
