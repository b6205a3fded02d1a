"""Notices about a study, worst first, and the most useful next step; from its counts, without a database."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain, combinations

from gnomon.data.records import Arm, Exposure, LabelKind, VerdictState
from gnomon.stats.estimand_registry import missing_arms_reason
from gnomon.stats.narrative.caveats import COUNTS_ONLY, outdated_sentence
from gnomon.stats.narrative.fit_frames import EVERY_SUBJECT
from gnomon.stats.narrative.fit_sentences import misfit_headline
from gnomon.stats.narrative.formatting import count_noun, estimand_label, format_percent, join_names
from gnomon.stats.narrative.study_overview import StudyOverview
from gnomon.stats.results import FAILED, WithheldEstimate, rows_frame

ENOUGH_LABELS = 20
TOO_MANY_LOST = 0.02
FEW_MODELS = 3
"""Models up to which a notice names them all."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a reader of the estimates should know; `level` is `error`, `warning` or `info`."""

    level: str
    text: str


@dataclass(frozen=True, slots=True)
class NextStep:
    """The next step: why, and the command of `gnomon` that does it with its options, or the page to open (`label`,
    `scaling`); with neither, nothing that can be run here helps.
    """

    why: str
    step: str = ""
    page: str = ""
    options: tuple[str, ...] = ()


REFIT = NextStep("The fit failed: raise draws and tune under [fit] in study.toml and fit again.", step="fit")


def list_notices(found: StudyOverview) -> list[Notice]:
    """Notices about the study, worst first."""
    notes = [
        *_about_counts(found),
        *([Notice("warning", found.outside)] if found.outside else []),
        *(Notice("warning", told) for told in found.external),
        *_about_fits(found),
        *_about_trials(found),
        *_about_judges(found),
        *_about_labels(found),
    ]
    order = {"error": 0, "warning": 1, "info": 2}
    return sorted(notes, key=lambda note: order[note.level])


def _about_counts(found: StudyOverview) -> list[Notice]:
    """A study of counts says with every estimate what its intervals leave out."""
    return [Notice("warning", COUNTS_ONLY)] if found.counts_only else []


def _about_fits(found: StudyOverview) -> list[Notice]:
    notes = []
    for fit in found.fits:
        if fit.has_failed:
            reasons = join_names(list(fit.diagnostics.reasons)) or "its gates"
            notes.append(Notice("error", f"The fit '{fit.view}' failed ({reasons}): its estimates are not shown."))
        elif (misfit := misfit_headline(rows_frame(fit.result.predictive))) is not None:
            notes.append(Notice("error", f"The fit '{fit.view}': {misfit}"))
        expected = _reasons_of_absent_arms(found)
        expected |= {entry.reason.rstrip(".") for entry in fit.result.refused if found.counts_only}
        notes += withheld_notices(fit.result.refused, fit.view, expected)
    notes += [Notice("warning", outdated_sentence(view, what)) for view, what in found.outdated.items()]
    return list(dict.fromkeys(notes))


def _reasons_of_absent_arms(found: StudyOverview) -> frozenset[str]:
    """Reasons for withholding what this study is not about: it has no trial of an arm that the estimate needs."""
    absent = [str(arm) for arm in Arm if arm not in set(found.cells["arm"])] if len(found.cells) else []
    return frozenset(map(missing_arms_reason, chain(combinations(absent, 1), combinations(absent, 2))))


def withheld_notices(
    refused: Sequence[WithheldEstimate], view: str = "", expected: Collection[str] = ()
) -> list[Notice]:
    """One notice for each reason for which a fit withholds estimates; only information where it is for all models.

    Parameters
    ----------
    refused : sequence of WithheldEstimate
        What one fit withholds.
    view : str, default ""
        View of the fit, which the notices then name: another fit may well show the same estimate.
    expected : collection of str, optional
        Reasons that only inform, because nobody can expect the estimate of this study.
    """
    by_reason: dict[str, list[WithheldEstimate]] = {}
    whole = set(expected) | {entry.reason.rstrip(".") for entry in refused if entry.subject == EVERY_SUBJECT}
    for entry in refused:
        by_reason.setdefault(entry.reason.rstrip("."), []).append(entry)
    where = f" in the fit '{view}'" if view else ""
    return [
        Notice("info" if reason in whole else "warning", f"Not shown{where}: {_withheld_names(entries)} ({reason}).")
        for reason, entries in by_reason.items()
    ]


