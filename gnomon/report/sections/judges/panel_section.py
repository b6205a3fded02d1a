"""Judges side by side: what a panel of them is worth, versions of one judge compared, guidelines of raters."""

from __future__ import annotations

from collections.abc import Iterator

from gnomon.calibration.comparison.compared_versions import newest_pairs, versions_with_verdicts
from gnomon.calibration.comparison.label_policies import policy_document
from gnomon.calibration.comparison.rubric_comparison import compare_rubrics
from gnomon.calibration.panel_worth.panel_worth import panel_document
from gnomon.data.errors import NotEnoughDataError, UnknownNameError
from gnomon.report.report_blocks import ReportSection
from gnomon.report.study_material import StudyMaterial
from gnomon.stats.tables.calibration import comparison_tables, panel_tables


def panel_section(material: StudyMaterial) -> Iterator[ReportSection]:
    """Nothing where there is neither a second judge, a second version nor a guideline."""
    if material.audit is None:
        return
    made = ReportSection("panel", "Judges side by side")
    _add_worth(made, material)
    _add_versions(made, material)
    _add_guidelines(made, material)
    made = made.without_empty_parts()
    if made.blocks:
        yield made


def _add_worth(made: ReportSection, material: StudyMaterial) -> None:
    found = panel_document(material.store, material.settings.label_view)
    for panel in (found.judges, found.raters):
        if panel is not None:
            made.head(f"What the {panel.group} are worth together")
            made.tabulate(f"Effective number of {panel.group}", panel_tables.worth_table(panel))
            made.tabulate(f"Each of the {panel.group}", panel_tables.member_table(panel))
            made.say(*panel.words)
    if found.judges is None and found.raters is None:
        made.say(*(f"{reason[:1].upper()}{reason[1:].rstrip('.')}." for reason in found.reasons))


def _add_versions(made: ReportSection, material: StudyMaterial) -> None:
    """The newest version of each judge against the one before it."""
    made.head("Versions compared")
    for before, newest in newest_pairs(versions_with_verdicts(material.store)):
        view = material.settings.label_view
        try:
            found = compare_rubrics(material.store, before.version, newest.version, view=view)
        except (NotEnoughDataError, UnknownNameError) as why:
            made.say(f"{why}.".replace("..", "."))
            continue
        name = found.b.judge
        made.tabulate(f"Two versions of {name}", comparison_tables.comparison_table(found))
        made.tabulate(f"Trials on which two versions of {name} differ", panel_tables.changed_trial_table(found))
        made.say(*found.words)


def _add_guidelines(made: ReportSection, material: StudyMaterial) -> None:
    if not material.store.label_policies():
        return
    made.head("Labels by guideline")
    try:
        found = policy_document(material.store, material.settings.label_view)
    except NotEnoughDataError as why:
        made.say(f"{why}.".replace("..", "."))
        return
    made.say(*found.words)
