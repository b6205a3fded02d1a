"""What the headline estimates depend on: concepts, criterion, outcome rule, missing verdicts, refusals."""

from __future__ import annotations

from collections.abc import Iterator

from gnomon.data.errors import NotEnoughDataError
from gnomon.report.report_blocks import ReportSection
from gnomon.report.study_material import StudyMaterial, fit_heading
from gnomon.stats.estimands.rule_sensitivity import compare_outcome_rules, missing_verdict_ranges
from gnomon.stats.narrative import estimate_sentences
from gnomon.stats.narrative.fit_frames import opening_estimand
from gnomon.stats.tables import headline_tables
from gnomon.stats.tables.models import size_tables


def sensitivity_section(material: StudyMaterial) -> Iterator[ReportSection]:
    """Tables of the same estimates under other assumptions; nothing where a study has none."""
    made = ReportSection("sensitivity", "What the estimates depend on")
    made.head("For concepts like these")
    made.tabulate("These concepts, and concepts like these", headline_tables.new_concepts_table(material.shown))
    made.head("Trend without one model")
    for view, fit in material.shown.items():
        title = f"Trend without one model, {fit_heading(view).lower()}"
        made.tabulate(title, size_tables.leave_one_out_table(fit, opening_estimand(fit)))
    made.head("Models like these")
    for view, fit in material.shown.items():
        made.tabulate(
            f"Odds ratios per doubling of size, {fit_heading(view).lower()}", size_tables.odds_ratio_table(fit)
        )
    made.head("Signal detection")
    made.tabulate("d' and criterion", headline_tables.signal_detection_table(material.shown))
    if material.judge is not None:
        _add_rules(made, material, material.judge)
    made = made.without_empty_parts()
    if made.blocks:
        made.say(estimate_sentences.COMPARABLE)
        yield made


def _add_rules(made: ReportSection, material: StudyMaterial, judge: str) -> None:
    try:
        rules = compare_outcome_rules(material.store, judge)
        missing = list(headline_tables.missing_verdict_sentences(missing_verdict_ranges(material.store, judge)))
    except NotEnoughDataError:
        return
    made.head("Outcome rules")
    made.tabulate("Estimates under each outcome rule", headline_tables.rule_table(rules))
    made.head("Missing verdicts")
    made.say(*missing)
