"""An estimate has one number, rounded in one way, on the pages, in the report and on the command line.

One comparison for all: every cell of every table that is an estimate is named by its row, its heading and the words
around its table (`told_estimates`); cells with one name have one text, and it is the number of the JSON documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from battery_study import fill_battery
from page_texts import html_tables, markdown_tables, printed_tables, read_page
from study_kinds import KINDS, fill_without_labels
from told_estimates import Name, Reader, ToldTable, disagreements, wrong_numbers

from gnomon.calibration.audit.audit_frames import COEFFICIENTS, METHOD_NAMES, class_word, panel_rows
from gnomon.calibration.audit.document import audit_study, audit_views
from gnomon.calibration.cards.card_assembly import make_card
from gnomon.calibration.measures.battery_trials import battery_trials
from gnomon.calibration.results.audit import ViewAudit
from gnomon.chain.battery_run import BatteryDocument
from gnomon.chain.session import OpenStudy
from gnomon.data.arms.battery_measures import task_title
from gnomon.data.results import Estimate
from gnomon.data.storage import tables
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import load_settings
from gnomon.render.audit import print_audit
from gnomon.render.battery import print_battery
from gnomon.render.card import print_card
from gnomon.render.estimates import estimates_document, headline_names, print_estimates
from gnomon.report import html_page, markdown_bundle
from gnomon.report.document import write_report
from gnomon.stats.cells.outcome_counts import study_outcomes
from gnomon.stats.estimand_registry import ESTIMANDS
from gnomon.stats.measures.battery_summary import summarise_battery
from gnomon.stats.results import PASSED, EngagementBounds
from gnomon.stats.stored_fits import newest_fits
from gnomon.stats.tables.headline_tables import column_label, fit_title
from gnomon.study_file import StudyFile

MARKS = {"one-model": (), "eight-models": pytest.mark.slow}
"""Kinds that every change reads, and that `make test-ci` reads; the others are read by `make test-all`."""
NAMES = [pytest.param(kind.name, marks=MARKS.get(kind.name, pytest.mark.simulation)) for kind in KINDS]
PAGES = {
    "study": ("headlines", "outcomes"),
    "scaling": (),
    "refusal": ("refusal", "bounds"),
    "judges": ("rates", "agreement"),
    "calibration_card": ("card",),
    "diagnostics": (),
}
"""Pages with tables of estimates, and what each shows all of."""

Numbers = Mapping[Name, tuple[float, ...]]


@dataclass
class Documents:
    """The numbers of a study as its JSON documents have them, by what they are."""

    parts: dict[str, dict[Name, tuple[float, ...]]] = field(default_factory=dict)
    trials: int = 0

    def add(self, part: str, name: Name, *values: float) -> None:
        self.parts.setdefault(part, {})[name] = values

    def estimate(self, part: str, name: Name, found: Estimate | None) -> None:
        if found is not None:
            self.add(part, name, found.value, found.low, found.high)

    @property
    def all(self) -> Numbers:
        return {name: values for part in self.parts.values() for name, values in part.items()}


@contextmanager
def open_study(url: str, name: str) -> Iterator[OpenStudy]:
    store = Store.open(url)
    yield OpenStudy(Path(), StudyFile.model_validate({"name": name, "imported": True}), store)
    store.close()


def read_documents(study: OpenStudy) -> Documents:
    """Every number that `fit --json`, `calibrate --json`, the card and the counts hold."""
    found = Documents()
    fits = newest_fits(study.store).values()
    document = estimates_document(study, list(fits))
    found.trials = 0 if load_settings(study.store).counts_only else document.trials
    for line in document.estimates:
        name = line.estimand
        plain = name if name in ESTIMANDS else name.removesuffix("_corrected")
        about = Name.of(_heading(plain), model=line.subject, fit=fit_title(line.view))
        found.add("headlines" if name in headline_names() else "estimates", about, line.mean, line.low, line.high)
    for fit in (each for each in fits if each.status == PASSED):
        for row in fit.result.estimands:
            for axis, value in row.by.items() if len(row.by) == 1 else ():
                told = {axis: f"{value:g}" if isinstance(value, float) else value}
                about = Name.of(_heading(row.estimand), model=row.subject, fit=fit_title(fit.view), **told)
                part = "refusal" if (row.estimand, axis) == ("refusal", "arm") else "parts"
                found.add(part, about, row.mean, row.low95, row.high95)
        for bound in fit.result.comparisons.bounds:
            _add_bound(found, bound, fit_title(fit.view))
    if not load_settings(study.store).counts_only and study.store.count_rows(tables.labels):
        _add_audit(found, study.store)
    settings = load_settings(study.store)
    judge = "" if settings.counts_only else settings.judges[0]
    for row in study_outcomes(study.store):
        found.add("outcomes", Name.of(row.outcome, model=row.subject, arm=row.arm, judge=judge), row.n / row.of)
    return found


def _heading(name: str) -> str:
    return column_label(ESTIMANDS[name].corrects or name if name in ESTIMANDS else name)


def _add_bound(found: Documents, bound: EngagementBounds, fit: str) -> None:
    ways = {"monotone": ("bounds, one way", "95 % limits"), "none": ("bounds, either way", "95 % limits, either way")}
    inner, outer = (Name.of(heading, model=bound.subject, fit=fit) for heading in ways[bound.assuming])
    found.add("bounds", inner, bound.low, bound.high)
    found.add("bounds", outer, bound.low95, bound.high95)


def _add_audit(found: Documents, store: Store) -> None:
    audit = audit_study(store, view=load_settings(store).label_view)
    for judge in audit.judges:
        for stratum in (each for each in judge.strata if each.is_whole_arm):
            about = {"judge": judge.judge, "arm": stratum.arm}
            for key, label in (("sensitivity",) * 2, ("specificity",) * 2, ("youden", "Youden's J")):
                found.estimate("rates", Name.of(label, **about), getattr(stratum.as_event, key))
                found.estimate("passes", Name.of(label, **about, **{"pass": "pass"}), getattr(stratum.as_pass, key))
        for cell in (each for each in judge.classes if each.n):
            about = {
                "judge": judge.judge,
                "arm": cell.arm,
                "label": class_word(cell.truth),
                "verdict": class_word(cell.verdict),
            }
            found.add("confusion", Name.of("share of the label", **about), cell.share, cell.low, cell.high)
    for pair in audit.agreement.pairs:
        for key, label in COEFFICIENTS.items():
            found.estimate("agreement", Name.of(label, between=f"{pair.a} and {pair.b}"), getattr(pair, key))
    for row in audit.comparison:
        about = {"judge": row.judge, "arm": row.arm, "method": METHOD_NAMES[row.method]}
        found.estimate("methods", Name.of("event rate", **about), row.estimate)
    for name, each in panel_rows(audit.together) if len(audit.together.judges) > 1 else ():
        found.estimate("panel", Name.of(name, errors="independent"), each.independent)
        found.estimate("panel", Name.of(name, errors="correlated"), each.free)
    _add_card(found, store, audit)


def _add_card(found: Documents, store: Store, audit: ViewAudit) -> None:
    """The card of the judge that its page opens with."""
    first = next((each for each in audit.judges if each.labelled), None)
    if first is None:
        return
    for arm in make_card(store, audit, first.version, view=audit.view).arms:
        for key in ("sensitivity", "specificity", "accuracy", "youden"):
            label = "Youden's J" if key == "youden" else key
            found.estimate("card", Name.of(label, judge=first.judge, arm=arm.arm), getattr(arm.event, key))


def tables_of_report(study: OpenStudy, folder: Path, ending: str) -> list[ToldTable]:
    """Tables of the report of a study; its charts, which hold none, are not drawn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(html_page, "picture_address", lambda chart, *, dark=False: "")
        patch.setattr(markdown_bundle, "draw_svg", lambda chart, *, dark=False: b"")
        text = write_report(study, folder / f"report{ending}").read_text(encoding="utf-8")
    return html_tables(text) if ending == ".html" else markdown_tables(text)


