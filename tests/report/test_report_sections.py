"""What a report holds: the audit, the methods that were used, what was left out; nothing of what may not be shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dashboard_demo
import pytest

from gnomon.data.glossary import define_terms
from gnomon.data.records import Exposure, Facts, Label, RaterKind
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import load_settings
from gnomon.report.document import make_report
from gnomon.report.method_paragraph import method_paragraph
from gnomon.report.report_blocks import ReportNotice, ReportSection, ReportTable, Snippet, StudyReport
from gnomon.report.sections.reference_section import METHODS
from gnomon.report.study_material import StudyMaterial, read_material
from gnomon.stats.narrative.fit_frames import all_fitted
from gnomon.stats.narrative.study_overview import summarize_study
from gnomon.stats.tables.calibration import judge_tables
from gnomon.study_file import StudyFile


@dataclass
class Opened:
    folder: Path
    file: StudyFile
    store: Store


def opened(folder: Path, fill: Callable[[Store], None]) -> Opened:
    store = Store.open(sqlite_url(folder / "gnomon.db"))
    fill(store)
    return Opened(folder, StudyFile.model_validate({"name": "demo", "imported": True}), store)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudyMaterial]:
    study = opened(tmp_path_factory.mktemp("demo"), dashboard_demo.fill)
    yield read_material(study)
    study.store.close()


@pytest.fixture(scope="module")
def report(material: StudyMaterial) -> StudyReport:
    return make_report(material)


def tables_of(report: StudyReport) -> dict[str, ReportTable]:
    return {block.title: block for _, block in report.blocks() if isinstance(block, ReportTable)}


def section_of(report: StudyReport, id_: str) -> ReportSection:
    return next(section for section in report.sections if section.id == id_)


def text_of(section: ReportSection) -> str:
    return " ".join(block if isinstance(block, str) else getattr(block, "text", "") for block in section.blocks)


def test_the_audit_is_in_the_report(report: StudyReport) -> None:
    assert {
        "Judge errors by arm, for the event",
        "Judge errors by arm, for the study's pass",
        "Correctability evidence",
        "Confusion matrix of lexicon",
        "Confusion matrix of embedding",
        "Agreement of judges and raters",
        "Event rates by method, lexicon",
        "Audit estimate, all judges combined",
        "Facts that exclude each other",
        "Raters",
        "Verdicts of lexicon over time",
        "Effective number of judges",
        "Rates of lexicon and what gates rely on",
        "Running error rates of lexicon",
        "Outcomes by model and arm",
        "Estimates under each outcome rule",
        "Studies that the statistical model did not draw",
        "Fits",
    } <= set(tables_of(report))


def test_every_heading_is_explained_and_every_section_has_content(report: StudyReport) -> None:
    assert len({section.id for section in report.sections}) == len(report.sections)
    for section in report.sections:
        assert section.blocks, section.id
    for table in tables_of(report).values():
        for column in table.table.columns:
            define_terms(*column.terms)


def test_the_methods_paragraph_says_what_this_study_did(material: StudyMaterial) -> None:
    told = method_paragraph(material)
    assert told.startswith("We studied 1 language model: SmolLM2-135M (134M, instruct).")
    assert "the vector of one of 4 concepts (celebration, fear, ocean and silence)" in told
    assert "at layer 20, at strengths 2 and 4" in told
    assert "In the control arm (32 trials) nothing was added." in told
    assert "lexicon (lexicon; version lexicon-v1)" in told
    assert "labelled by 2 people" in told
    assert "weighted back" not in told, "every label of this study counts equally"
    assert "(version " in told


def test_a_language_model_that_labelled_is_called_one(tmp_path: Path) -> None:
    def fill(store: Store) -> None:
        dashboard_demo.fill(store, labels=False)
        trial = next(iter(store.load_trials()))
        facts = Facts(False, "none", True, False)
        store.add_labels([Label(trial.id, "helper", facts, exposure=Exposure.BLIND, rater_kind=RaterKind.MODEL)])

    store = opened(tmp_path, fill).store
    apart = judge_tables.rater_table(store)
    store.save_settings({**store.study_settings(), "admitted_raters": ["helper"]})
    settings, overview, fits = load_settings(store), summarize_study(store), all_fitted(store)
    told = method_paragraph(
        StudyMaterial("demo", tmp_path, store, settings, overview, fits, {}, audit=None, forbidden=None)
    )
    raters = judge_tables.rater_table(store)
    store.close()
    assert "labelled by 1 language model" in told
    assert [(row["kind"], row["counts"]) for row in raters.rows] == [("language model", "yes")]
    assert [(row["kind"], row["counts"]) for row in apart.rows] == [("language model", "no")]


def test_withheld_estimates_stand_in_what_was_left_out_with_their_reason(report: StudyReport) -> None:
    told = text_of(section_of(report, "left-out"))
    assert "corrected net detection" in told
    assert "judge lexicon carries no information in the injection arm" in told
    assert "Attacks on lexicon: not measured" in told
    assert "Battery: none of its tasks was run." in told


def test_references_are_those_of_the_methods_that_were_used(report: StudyReport) -> None:
    block = next(block for block in section_of(report, "references").blocks if isinstance(block, Snippet))
    assert "@software{gnomon," in block.text
    assert "{rogan1978," in block.text
    assert "{lee2009," not in block.text, "the fits of this study have no bounds"
    assert all(f"{{{key}," not in block.text for key in (METHODS["cut"], METHODS["design"]))


def test_a_failed_fit_shows_no_estimate_and_says_why(tmp_path: Path) -> None:
    study = opened(tmp_path, dashboard_demo.fill_failed)
    report = make_report(read_material(study))
    study.store.close()
    judged = section_of(report, "judged")
    assert [block.level for block in judged.blocks if isinstance(block, ReportNotice)] == ["error"]
    assert not {"Every model", "All estimates of this fit", "Estimates, with 95 % intervals"} & set(tables_of(report))
    assert "R-hat 1.210" in text_of(section_of(report, "left-out"))


def test_a_study_of_counts_has_a_report_of_counts(tmp_path: Path) -> None:
    study = opened(tmp_path, dashboard_demo.fill_published)
    report = make_report(read_material(study))
    study.store.close()
    assert [section.id for section in report.sections][:2] == ["study", "published"]
    assert {"Trend through the models that were run", "Every pair of models"} <= set(tables_of(report))
    assert "The data are counts of outcomes" in text_of(section_of(report, "methods"))
    assert "label" not in method_paragraph(read_material(opened(tmp_path, lambda _: None)))
