"""References of the methods that this study used, as BibTeX."""

from __future__ import annotations

from collections.abc import Iterator

from gnomon.data.references import GNOMON, bibtex, find_reference
from gnomon.data.storage.store import code_version
from gnomon.report.report_blocks import ReportSection, Snippet
from gnomon.report.study_material import StudyMaterial
from gnomon.stats.narrative.formatting import join_names
from gnomon.stats.results import CUT, DESIGN

FILE = "references.bib"
SAMPLED = ("hoffman2014", "vehtari2021")
CHECKED = ("gelman1996", "freeman1950", "holm1979")
BOUNDED = ("lee2009", "imbens2004")
AUDITED = ("wilson1927", "newcombe1998", "youden1950", "cohen1960", "gwet2008", "hayes2007", "mantel1963")
WEIGHTED = ("horvitz1952", "kish1965")
DETECTED = ("macmillan2005",)
CORRECTED = ("dawid1979",)
SEVERAL_VERSIONS = ("mcnemar1947", "newcombe1998paired", "holm1979")
FOLLOWED = ("robbins1970",)
METHODS = {
    "rogan_gladen": "rogan1978",
    "lang_reiczigel": "lang2014",
    "ppi": "angelopoulos2023pp",
    "joint": "dawid1979",
    "panel": "dawid1979",
    CUT: "plummer2015",
    DESIGN: "angelopoulos2023",
}
"""What each correction method is cited by, those of the audit and those of a fit."""


def reference_section(material: StudyMaterial) -> ReportSection:
    """Gnomon's own entry, and one for each method that an estimate of this study rests on."""
    keys = list(dict.fromkeys(_used_references(material)))
    made = ReportSection("references", "References")
    cited = list(dict.fromkeys(find_reference(key).short for key in keys if key != GNOMON))
    if cited:
        made.say(f"Methods that this study used: {join_names(cited, len(cited))}.")
    made.blocks.append(Snippet(FILE, bibtex(keys, code_version())))
    return made


def _used_references(material: StudyMaterial) -> Iterator[str]:
    for view, fit in material.fits.items():
        yield from SAMPLED if fit.diagnostics.draws else ()
        yield from CHECKED if len(fit.predictive) else ()
        yield from BOUNDED if len(fit.comparison_entry("bounds")) else ()
        yield from DETECTED if len(fit.comparison_entry("signal_detection")) else ()
        yield from CORRECTED if view.startswith("corrected") and fit.diagnostics.draws else ()
        yield from (METHODS[row.method] for row in fit.methods if row.method in METHODS)
    if (audit := material.audit) is not None:
        yield from AUDITED
        yield from WEIGHTED if any(judge.weighted for judge in audit.judges) else ()
        yield from FOLLOWED
        yield from (METHODS[row.method] for row in audit.comparison if row.estimate and row.method in METHODS)
        names = [judge.judge for judge in audit.judges]
        yield from SEVERAL_VERSIONS if len(names) > len(set(names)) else ()
