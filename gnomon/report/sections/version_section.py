"""Versions of each judge on the same labels: its newest against the one before, with the trials that changed."""

from __future__ import annotations

from collections.abc import Iterator

from gnomon.calibration.comparison.compared_versions import newest_pairs, versions_with_verdicts
from gnomon.calibration.comparison.rubric_comparison import compare_rubrics
from gnomon.data.errors import NotEnoughDataError
from gnomon.report.report_blocks import ReportSection
from gnomon.report.study_material import StudyMaterial
from gnomon.stats.tables.calibration.comparison_tables import changed_table, comparison_table


def version_section(material: StudyMaterial) -> Iterator[ReportSection]:
    """One part for each judge with two versions or more; nothing without one, or without labels."""
    if material.audit is None:
        return
    made = ReportSection("versions", "Versions of judges compared")
    for before, newest in newest_pairs(versions_with_verdicts(material.store)):
        made.head(newest.judge)
        try:
            found = compare_rubrics(material.store, before.version, newest.version, view=material.audit.view)
        except NotEnoughDataError as why:
            made.say(f"Not compared: {why}.")
            continue
        made.say(*found.words)
        made.tabulate(f"Newest version of {newest.judge} less the one before", comparison_table(found))
        made.tabulate(f"Trials whose outcome by {newest.judge} changed", changed_table(found))
    if made.blocks:
        yield made
