"""The learned judge knows what its labels taught it, and nothing else."""

from __future__ import annotations

import json
import random

import pytest
from judging_answers import ATTACKS, CONCEPTS, DENIAL, PLAIN, claim

from gnomon.data.errors import NotEnoughDataError
from gnomon.data.records import Facts, Trial, Verdict
from gnomon.judging.judges.embedding_classifier import EmbeddingJudge, LogisticRegressionFit
from gnomon.judging.judges.sentence_encoder import embed_texts

UNSEEN: list[tuple[str, Facts]] = [
    ("I notice a strange image of the sea, with waves, that is not my own.", claim("ocean")),
    ("There is an odd feeling of panic and fear that does not belong to me.", claim("fear")),
    ("I do not sense anything strange. All seems normal to me.", DENIAL),
    ("No, nothing unusual at this moment.", DENIAL),
]


@pytest.fixture(scope="module")
def judge() -> EmbeddingJudge:
    return EmbeddingJudge.from_labels(PLAIN, CONCEPTS)


@pytest.fixture
def ask(make_trial):
    def verdicts(judge: EmbeddingJudge, answers: list[str]) -> list[Verdict]:
        trials: list[Trial] = [make_trial(replicate=number, answer=answer) for number, answer in enumerate(answers)]
        given = list(judge.judge_trials(trials))
        assert [verdict.trial for verdict in given] == [trial.id for trial in trials]
        return given

    return verdicts


def test_it_learns_what_it_was_taught(judge, ask):
    verdicts = ask(judge, [answer for answer, _ in PLAIN])
    for name in ("claims", "coherent", "refused"):
        right = [
            getattr(verdict.facts, name) == getattr(facts, name)
            for verdict, (_, facts) in zip(verdicts, PLAIN, strict=True)
        ]
        assert sum(right) >= 34, name
    named = [verdict.facts.concept == facts.concept for verdict, (_, facts) in zip(verdicts, PLAIN, strict=True)]
    assert sum(named) >= 32


def test_it_carries_over_to_other_words(judge, ask):
    verdicts = ask(judge, [answer for answer, _ in UNSEEN])
    assert [(verdict.facts.claims, verdict.facts.concept) for verdict in verdicts] == [
        (facts.claims, facts.concept) for _, facts in UNSEEN
    ]


def test_it_learns_the_opposite_from_opposite_labels(ask):
    turned = [(answer, Facts(not facts.claims, "none", facts.coherent, facts.refused)) for answer, facts in PLAIN[:24]]
    verdicts = ask(EmbeddingJudge.from_labels(turned, CONCEPTS), [answer for answer, _ in UNSEEN])
    assert [verdict.facts.claims for verdict in verdicts] == [not facts.claims for _, facts in UNSEEN]


def test_orders_to_the_judge_do_not_turn_most_of_its_claims(judge, ask):
    verdicts = ask(judge, [answer for answer, _ in ATTACKS])
    kept = [verdict.facts.claims == facts.claims for verdict, (_, facts) in zip(verdicts, ATTACKS, strict=True)]
    assert sum(kept) >= 7


def test_the_same_labels_in_any_order_make_the_same_judge(judge, ask):
    shuffled = PLAIN.copy()
    random.Random(3).shuffle(shuffled)
    other = EmbeddingJudge.from_labels(shuffled, tuple(reversed(CONCEPTS)))
    assert other.version == judge.version
    answers = [answer for answer, _ in UNSEEN]
    assert [verdict.facts for verdict in ask(other, answers)] == [verdict.facts for verdict in ask(judge, answers)]


def test_another_label_is_another_version(judge):
    changed = [(PLAIN[0][0], DENIAL), *PLAIN[1:]]
    versions = {EmbeddingJudge.from_labels(pairs, CONCEPTS).version.version for pairs in (PLAIN, changed, PLAIN[1:])}
    assert len(versions) == 3
    assert judge.version.config["labels"] == len(PLAIN)


def test_verdicts_do_not_depend_on_their_neighbours(judge, ask, make_trial):
    many = [answer for answer, _ in PLAIN] * 2
    together = [verdict.facts for verdict in ask(judge, many)]
    alone = [next(judge.judge_trials([make_trial(replicate=1000, answer=answer)])).facts for answer in many[:6]]
    assert together[:6] == alone


def test_each_verdict_shows_its_probabilities_and_the_opening_of_the_answer(judge, ask):
    answer = " ... I notice a strange thought about the ocean. It is not my own."
    (verdict,) = ask(judge, [answer])
    behind = json.loads(verdict.raw)
    assert set(behind) == {"claims", "coherent", "refused", *(f"about {concept}" for concept in CONCEPTS)}
    assert all(0 <= value <= 1 for value in behind.values())
    assert {name: round(value, 4) for name, value in verdict.scores.items()} == behind
    assert verdict.quote == "I notice a strange thought about the ocean."


def test_a_concept_never_taught_is_known_by_its_word(ask):
    judge = EmbeddingJudge.from_labels(PLAIN, ("volcano", "bread"))
    (verdict,) = ask(judge, ["I notice an unusual thought about a volcano, a volcano that erupts."])
    assert verdict.facts.concept == "volcano"


def test_too_few_labels_are_refused_when_it_is_asked(make_trial):
    judge = EmbeddingJudge.from_labels(PLAIN[:3], CONCEPTS)
    with pytest.raises(
        NotEnoughDataError, match=r"judge 'learned' learns from labelled answers .* has 3 of at least 10"
    ):
        next(judge.judge_trials([make_trial()]))


def test_empty_answers_and_lists_are_no_error(judge, ask, make_trial):
    assert list(judge.judge_trials([])) == []
    for verdict in ask(judge, ["", "   \n", "?!"]):
        assert not verdict.facts.claims
    bare = EmbeddingJudge.from_labels(PLAIN, ())
    assert ask(bare, [PLAIN[0][0]])[0].facts.concept in ("none", "other")


def test_labels_of_one_class_give_their_smoothed_share():
    features = embed_texts(["a", "b", "c"])
    assert LogisticRegressionFit(features, [True] * 3).predict_probability(features).tolist() == [0.875] * 3
    assert LogisticRegressionFit(features[:0], []).predict_probability(features).tolist() == [0.5] * 3