def _withheld_names(entries: Sequence[WithheldEstimate]) -> str:
    """Estimates with their models: once each where the same are withheld of every model."""
    named = {
        (_withheld_label(entry), "" if entry.subject in (None, EVERY_SUBJECT) else str(entry.subject))
        for entry in entries
    }
    what = list(dict.fromkeys(_withheld_label(entry) for entry in entries))
    whom = list(dict.fromkeys(e.subject for e in entries if e.subject and e.subject != EVERY_SUBJECT))
    if len(named) == len(what) * len(whom):
        return (
            f"{join_names(what)} of {join_names(whom) if len(whom) <= FEW_MODELS else count_noun(len(whom), 'model')}"
        )
    each = [f"{estimate} of {model}" if model else estimate for estimate, model in sorted(named)]
    return join_names(each)


def _withheld_label(entry: WithheldEstimate) -> str:
    """An estimate that is withheld, with the value of an axis where it is withheld there alone."""
    label = "estimates" if entry.estimand == "all" else estimand_label(entry.estimand)
    where = " and ".join(
        f"{axis} {value:g}" if isinstance(value, float) else f"{axis} {value}" for axis, value in entry.by.items()
    )
    return f"{label} at {where}" if where else label


def _about_trials(found: StudyOverview) -> list[Notice]:
    failed = int(found.cells["failed"].sum()) if len(found.cells) else 0
    notes = [Notice("warning", f"{count_noun(failed, 'trial')} failed and are excluded.")] if failed else []
    if len(found.missing):
        lacking = int((found.missing["want"] - found.missing["have"]).sum())
        where = count_noun(len(found.missing), "planned condition")
        notes.append(Notice("warning", f"{count_noun(lacking, 'trial')} of {where} are missing."))
    return notes


def _about_judges(found: StudyOverview) -> list[Notice]:
    notes = []
    for judge, rows in found.states.groupby("judge"):
        lost = int(rows.loc[rows["state"] != str(VerdictState.OK), "n"].sum())
        total = int(rows["n"].sum())
        if lost > TOO_MANY_LOST * total:
            share = format_percent(lost / total, 1)
            notes.append(Notice("warning", f"Judge {judge} gave no usable verdict on {share} of its trials."))
    return [
        *notes,
        *(
            Notice("warning", f"Judge {j} has no verdict on {count_noun(n, 'trial')}.")
            for j, n in found.unjudged_count.items()
        ),
    ]


def _about_labels(found: StudyOverview) -> list[Notice]:
    if found.counts_only or not found.trial_count:
        return []
    if found.labels.empty:
        return [Notice("warning", "There are no labels: judge error rates are unknown and nothing can be corrected.")]
    thin = [f"{arm} ({number})" for arm, number in found.labelled_for_measuring.items() if number < ENOUGH_LABELS]
    notes = []
    if thin:
        notes.append(
            Notice("warning", f"Fewer than {ENOUGH_LABELS} labels to measure the judges in {join_names(thin)}.")
        )
    after = int((found.events["exposure"] == str(Exposure.AFTER_VERDICT)).sum())
    if after:
        notes.append(
            Notice("info", f"{count_noun(after, 'label event')} were given after the rater had seen verdicts.")
        )
    if found.truth.needs_telling:
        notes.append(Notice("info", f"Raters: {found.truth.words}"))
    if found.events.loc[found.events["kind"] == str(LabelKind.LABEL), "rater"].nunique() == 1:
        notes.append(Notice("info", "All labels are by one rater: agreement between raters is unknown."))
    return notes


def next_step(found: StudyOverview) -> NextStep:
    """The step that helps the study most now."""
    fit = _fit_step([fit.status for fit in found.fits])
    if found.counts_only:
        return fit or NextStep("The published counts are fitted: read the estimates.", page="scaling")
    return _trial_step(found) or _judge_step(found) or _size_step(found) or fit or _label_step(found)