def read_everything(url: str, study: OpenStudy, folder: Path) -> dict[str, list[ToldTable]]:
    """Tables of every page, of both reports and of the commands, by place."""
    fits = list(newest_fits(study.store).values())
    places = {f"{page} page": list(read_page(url, page).tables) for page in PAGES}
    places |= {f"report{ending}": tables_of_report(study, folder, ending) for ending in (".html", ".md")}
    places["gnomon fit"] = printed_tables(partial(print_estimates, estimates_document(study, fits)))
    view = load_settings(study.store).label_view
    if study.store.count_rows(tables.labels):
        places["gnomon calibrate"] = printed_tables(partial(print_audit, audit_views(study.store, views=[view])))
        audit = audit_study(study.store, view=view)
        for judge in (each for each in audit.judges if each.labelled):
            card = make_card(study.store, audit, judge.version, view=view)
            places[f"gnomon card {judge.judge}"] = printed_tables(partial(print_card, card))
    return places


def study_reader(study: OpenStudy, names: Numbers) -> Reader:
    models = [subject.name for subject in study.store.load_subjects()]
    judges = study.store.read_frame(tables.judges.select())["name"].unique().tolist() if names else []
    return Reader(models, judges, {"refusal", "youden's j"})


@pytest.mark.parametrize("kind", NAMES)
def test_an_estimate_has_one_number_everywhere(kind_urls, kind, tmp_path):
    with open_study(kind_urls[kind], kind) as study:
        known = read_documents(study)
        places = read_everything(kind_urls[kind], study, tmp_path)
        reader = study_reader(study, known.all)
    told = {place: list(reader.cells(found)) for place, found in places.items()}
    assert disagreements(told) == []
    assert {place: wrong for place, cells in told.items() if (wrong := wrong_numbers(cells, known.all))} == {}
    if known.trials:
        assert f"{known.trials:,} trials" in read_page(kind_urls[kind], "transcripts").text
    expected: dict[str, tuple[str, ...]] = {f"{page} page": parts for page, parts in PAGES.items()}
    expected |= {"report.html": tuple(known.parts), "report.md": tuple(known.parts), "gnomon fit": ("headlines",)}
    expected |= {"gnomon calibrate": ("rates", "passes", "panel")} if "gnomon calibrate" in told else {}
    lacking = {
        (place, part): sorted(missing, key=str)[:3]
        for place, parts in expected.items()
        for part in parts
        if (missing := known.parts.get(part, {}).keys() - {name for name, _ in told[place]})
    }
    assert lacking == {}


