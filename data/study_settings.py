"""The study's settings as readers of its database need them: judges in order, rule, labels, planned design."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gnomon.data.errors import StoreError
from gnomon.data.foreign_documents.validation_words import first_problem
from gnomon.data.raters import TruthRule
from gnomon.data.records import RaterKind
from gnomon.data.storage.store import Store
from gnomon.data.storage.stored_settings import COUNTS, SubjectAxes, SubjectVariant


class PlannedDesign(BaseModel):
    """Conditions that the study plans, each axis a list of its values; empty where the study has no design.

    `subjects` are models with layers or strengths of their own, by name; `exclude` are conditions that are not planned:
    values by axis, None where a rule says nothing about it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    arms: tuple[str, ...] = ()
    concepts: tuple[str, ...] = ()
    layers: tuple[int, ...] = ()
    strengths: tuple[float, ...] = ()
    spans: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ()
    replicates: dict[str, int] = Field(default_factory=dict)
    subjects: dict[str, SubjectAxes] = Field(default_factory=dict)
    exclude: tuple[dict[str, str | int | float | None], ...] = ()

    def planned_spans(self, condition: Mapping[str, str | int | float | None]) -> int:
        """With how many spans a condition is planned; conditions without a vector have one."""
        steered = condition.get("layer") is not None
        spans = (self.spans if steered else self.spans[:1]) or ("",)
        return sum(not any(_agrees(rule, {**condition, "span": span}) for rule in self.exclude) for span in spans)

    def planned_doses(self, subject: str) -> dict[int, tuple[float, ...]]:
        """Strengths planned for a model, by layer."""
        if subject in self.subjects:
            return dict(self.subjects[subject].doses)
        return dict.fromkeys(self.layers, self.strengths)


def _agrees(rule: Mapping[str, str | int | float | None], condition: Mapping[str, str | int | float | None]) -> bool:
    """Whether a condition has every value that a rule names; one without a vector has only model, arm and protocol."""
    named = {axis: value for axis, value in rule.items() if value is not None}
    if condition.get("layer") is None and named.keys() - {"subject", "arm", "protocol"}:
        return False
    return all(condition.get(axis) == value for axis, value in named.items())


class ExternalRow(BaseModel):
    """Labelled trials of another study: for `n` of true class `truth`, the judge's class was `said`.

    `unchecked` says that the study uses them although it has not been shown that the judge errs here as there.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    judge: str
    arm: str
    truth: str
    said: str
    n: int
    unchecked: bool = False


class TransportSettings(BaseModel):
    """What a study said beforehand of errors that are learnt in one place and used in another.

    `margin` is the greatest difference of a rate that does not matter, None if none was said; `error` the greatest
    probability of a wrong decision; `by` fields in each of whose values errors of another study must hold.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    margin: float | None = Field(default=None, gt=0, lt=1)
    error: float = Field(default=0.05, gt=0, lt=0.5)
    by: tuple[str, ...] = ()


class PlanSettings(BaseModel):
    """What labelling aims at: the width of the 95 % interval as a fraction, None if the study names none, and the seed
    of the simulations that plan for it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    width: float | None = Field(default=None, gt=0, lt=2)
    seed: int = 1


class StudySettings(BaseModel):
    """Settings by name, with the values that hold where a study says nothing."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str = ""
    kind: str = "trials"
    generates: bool = True
    concepts: tuple[str, ...] = ()
    described: dict[str, str] = Field(default_factory=dict)
    judges: tuple[str, ...] = ()
    rule: str = "strict"
    label_view: str = "blind"
    truth: str = "voices"
    rater_kinds: dict[str, RaterKind] = Field(default_factory=dict)
    admitted_raters: tuple[str, ...] = ()
    fit_judges: tuple[str, ...] = ()
    fit_graded: bool = False
    candidates: tuple[str, ...] = ()
    label_policy: str = ""
    transport: TransportSettings = TransportSettings()
    plan: PlanSettings = PlanSettings()
    external: tuple[ExternalRow, ...] = ()
    design: PlannedDesign = PlannedDesign()
    variants: tuple[SubjectVariant, ...] = ()

    @property
    def truth_rule(self) -> TruthRule:
        """Which label of a trial is the truth."""
        return TruthRule.from_text(self.truth)

    @property
    def can_generate(self) -> bool:
        """Whether the study has models to steer and a design, rather than what was made elsewhere."""
        return self.generates and not self.counts_only

    @property
    def counts_only(self) -> bool:
        """Whether the study holds published counts and no transcripts."""
        return self.kind == COUNTS

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]) -> StudySettings:
        """Settings as the store holds them; raises `StoreError` for a value of a wrong type."""
        try:
            return cls.model_validate({key: value for key, value in values.items() if value is not None})
        except ValidationError as error:
            raise StoreError(
                f"study settings in the database: {first_problem(error)}: correct study.toml and run any command "
                "on the study, which stores its settings again"
            ) from error


def load_settings(store: Store) -> StudySettings:
    """The settings of the study in a store."""
    return StudySettings.from_mapping(store.study_settings())
