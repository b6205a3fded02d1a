"""Builds the judge that a config describes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gnomon.data.records import Facts
from gnomon.judging.config import JudgeConfig
from gnomon.judging.protocols import Judge

if TYPE_CHECKING:
    from gnomon.judging.judges.yes_no_scorer import LanguageModel


def build_judge(
    config: JudgeConfig,
    concepts: Sequence[str],
    training: Sequence[tuple[str, Facts]] = (),
    load: Callable[[str], LanguageModel] | None = None,
) -> Judge:
    """The judge that a config describes. Nothing is loaded and no server is contacted.

    Parameters
    ----------
    config : JudgeConfig
        The validated config.
    concepts : sequence of str
        The study's closed list of concepts.
    training : sequence of (str, Facts)
        Responses with their labels, of the train split only: training set of a `learned` judge, pool of few-shot
        examples of an LLM judge.
    load : callable, optional
        Loads a language model by name, for a `logprob` judge. Passed in because this room may not import generation.

    Raises
    ------
    UserError
        If the judge is of kind `logprob` and `load` is None.
    NotEnoughDataError
        If fewer labelled responses than the number of few-shot examples are usable.
    """
    if config.kind == "lexicon":
        from gnomon.judging.judges.lexicon import LexiconJudge

        return LexiconJudge(concepts, name=config.name)
    if config.kind == "learned":
        from gnomon.judging.judges.embedding_classifier import EmbeddingJudge

        return EmbeddingJudge.from_labels(training, concepts, name=config.name)
    if config.kind == "logprob":
        from gnomon.judging.judges.logprob import LogprobJudge

        return LogprobJudge(config, concepts, load)
    from gnomon.judging.judges.few_shot import draw_examples
    from gnomon.judging.judges.openai_compatible import OpenAICompatibleJudge

    return OpenAICompatibleJudge(
        config, concepts, examples=draw_examples(training, concepts, config.examples) if config.examples else ()
    )
