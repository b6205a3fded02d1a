"""Every estimand, declared once: its names, definition, formula, arms, and where it is reported.

Everything else that must know an estimand derives it from here: results, comparisons, charts, sentences, tables, the
report and the dashboard. A further estimand is one call of `register_estimand`, here or in a plug-in (entry point
group `gnomon.estimands`). Knows nothing of models, draws or a store: a formula takes shares and returns a rate.

| estimand | formula |
|---|---|
| detection | S(event) + S(misnamed), injection: claimed to notice something, rightly named or not |
| identification | S(event), injection (and further arms that count it, by themselves): named the injected concept |
| false_alarm | S(event), control (and further arms that count it, by themselves): claimed to notice something |
| refusal | S(refused) by arm; overall the mean of injection and control |
| coherent | 1 - S(incoherent) by arm; overall the mean of injection and control |
| net_detection_claimed | detection - false_alarm |
| net_detection_raw | S(event), injection - (1 - S(rest), control): refusals and incoherence count against the model |
| net_detection_engaged | S(event) / (1 - S(refused)), injection - control: among those that answered in each arm |

S is the share of a class in an arm (`stats.cells.outcome_classes`). The same formulas give the corrected estimates
when the shares are those of the true classes; `net_detection_corrected` and `net_detection_engaged_corrected` are the
names of such twins.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gnomon.data.errors import InputError
from gnomon.data.records import Arm
from gnomon.data.registry import Registry
from gnomon.stats.cells.outcome_classes import EVENT, INCOHERENT, MISNAMED, REFUSED, REST

Shares = Mapping[str, np.ndarray]
"""Share of each class in one arm, each an array over draws."""
Formula = Callable[..., np.ndarray]
"""From the shares of each of an estimand's arms, in their order, to the estimand's draws."""
Comparison = Literal["size", "pairs", "ratios", "ladder"]
"""Comparisons between models that an estimand takes part in: over size (curve, trend through the models that were run,
steps between them, a further model); differences of each pair; ratios of each pair; and the ladder, all else that
compares net detection (order of concepts, differences on one design)."""

INJECTION, CONTROL = str(Arm.INJECTION), str(Arm.CONTROL)
NET_RAW, NET_ENGAGED, NET_CLAIMED = "net_detection_raw", "net_detection_engaged", "net_detection_claimed"
IDENTIFICATION, DETECTION, FALSE_ALARM, REFUSAL = "identification", "detection", "false_alarm", "refusal"
ENGAGEMENT = "engagement"
CORRECTED_VIEW = "corrected"


@dataclass(frozen=True)
class Estimand:
    """One estimand, all that the house must know of it.

    Attributes
    ----------
    name : str
        Its name in results and JSON documents.
    label : str
        As a sentence names it ("raw net detection").
    definition : str
        What it is, in words; shown above charts and in the report's methods where `listed`.
    formula : callable
        From the shares of each of `arms` to draws of the estimand.
    arms : tuple of str
        Arms whose trials it reads, in the order of the formula's arguments.
    short_label, chart_label, axis_label : str
        As a tab, a caption and an axis name it; made from `label` where empty.
    by_arm : {"", "further", "every"}
        Arms for which it is also reported by themselves, by `arm_formula`: none; those other than injection and
        control that count the same event as the first of `arms`; every one.
    arm_formula : callable, optional
        From the shares of one arm to draws; without one the formula itself, if it has one arm.
    by_axis : tuple of str
        Axes of the injection by whose values it is also reported: "concept", "strength".
    needs_class : str
        Class of outcome without which it cannot be computed; "" where there is none.
    judged_classes : tuple of str, optional
        Class that judges must be able to tell in each of `arms`, or the estimate is withheld; by default the event in
        each. Where it is empty, nothing is said of the estimand where an arm has no trials.
    conditions_on : str
        `ENGAGEMENT` where it reads answers only that do not refuse; "" where it reads every trial.
    corrects : str
        Name of the estimand of which this one is the corrected twin: the same formula, reported under this name where
        judges' errors are taken out.
    comparisons : frozenset of str
        Comparisons between models that it takes part in.
    is_difference : bool
        A difference of rates, which can be negative, rather than a rate.
    headline : bool
        Whether it stands in the table that commands print.
    listed : bool
        Whether it has a tab on the dashboard, and its definition a line in the report.
    """

    name: str
    label: str
    definition: str
    formula: Formula
    arms: tuple[str, ...]
    short_label: str = ""
    chart_label: str = ""
    axis_label: str = ""
    by_arm: Literal["", "further", "every"] = ""
    arm_formula: Formula | None = None
    by_axis: tuple[str, ...] = ()
    needs_class: str = ""
    judged_classes: tuple[str, ...] | None = None
    conditions_on: str = ""
    corrects: str = ""
    comparisons: frozenset[Comparison] = frozenset()
    is_difference: bool = False
    headline: bool = False
    listed: bool = True

    def __post_init__(self) -> None:
        """Refuse a declaration that contradicts itself."""
        if not self.arms:
            raise InputError(f"estimand '{self.name}': it reads no arm; name at least one, as in arms=('injection',)")
        if self.judged_classes and len(self.judged_classes) != len(self.arms):
            raise InputError(
                f"estimand '{self.name}': {len(self.judged_classes)} judged classes for {len(self.arms)} arms; "
                "give one for each arm, or none"
            )

    @property
    def tab_label(self) -> str:
        """As a tab names it."""
        return self.short_label or self.label[:1].upper() + self.label[1:]

    @property
    def caption_label(self) -> str:
        """As a caption names it."""
        return self.chart_label or self.label

    @property
    def title_label(self) -> str:
        """As the title and axis of a chart name it."""
        return self.axis_label or self.caption_label

    @property
    def single_arm_formula(self) -> Formula:
        """What one arm's shares give."""
        return self.arm_formula or self.formula

    def judged_class(self, arm: str) -> str | None:
        """The class that judges must be able to tell in an arm; None where it asks nothing of them."""
        if self.judged_classes is None:
            return EVENT
        return dict(zip(self.arms, self.judged_classes, strict=False)).get(arm, next(iter(self.judged_classes), None))

    @property
    def reports_missing_arms(self) -> bool:
        """Whether a study is told that it lacks the trials for it."""
        return self.judged_classes is None or bool(self.judged_classes)


