"""Methods: a paragraph to paste, definitions, what each fit conditions on, priors and hashes."""

from __future__ import annotations

from gnomon.report.method_paragraph import method_paragraph
from gnomon.report.report_blocks import ReportSection
from gnomon.report.study_material import StudyMaterial
from gnomon.stats.estimand_registry import listed_estimands
from gnomon.stats.narrative import estimate_sentences
from gnomon.stats.tables.estimate_table import EstimateTable, TableColumn

MODEL = (
    "Statistical model: each stage of the outcome (refused; event; incoherent; the rest, where the data have them) is "
    "a logit: level, arm, log2 size, variant, model, concept, strength and depth, groups partially pooled; sampled by "
    "NUTS (nutpie). In the corrected fit the outcomes of unlabelled trials are inferred; judges err with rates of "
    "their own in each arm, and labels are part of the likelihood. Intervals are equal-tailed posterior quantiles of "
    "probability 95 % unless they say otherwise. Bounds: Lee (2009), with Imbens and Manski's (2004) interval."
)


def method_section(material: StudyMaterial) -> ReportSection:
    """How the estimates were made."""
    made = ReportSection("methods", "Methods")
    made.head("A paragraph to paste")
    made.say(method_paragraph(material))
    made.head("Definitions")
    made.say(*(f"{each.label.capitalize()}: {each.definition}" for each in listed_estimands().values()))
    made.say(estimate_sentences.COMPARABLE)
    made.head("Statistical model")
    made.say(MODEL, *(f"{view}: {fit.design}" for view, fit in material.fits.items()))
    priors = next((row.priors for row in material.stored.values() if row.priors), {})
    columns = (TableColumn("prior", "Prior", terms=("prior",)), TableColumn("value", "Value", "number"))
    made.tabulate(
        "Priors",
        EstimateTable(
            "priors",
            "Means and scales of the priors, on the logit scale (rater_accuracy: a probability).",
            columns,
            tuple({"prior": str(name), "value": value} for name, value in priors.items()),
        ),
    )
    return made.without_empty_parts()