def test_a_task_of_the_battery_has_one_number_everywhere(tmp_path):
    url = sqlite_url(tmp_path / "gnomon.db")
    with open_study(url, "battery") as study:
        fill_without_labels(study.store)
        fill_battery(study.store, 1.5)
        summary = summarise_battery(battery_trials(study.store))
        places = {f"report{ending}": tables_of_report(study, tmp_path, ending) for ending in (".html", ".md")}
        places["battery page"] = list(read_page(url, "battery").tables)
        reader = Reader(["toy"], [], set())
    document = BatteryDocument(study="battery", items=8, generated=(), legend=(), summary=summary)
    places["gnomon battery"] = printed_tables(partial(print_battery, document))
    found: dict[Name, tuple[float, ...]] = {}
    for row in summary.tasks:
        task = task_title(row.task)
        for rate in (each for each in row.rates if each.headline):
            found[Name.of("", task=task, arm=rate.arm)] = (rate.value, rate.headline.low, rate.headline.high)
        if row.difference is not None and (ends := row.difference.headline) is not None:
            found[Name.of("injection less control", task=task)] = (row.difference.value, ends.low, ends.high)
    told = {place: [(without_model(name), text) for name, text in reader.cells(each)] for place, each in places.items()}
    assert disagreements(told) == []
    assert {place: wrong for place, cells in told.items() if (wrong := wrong_numbers(cells, found))} == {}
    assert found
    assert {place: found.keys() - {name for name, _ in cells} for place, cells in told.items()} == {
        place: set() for place in told
    }


def without_model(name: Name) -> Name:
    """The name in a study of one model, which some places need not name."""
    return Name(name.estimand, tuple(facet for facet in name.facets if facet[0] != "model"))


def test_another_number_and_another_rounding_are_found():
    name = Name.of("sensitivity", judge="lexicon", arm="control")
    known = {name: (0.834, 0.631, 0.934)}
    assert wrong_numbers([(name, "83 % (63 to 93)")], known) == []
    assert len(wrong_numbers([(name, "84 % (63 to 93)")], known)) == 1
    assert len(disagreements({"page": [(name, "83 % (63 to 93)")], "card": [(name, "0.83 (0.63 to 0.93)")]})) == 1
