"""Which of several raters' labels is the truth, on how many trials they disagree, and what machines labelled."""

from __future__ import annotations

from collections.abc import Sequence

from gnomon.data.raters import TruthRule
from gnomon.data.results import ResultPart

KIND_NOUNS = {"model": "language model", "rule": "rule"}


class MachineRater(ResultPart):
    """A rater that is no person: its labels are no human labels."""

    rater: str
    kind: str
    """model or rule."""
    labels: int
    """Trials with its label in the view."""


class TruthSummary(ResultPart):
    """How one truth is made of the labels of one view."""

    view: str
    rule: str
    """As `[labels] truth` says: voices, majority, adjudicated or rater:NAME."""
    raters: tuple[str, ...]
    """Raters with a label in the view that counts."""
    labelled: int
    """Trials with a label of one of them."""
    repeated: int
    """Of these, trials that two or more of them labelled."""
    disagreements: int
    """Of these, trials on which raters' outcomes differ."""
    adjudicated: int
    """Disagreements with an adjudicator's label."""
    undecided: int
    """Labelled trials without a truth under the rule: they count nowhere."""
    tied: int = 0
    """Disagreements in which no outcome has most raters, and none most adjudicators: `voices` takes the first rater."""
    admitted: tuple[MachineRater, ...] = ()
    """Raters that are no people and whose labels count, because the study admits them."""
    machines: tuple[MachineRater, ...] = ()
    """Raters that are no people and whose labels do not count."""
    unknown: tuple[str, ...] = ()
    """Names under `[labels] kinds` and `admit` in the study file that no rater has: what they say has no effect."""

    @property
    def words(self) -> str:
        """The rule, the disagreements and the machines in sentences."""
        return " ".join([*self._people_sentences(), *self._machine_sentences()])

    @property
    def is_contested(self) -> bool:
        """Whether the rule matters: raters disagree, or trials have no truth under it."""
        return bool(self.disagreements or self.undecided)

    @property
    def needs_telling(self) -> bool:
        """Whether a reader of an estimate must know it: the rule matters, or raters are no people."""
        return self.is_contested or bool(self.admitted or self.machines or self.unknown)

    def _people_sentences(self) -> list[str]:
        rule = TruthRule.from_text(self.rule)
        if not self.raters:
            return ["No person has labelled a trial in this view."]
        if len(self.raters) == 1 and not self.undecided:
            return [f"One rater ({self.raters[0]}): whether another one would agree is not known."]
        told = [f"{len(self.raters)} raters, {self.repeated:,} trials with labels of two or more; {self._counts()}."]
        told.append(f'Truth of a trial (truth = "{self.rule}"): {rule.words}.')
        if self.tied and rule.keeps_voices:
            noun = "trial is a tie" if self.tied == 1 else "trials are ties"
            told.append(
                f"{self.tied:,} {noun}: where no times tell who labelled first, it is the first by name; "
                'truth = "majority" leaves ties out.'
            )
        if self.undecided:
            noun = "trial has" if self.undecided == 1 else "trials have"
            told.append(f"{self.undecided:,} labelled {noun} no truth by this rule and no count includes them.")
        return told

    def _counts(self) -> str:
        if not self.disagreements:
            return "raters disagree on no trial"
        noun = "disagreement" if self.disagreements == 1 else "disagreements"
        settled = "all" if self.adjudicated == self.disagreements else f"{self.adjudicated:,} of them"
        return f"{self.disagreements:,} {noun} between raters, {settled} adjudicated"

    def _machine_sentences(self) -> list[str]:
        told = []
        if self.admitted:
            told.append(_admitted_sentence(self.admitted))
        for kind in dict.fromkeys(each.kind for each in self.machines):
            told.append(
                _apart_sentence(KIND_NOUNS.get(kind, kind), [each for each in self.machines if each.kind == kind])
            )
        if self.unknown:
            names = ", ".join(self.unknown)
            told.append(f"study.toml names under [labels] kinds or admit, and no rater here is called: {names}.")
        return told


def _admitted_sentence(raters: Sequence[MachineRater]) -> str:
    """That raters that are no people count, and what that means for every estimate."""
    names = ", ".join(each.rater for each in raters)
    nouns = [KIND_NOUNS.get(kind, kind) for kind in dict.fromkeys(each.kind for each in raters)]
    if len(raters) == 1:
        who, whose = f"{names} is a {nouns[0]}, no person", "its"
    else:
        who, whose = f"{names} are {' and '.join(f'{noun}s' for noun in nouns)}, no people", "their"
    return (
        f"{who}, and the study takes {whose} labels as the truth: no estimate that rests on them is checked by people."
    )


def _apart_sentence(noun: str, raters: Sequence[MachineRater]) -> str:
    """That some raters of one kind are no people, and that their labels do not count."""
    trials = [f"{each.labels:,} trial{'' if each.labels == 1 else 's'}" for each in raters]
    if len(raters) == 1:
        who, whose = f"{raters[0].rater} is a {noun}, no person: its labels on {trials[0]}", "it"
    else:
        names = ", ".join(f"{each.rater} ({n})" for each, n in zip(raters, trials, strict=True))
        who, whose = f"{names} are {noun}s, no people: their labels", "them"
    return (
        f"{who} are no human labels, measure no judge and enter no estimate (agreement with {whose} is shown apart; "
        "[labels] admit in study.toml would let them count)."
    )
