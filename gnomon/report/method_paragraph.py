"""A methods paragraph to paste into a paper, of what a study did: from its settings, facts, audit and fits alone."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from gnomon.calibration.cards.card_basis import card_judge
from gnomon.calibration.labels.sampling_strata import AUDIT, DISPUTED, LOOKS_AGAIN, RANDOM, UNCERTAIN
from gnomon.calibration.labels.views import rater_kinds
from gnomon.calibration.observations.frames import judge_frame
from gnomon.data.arms import ARMS, steered_arms
from gnomon.data.raters import TruthRule
from gnomon.data.records import LabelKind, RaterKind
from gnomon.report.study_material import StudyMaterial, fit_heading
from gnomon.stats.estimand_registry import CORRECTED_VIEW
from gnomon.stats.inference.hierarchical import VERSION
from gnomon.stats.narrative.fit_frames import FitFrames
from gnomon.stats.narrative.formatting import count_noun, format_size, join_names
from gnomon.stats.narrative.method_sentences import METHOD_NAMES
from gnomon.stats.narrative.study_overview import distinct_values

MOST_MODELS, MOST_VALUES, HASH = 12, 12, 10
CHOICES = {
    "all": "chosen without a draw from the queue",
    RANDOM: "drawn at random",
    AUDIT: "drawn at random as an audit",
    DISPUTED: "drawn because judges disagreed",
    UNCERTAIN: "drawn because the judges' error there was uncertain",
    **dict.fromkeys(LOOKS_AGAIN, "labelled again"),
}
"""How a label's trial was chosen, by its stratum."""
KIND_WORDS = {RaterKind.PERSON: ("person", "people"), RaterKind.MODEL: ("language model", "language models")}
ADDITIONS = {
    "concept": "the concept's vector was added",
    "random": "a random direction of the same norm was added",
    "negated": "the concept's vector was added with its sign reversed",
    "none": "nothing was added",
}


def method_paragraph(material: StudyMaterial) -> str:
    """What was run, judged, labelled and fitted, in the past tense; no result."""
    return " ".join(
        [
            *_model_sentences(material),
            *_arm_sentences(material),
            *_judge_sentences(material),
            *_label_sentences(material),
            *_fit_sentences(material),
        ]
    )


def _model_sentences(material: StudyMaterial) -> Iterator[str]:
    subjects = sorted(material.store.load_subjects(), key=lambda subject: (subject.parameters, subject.name))
    named = [f"{subject.name} ({format_size(subject.parameters)}, {subject.variant})" for subject in subjects]
    if named:
        yield f"We studied {count_noun(len(named), 'language model')}: {join_names(named, MOST_MODELS)}."
    if material.overview.counts_only:
        yield "The data are counts of outcomes by model and arm as published; no response was read for this analysis."


def _arm_sentences(material: StudyMaterial) -> Iterator[str]:
    cells = material.overview.cells
    if cells.empty:
        return
    steered = cells[cells["arm"].isin(steered_arms())]
    axes = {axis: distinct_values(steered[axis]) for axis in ("concept", "layer", "strength", "span")}
    if axes["concept"]:
        told = [f"the vector of one of {count_noun(len(axes['concept']), 'concept')}"]
        told[0] += f" ({join_names(axes['concept'], MOST_VALUES)}) was added to the residual stream"
        for axis, plural in (("layer", "layers"), ("strength", "strengths")):
            if values := axes[axis]:
                told.append(f"at {axis if len(values) == 1 else plural} {join_names(values, MOST_VALUES)}")
        if axes["span"]:
            told.append(f"at the positions {join_names([repr(span) for span in axes['span']])}")
        yield f"In steered trials {', '.join(told)}."
    for arm, n in cells.groupby("arm", sort=False)["n"].sum().items():
        spec = ARMS[str(arm)]
        what = ADDITIONS.get(spec.addition, f"what '{spec.addition}' names was added")
        yield f"In the {spec.label} arm ({count_noun(int(n), 'trial')}) {what}."
    if protocols := distinct_values(cells["protocol"]):
        yield f"Prompts followed {count_noun(len(protocols), 'protocol')} ({join_names(protocols, MOST_VALUES)})."


