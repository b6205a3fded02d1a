"""What a report leaves out, and why: withheld estimates, failed fits, missing trials, analyses that were not run."""

from __future__ import annotations

from gnomon.report.report_blocks import ReportSection
from gnomon.report.study_material import StudyMaterial, fit_heading
from gnomon.stats.narrative.formatting import count_noun
from gnomon.stats.narrative.next_steps import withheld_notices


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
    return made.without_empty_parts()
