"""A study from Python: open or create it, run the steps of the chain, take their results as values; prints nothing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, TypeVar

import pandas as pd

from gnomon.chain import fitting, trial_generation, verdict_collection
from gnomon.chain.progress import SILENT, ProgressListener
from gnomon.chain.session import OpenStudy, opened
from gnomon.chain.trial_generation import GenerateOptions, SweepForecast, SweepSummary
from gnomon.data.arms.battery_measures import ITEMS
from gnomon.data.errors import GnomonError, InputError, missing_packages_named
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store
from gnomon.study_file import StudyFile

if TYPE_CHECKING:
    from gnomon.api.audit_report import AuditReport
    from gnomon.api.study_fit import StudyFit
    from gnomon.calibration.cards.calibration_card import CalibrationCard
    from gnomon.calibration.comparison.comparison_results import RubricComparison
    from gnomon.calibration.comparison.policy_results import PolicyDocument
    from gnomon.calibration.panel_worth.panel_results import PanelDocument
    from gnomon.calibration.results.audit import AuditDocument, RecountDocument
    from gnomon.calibration.results.label_plan import LabelPlan, PlanPrices
    from gnomon.chain.battery_run import BatteryDocument
    from gnomon.chain.verdict_collection import FlipRateReport, JudgeResults, ReleasedReservation
    from gnomon.judging.runs.cost_estimate import CostEstimate
    from gnomon.judging.runs.panel import JudgeReport
    from gnomon.stats.model.priors import Priors

Incomplete = Literal["raise", "keep"]
Result = TypeVar("Result")


@dataclass(frozen=True)
class GenerationResult:
    """What `Study.generate` did, subject by subject."""

    subjects: tuple[SweepSummary, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """One row a subject: planned, made, already, failed, seconds."""
        columns = ["subject", "planned", "made", "already", "failed", "seconds"]
        return pd.DataFrame([row.model_dump(include=set(columns)) for row in self.subjects], columns=columns)


class Study:
    """An open study: a context manager whose methods are the steps of the chain.

    Every step stores what it makes, so that the same call again does only what is missing. `close` it, or use `with`.
    """

    def __init__(self, study: OpenStudy, resources: ExitStack) -> None:
        self._opened, self._resources, self._is_open = study, resources, True

    def __enter__(self) -> Study:
        """The study itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def __repr__(self) -> str:
        """Name, folder and counts."""
        if not self._is_open:
            return f"<Study {self._opened.folder} (closed)>"
        counts = ", ".join(f"{self.store.count_rows(table):,} {table.name}" for table in FACT_TABLES)
        return f"<Study '{self.name}' in {self.folder}: {counts}>"

    def close(self) -> None:
        """Give back the database; the study cannot be used afterwards."""
        self._is_open = False
        self._resources.close()

    @property
    def opened(self) -> OpenStudy:
        """The study as the steps of the chain take it; raises `GnomonError` once it is closed."""
        if not self._is_open:
            raise GnomonError(f"study {self._opened.folder}: is closed: open it again with gn.open_study")
        return self._opened

    @property
    def name(self) -> str:
        """The study's name."""
        return self.opened.file.name

    @property
    def folder(self) -> Path:
        """The study's folder."""
        return self.opened.folder

    @property
    def file(self) -> StudyFile:
        """What `study.toml` says."""
        return self.opened.file

    @property
    def store(self) -> Store:
        """The database of facts."""
        return self.opened.store

    @property
    def trials(self) -> pd.DataFrame:
        """All trials, one row each."""
        return self.store.read_frame(tables.trials)

    @property
    def verdicts(self) -> pd.DataFrame:
        """All verdicts, one row each; `judge` is a judge's version."""
        return self.store.read_frame(tables.verdicts)

    @property
    def labels(self) -> pd.DataFrame:
        """All label events, one row each."""
        return self.store.read_frame(tables.labels)

    @property
    def views(self) -> list[str]:
        """The fits that the study's data are for: `published`, or `judged` and `corrected`."""
        return fitting.fittable_views(self.opened)

    @missing_packages_named()
    def generate(
        self, *, subjects: Sequence[str] = (), concepts: Sequence[str] = (), options: GenerateOptions | None = None
    ) -> GenerationResult:
        """Steer the subjects and put the question to them: generate the trials that are missing.

        Parameters
        ----------
        subjects : sequence of str
            Names of subjects; by default all of the study.
        concepts : sequence of str
            Names of concepts; by default all of the study.
        options : GenerateOptions, optional
            Batch size and engine.

        Raises
        ------
        InputError
            If the study has no design.
        UnknownNameError
            If it lacks a subject or concept.
        """
        options = options or trial_generation.DEFAULT_OPTIONS
        return GenerationResult(tuple(trial_generation.generate_trials(self.opened, subjects, concepts, options)))

    def forecast(
        self,
        *,
        subjects: Sequence[str] = (),
        concepts: Sequence[str] = (),
        options: GenerateOptions | None = None,
        timed: bool = True,
    ) -> list[SweepForecast]:
        """How many trials `generate` would make, and how long that would take on this machine.

        Parameters
        ----------
        subjects, concepts, options
            As for `generate`.
        timed : bool, default True
            Whether to load each model and measure its speed; otherwise the numbers come from the design at once.
        """
        options = options or trial_generation.DEFAULT_OPTIONS
        return trial_generation.forecast_generation(self.opened, subjects, concepts, options, timed=timed)

    @missing_packages_named()
    def battery(
        self,
        *,
        subjects: Sequence[str] = (),
        tasks: Sequence[str] = (),
        items: int = ITEMS,
        options: GenerateOptions | None = None,
    ) -> BatteryDocument:
        """Generate the missing trials of the battery, and estimate what each task shows (docs/battery.md).

        Parameters
        ----------
        subjects : sequence of str
            Names of subjects; by default all of the study.
        tasks : sequence of str
            Names of tasks; by default all.
        items : int
            Prompts of each task and concept.
        options : GenerateOptions, optional
            Batch size and engine.

        Raises
        ------
        InputError
            If the study has no design, or a task is not for its concepts or models.
        UnknownNameError
            If the study lacks a subject, or there is no such task.
        """
        from gnomon.chain.battery_run import run_battery

        return run_battery(self.opened, subjects, tasks, items, options or trial_generation.DEFAULT_OPTIONS)

    @missing_packages_named()
    def judge(
        self, *, judges: Sequence[str] = (), limit: int | None = None, incomplete: Incomplete = "raise"
    ) -> JudgeResults[JudgeReport]:
        """Ask each judge about the trials that it has not judged yet; a fault of one does not stop the others.

        Parameters
        ----------
        judges : sequence of str
            Names of judges; by default all of the study.
        limit : int, optional
            Largest number of trials per judge.
        incomplete : {"raise", "keep"}
            What to do, once all have run, if a judge could not be built or stopped early: raise, or keep it in the
            result.

        Raises
        ------
        UserError
            If a judge cannot be built.
        JudgeError
            If a judge stopped early; its verdicts up to then are stored.
        """
        return _checked(verdict_collection.collect_verdicts(self.opened, judges, limit), incomplete)

    def compare_judges(
        self, a: str, b: str, *, view: str | None = None, ask: bool = False, limit: int | None = None
    ) -> RubricComparison:
        """Compare two judge versions on the labelled trials that both read, of dev (and train) and never of test.

        Parameters
        ----------
        a, b : str
            Names, versions or beginnings of versions: what there was, and what is to be better.
        view : str, optional
            Label view, by default the study's.
        ask : bool
            Ask both first about the labelled trials that they have not judged.
        limit : int, optional
            Largest number of trials per judge that is asked.

        Raises
        ------
        InputError
            If both are the same version.
        JudgeError
            If a judge that is asked stopped early.
        NotEnoughDataError
            If both read no labelled trial in common.
        """
        from gnomon.calibration.comparison.rubric_comparison import compare_rubrics

        if ask:
            runs = verdict_collection.collect_comparison(self.opened, a, b, limit)
            runs.done.raise_if_incomplete()
            a, b = runs.versions
        return compare_rubrics(self.store, a, b, view=view or self.file.labels.view)

    def compare_policies(self, view: str | None = None) -> PolicyDocument:
        """Labels, agreement and judge error by the guideline that raters followed, and what each change moved."""
        from gnomon.calibration.comparison.label_policies import policy_document

        return policy_document(self.store, view or self.file.labels.view)

    def panel_worth(self, view: str | None = None) -> PanelDocument:
        """What the judges, and the raters, are worth together: effective numbers, votes and weights."""
        from gnomon.calibration.panel_worth.panel_worth import panel_document

        return panel_document(self.store, view or self.file.labels.view)

    def judging_cost(
        self, *, judges: Sequence[str] = (), limit: int | None = None, incomplete: Incomplete = "raise"
    ) -> JudgeResults[CostEstimate]:
        """What `judge` would ask and cost; no judge is asked.

        Parameters
        ----------
        judges, limit, incomplete
            As for `judge`.
        """
        return _checked(verdict_collection.estimate_judging_cost(self.opened, judges, limit), incomplete)

    def release_reservations(self, *, judges: Sequence[str] = ()) -> list[ReleasedReservation]:
        """Count what killed runs of judges had set aside as not spent; a run that is still going on is stopped by it.

        Parameters
        ----------
        judges : sequence of str
            Names of judges; by default all of the study.
        """
        return verdict_collection.release_reservations(self.opened, judges)

    @missing_packages_named()
    def attack(self, *, judges: Sequence[str] = (), incomplete: Incomplete = "raise") -> JudgeResults[FlipRateReport]:
        """How often instructions hidden in a response change each judge's verdict; no trial is judged.

        Parameters
        ----------
        judges, incomplete
            As for `judge`.
        """
        return _checked(verdict_collection.attack_judges(self.opened, judges), incomplete)

    def recount(self, rule: str | None = None) -> RecountDocument:
        """Stored verdicts under the study's outcome rule and `rule`, or every rule there is; asks no judge."""
        return verdict_collection.recount_verdicts(self.opened, rule)

    @missing_packages_named()
    def audit(self, view: str | None = None) -> AuditReport:
        """Measure the newest version of each judge against the labels of one view, by default the study's."""
        from gnomon.api.audit_report import AuditReport
        from gnomon.calibration.audit.document import audit_study

        return AuditReport(audit_study(self.store, view=view or self.file.labels.view))

    def audit_views(self, views: Sequence[str] = ()) -> AuditDocument:
        """Measure every judge version against the labels of several views, by default of all."""
        from gnomon.calibration.audit.document import audit_views
        from gnomon.calibration.labels.views import VIEWS

        return audit_views(self.store, views=list(views) or VIEWS)

    @missing_packages_named()
    def card(self, judge: str | None = None, *, view: str | None = None) -> CalibrationCard:
        """The calibration card of one judge version: its errors, what they rest on, what may be built on it.

        Parameters
        ----------
        judge : str, optional
            Name, for its newest version with verdicts, or a version; by default the study's judge, if it has one only.
        view : {"blind", "first", "current"}, optional
            Which labels count; by default the study's.

        Raises
        ------
        InputError
            If the study has several judges and none is named.
        NotEnoughDataError
            If no trial that the judge has read is labelled.
        """
        from gnomon.calibration.audit.document import audit_views
        from gnomon.calibration.cards.card_assembly import make_card
        from gnomon.calibration.observations.frames import judge_frame

        known = judge_frame(self.store, None if judge is None else [judge])
        if len(known) != 1:
            names = ", ".join(known["name"]) or "none: run 'gnomon judge' first"
            raise InputError(f"card: a card is of one judge: name it with --judge; with verdicts: {names}")
        version, chosen = str(known["version"].iloc[0]), view or self.file.labels.view
        document = audit_views(self.store, views=[chosen], judges=[version])
        return make_card(self.store, document, version, view=chosen)

    @missing_packages_named()
    def fit(
        self,
        view: str | None = None,
        *,
        priors: Priors | None = None,
        seed: int | None = None,
        judge: str | None = None,
        resample: bool = False,
    ) -> StudyFit:
        """Fit the rates with credible intervals, or return the stored fit where nothing has changed since.

        Parameters
        ----------
        view : {"corrected", "judged", "published"}, optional
            With the judges' errors taken out, with one judge's verdicts as they are, or published counts; by default
            the last that the study's data are for.
        priors : Priors, optional
            By default those of `[fit.priors]`.
        seed : int, optional
            The sampler's seed; by default the study file's.
        judge : str, optional
            Whose verdicts the view `judged` takes; by default the study's first judge.
        resample : bool
            Sample, even where draws of an earlier fit could be reweighted.

        Raises
        ------
        NotEnoughDataError
            If there are no verdicts, or the size of one of several subjects is unknown.
        InputError
            If the study's data are not for this view.
        """
        from gnomon.api.study_fit import StudyFit

        options = fitting.fit_options(self.opened, seed=seed, priors=priors, resample=resample)
        stored = fitting.fit_view(self.opened, view or self.views[-1], options, judge)
        return StudyFit(self.opened, stored, options)

    @missing_packages_named()
    def plan(
        self,
        *,
        width: float | None = None,
        estimand: str | None = None,
        subject: str | None = None,
        view: str | None = None,
        budget: float | None = None,
        prices: PlanPrices | None = None,
    ) -> LabelPlan:
        """How many labels and trials reach an interval of a wanted width, or what a budget buys, and where to label.

        The interval is the one that the study's corrected fit shows, if it has one.

        Parameters
        ----------
        width : float, optional
            Width of the 95 % interval, as a fraction: 0.1 is ten percentage points; by default that of `[plan]` if no
            budget is given. Width, budget or both are needed.
        estimand : str, optional
            `net_detection_corrected`, `identification_corrected`, `false_alarm_corrected`, or `event_rate_` and the
            name of an arm; by default the first of them whose arms have verdicts.
        subject : str, optional
            Only this subject; by default all together.
        view : str, optional
            Which labels count; by default the study's.
        budget : float, optional
            What may be spent on labels, trials and verdicts; by default that of `[plan]` if no width is given.
        prices : PlanPrices, optional
            Price of a label, a new trial and a verdict; by default those of `[plan]`.
        """
        from gnomon.calibration.posterior.plan_target import PlanTarget
        from gnomon.calibration.queue.sample_size import default_estimand, plan_labels
        from gnomon.stats.planned_interval import planned_interval

        usual = self.file.plan
        width = usual.width if width is None and budget is None else width
        name = PlanTarget.from_name(default_estimand(self.store) if estimand is None else estimand).name
        chosen = view or self.file.labels.view
        same_view = chosen == self.file.labels.view
        return plan_labels(
            self.store,
            estimand=name,
            width=width,
            budget=usual.budget if budget is None and width is None else budget,
            prices=prices or usual.prices,
            shown=planned_interval(self.store, name, subject) if same_view else None,
            subject=subject,
            view=chosen,
            judges=self.file.fit.judges or None,
            seed=self.file.fit.seed,
        )

    @missing_packages_named()
    def report(self, out: str | Path = "report.html", paper: str = "a4") -> Path:
        """Write the report and return its path.

        Parameters
        ----------
        out : str or Path, default "report.html"
            An .html or .pdf file, an .md file with figures and tables in a folder beside it, or a .zip of the same.
        paper : {"a4", "letter"}, default "a4"
            Size of paper of a PDF.

        Raises
        ------
        InputError
            If the file has another ending, its folder cannot be written to, or the paper is not known.
        NotEnoughDataError
            If nothing was fitted yet.
        """
        from gnomon.report.document import write_report

        return write_report(self.opened, Path(out), self.opened.listener.tell, paper=paper)


FACT_TABLES = (tables.trials, tables.verdicts, tables.labels)


def open_study(path: str | Path, *, listener: ProgressListener = SILENT, skip_invalid_judges: bool = False) -> Study:
    """Open the study in a folder.

    Parameters
    ----------
    path : str or Path
        The folder that holds `study.toml`.
    listener : ProgressListener
        Hears what its steps do; by default nobody does.
    skip_invalid_judges : bool
        Leave out `[[judges]]` tables that are wrong, instead of raising; `judge` reports them.

    Raises
    ------
    StudyFileError
        If the study file is missing or invalid; the message names key and line.
    """
    with ExitStack() as stack:
        study = stack.enter_context(opened(Path(path), spare_judges=skip_invalid_judges, listener=listener))
        return Study(study, stack.pop_all())


def _checked(results: JudgeResults[Result], incomplete: Incomplete) -> JudgeResults[Result]:
    if incomplete == "raise":
        results.raise_if_incomplete()
    return results
