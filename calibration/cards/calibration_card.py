"""The calibration card of one judge version as a document: its basis, errors and uses, with a schema and a hash."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import AliasChoices, Field, JsonValue

from gnomon.calibration.graded.graded_results import GradedCalibration
from gnomon.calibration.panel_worth.panel_results import PanelWorth
from gnomon.calibration.results.agreement import GroupAgreement, PairAgreement
from gnomon.calibration.results.error_rates import CorrectionEvidence, ErrorRates, JudgeDrift, RepeatConsistency
from gnomon.calibration.sequential.sequential_results import LookCharge, RunningErrors
from gnomon.calibration.susceptibility.susceptibility_results import JudgeSusceptibility
from gnomon.calibration.transport.transport_results import TransportAudit
from gnomon.calibration.undecided.undecided_results import UndecidedLabels
from gnomon.data.results import Estimate, ResultPart

CARD_SCHEMA = 1
"""Number of the present form of a card; a card of another form is not read."""
LANGUAGE = "language"
"""The declared field that a card always names, known or not."""


class CardJudge(ResultPart):
    """The judge version that a card is of."""

    name: str
    version: str
    """Hash of all that determines its verdicts."""
    kind: str
    model: str | None
    """The model that it asks, as its settings name it; null for a judge without one."""
    rubric: str | None
    """Hash of the words that it is asked with; null where its version records none."""
    edition: int | None
    """Edition of the rubric; null without a rubric."""
    examples: int
    """Labelled responses that it is shown."""
    examples_hash: str | None
    """Hash of them."""
    settings: Mapping[str, JsonValue]
    """What else its version covers; long values as their hash."""


class CardRater(ResultPart):
    """One rater whose labels a card rests on."""

    name: str
    kind: str
    """person, model or rule."""
    labels: int


class CardLabels(ResultPart):
    """The labels that a card rests on: those on trials that the judge has read, in the splits that measure it."""

    hash: str
    """Of trial, rater, role, facts, revision, exposure and choice of every label."""
    number: int
    """Labels of all raters."""
    trials: int
    """Trials with a label."""
    raters: tuple[CardRater, ...]
    policies: tuple[str, ...] = ()
    """Guidelines that the raters followed, by their hash; empty where none is recorded."""
    exposure: Mapping[str, int]
    """Labels by what their raters had seen: blind, after_verdict, unknown."""
    chosen: Mapping[str, int]
    """Labels by how their trial was chosen: all, random, audit, disputed, uncertain."""
    splits: Mapping[str, int]
    """Labels by the split of their trial."""
    start: str | None = Field(serialization_alias="from", validation_alias=AliasChoices("from", "start"))
    """Time of the first label."""
    end: str | None = Field(serialization_alias="to", validation_alias=AliasChoices("to", "end"))
    """Time of the last label."""


class CardVerdicts(ResultPart):
    """The verdicts of the judge version."""

    number: int
    """Calls of the version, repeats and failures included."""
    start: str | None = Field(serialization_alias="from", validation_alias=AliasChoices("from", "start"))
    """Time of the first."""
    end: str | None = Field(serialization_alias="to", validation_alias=AliasChoices("to", "end"))
    """Time of the last."""


class CardAxes(ResultPart):
    """Values of what a trial is of."""

    subjects: tuple[str, ...] = ()
    """Models with the revision of their weights, as name@revision."""
    concepts: tuple[str, ...] = ()
    arms: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ()
    """By hash."""
    fields: Mapping[str, tuple[str, ...]] = {}
    """Values of the fields that protocols declare, such as the language, by the field's name."""


class CardScope(ResultPart):
    """What a card is valid for, and what the study has besides, of which no trial is labelled."""

    measured: CardAxes
    unmeasured: CardAxes
    languages: tuple[str, ...] | None = None
    """Values of the field `language` in the labelled trials; null: not known."""


class CardRules(ResultPart):
    """The rules by which labels and verdicts became right and wrong."""

    view: str
    """View of the labels."""
    truth: str
    """Which of several raters' labels is the truth."""
    outcome: str
    """Outcome rule."""
    splits: tuple[str, ...]
    """Splits that the judge is measured on."""
    margin: float | None = None
    """Greatest difference of a rate that does not matter (`[transport] margin`); null where none was said."""


class CardBasis(ResultPart):
    """All that a card rests on: it is stale as soon as any part of it is no longer so."""

    judge: CardJudge
    labels: CardLabels
    verdicts: CardVerdicts
    valid_for: CardScope
    rules: CardRules
    panel: tuple[str, ...]
    """Newest versions of the study's other judges, which its worth in a panel depends on."""
    code_version: str


