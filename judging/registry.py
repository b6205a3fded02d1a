"""Builds the judge that a config describes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import getattr_static
from typing import TYPE_CHECKING

from gnomon.data.errors import PluginError
from gnomon.data.facts import FACTS
from gnomon.data.records import Facts
from gnomon.judging.config import JudgeConfig
from gnomon.judging.kinds import JUDGE_KINDS, NO_STUDY, JudgeMaterials, StudyMaterials
from gnomon.judging.protocols import Judge

if TYPE_CHECKING:
    from gnomon.judging.judges.yes_no_scorer import LanguageModel

PARTS = ("version", "enforces_schema", "judge_trials")
"""What a judge has (`Judge`)."""


def build_judge(
    config: JudgeConfig,
    concepts: Sequence[str],
    training: Sequence[tuple[str, Facts]] = (),
    load: Callable[[str], LanguageModel] | None = None,
    study: StudyMaterials = NO_STUDY,
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
        examples of an LLM judge where the study's own do not suffice.
    load : callable, optional
        Loads a language model by name, for a `logprob` judge. Passed in because this room may not import generation.
    study : StudyMaterials
        The study's own labels, questions, descriptions of concepts, and judge versions.

    Raises
    ------
    UserError
        If the judge is of kind `logprob` and `load` is None.
    PluginError
        If a plug-in's function returns something that is no judge, or a plug-in of facts failed: the judge would not be
        asked for them.
    NotEnoughDataError
        If fewer labelled responses than the number of few-shot examples are usable.
    """
    FACTS.check_plugins()
    build = JUDGE_KINDS.find(config.kind).build_function()
    judge: Judge = build(config, JudgeMaterials(tuple(concepts), training, load, study))
    if missing := [name for name in PARTS if not _has_attribute(judge, name)]:
        raise PluginError(
            f"judge kind '{config.kind}': its build function returned a {type(judge).__name__} without "
            f"{', '.join(missing)}: add them"
        )
    return judge


def _has_attribute(judge: Judge, name: str) -> bool:
    """Whether an attribute exists, found without computing it: `version` may load a language model."""
    missing = object()
    return getattr_static(judge, name, missing) is not missing