def way_to_fit(found: StudyOverview) -> NextStep:
    """What leads to a first fit: the fit where it can be made, else what it needs."""
    return NextStep("Fit the rates.", step="fit") if found.can_be_fitted else next_step(found)


def battery_step(found: StudyOverview) -> NextStep:
    """What leads to results of the battery: running it, where the study has models to steer."""
    none = "No task of the battery was run in this study"
    if found.settings.can_generate:
        return NextStep(f"{none}.", step="battery")
    held = "counts" if found.counts_only else "what was made elsewhere"
    return NextStep(f"{none}, and none can be: it holds {held}, and no model to steer.")


def transcript_step(found: StudyOverview) -> NextStep:
    """What leads to transcripts, in a study that has none."""
    if found.counts_only:
        return NextStep("This study holds counts, without transcripts: there is nothing to read, judge or label.")
    return _trial_step(found) or NextStep("This study has no trials that a judge reads.")


def verdict_step(found: StudyOverview) -> NextStep:
    """What leads to verdicts, in a study that has none."""
    if found.counts_only or not found.trial_count:
        return transcript_step(found)
    return _judge_step(found) or NextStep("This study has no verdicts.")


def attack_step(judge: str, *, brought: bool) -> NextStep:
    """What leads to a measured rate of attacks that change a judge's verdict.

    Parameters
    ----------
    judge : str
        Name of the judge.
    brought : bool
        Whether its verdicts were imported: then nobody can ask it here.
    """
    if brought:
        return NextStep("Not measured: its verdicts were imported, so that it cannot be asked here.")
    return NextStep("Not measured.", step="judge", options=("--attack", "--judge", judge))


def draws_step(view: str) -> NextStep:
    """What brings back the draws of a fit, by its view."""
    kind, _, which = view.partition(":")
    if kind == "corrected" and which:
        return NextStep("Another label view than the study's is fitted in Python: fit_corrected samples it again.")
    return NextStep("Sample them again:", step="fit", options=("--resample", *(("--judge", which) if which else ())))


def _trial_step(found: StudyOverview) -> NextStep | None:
    if not found.settings.can_generate:
        if found.trial_count:
            return None
        return NextStep("Bring in trials, verdicts and labels with 'gnomon import FORMAT FILE' (docs/importing.md).")
    lacking = int((found.missing["want"] - found.missing["have"]).sum())
    if lacking:
        return NextStep(f"Generate the {count_noun(lacking, 'missing trial')}.", step="generate")
    return None if found.trial_count else NextStep("Generate the trials.", step="generate")


def _judge_step(found: StudyOverview) -> NextStep | None:
    if asked := found.to_be_asked:
        return NextStep(f"Run {join_names(asked)} on the trials without verdicts.", step="judge")
    if found.states.empty:
        return NextStep("Add judges under [[judges]] in study.toml and run them.", step="judge")
    if not (found.states["state"] == str(VerdictState.OK)).any():
        return NextStep(
            "No verdict is usable: put the judges under [[judges]] in study.toml right, and run them.", step="judge"
        )
    return None


def _size_step(found: StudyOverview) -> NextStep | None:
    if not found.unsized:
        return None
    return NextStep(
        f"The number of parameters of {join_names(list(found.unsized))} is not known, and estimates by size need it: "
        "import its files again with --parameters."
    )


def _label_step(found: StudyOverview) -> NextStep:
    thin = [arm for arm, number in found.labelled_for_measuring.items() if number < ENOUGH_LABELS]
    if thin:
        return NextStep(f"Label trials: too few labels to measure the judges in {join_names(thin)}.", page="label")
    if found.stale_fits:
        return NextStep("Fit again: data or settings have changed since.", step="fit")
    return NextStep("Nothing is missing. More labels narrow the corrected estimates most.", page="label")


def _fit_step(statuses: list[str]) -> NextStep | None:
    if not statuses:
        return NextStep("Fit the rates.", step="fit")
    if all(status == FAILED for status in statuses):
        return REFIT
    return None
