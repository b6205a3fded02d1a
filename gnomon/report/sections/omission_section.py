"""What a report leaves out, and why: withheld estimates, failed fits, missing trials, analyses that were not run."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from gnomon.calibration.cards.card_parts import attack_result
from gnomon.report.report_blocks import ReportSection
from gnomon.report.study_material import StudyMaterial, fit_heading
from gnomon.stats.narrative.formatting import count_noun
from gnomon.stats.narrative.next_steps import attack_step, withheld_notices

PUBLISHED = (
    "Published models beside this study's: their protocol and judge were others, so that they are not directly "
    "comparable; the Scaling page of a dashboard that serves both studies can overlay them."
)


def omission_section(material: StudyMaterial) -> ReportSection:
    """Everything that a reader could miss, with its reason."""
    made = ReportSection("left-out", "What was left out, and why")
    found = material.overview
    made.head("Withheld estimates")
    for view, fit in material.fits.items():
        if fit.has_failed:
            made.say(f"{fit_heading(view)}: all estimates (the fit did not converge: {'; '.join(fit.reasons)}).")
        elif view not in material.shown:
            made.say(f"{fit_heading(view)}: all estimates ({material.forbidden}).")
        made.say(*(f"{fit_heading(view)}. {note.text}" for note in withheld_notices(fit.refused)))
    made = made.without_empty_parts()
    if not made.blocks:
        made.say("No estimate was withheld.")
    made.head("Trials")
    if len(found.missing):
        lacking = int((found.missing["want"] - found.missing["have"]).sum())
        made.say(
            f"{count_noun(lacking, 'trial')} of {count_noun(len(found.missing), 'planned condition')} are missing."
        )
    made.say(found.outside)
    made.head("Analyses without data")
    made.say(*_analyses_without_data(material))
    return made.without_empty_parts()


def _analyses_without_data(material: StudyMaterial) -> Iterator[str]:
    """What the report would have if the study had what it takes."""
    if len({subject.parameters for subject in material.store.load_subjects()}) < 2:
        yield "Trend over model size: the study has models of one size only."
    if material.overview.counts_only:
        yield "Judges, labels, transcripts: the study holds counts only, so judge errors are unknown."
        return
    if not material.overview.measured:
        yield "Battery: none of its tasks was run."
    yield PUBLISHED
    audit = material.audit
    if audit is None:
        yield "Errors of the judges: there are no verdicts or no labels, so no judge was audited."
        return
    if len(audit.truth.raters) < 2:
        yield "Agreement between raters: fewer than two raters labelled."
    if material.settings.transport.margin is None:
        yield "Whether judge errors travel between models, concepts and dates: no margin was said beforehand."
    for judge in (each for each in audit.judges if each.newest):
        if judge.consistency is None:
            yield f"Repeat consistency of {judge.judge}: it was asked once about each trial."
        if attack_result(material.store, judge.version) is None:
            step = attack_step(judge.judge, brought=judge.judge in material.overview.brought)
            command = f"gnomon {step.step} {shlex.join([str(material.folder), *step.options])}"
            yield f"Attacks on {judge.judge}: {step.why[0].lower()}{step.why[1:]}" + (
                f" '{command}'" if step.step else ""
            )