def _judge_sentences(material: StudyMaterial) -> Iterator[str]:
    if material.overview.states.empty:
        return
    named = []
    for row in judge_frame(material.store).itertuples(index=False):
        judge = card_judge(material.store, str(row.version))
        about = [judge.kind, *([f"model {judge.model}"] if judge.model else [])]
        about += [f"rubric edition {judge.edition}"] if judge.edition else []
        about += [count_noun(judge.examples, "example")] if judge.examples else []
        named.append(f"{judge.name} ({', '.join(about)}; version {judge.version[:HASH]})")
    yield (
        f"Responses were judged by {join_names(named)}; an event was counted under the outcome rule "
        f"'{material.settings.rule}'."
    )


def _label_sentences(material: StudyMaterial) -> Iterator[str]:
    events = material.overview.events
    labels = events[(events["kind"] == str(LabelKind.LABEL)) & ~events["withdrawn"]] if len(events) else events
    if labels.empty:
        if not material.overview.counts_only:
            yield "No trial was labelled."
        return
    yield (
        f"{count_noun(labels['trial'].nunique(), 'trial')} were labelled by {_rater_words(material, labels)}; "
        f"labels of the view '{material.settings.label_view}' were used ({len(material.overview.labels):,} trials)."
    )
    counted = labels.drop_duplicates(["trial", "stratum"])["stratum"].value_counts()
    chosen = [f"{count_noun(int(n), 'trial')} {CHOICES.get(str(name), str(name))}" for name, n in counted.items()]
    weighted = material.audit is not None and any(judge.weighted for judge in material.audit.judges)
    back = "; labels drawn with unequal probabilities were weighted back" if weighted else ""
    yield f"How the labelled trials were chosen: {join_names(chosen)}{back}."
    if labels["rater"].nunique() > 1:
        rule = TruthRule.from_text(material.settings.truth)
        yield f"Where several raters labelled a trial, the truth was {rule.words}."


def _rater_words(material: StudyMaterial, labels: pd.DataFrame) -> str:
    """How many raters of which kind; a language model is never called a rater without saying so."""
    kinds = rater_kinds(material.store)
    found = [kinds.get(str(name)) for name in labels["rater"].drop_duplicates()]
    told = []
    for kind in dict.fromkeys(found):
        one, many = KIND_WORDS.get(kind, ("rule", "rules")) if kind is not None else ("rater", "raters")
        told.append(count_noun(found.count(kind), one, many))
    return join_names(told)


def _fit_sentences(material: StudyMaterial) -> Iterator[str]:
    fits = {view: fit for view, fit in material.shown.items() if not fit.has_failed}
    sampled = {view: fit for view, fit in fits.items() if fit.diagnostics.draws}
    if not sampled:
        return
    each = next(iter(sampled.values())).diagnostics
    rhat = max(fit.diagnostics.max_rhat or 0.0 for fit in sampled.values())
    parted = sum(fit.diagnostics.divergences for fit in sampled.values())
    yield (
        f"Rates were estimated with Gnomon's hierarchical Bayesian model (version {VERSION}): sequential logits of the "
        "outcome classes with partially pooled effects of model, concept, strength and depth, sampled by NUTS "
        f"({each.chains} chains of {each.draws:,} draws; R-hat at most {rhat:.3f}, "
        f"{count_noun(parted, 'divergence')})."
    )
    for view, fit in sampled.items():
        if view.split(":")[0] == CORRECTED_VIEW:
            yield _correction_sentence(view, fit)
    yield "Intervals are equal-tailed 95 % posterior intervals unless stated otherwise."


def _correction_sentence(view: str, fit: FitFrames) -> str:
    method = (
        "" if fit.headline is None else f" The corrected estimates are those of the {METHOD_NAMES[fit.headline.method]}"
    )
    others = (
        sorted({METHOD_NAMES[row.method] for row in fit.methods} - {METHOD_NAMES[fit.headline.method]})
        if fit.headline
        else []
    )
    beside = f", compared with {join_names(others)}" if method and others else ""
    judges = join_names((fit.judge or "the judges").split(" + "))
    return (
        f"Errors of {judges} were corrected by a joint model of labels and verdicts, with error rates of their own in "
        f"each arm ({fit_heading(view)}).{method}{beside}{'.' if method else ''}"
    )