ESTIMANDS: Registry[Estimand] = Registry("estimand", group="gnomon.estimands")


def register_estimand(estimand: Estimand) -> Estimand:
    """Declare an estimand: from now on fits compute it, and charts, tables, pages and reports show it.

    Raises
    ------
    InputError
        Where the name is taken, or the estimand that it corrects is not known.
    """
    if estimand.corrects and estimand.corrects not in ESTIMANDS:
        raise InputError(f"estimand '{estimand.name}': '{estimand.corrects}', which it corrects, is not registered")
    return ESTIMANDS.register(estimand.name, estimand)


def identification_rate(injection: Shares) -> np.ndarray:
    """P(identified | injection)."""
    return injection[EVENT]


def false_alarm_rate(control: Shares) -> np.ndarray:
    """P(claimed | control)."""
    return control[EVENT]


def detection_rate(injection: Shares) -> np.ndarray:
    """P(claimed or identified | injection). Noticing is not naming: identification asks for both."""
    return np.asarray(injection[EVENT] + injection[MISNAMED])


def net_detection_claimed(injection: Shares, control: Shares) -> np.ndarray:
    """P(claimed or identified | injection) - P(claimed | control).

    Parameters
    ----------
    injection, control : mapping of str to ndarray, shape (draws,)
        Shares of the classes in each arm.
    """
    return detection_rate(injection) - control[EVENT]


def net_detection_raw(injection: Shares, control: Shares) -> np.ndarray:
    """P(identified | injection) - (1 - P(denied | control)): the published study's net detection rate.

    Parameters
    ----------
    injection, control : mapping of str to ndarray, shape (draws,)
        Shares of the classes in each arm.
    """
    return injection[EVENT] - (1.0 - control[REST])


def engaged_event_rate(shares: Shares) -> np.ndarray:
    """P(event | not refused)."""
    return np.asarray(shares[EVENT] / (1.0 - shares[REFUSED]))


def net_detection_engaged(injection: Shares, control: Shares) -> np.ndarray:
    """P(event | injection, not refused) - P(event | control, not refused).

    Conditions on what the injection itself may change: `bounds.selection_bounds` says how much that could matter.

    Parameters
    ----------
    injection, control : mapping of str to ndarray, shape (draws,)
        Shares of the classes in each arm.
    """
    return np.asarray(engaged_event_rate(injection) - engaged_event_rate(control))


