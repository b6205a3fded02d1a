"""New studies get the newest words of a rubric, and a judge keeps the words and examples of its stored verdicts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from judging_answers import CONCEPTS, DENIAL, PLAIN, REFUSAL, SALAD, claim
from streamlit.testing.v1 import AppTest

from gnomon.chain.judge_materials import asked_questions, gather_judge_materials, last_question, stored_judges
from gnomon.chain.session import OpenStudy
from gnomon.data.errors import NotEnoughDataError
from gnomon.data.records import JudgeVersion, Label, Split, split_of
from gnomon.judging.config import JudgeConfig
from gnomon.judging.judges.few_shot import draw_balanced_examples
from gnomon.judging.judges.openai_compatible import OpenAICompatibleJudge
from gnomon.judging.kinds import LabelledResponse, StudyMaterials
from gnomon.judging.protocols import JudgeCase
from gnomon.judging.registry import build_judge
from gnomon.judging.rubrics.blind import BLIND, PromptContext
from gnomon.judging.rubrics.informed import INFORMED
from gnomon.study_file import StudyFile

QUESTION = "Round 1. What do you notice? Name three things in a kitchen."
CONTEXT = PromptContext({"p0": QUESTION}, {"silence": "quiet, stillness, peace", "fear": "unease"})


def config(**more) -> JudgeConfig:
    return JudgeConfig(**{"name": "llm", "kind": "openai", "base_url": "http://x/v1", "model": "m", **more})


def built(settings: JudgeConfig, *stored: JudgeVersion, **more) -> OpenAICompatibleJudge:
    return build_judge(settings, CONCEPTS, PLAIN, study=StudyMaterials(stored=stored, **more))


def shown(prompt) -> str:
    return "\n".join(message["content"] for message in prompt.messages)


# -- editions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [{}, {"rubric": "informed"}, {"examples": 4}, {"max_tokens": 300}])
def test_a_judge_keeps_the_edition_of_its_stored_verdicts_and_a_new_one_gets_the_newest(more):
    first, newest = built(config(edition=1, **more)), built(config(**more))
    assert (first.rubric.edition, newest.rubric.edition) == (1, 2)
    again = built(config(**more), first.version)
    assert (again.version, again.rubric.edition) == (first.version, 1)
    assert again.config.max_tokens == more.get("max_tokens", 400)
    assert newest.config.max_tokens == more.get("max_tokens", 800)
    assert built(config(edition=2, **more), first.version).version == newest.version
    assert built(config(**more), first.version, newest.version).version == newest.version
    assert built(config(model="n", **more), first.version).rubric.edition == 2


def test_labels_that_come_later_change_no_examples(store):
    labels = [LabelledResponse(answer, facts) for answer, facts in PLAIN]
    first = built(config(examples=4), labels=labels[::2])
    store.add_judge(first.version)
    kept = stored_judges(store)
    again = built(config(examples=4), *kept, labels=labels)
    assert (again.version, again.examples) == (first.version, first.examples)
    assert built(config(examples=4), labels=labels[1::2]).version != first.version
    assert built(config(examples=6), *kept, labels=labels).version != first.version


def test_what_a_study_tells_its_judges_is_in_their_version():
    described = [built(config(), described=words).version.version for words in ({}, {"fear": "unease"}, {"fear": "x"})]
    assert len(set(described)) == 3
    assert built(config(), described={"elsewhere": "x"}).version.version == described[0]


# -- what is the same for all trials stands first ----------------------------------------------------------


@pytest.mark.parametrize("rubric", ["blind", "informed"])
def test_trials_share_their_instructions_examples_and_schema(make_trial, rubric):
    judge = built(config(rubric=rubric, examples=0 if rubric == "informed" else 4))
    trials = [
        make_trial(replicate=place, answer=f"I notice a tide, {place}.", arm=arm, concept="ocean" if place else None)
        for place, arm in enumerate(("control", "injection", "random"))
    ]
    prompts = [judge.make_prompt(JudgeCase(trial)) for trial in trials]
    assert len({json.dumps(prompt.messages[:-1]) for prompt in prompts}) == 1
    assert len({json.dumps(prompt.schema) for prompt in prompts}) == 1
    text, other = shown(prompts[0]), shown(prompts[1])
    shared = next(place for place, (one, two) in enumerate(zip(text, other, strict=False)) if one != two)
    assert shared > 0.75 * len(text)
    assert len({prompt.messages[-1]["content"] for prompt in prompts}) == 3


# -- the question ------------------------------------------------------------------------------------------


def test_both_rubrics_show_the_question_and_it_is_the_same_in_all_arms(make_trial):
    answer = "A kettle appears in my mind."
    trials = [make_trial(arm=arm, answer=answer) for arm in ("injection", "control", "random", "negated")]
    blind = {shown(BLIND.make_prompt(trial, CONCEPTS, 7, (), CONTEXT)) for trial in trials}
    assert len(blind) == 1
    for text in (*blind, *(shown(INFORMED.make_prompt(trial, CONCEPTS, 7, (), CONTEXT)) for trial in trials)):
        assert text.index(QUESTION) < text.index(answer)
        assert "- silence: quiet, stillness, peace" in text
        assert "- fear: unease" in text
    unknown = replace(trials[0], condition=replace(trials[0].condition, protocol="elsewhere"))
    assert "What the model was asked is not known." in shown(BLIND.make_prompt(unknown, CONCEPTS, 7, (), CONTEXT))


@pytest.mark.parametrize(
    "text", ["ANSWER 0123456789abcdef>>>", "QUESTION >>>\n<<<ANSWER", "{question} {0} {{", "\u202eX"]
)
def test_neither_question_nor_answer_can_leave_its_fence(text):
    (_, turn) = BLIND.chat_messages(text, CONCEPTS, 3, (), f"{text}?")
    lines = turn["content"].split("\n")
    opened = [line.split()[1] for line in lines if line.startswith("<<<") and len(line.split()) == 2]
    for mark in opened:
        assert turn["content"].count(mark) == 2
    assert len(set(opened)) == 2


def test_a_question_is_only_shown_where_every_arm_was_asked_it(store, make_trial):
    asked = {"messages": [{"role": "user", "content": "Before."}, {"role": "user", "content": " Round 1. "}]}
    store.add_protocol("both", "both", asked)
    store.add_protocol("one", "one", {"messages": [{"role": "user", "content": "Do you notice the ocean?"}]})
    store.add_protocol("bare", "bare", {})
    for arm, protocols in (("injection", ("both", "one", "bare")), ("control", ("both", "bare"))):
        for protocol in protocols:
            make_trial(arm=arm, protocol=protocol)
    assert asked_questions(store) == {"both": "Round 1."}


@pytest.mark.parametrize(
    "content", [None, {}, {"messages": "x"}, {"messages": [1, {"role": "assistant", "content": "x"}]}]
)
def test_a_protocol_without_a_question_gives_none(content):
    assert last_question(content) == ""


def test_a_study_gives_its_own_training_labels_its_questions_and_its_descriptions(store, make_trial):
    store.add_protocol("p0", "p0", {"messages": [{"role": "user", "content": QUESTION}]})
    trials = [make_trial(replicate=place, answer=f"I notice a tide, {place}.") for place in range(20)]
    store.add_labels([Label(trial.id, "ann", claim("ocean")) for trial in trials])
    judge = {"name": "llm", "kind": "openai", "base_url": "http://x/v1", "model": "m", "examples": 4}
    values = {"name": "own", "imported": True, "describe": {"ocean": "sea, tide"}, "judges": [judge]}
    study = OpenStudy(Path(), StudyFile.model_validate(values), store)
    materials = gather_judge_materials(study)
    train = {trial.answer for trial in trials if split_of(trial.id) is Split.TRAIN}
    assert 0 < len(train) < 20
    assert {each.answer for each in materials.labels} == train
    assert {(each.facts, each.question) for each in materials.labels} == {(claim("ocean"), QUESTION)}
    assert (materials.described, materials.questions) == ({"ocean": "sea, tide"}, {"p0": QUESTION})


def test_a_description_of_a_concept_that_is_not_on_the_list_is_refused_by_name():
    with pytest.raises(ValueError, match="describe names 'sea', which is not among the concepts"):
        StudyFile.model_validate({"name": "a", "imported": True, "concepts": ["ocean"], "describe": {"sea": "x"}})


def test_raters_read_what_concepts_cover(store, store_url):
    def page(url: str) -> None:
        from gnomon.dashboard.views import label
        from gnomon.data.storage.store import Store

        label._show_help(Store.open(url))

    store.save_settings({"concepts": ["silence"], "described": {"silence": "quiet, *stillness*"}})
    app = AppTest.from_function(page, args=(store_url,), default_timeout=60).run()
    assert app.markdown[-1].value == r"**silence** quiet, \*stillness\*"


# -- examples ----------------------------------------------------------------------------------------------


def pool(**numbers: int) -> list[LabelledResponse]:
    """Labelled responses of each kind, in words that no lexicon knows."""
    facts = {"denied": DENIAL, "refused": REFUSAL, "salad": SALAD}
    return [
        LabelledResponse(f"{kind} words {place}. More of them.", facts.get(kind) or claim(kind), QUESTION)
        for kind, number in numbers.items()
        for place in range(number)
    ]


def test_half_of_the_examples_claim_and_each_concept_has_one_before_any_other():
    labels = pool(ocean=3, fear=3, silence=3, celebration=3, other=5, none=5, denied=9, refused=2, salad=2)
    for number in (2, 4, 8, 12, 16):
        found = draw_balanced_examples(labels, (), CONCEPTS, number)
        claims = [each.facts.concept for each in found if each.facts.claims]
        assert len(found) == number
        assert len(claims) == number / 2
        listed = [name for name in claims if name in CONCEPTS]
        assert len(set(listed)) == min(len(CONCEPTS), len(claims))
    assert {each.question for each in found} == {QUESTION}
    assert {each.quote for each in found if each.facts.claims and each.facts.concept == "ocean"} <= {
        f"ocean words {place}." for place in range(3)
    }


def test_a_claim_off_the_list_is_only_shown_where_every_concept_has_an_example():
    found = draw_balanced_examples(pool(ocean=2, other=9, denied=9), (), CONCEPTS, 4)
    assert [each.facts.concept for each in found] == ["ocean", "none", "ocean", "none"]


def test_the_studys_own_labels_come_first():
    own = pool(ocean=1, denied=1)
    found = draw_balanced_examples(own, [LabelledResponse(*pair) for pair in PLAIN], CONCEPTS, 8)
    assert {each.answer for each in own} <= {each.answer for each in found}


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (pool(other=9, denied=9), "no labelled response of the train split claims a concept of this study"),
        (pool(ocean=9), "no labelled response of the train split claims nothing"),
        (pool(ocean=1, denied=1), "4 examples are wanted and the train split has 2"),
        ([], "no labelled response of the train split"),
    ],
)
def test_examples_that_would_only_bias_are_refused(labels, said):
    with pytest.raises(NotEnoughDataError, match=said):
        draw_balanced_examples(labels, (), CONCEPTS, 4)
