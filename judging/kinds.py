"""Kinds of judges: what each accepts in its `[[judges]]` table, and the function that builds it.

A further kind is one call of `register_judge`, in a plug-in (entry point group `gnomon.judges`) or a script. Nothing is
imported until a judge of that kind is built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import Any

from pydantic import BaseModel

from gnomon.data.records import Facts, JudgeVersion
from gnomon.data.registry import Registry

Build = Callable[..., Any]
PromptLength = Callable[[Any, Any], int]


@dataclass(frozen=True, slots=True)
class LabelledResponse:
    """A response with its label, and the question that it answers; "" where that is not known."""

    answer: str
    facts: Facts
    question: str = ""


@dataclass(frozen=True, slots=True)
class StudyMaterials:
    """What the study itself gives a judge.

    Attributes
    ----------
    labels : sequence of LabelledResponse
        The study's own labels, of the train split only.
    questions : mapping of str to str
        What the subjects were asked, by the hash of the protocol.
    described : mapping of str to str
        What concepts of the closed list cover, by name.
    stored : sequence of JudgeVersion
        The judge versions in the study's database, oldest first: a judge keeps the rubric and the examples of its
        stored verdicts.
    """

    labels: Sequence[LabelledResponse] = ()
    questions: Mapping[str, str] = field(default_factory=dict)
    described: Mapping[str, str] = field(default_factory=dict)
    stored: Sequence[JudgeVersion] = ()


NO_STUDY = StudyMaterials()


@dataclass(frozen=True, slots=True)
class JudgeMaterials:
    """What a judge may be built from, besides its config.

    Attributes
    ----------
    concepts : tuple of str
        The study's closed list of concepts.
    training : sequence of (str, Facts)
        Responses with their labels, of the train split only.
    load_model : callable, optional
        Loads a language model by name; passed in because this room may not import generation.
    study : StudyMaterials
        What the study itself gives.
    """

    concepts: tuple[str, ...]
    training: Sequence[tuple[str, Facts]] = ()
    load_model: Callable[[str], Any] | None = None
    study: StudyMaterials = NO_STUDY


@dataclass(frozen=True)
class JudgeKind:
    """One kind of judge.

    Attributes
    ----------
    name : str
        Value of `kind` in the study file.
    build : callable or str
        Function of a `JudgeConfig` and `JudgeMaterials` that returns the judge, or "module:function" for one that is
        imported when it is needed. It must contact no server.
    options : type of BaseModel, optional
        Schema of the sub-table `options` of the kind's `[[judges]]` table; without one the kind takes no options.
    asks_server : bool
        Whether the judge is a model behind a server: it then takes address, key, price, limits, rubric and examples,
        and its cost is estimated before a run.
    takes_model : bool
        Whether a judge without a server takes `model`.
    prompt_length : callable or str, optional
        Function of a judge and a `JudgeCase` that returns the characters sent for it, for the cost estimate of a kind
        that asks a server.
    """

    name: str
    build: Build | str
    options: type[BaseModel] | None = None
    asks_server: bool = False
    takes_model: bool = False
    prompt_length: PromptLength | str | None = None

    def build_function(self) -> Build:
        """The function that builds a judge of this kind, imported now if it was named."""
        return _resolved(self.build)

    def prompt_characters(self, judge: object, case: object) -> int | None:
        """Characters that the judge sends for a case; None if the kind does not say.

        Parameters
        ----------
        judge : Judge
            A judge of this kind.
        case : JudgeCase
            The case.
        """
        return None if self.prompt_length is None else int(_resolved(self.prompt_length)(judge, case))


def _resolved(function: Callable[..., Any] | str) -> Callable[..., Any]:
    found: Callable[..., Any] = resolve_name(function) if isinstance(function, str) else function
    return found


JUDGE_KINDS: Registry[JudgeKind] = Registry("judge kind", group="gnomon.judges")


def register_judge(kind: JudgeKind) -> JudgeKind:
    """Register a kind of judge: study files may name it from now on.

    Raises
    ------
    InputError
        If the name is taken.
    """
    return JUDGE_KINDS.register(kind.name, kind)


_JUDGES = "gnomon.judging.judges"
register_judge(JudgeKind("lexicon", f"{_JUDGES}.lexicon:build_lexicon_judge"))
register_judge(JudgeKind("learned", f"{_JUDGES}.embedding_classifier:build_embedding_judge"))
register_judge(JudgeKind("logprob", f"{_JUDGES}.logprob:build_logprob_judge", takes_model=True))
register_judge(
    JudgeKind(
        "openai",
        f"{_JUDGES}.openai_compatible:build_openai_judge",
        asks_server=True,
        prompt_length=f"{_JUDGES}.openai_compatible:prompt_characters",
    )
)