def refusal_rate(shares: Shares) -> np.ndarray:
    """P(refused)."""
    return shares[REFUSED]


def coherence_rate(shares: Shares) -> np.ndarray:
    """P(not incoherent)."""
    return 1.0 - shares[INCOHERENT]


def mean_over_arms(rate: Formula) -> Formula:
    """The mean of a rate over two arms."""
    return lambda one, other: (rate(one) + rate(other)) / 2


def corrected_name(name: str) -> str:
    """The name under which an estimand is reported where judges' errors are taken out."""
    return next((each.name for each in ESTIMANDS.values() if each.corrects == name), name)


def view_name(name: str, view: str) -> str:
    """The name under which a fit of a view reports an estimand.

    Parameters
    ----------
    name : str
        As registered.
    view : str
        "judged", "corrected" or "published".
    """
    return corrected_name(name) if view == CORRECTED_VIEW else name


def is_corrected(name: str) -> bool:
    """Whether a name is that of a corrected twin."""
    return name in ESTIMANDS and bool(ESTIMANDS[name].corrects)


def is_difference(name: str) -> bool:
    """Whether a name is that of a difference of rates, which can be negative."""
    return name in ESTIMANDS and ESTIMANDS[name].is_difference


def primary_estimands(comparison: Comparison | None = None) -> tuple[Estimand, ...]:
    """Estimands that a fit computes, twins left out; with a comparison those that take part in it."""
    return tuple(
        each
        for each in ESTIMANDS.values()
        if not each.corrects and (comparison is None or comparison in each.comparisons)
    )


def is_computable(estimand: Estimand, classes: Collection[str]) -> bool:
    """Whether the classes that a fit distinguishes suffice for an estimand.

    Parameters
    ----------
    estimand : Estimand
    classes : collection of str
        Outcome classes of the fit.
    """
    return not estimand.needs_class or estimand.needs_class in classes


def listed_estimands() -> dict[str, Estimand]:
    """Estimands with a tab of their own, by name."""
    return {name: each for name, each in ESTIMANDS.items() if each.listed}


def corrected_estimands() -> tuple[str, ...]:
    """Names of the corrected twins."""
    return tuple(name for name in ESTIMANDS if is_corrected(name))


def headline_estimands() -> tuple[str, ...]:
    """Names of the estimands in the table that commands print, in its order."""
    return tuple(name for name, each in ESTIMANDS.items() if each.headline)


def main_estimand(view: str) -> str:
    """The estimand that a report of a view opens with."""
    return view_name(NET_RAW, view)


def missing_arms_reason(arms: Iterable[str]) -> str:
    """Why an estimate is withheld that needs trials of arms which a model, or the whole study, does not have."""
    return f"no trials in the {' and '.join(arms)} arm"


def further_estimands() -> tuple[str, ...]:
    """Names of the estimands that were registered from outside the house."""
    return tuple(name for name in ESTIMANDS if name not in _BUILT_IN)


_BUILT_IN: set[str] = set()


def _declare_built_in(estimand: Estimand) -> None:
    """Register without looking at the others, which would load the plug-ins before the house's own are there."""
    ESTIMANDS.register(estimand.name, estimand)
    _BUILT_IN.add(estimand.name)


_NET_COMPARISONS: frozenset[Comparison] = frozenset(("size", "pairs", "ladder"))