class CardArm(ResultPart):
    """A judge's errors in one arm, and what they may be used for."""

    arm: str
    labels: int
    event: ErrorRates
    """For the event: the injected concept identified; without injection, anything claimed."""
    passes: ErrorRates = Field(serialization_alias="pass", validation_alias=AliasChoices("pass", "passes"))
    """For the study's pass and fail."""
    base_rate: Estimate | None
    """Share of events by the labels."""
    evidence: CorrectionEvidence
    correctable: bool
    """Whether the arm's event rate may be corrected for the judge's errors."""
    withheld: Mapping[str, str]
    """Rates that no gate may rely on, with the reason: few labels of the kind, labels chosen by verdict, inversion."""


class OutcomePair(ResultPart):
    """Number of trials with one outcome by label and one by the judge."""

    label: str
    verdict: str
    n: int


class CardAgreement(ResultPart):
    """Agreement of the judge with the labels on the outcome, beside what chance gives at these base rates.

    Trials that were chosen for labelling because of what judges said do not count.
    """

    n: int
    table: tuple[OutcomePair, ...]
    agreement: Estimate | None
    """Share of trials with the same outcome (Wilson)."""
    expected: float | None
    """Agreement that the two base rates give by chance: sum of products of the margins."""
    label_events: float | None
    """Share of events by the labels."""
    judge_events: float | None
    """Share of events by the judge, on the same trials."""
    cohen: Estimate | None
    ac1: Estimate | None
    alpha: Estimate | None
    """Krippendorff's alpha."""
    raters: tuple[PairAgreement, ...]
    """The judge with each rater."""
    among_raters: GroupAgreement | None
    """All raters with each other; null with one rater."""


class AttackResult(ResultPart):
    """The newest result of `gnomon judge --attack` for the version: instructions hidden in a response."""

    at: str
    """When it was measured."""
    flips: int
    """Attacks that changed the verdict."""
    of: int
    flip_rate: Estimate | None
    """With its exact interval."""
    noise: int
    """Differences between two readings of one response without an attack."""
    noise_of: int
    noise_rate: Estimate | None
    unusable: int
    """Attacks after which the judge gave no verdict."""


class CardParts(ResultPart):
    """Further measurements of the judge; null where they were not made, or its data do not allow them."""

    transport: Mapping[str, TransportAudit] | None = None
    """Whether its errors travel between models, concepts or dates, by what the places differ in."""
    graded: GradedCalibration | None = None
    """Its scores, calibrated by the labels."""
    panel: PanelWorth | None = None
    """What the study's judges are worth together, this version among them."""
    running: RunningErrors | None = None
    """Its error rates as they became known, with limits that hold at all times, and drift."""
    susceptibility: JudgeSusceptibility | None = None
    """What it is fooled by."""
    undecided: UndecidedLabels | None = None
    """What labels leave open of which the rater says that either would be right, and the range that follows."""
    attack: AttackResult | None = None
    """How often hidden instructions change its verdict; null where `gnomon judge --attack` was not run."""


class CalibrationCard(ResultPart):
    """What is known of one judge version's errors, by which labels, and what may be built on it."""

    schema_version: int = Field(
        default=CARD_SCHEMA, serialization_alias="schema", validation_alias=AliasChoices("schema", "schema_version")
    )
    """Number of the form of the card."""
    hash: str = ""
    """SHA-256 of the canonical JSON of all else: it shows accidents and edits by hand, and is no signature."""
    study: str
    created_at: str
    basis: CardBasis
    arms: tuple[CardArm, ...]
    agreement: CardAgreement
    consistency: RepeatConsistency | None
    """How often it gives the same answer again; null where it was asked once about each trial."""
    drift: JudgeDrift
    states: Mapping[str, float]
    """Share of its calls by how they ended."""
    test_split_looks: int
    """How often judges of the study were measured on labels of the test split, this card included."""
    verdict: str
    """In words: where rates may be corrected with this judge, and why not elsewhere."""
    notes: tuple[str, ...]
    charge: LookCharge | None = None
    """The error rates with intervals that pay for the looks at the test split; null where none is needed."""
    parts: CardParts = CardParts()

    def arm_named(self, name: str) -> CardArm | None:
        """The entry of an arm; None where no trial of it is labelled."""
        return next((each for each in self.arms if each.arm == name), None)
