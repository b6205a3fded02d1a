"""Guide: raters are asked what judges are asked, and every answer has a key of its own."""

from __future__ import annotations

import inspect
import re
from itertools import product

import pandas as pd

from gnomon.calibration.audit.contradictions import count_contradictions
from gnomon.dashboard.labelling import past_label_panel, questions
from gnomon.dashboard.views import label
from gnomon.data.facts import BUTTON_KEYS
from gnomon.judging.rubrics.blind import BLIND


def test_raters_read_the_same_questions_and_definitions_as_judges():
    told = {question.fact: (question.asks, question.definition) for question in questions.rater_questions(["ocean"])}
    assert told == {fact.name: (fact.question, fact.definition) for fact in BLIND.questions}


def test_no_key_serves_two_buttons_nor_is_one_of_streamlits_own():
    concepts = [f"concept {n}" for n in range(30)]
    keys = [choice.key for question in questions.rater_questions(concepts) for choice in question.choices if choice.key]
    page, back = inspect.getsource(label), inspect.getsource(past_label_panel)
    mine = re.findall(r'shortcut="(\w+)"', page)
    keys += [*mine, *(set(re.findall(r'shortcut="(\w+)"', back)) - set(mine))]
    assert len(keys) == len(set(keys))
    assert not {"c", "r"} & set(keys)
    assert set(re.findall(r'shortcut="(\w)"', page + back)) | {"c", "r"} == BUTTON_KEYS
    assert len(keys) >= 8 + 9 + 6


def test_concepts_beyond_the_keys_can_still_be_clicked():
    concept = questions.rater_questions([f"concept {n}" for n in range(30)])[1]
    assert [choice.text for choice in concept.choices[:30]] == [f"concept {n}" for n in range(30)]
    assert concept.choices[29].key is None


def test_what_is_asked_about_is_what_the_audit_counts_as_a_contradiction():
    kept = (True, False), ("none", "other", "ocean"), (True, False), (True, False)
    for claims, concept, coherent, refused in product(*kept):
        answers = {"claims": claims, "concept": concept, "coherent": coherent, "refused": refused}
        row = pd.DataFrame([{"trial": "t", "arm": "control", "target": None, "passed": None, **answers}])
        row = row.assign(detects_before_naming=None)
        counted = count_contradictions(row).anything.n > 0
        assert bool(questions.contradicting_answers(answers)) == counted, answers
        assert bool(questions.contradiction_question(answers)) == counted


def test_answers_set_what_they_force_of_open_questions_alone():
    assert questions.preset_answers({"claims": False}) == {"concept": "none"}
    assert questions.preset_answers({"refused": True}) == {"claims": False, "concept": "none"}
    assert questions.preset_answers({"concept": "ocean"}) == {"claims": True, "refused": False}
    assert questions.preset_answers({"claims": True, "refused": True}) == {}
    assert questions.preset_answers({"claims": False}, {"claims"}) == {}
    assert questions.contradiction_question({"claims": False, "concept": "silence"}) == (
        "You answered No to 'Does the answer claim to notice something unusual?' and silence to 'Which concept does "
        "it claim to notice?': both cannot be true. Save anyway (Enter), or change an answer."
    )