_declare_built_in(
    Estimand(
        DETECTION,
        "detection",
        "How often a model claims to notice something, of all injected trials, whether or not it names the concept.",
        detection_rate,
        (INJECTION,),
        chart_label="detection of injected thoughts",
        by_arm="further",
        by_axis=("concept", "strength"),
        needs_class=MISNAMED,
        comparisons=frozenset(("size", "pairs", "ratios")),
        headline=True,
    )
)
_declare_built_in(
    Estimand(
        IDENTIFICATION,
        "identification",
        "How often an injected concept is named, of all injected trials.",
        identification_rate,
        (INJECTION,),
        chart_label="identification of injected thoughts",
        by_arm="further",
        by_axis=("concept", "strength"),
        comparisons=frozenset(("size", "pairs", "ratios")),
        headline=True,
    )
)
_declare_built_in(
    Estimand(
        FALSE_ALARM,
        "false alarm",
        "How often a control, in which nothing was injected, claims to notice something.",
        false_alarm_rate,
        (CONTROL,),
        chart_label="false alarms",
        by_arm="further",
        comparisons=frozenset(("size", "pairs", "ratios")),
        headline=True,
    )
)
_declare_built_in(
    Estimand(
        NET_CLAIMED,
        "net detection, named or not",
        "How often a model claims to notice something when a concept is injected, minus how often it does in a control "
        "trial: detection minus false alarms.",
        net_detection_claimed,
        (INJECTION, CONTROL),
        short_label="Detection net of false alarms",
        chart_label="net detection, named or not",
        by_axis=("concept", "strength"),
        needs_class=MISNAMED,
        comparisons=_NET_COMPARISONS,
        is_difference=True,
        headline=True,
    )
)
_declare_built_in(
    Estimand(
        NET_RAW,
        "raw net detection",
        "How often an injected concept is named, minus how often a control trial is anything other than a denial. "
        "Every trial counts: "
        "a refusal or an incoherent response counts against the model. This is the published study's estimate.",
        net_detection_raw,
        (INJECTION, CONTROL),
        short_label="Raw",
        chart_label="net detection",
        by_axis=("concept", "strength"),
        judged_classes=(EVENT, REST),
        comparisons=_NET_COMPARISONS,
        is_difference=True,
        headline=True,
    )
)
_declare_built_in(
    Estimand(
        NET_ENGAGED,
        "engaged net detection",
        "How often an injected concept is named, minus how often a control claims to notice something, both among "
        "answers that do not refuse. It conditions on something that the injection itself can change.",
        net_detection_engaged,
        (INJECTION, CONTROL),
        short_label="Excluding refusals",
        chart_label="net detection among engaged answers",
        axis_label="net detection, engaged",
        by_axis=("concept", "strength"),
        needs_class=REFUSED,
        conditions_on=ENGAGEMENT,
        comparisons=_NET_COMPARISONS,
        is_difference=True,
        headline=True,
    )
)
_declare_built_in(
    Estimand(
        "net_detection_claimed_corrected",
        "corrected net detection, named or not",
        "Detection minus false alarms, corrected for judge error.",
        net_detection_claimed,
        (INJECTION, CONTROL),
        short_label="Corrected, net of false alarms",
        chart_label="net detection, named or not, corrected for judge error",
        needs_class=MISNAMED,
        corrects=NET_CLAIMED,
        is_difference=True,
        headline=True,
    )
)
_declare_built_in(
    Estimand(
        "net_detection_corrected",
        "corrected net detection",
        "The raw estimate corrected for judge error: labels give each judge's error rates in each arm, and their "
        "uncertainty is part of the interval.",
        net_detection_raw,
        (INJECTION, CONTROL),
        short_label="Corrected",
        chart_label="net detection, corrected for judge error",
        axis_label="net detection, corrected",
        corrects=NET_RAW,
        is_difference=True,
        headline=True,
    )
)
_declare_built_in(
    Estimand(
        "net_detection_engaged_corrected",
        "corrected engaged net detection",
        "The engaged estimate corrected for judge error.",
        net_detection_engaged,
        (INJECTION, CONTROL),
        short_label="Corrected, excluding refusals",
        chart_label="net detection among engaged answers, corrected for judge error",
        axis_label="net detection, engaged, corrected",
        needs_class=REFUSED,
        conditions_on=ENGAGEMENT,
        corrects=NET_ENGAGED,
        is_difference=True,
        headline=True,
    )
)
_declare_built_in(
    Estimand(
        REFUSAL,
        "refusal",
        "How often the model declines to answer: the mean of the injection and the control arm.",
        mean_over_arms(refusal_rate),
        (INJECTION, CONTROL),
        by_arm="every",
        arm_formula=refusal_rate,
        by_axis=("strength",),
        needs_class=REFUSED,
        judged_classes=(),
        comparisons=frozenset(("size", "pairs", "ratios")),
        headline=True,
    )
)
_declare_built_in(
    Estimand(
        "coherent",
        "readable answers",
        "How often an answer can be read: the mean of the injection and the control arm.",
        mean_over_arms(coherence_rate),
        (INJECTION, CONTROL),
        chart_label="coherent answers",
        by_arm="every",
        arm_formula=coherence_rate,
        needs_class=INCOHERENT,
        judged_classes=(),
        listed=False,
    )
)
