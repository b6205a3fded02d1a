"""A judge trained on labels: logistic regressions over sentence embeddings, without hand-written rules."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gnomon.data.errors import NotEnoughDataError
from gnomon.data.facts import CORE_FLAGS, fact_values, facts_from_answers, further_names, further_wording
from gnomon.data.records import ABOUT, NONE, OTHER, Facts, JudgeVersion, Trial, Verdict, canonical_hash
from gnomon.judging.code_versions import CODE_VERSIONS
from gnomon.judging.config import JudgeConfig
from gnomon.judging.judges.sentence_encoder import embed_texts, weights_digest
from gnomon.judging.kinds import JudgeMaterials
from gnomon.judging.protocols import make_judge_version
from gnomon.judging.rubrics.transcript import LIMIT, clean_transcript

FEWEST = 10
CHUNK = 32
STRENGTH = 10.0
_OPENING = re.compile(r"[^.?!\s][^.?!\n]*[.?!]*")
_QUOTE = 200

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EmbeddedAnswer:
    """Features of one response: embeddings (384 values) of the whole text and its first sentence, and that sentence."""

    whole: Array
    opening: Array
    sentence: str

    def features_for(self, fact: str) -> Array:
        """Features for one fact: whether a response claims shows in its first sentence, the rest only in the whole."""
        return np.concatenate([self.whole, self.opening]) if fact == "claims" else self.whole

    def concept_similarity(self, concept: Array, others: Array) -> Array:
        """Similarity of the response to one concept, absolute and relative to the other concepts.

        Parameters
        ----------
        concept : ndarray of float32, shape (384,)
            Embedding of the concept's word.
        others : ndarray of float32, shape (concepts, 384)
            Embeddings of the words of all concepts.

        Returns
        -------
        ndarray of float32, shape (4,)
            Cosine similarity of the whole text and of the first sentence, then the same minus the mean over `others`.
        """
        near = np.array([self.whole @ concept, self.opening @ concept])
        rest = np.array([(others @ self.whole).mean(), (others @ self.opening).mean()])
        return np.concatenate([near, near - rest]).astype(np.float32)


class LogisticRegressionFit:
    """Logistic regression with an L2 penalty; trained on one class only, it returns that class's smoothed share.

    Estimand: P(label is yes | features). Assumes that the judged trials come from the same distribution as the training
    set. Fitted by scikit-learn's `LogisticRegression` (lbfgs, deterministic).

    Parameters
    ----------
    features : ndarray of float32, shape (responses, features)
        Features of the training set.
    labels : sequence of bool, length responses
        Their labels.
    strength : float
        Inverse of the penalty (`C` of scikit-learn).
    """

    def __init__(self, features: Array, labels: Sequence[bool], strength: float = STRENGTH) -> None:
        from sklearn.linear_model import LogisticRegression

        wanted = np.asarray(labels, dtype=bool)
        self._share = (float(wanted.sum()) + 0.5) / (len(wanted) + 1.0)
        self._model: Any = None
        if 0 < wanted.sum() < len(wanted):
            self._model = LogisticRegression(C=strength, max_iter=5000).fit(features, wanted)

    def predict_probability(self, features: Array) -> NDArray[np.float64]:
        """P(yes) of each row; shape (rows,)."""
        if self._model is None:
            return np.full(len(features), self._share)
        return np.asarray(self._model.predict_proba(features)[:, 1], dtype=np.float64)


class EmbeddingJudge:
    """Reports facts by regressions trained on labelled responses.

    Created by `from_labels`. Training happens at the first verdict, so that the version is known without loading the
    encoder.

    Parameters
    ----------
    pairs : sequence of (str, Facts)
        Responses with their labels, of the train split only.
    concepts : sequence of str
        The study's closed list of concepts.
    name : str
        Name of the judge.
    """

    def __init__(self, pairs: Sequence[tuple[str, Facts]], concepts: Sequence[str], *, name: str) -> None:
        self.concepts = tuple(sorted(concepts))
        self._pairs = sorted(
            ((clean_transcript(answer), facts) for answer, facts in pairs), key=lambda pair: _pair_key(*pair)
        )
        training = canonical_hash([[answer, fact_values(facts)] for answer, facts in self._pairs])
        described: dict[str, object] = {"training": training, "labels": len(self._pairs)}
        described["concepts"] = list(self.concepts)
        if further := further_wording():
            described["further"] = further
        source = CODE_VERSIONS["learned"]
        self._version = make_judge_version(
            name, "learned", {**described, "encoder": weights_digest(), "source": source}
        )

    @classmethod
    def from_labels(cls, pairs: Sequence[tuple[str, Facts]], concepts: Sequence[str], *, name: str = "learned") -> Self:
        """A judge for a closed list of concepts, trained on labelled responses.

        With fewer than ten labels the judge can be created but raises `NotEnoughDataError` at the first verdict.

        Parameters
        ----------
        pairs : sequence of (str, Facts)
            Responses with their labels, of the train split only.
        concepts : sequence of str
            The study's closed list of concepts.
        name : str
            Name of the judge.
        """
        return cls(pairs, concepts, name=name)

    @property
    def version(self) -> JudgeVersion:
        """Version with a hash of training set, encoder, method and closed list."""
        return self._version

    @property
    def enforces_schema(self) -> bool | None:
        """Always None: there is no server."""
        return None

    def judge_trials(self, trials: Sequence[Trial]) -> Generator[Verdict, None, None]:
        """Yield one verdict per trial, in order; `scores` holds the probabilities, `quote` the first sentence.

        Raises
        ------
        NotEnoughDataError
            If the judge has fewer than ten labels.
        """
        for start in range(0, len(trials), CHUNK):
            chunk = trials[start : start + CHUNK]
            readings = embed_answers([trial.answer for trial in chunk])
            for trial, (facts, quote, behind) in zip(chunk, self._predicted_facts(readings), strict=True):
                raw = json.dumps({name: round(value, 4) for name, value in behind.items()})
                kept = quote[:_QUOTE]
                yield Verdict(trial.id, self._version.version, facts, quote=kept, raw=raw, scores=behind)

    def _predicted_facts(self, readings: Sequence[EmbeddedAnswer]) -> Iterator[tuple[Facts, str, dict[str, float]]]:
        taught = self._trained_models
        shares = {
            name: model.predict_probability(_feature_matrix(readings, name)) for name, model in taught.facts.items()
        }
        content = taught.content.predict_probability(_feature_matrix(readings, "concept"))
        for place, reading in enumerate(readings):
            behind = {name: float(values[place]) for name, values in shares.items()}
            claims = behind["claims"] >= 0.5
            near = taught.concept_probabilities(reading)
            concept = _nearest_concept(near, float(content[place])) if claims else NONE
            answers = {name: share >= 0.5 for name, share in behind.items()}
            facts = facts_from_answers({**answers, "concept": concept})
            yield facts, reading.sentence, {**behind, **{f"{ABOUT}{name}": p for name, p in near.items()}}

    @cached_property
    def _trained_models(self) -> _TrainedModels:
        if len(self._pairs) < FEWEST:
            raise NotEnoughDataError(
                f"judge '{self._version.name}' learns from labelled answers of the train split and has "
                f"{len(self._pairs)} of at least {FEWEST}: label more trials, or leave this judge out of study.toml"
            )
        return _TrainedModels(self._pairs, self.concepts)


class _TrainedModels:
    """The regressions after training: one per fact, one for content that is not on the list, one for concepts."""

    def __init__(self, pairs: Sequence[tuple[str, Facts]], concepts: Sequence[str]) -> None:
        readings = embed_answers([answer for answer, _ in pairs])
        labels = [facts for _, facts in pairs]
        self.facts = {
            name: LogisticRegressionFit(_feature_matrix(readings, name), [bool(getattr(fact, name)) for fact in labels])
            for name in CORE_FLAGS
        }
        for name in further_names():
            known = [place for place, fact in enumerate(labels) if name in fact.further]
            if len(known) >= FEWEST:  # else this fact is not reported
                features = _feature_matrix([readings[place] for place in known], name)
                self.facts[name] = LogisticRegressionFit(features, [labels[place].further[name] for place in known])
        claimed = [place for place, fact in enumerate(labels) if fact.claims]
        unnamed = [place for place in claimed if labels[place].concept in (NONE, OTHER)]
        whole = _feature_matrix(readings, "concept")
        self.content = LogisticRegressionFit(whole[unnamed], [labels[place].concept == OTHER for place in unnamed])
        self._concepts = tuple(concepts)
        self._words = embed_texts(self._concepts) if self._concepts else whole[:0]
        taught = sorted({*self._concepts, *(labels[place].concept for place in claimed)} - {NONE, OTHER})
        self._about = self._fit_concept_regression(
            [(readings[place], labels[place].concept) for place in claimed], taught
        )

    def concept_probabilities(self, reading: EmbeddedAnswer) -> dict[str, float]:
        """For each concept of the closed list, the probability that the response is about it."""
        if not self._concepts:
            return {}
        rows = np.stack([reading.concept_similarity(word, self._words) for word in self._words])
        return dict(zip(self._concepts, self._about.predict_probability(rows).tolist(), strict=True))

    @staticmethod
    def _fit_concept_regression(
        claimed: Sequence[tuple[EmbeddedAnswer, str]], names: Sequence[str]
    ) -> LogisticRegressionFit:
        """One regression for all concepts: whether a claim is about a given concept.

        It therefore applies to new concepts too.
        """
        words = embed_texts(names) if names else np.zeros((0, 1), np.float32)
        rows = [reading.concept_similarity(word, words) for reading, _ in claimed for word in words]
        wanted = [concept == name for _, concept in claimed for name in names]
        return LogisticRegressionFit(np.stack(rows) if rows else np.zeros((0, 4), np.float32), wanted, strength=100.0)


def embed_answers(answers: Sequence[str]) -> list[EmbeddedAnswer]:
    """Embeddings of responses and of their first sentences, in one pass of the encoder."""
    texts = [clean_transcript(answer)[:LIMIT] for answer in answers]
    found = [_OPENING.search(text) for text in texts]
    openings = [match[0].strip() if match else text.strip() for match, text in zip(found, texts, strict=True)]
    vectors = embed_texts([*texts, *openings])
    return [EmbeddedAnswer(vectors[place], vectors[place + len(texts)], openings[place]) for place in range(len(texts))]


def _feature_matrix(readings: Sequence[EmbeddedAnswer], fact: str) -> Array:
    return np.stack([reading.features_for(fact) for reading in readings])


def _nearest_concept(near: dict[str, float], content: float) -> str:
    best = max(near, key=lambda name: near[name], default=NONE)
    if near.get(best, 0.0) >= 0.5:
        return best
    return OTHER if content >= 0.5 else NONE


def _pair_key(answer: str, facts: Facts) -> str:
    return canonical_hash([answer, fact_values(facts)])


def build_embedding_judge(config: JudgeConfig, materials: JudgeMaterials) -> EmbeddingJudge:
    """The judge of kind `learned` that a config describes.

    Parameters
    ----------
    config : JudgeConfig
        Its name is the judge's.
    materials : JudgeMaterials
        The closed list and the labelled responses.
    """
    return EmbeddingJudge.from_labels(materials.training, materials.concepts, name=config.name)
