"""Raters: what each of them is, and the rule that makes one truth of the labels of several."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from gnomon.data.errors import InputError, UnknownNameError
from gnomon.data.records import RaterKind

JUDGE_PREFIX = "judge:"
"""How open-introspection marks a labeler that is a judge."""
RATER_PREFIX = "rater:"
TruthKind = Literal["voices", "majority", "adjudicated", "rater"]
RULE_NAMES: tuple[TruthKind, ...] = ("voices", "majority", "adjudicated")
_MODEL = re.compile(
    r"(?:^|[/:_ .-])(?:(?:chat)?gpt|llm|lm(?=[-_:])|gemini|llama|mixtral|qwen|deepseek|claude(?=[-_ :.\d])"
    r"|gemma(?=[-_ :.]?\d)|phi(?=-?\d)|mistral(?=[-_ :.\d])|grok(?=-?\d)|command-r|o[134](?=-|$))(?![a-z])",
    re.IGNORECASE,
)
_RULE = re.compile(r"^(?:rule|regex|regexp|heuristic|keywords?)(?:$|[\d:/_ .-])", re.IGNORECASE)


def kind_of_name(name: str) -> RaterKind:
    """What a rater is, as far as the name tells: a judge or a language model, a rule, else a person."""
    if name.lower().startswith(JUDGE_PREFIX) or _MODEL.search(name):
        return RaterKind.MODEL
    return RaterKind.RULE if _RULE.search(name) else RaterKind.PERSON


def parse_rater_kind(text: str | None) -> RaterKind | None:
    """The kind of rater that an option names; None for none.

    Raises
    ------
    InputError
        If it is no kind.
    """
    if text is None:
        return None
    if text not in list(RaterKind):
        raise InputError(f"rater kind '{text}' is not known: choose from {', '.join(RaterKind)}")
    return RaterKind(text)


@dataclass(frozen=True, slots=True)
class TruthRule:
    """Which label of a trial is the truth that judges are counted against, where several raters labelled it.

    Attributes
    ----------
    kind : {"voices", "majority", "adjudicated", "rater"}
        `voices`: in the fit each rater's label is one opinion with errors of its own; for counts, the adjudicator's
        label, else a label of the outcome that most raters gave, on a tie that of the rater who labelled first.
        `majority`: the adjudicator's label, else the outcome that most raters gave; a tie has no truth.
        `adjudicated`: the adjudicator's label, else the outcome that all raters gave; other trials have no truth.
        `rater`: the label of one rater. Under the last three the fit takes the truth as exact.
    rater : str
        The rater's name under `rater`.
    """

    kind: TruthKind = "voices"
    rater: str = ""

    @classmethod
    def from_text(cls, text: str) -> TruthRule:
        """The rule as a study file writes it: voices, majority, adjudicated or rater:NAME.

        Raises
        ------
        InputError
            If it is none of these.
        """
        if text.startswith(RATER_PREFIX) and (name := text.removeprefix(RATER_PREFIX).strip()):
            return cls("rater", name)
        for known in RULE_NAMES:
            if text == known:
                return cls(known)
        raise InputError(f"truth '{text}' is not known: choose from {', '.join(RULE_NAMES)} or {RATER_PREFIX}NAME")

    def __str__(self) -> str:
        """As a study file writes it."""
        return f"{RATER_PREFIX}{self.rater}" if self.kind == "rater" else self.kind

    @property
    def keeps_voices(self) -> bool:
        """Whether the fit takes each rater's label as an opinion that may be wrong, rather than one exact truth."""
        return self.kind == "voices"

    @property
    def words(self) -> str:
        """The rule in words, as the end of a sentence that begins with "the truth of a trial is"."""
        return {
            "voices": "the adjudicator's label, else a label of the outcome that most raters gave (on a tie, that of "
            "the rater who labelled first); in the fit each rater's label is one opinion with errors of its own",
            "majority": "the adjudicator's label, else the outcome that most raters gave; a tie gives none",
            "adjudicated": "the adjudicator's label, else the outcome that all its raters gave",
            "rater": f"the label of {self.rater}",
        }[self.kind]

    def check_rater(self, known: Collection[str]) -> None:
        """Check that the named rater is among those of the study.

        Raises
        ------
        UnknownNameError
            If the study has labels and none of them by that rater.
        """
        if self.kind == "rater" and known and self.rater not in known:
            raise UnknownNameError(
                f"[labels] truth: rater '{self.rater}' has no label in this study: choose from "
                f"{', '.join(sorted(known))}"
            )
