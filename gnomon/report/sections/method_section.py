"""Methods: a paragraph to paste, definitions, what each fit conditions on, priors and hashes."""

from __future__ import annotations

import pandas as pd

from gnomon.report.report_blocks import ReportSection, text_table
from gnomon.report.study_material import StudyMaterial
from gnomon.stats.estimand_registry import listed_estimands
from gnomon.stats.narrative import estimate_sentences
from gnomon.stats.stored_fits import newest_fits
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
    made.head("Definitions")
    definitions = pd.DataFrame(
        [(each.label.capitalize(), each.definition) for each in listed_estimands().values()],
        columns=["Estimate", "Definition"],
    )
    made.tabulate("Estimates", text_table("definitions", estimate_sentences.COMPARABLE, definitions))
    made.head("Statistical model")
    made.say(MODEL, *(f"{view}: {fit.design}" for view, fit in material.fits.items()))
    rows = newest_fits(material.store)
    made.tabulate("Fits", _provenance_table(material))
    priors = next((row.priors for row in rows.values() if row.priors), {})
    columns = (TableColumn("prior", "Prior", terms=("prior",)), TableColumn("value", "Value", "number"))
    made.tabulate(
        "Priors",
        EstimateTable(
            "priors",
            "Scales of the priors, on the logit scale.",
            columns,
            tuple({"prior": str(name), "value": value} for name, value in priors.items()),
        ),
    )
    return made.without_empty_parts()


def _provenance_table(material: StudyMaterial) -> EstimateTable:
    rows = [
        {
            "Fit": view,
            "Id": row.id[:16],
            "Data": row.data_hash[:16],
            "Seed": str(row.seed),
            "Made": row.created_at[:16].replace("T", " "),
            "Gnomon": row.code_version,
        }
        for view, row in sorted(newest_fits(material.store).items())
    ]
    return text_table("fits", "Hashes of the fits and of the data that they are of.", pd.DataFrame(rows))
