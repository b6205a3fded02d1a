"""The three fits of a study, each from the store to a stored result: judged, corrected, published.

A fit's id is the hash of everything it depends on, so that requesting the same fit again returns the stored one at
once, without sampling. A fit that does not pass its convergence gates is stored as failed, without estimates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np

from gnomon.data.arms import judged_arms
from gnomon.data.errors import FitFailedError
from gnomon.data.records import canonical_hash
from gnomon.data.storage.engines import check_writable
from gnomon.data.storage.store import DRAWS_SAMPLED_AGAIN, Store
from gnomon.data.study_settings import load_settings
from gnomon.stats.cells.aggregation import (
    MISSING,
    CellCounts,
    VerdictPatternCells,
    judged_cells,
    pattern_cells,
    primary_judge,
    published_cells,
)
from gnomon.stats.cells.label_support import arms_with_one_verdict
from gnomon.stats.checks.event_labels import MOST_UNSEEN, arm_cautions, unchecked_levels
from gnomon.stats.checks.grade_notes import grade_notes
from gnomon.stats.checks.label_cautions import label_cautions
from gnomon.stats.checks.label_truth import imputed_patterns, truth_probabilities
from gnomon.stats.checks.open_label_notes import open_label_notes
from gnomon.stats.checks.predictive_checks import corrected_predictive_check
from gnomon.stats.estimand_registry import (
    CORRECTED_VIEW,
    ESTIMANDS,
    INJECTION,
    corrected_estimands,
    corrected_name,
    further_estimands,
    missing_arms_reason,
    primary_estimands,
)
from gnomon.stats.estimands.definitions import EstimandDraws, EstimateKey, cut_estimand_draws, posterior_interval
from gnomon.stats.estimands.design_based import DRAWS, design_based_estimands
from gnomon.stats.estimands.method_comparison import label_error_rate
from gnomon.stats.estimands.result import (
    ModelPosterior,
    RefusalRule,
    ResultDraws,
    build_result,
    refused_result,
)
from gnomon.stats.inference.hierarchical import GRADED_VERSION, VERSION, OutcomeModel, corrected_model, judged_model
from gnomon.stats.inference.importance_reweighting import DrawCache, reweight_draws, sampling_key, to_cached_draws
from gnomon.stats.inference.judge_youden import INFORMATIVE_J, MIN_PROBABILITY, YoudenDraws, youden_draws
from gnomon.stats.inference.sampler import (
    QUICK_SETTINGS,
    PosteriorDraws,
    Progress,
    SamplerSettings,
    check_convergence,
    sample_posterior,
    spaced_draws,
)
from gnomon.stats.model.judge_confusion import (
    ExternalCalibration,
    arms_present,
    hash_patterns,
    unlabelled_weight,
)
from gnomon.stats.model.priors import Priors
from gnomon.stats.model.rater_confusion import label_weights
from gnomon.stats.results import (
    CUT,
    DESIGN,
    FAILED,
    LABELS,
    PASSED,
    REFUSED,
    Diagnostics,
    FitResult,
    RaterRow,
    Reweighting,
    StoredFit,
    WithheldEstimate,
    YoudenRow,
)
from gnomon.stats.stored_fits import find_fit, find_requested_fit, save_fit

DEFAULT_SEED = 20251122
CUT_DRAWS = 600
"""Draws of the cut fit, which stands beside the joint one and is never a headline."""
POOLED_CALIBRATION_REASON = "counts have no labels, and a correction needs the judge's errors in each arm"
IMPUTATIONS = 10
"""Draws of the truth of labelled trials, where raters may be wrong, for the design-based estimates."""
AVERAGING_NOTE = "Averages over each model's own trials of an arm (its concepts, strengths, layers and protocols)"


@dataclass(frozen=True)
class FitRequest:
    """Everything that determines a fit, before any sampling."""

    view: str
    result_view: str
    judge: str | None
    data_hash: str
    priors: Priors
    settings: SamplerSettings
    seed: int
    base: str | None = None
    shelf: DrawCache | None = None
    graded: bool = False

    @property
    def fit_id(self) -> str:
        """Hash under which the fit is stored; a fit reweighted from an earlier fit's draws also depends on that fit."""
        how = [
            GRADED_VERSION if self.graded else VERSION,
            self.priors.as_dict(),
            self.settings.as_dict(),
            self.seed,
            *sorted(further_estimands()),
        ]
        how += [MOST_UNSEEN] if self.result_view == CORRECTED_VIEW else []
        return canonical_hash([self.view, self.judge, self.data_hash, *how, *([self.base] if self.base else [])], 64)

    def draws_key(self, model: OutcomeModel) -> str:
        """Hash of model structure, settings and seed, which cached draws must share to be reweighted for this fit."""
        return sampling_key(model, self.settings, self.seed)


def fit_judged(
    store: Store,
    *,
    judge: str | None = None,
    priors: Priors | None = None,
    settings: SamplerSettings | None = None,
    quick: bool = False,
    seed: int = DEFAULT_SEED,
    progress: Progress | None = None,
    shelf: DrawCache | None = None,
) -> StoredFit:
    """Rates by one judge's verdicts, without correction for its errors.

    Parameters
    ----------
    store : Store
        Store of the study.
    judge : str, optional
        Name of the judge; by default the study's first. Its fit is the view `judged`, another judge's `judged:NAME`.
    priors : Priors, optional
        Prior scales; by default `Priors()`.
    settings : SamplerSettings, optional
        Sampler settings; override `quick`.
    quick : bool, default False
        Take fewer draws. The convergence gates are the same.
    seed : int, default DEFAULT_SEED
        Seed of the sampler.
    progress : Progress, optional
        Called with the name of each step and its completed share, 0 to 1.
    shelf : DrawCache, optional
        Cache of draws of earlier fits. If little has changed they are reweighted instead of sampling again
        (`gnomon.stats.inference.importance_reweighting`), which is recorded in `diagnostics.reweighted`.

    Returns
    -------
    StoredFit
        The fit as it is stored; `status` is passed or failed.

    Raises
    ------
    NotEnoughDataError
        If there is no counted verdict.
    UnknownNameError
        If the judge has no verdicts.
    """
    first = primary_judge(store)
    cells = judged_cells(store, judge)
    name = judge or first
    view = "judged" if name == first else f"judged:{name}"
    plan = _fit_request(view, "judged", name, cells.content_hash(), priors, settings, quick, seed, shelf)
    design = f"{AVERAGING_NOTE}; assumes that the verdicts of {name} are correct."
    return _fit_to_keep(store, plan) or _fit_cells(store, plan, cells, design, progress)


def fit_published(
    store: Store,
    *,
    priors: Priors | None = None,
    settings: SamplerSettings | None = None,
    quick: bool = False,
    seed: int = DEFAULT_SEED,
    progress: Progress | None = None,
    shelf: DrawCache | None = None,
) -> StoredFit:
    """Rates from published counts, without correction.

    Parameters
    ----------
    store : Store
        Store of the study.
    priors : Priors, optional
        Prior scales; by default `Priors()`.
    settings : SamplerSettings, optional
        Sampler settings; override `quick`.
    quick : bool, default False
        Take fewer draws. The convergence gates are the same.
    seed : int, default DEFAULT_SEED
        Seed of the sampler.
    progress : Progress, optional
        Called with the name of each step and its completed share, 0 to 1.
    shelf : DrawCache, optional
        Cache of draws of earlier fits, as for `fit_judged`.

    Returns
    -------
    StoredFit
        The fit as it is stored; corrected estimates are withheld, with the reason in `result.refused`.

    Raises
    ------
    NotEnoughDataError
        If the study holds no published counts.
    """
    cells = published_cells(store)
    plan = _fit_request("published", "published", None, cells.content_hash(), priors, settings, quick, seed, shelf)
    design = f"{AVERAGING_NOTE}, as published; assumes that the publication's judge is correct."
    refused = [
        WithheldEstimate(subject=str(subject), estimand=corrected, reason=POOLED_CALIBRATION_REASON)
        for subject in cells.frame["subject"].unique()
        for corrected in corrected_estimands()
    ]
    return _fit_to_keep(store, plan) or _fit_cells(store, plan, cells, design, progress, refused)


def fit_corrected(
    store: Store,
    *,
    judges: Sequence[str] | None = None,
    label_view: str | None = None,
    external: Sequence[ExternalCalibration] = (),
    priors: Priors | None = None,
    settings: SamplerSettings | None = None,
    quick: bool = False,
    seed: int = DEFAULT_SEED,
    progress: Progress | None = None,
    shelf: DrawCache | None = None,
) -> StoredFit:
    """Rates corrected for the judges' errors, from all judges' verdicts and the labels together.

    Parameters
    ----------
    store : Store
        Store of the study.
    judges : sequence of str, optional
        Names of judges; by default those of `frames.fit_judges`. Versions that chose labels are added.
    label_view : str, optional
        Label view (`views.VIEWS`); by default the study's `label_view`, whose fit is the view `corrected`; another
        one's is `corrected:VIEW`.
    external : sequence of ExternalCalibration, default ()
        Calibrations of the judges on transcripts of other studies; they inform P(verdict | truth) alone.
    priors : Priors, optional
        Prior scales; by default `Priors()`.
    settings : SamplerSettings, optional
        Sampler settings; override `quick`.
    quick : bool, default False
        Take fewer draws. The convergence gates are the same.
    seed : int, default DEFAULT_SEED
        Seed of the sampler.
    progress : Progress, optional
        Called with the name of each step and its completed share, 0 to 1.
    shelf : DrawCache, optional
        Cache of draws of earlier fits, as for `fit_judged`.

    Returns
    -------
    StoredFit
        The fit as it is stored; `status` is passed, failed, or refused if nothing can be corrected. Estimates that
        labels or judges do not support are listed in `result.refused` with their reason.
    """
    usual = load_settings(store).label_view
    label_view = label_view or usual
    patterns = pattern_cells(store, judges, label_view)
    view = "corrected" if label_view == usual else f"corrected:{label_view}"
    name = " + ".join(patterns.judges)
    seen = hash_patterns(patterns, external)
    plan = _fit_request(view, "corrected", name, seen, priors, settings, quick, seed, shelf)
    plan = replace(plan, graded=patterns.graded is not None)
    return _fit_to_keep(store, plan) or _fit_patterns(store, plan, patterns, label_view, progress, external)


def _fit_request(
    view: str,
    result_view: str,
    judge: str | None,
    data_hash: str,
    priors: Priors | None,
    settings: SamplerSettings | None,
    quick: bool,
    seed: int,
    shelf: DrawCache | None,
) -> FitRequest:
    ESTIMANDS.check_plugins()
    chosen = settings or (QUICK_SETTINGS if quick else SamplerSettings())
    return FitRequest(view, result_view, judge, data_hash, priors or Priors(), chosen, seed, shelf=shelf)


def _fit_to_keep(store: Store, plan: FitRequest) -> StoredFit | None:
    """The fit as the study has it; None where it has none, or where it is asked to sample and the draws are lost."""
    found = find_requested_fit(store, plan.fit_id)
    if found is None or found.status != PASSED or plan.shelf is None or plan.shelf.reuse:
        return found
    kept = plan.shelf.find_draws(plan.view, store.fit_of_draws)
    return found if kept is not None and kept.draws.fit == found.id else None


def _fit_cells(
    store: Store,
    plan: FitRequest,
    cells: CellCounts,
    design: str,
    progress: Progress | None,
    refused: Sequence[WithheldEstimate] = (),
) -> StoredFit:
    model = judged_model(cells, plan.priors)

    def read(draws: PosteriorDraws) -> ResultDraws:
        posterior = ModelPosterior(
            model, draws.flat_values, cells.trial_counts, cells.counts, plan.result_view, plan.judge, design
        )
        result = build_result(posterior)
        return ResultDraws(
            result.content.model_copy(update={"refused": (*result.content.refused, *refused)}), result.draws
        )

    return _sample_and_save(store, plan, model, design, read, progress)


def _fit_patterns(
    store: Store,
    plan: FitRequest,
    patterns: VerdictPatternCells,
    label_view: str,
    progress: Progress | None,
    external: Sequence[ExternalCalibration] = (),
) -> StoredFit:
    design = (
        f"{AVERAGING_NOTE}; outcomes of unlabelled trials are inferred. "
        f"{rater_sentence(patterns, label_view, plan.priors)}{_exact_truth_clause(store, patterns)} "
        "Assumes that a judge errs as often on labelled as on unlabelled trials of an arm with the same model, "
        "concept, strength, layer, span and protocol (between these its error rates may differ); and the assumed "
        "dependence between judges' errors: for each pair of judges and arm, one log odds that both give the same "
        "verdict."
    )
    if (weight := unlabelled_weight(patterns)) < 1:
        many = int(patterns.count[patterns.label < 0].sum())
        design += f" The {many:,} unlabelled trials count for {round(weight * many):,}: labels are few beside them."
    if patterns.unrecorded:
        design += (
            f" {patterns.unrecorded:,} labels were chosen by verdicts of judges that were not recorded: assumed to be "
            f"{', '.join(patterns.judges)}."
        )
    if patterns.graded is not None:
        design += f" {grade_notes(patterns)}"
    if left_open := open_label_notes(store, patterns, label_view):
        design += f" {left_open}"
    cautions = (*label_cautions(store, patterns), *arm_cautions(patterns))
    design = " ".join([design, *cautions])
    if external:
        trials = sum(one.n for one in external)
        design += f" {trials} transcripts of other studies inform the judges' errors, as those of a further subject."
    calibrated = {one.arm for one in external}
    one_verdict = {arm: why for arm, why in arms_with_one_verdict(patterns).items() if arm not in calibrated}
    lacking = _arms_without_labels(patterns, calibrated) | one_verdict
    if not set(judged_arms()) & (set(patterns.frame["arm"]) - set(lacking)):
        lines = _refuse_all_estimands(patterns, lacking)
        content = refused_result(plan.result_view, plan.judge, lines, design)
        return _save_fit(store, plan, REFUSED, Diagnostics(), content)
    unchecked = unchecked_levels(patterns, INJECTION)
    model = corrected_model(patterns, plan.priors, external)
    # Does not depend on the draws: made once, however often they are read.
    cut = cache(partial(cut_estimand_draws, patterns, plan.priors, draws=CUT_DRAWS, seed=plan.seed))

    def read(draws: PosteriorDraws) -> ResultDraws:
        posterior = ModelPosterior(
            model, draws.flat_values, patterns.trial_counts, None, plan.result_view, plan.judge, design
        )
        coefficients = model.coefficient_draws(draws.flat_values)
        share = model.class_probabilities(coefficients, model.design.frame)
        table = youden_draws(model, draws.flat_values, patterns, share)
        others = {
            DESIGN: _design_based_estimates(model, draws.flat_values, patterns, plan.seed),
            CUT: cut(),
        }
        checks = corrected_predictive_check(model, draws.flat_values, patterns, np.random.default_rng(0))
        result = build_result(
            posterior,
            _refusal_rule(lacking, table, unchecked),
            others,
            label_error=label_error_rate(patterns),
            labels_misfit=any(row.is_misfit for row in checks if row.data == LABELS),
        )
        raters = tuple(_rater_rows(model, draws.flat_values, patterns, plan.priors))
        judges = tuple(_judge_row(one) for one in table)
        said = ", ".join(
            f"{row.rater} {100 * row.mean:.1f} % ({100 * row.low95:.1f} to {100 * row.high95:.1f})" for row in raters
        )
        content = result.content.model_copy(
            update={
                "judges": judges,
                "predictive": checks,
                "raters": raters,
                "cautions": cautions,
                "design": f"{design} Labels that are right: {said}." if patterns.repeated_labels and said else design,
            }
        )
        return ResultDraws(content, result.draws)

    return _sample_and_save(store, plan, model, design, read, progress)


def _sample_and_save(
    store: Store,
    plan: FitRequest,
    model: OutcomeModel,
    design: str,
    read: Callable[[PosteriorDraws], ResultDraws],
    progress: Progress | None,
) -> StoredFit:
    """Sample, compute the estimates, check convergence, retry once with stricter settings, and store the outcome."""
    if plan.shelf is not None and (row := _reweighted_fit(store, plan, model, read, plan.shelf)) is not None:
        return row
    check_writable(store.engine)
    checks = Diagnostics()
    for settings in (plan.settings, plan.settings.retry_settings()):
        try:
            draws = sample_posterior(model, settings, plan.seed, progress)
        except FitFailedError as error:
            checks = checks.model_copy(update={"reasons": (str(error),)})
            continue
        result = read(draws)
        checks = check_convergence(result.draws, draws)
        if checks.passed:
            kept = None
            if plan.shelf is not None:
                cached = to_cached_draws(model, plan.fit_id, draws)
                kept = plan.shelf.save_draws(plan.view, plan.draws_key(model), cached)
                if find_fit(store, plan.fit_id) is not None and store.fit_of_draws(kept) is None:
                    store.log_event(DRAWS_SAMPLED_AGAIN, {"fit": plan.fit_id, "sha256": kept})
            return _save_fit(store, plan, PASSED, checks, result.content, kept)
    reason = f"the fit did not converge ({'; '.join(checks.reasons)})"
    lines = [WithheldEstimate(subject=str(name), reason=reason) for name in model.design.frame["subject"].unique()]
    return _save_fit(store, plan, FAILED, checks, refused_result(plan.result_view, plan.judge, lines, design))


def _reweighted_fit(
    store: Store, plan: FitRequest, model: OutcomeModel, read: Callable[[PosteriorDraws], ResultDraws], shelf: DrawCache
) -> StoredFit | None:
    """The fit reweighted from an earlier one's draws; None if there are none, or the weights are not reliable."""
    old = shelf.load_draws(plan.view, plan.draws_key(model), store.fit_of_draws)
    if old is None:
        return None
    plan = replace(plan, base=old.fit)
    if (row := find_requested_fit(store, plan.fit_id)) is not None:
        return row
    again = reweight_draws(model, old)
    if not again.is_reliable:
        return None
    result = read(again.draws)
    checks = check_convergence(result.draws, again.draws)
    if not checks.passed:
        return None
    weighted = Reweighting(fit=again.fit, k=again.k, share=again.share)
    return _save_fit(store, plan, PASSED, checks.model_copy(update={"reweighted": weighted}), result.content)


def _arms_without_labels(patterns: VerdictPatternCells, calibrated: set[str]) -> dict[str, str]:
    """Arms without labels here or in external calibrations, and why their estimates cannot be corrected."""
    labelled = set(patterns.labelled_by_arm().index) | calibrated
    if not labelled:
        reason = "there are no labels: label some trials of each arm, then fit again"
        return {str(arm): reason for arm in patterns.frame["arm"].unique()}
    return {
        str(arm): f"there are no labels in the {arm} arm: label some of its trials, then fit again"
        for arm in patterns.frame["arm"].unique()
        if arm not in labelled
    }


def _refusal_rule(
    lacking: dict[str, str], table: Sequence[YoudenDraws], unchecked: Mapping[tuple[str, float], str]
) -> RefusalRule:
    """Withhold estimates of arms without labels, of arms in which no judge is informative, and of events at a
    strength or layer whose labels cannot check the judges.
    """

    def refuse(figure: EstimandDraws) -> str | None:
        for arm in figure.arms:
            if arm in lacking:
                return lacking[arm]
            question = ESTIMANDS[figure.estimand].judged_class(arm)
            if question is None:
                continue
            sure = {
                one.judge: one.probability_informative for one in table if one.arm == arm and one.question == question
            }
            if max(sure.values()) < MIN_PROBABILITY:
                worst = ", ".join(f"{judge} {share:.2f}" for judge, share in sure.items())
                return f"no judge carries information in the {arm} arm: P(Youden's J > {INFORMATIVE_J}) is {worst}"
        asks_judges = INJECTION in figure.arms and ESTIMANDS[figure.estimand].judged_class(INJECTION) is not None
        reasons = (unchecked.get((axis, value)) for axis, value in figure.by.items() if isinstance(value, float))
        return next((reason for reason in reasons if reason), None) if asks_judges else None

    return refuse


def _refuse_all_estimands(patterns: VerdictPatternCells, lacking: dict[str, str]) -> list[WithheldEstimate]:
    out = []
    for subject in patterns.frame["subject"].unique():
        for estimand in primary_estimands():
            if estimand.reports_missing_arms:
                arms, name = estimand.arms, corrected_name(estimand.name)
                reason = next((lacking[arm] for arm in arms if arm in lacking), missing_arms_reason(arms[:1]))
                out.append(WithheldEstimate(subject=str(subject), estimand=name, reason=reason))
    return out


def _judge_row(one: YoudenDraws) -> YoudenRow:
    return YoudenRow(
        judge=one.judge,
        arm=one.arm,
        question=one.question,
        **posterior_interval(one.draws),
        probability=one.probability_informative,
    )


def _design_based_estimates(
    model: OutcomeModel, values: np.ndarray, patterns: VerdictPatternCells, seed: int
) -> list[EstimandDraws]:
    """Design-based estimates; where labels may be wrong, pooled over draws of the truth of the labelled trials."""
    if model.verdicts is None or not model.verdicts.raters.raters:
        return list(design_based_estimands(patterns, seed=seed))
    some = values[spaced_draws(len(values), IMPUTATIONS)]
    rng, many = np.random.default_rng(seed), DRAWS // len(some)
    found: dict[EstimateKey, list[EstimandDraws]] = {}
    for number, chance in enumerate(truth_probabilities(model, some, patterns)):
        completed = imputed_patterns(patterns, chance, rng)
        for figure in design_based_estimands(completed, draws=many, seed=seed + number):
            found.setdefault(figure.key, []).append(figure)
    whole = [made for made in found.values() if len(made) == len(some)]
    return [replace(one[0], draws=np.concatenate([each.draws for each in one])) for one in whole]


def rater_sentence(patterns: VerdictPatternCells, view: str, priors: Priors) -> str:
    """What a fit assumes of the raters' labels, and what informs it.

    Parameters
    ----------
    patterns : VerdictPatternCells
        The study's verdicts and labels.
    view : str
        Label view.
    priors : Priors
        Prior scales.
    """
    if not patterns.raters or priors.rater_accuracy == 1.0:
        return f"Takes the {view} labels as the truth."
    assumed = f"raters assumed right in {100 * priors.rater_accuracy:.3g} % (prior)"
    if not patterns.repeated_labels:
        return f"{view.capitalize()} labels may be wrong: {assumed}; no trial was labelled twice."
    trials = "1 trial" if patterns.repeated_labels == 1 else f"{patterns.repeated_labels:,} trials"
    return (
        f"{view.capitalize()} labels may be wrong: {assumed}, corrected by {trials} with a second label or an "
        "adjudication, which is taken as the truth; raters err independently of each other and of the judges, and "
        "alike in all arms."
    )


def _exact_truth_clause(store: Store, patterns: VerdictPatternCells) -> str:
    """Which of several raters' labels the fit takes as the truth, where each is not an opinion of its own."""
    rule = load_settings(store).truth_rule
    return "" if patterns.raters or rule.keeps_voices else f" Truth of a trial: {rule.words}."


def _rater_rows(
    model: OutcomeModel, values: np.ndarray, patterns: VerdictPatternCells, priors: Priors
) -> Iterator[RaterRow]:
    """The raters' accuracies; none where labels are the truth."""
    from gnomon.stats.model.rater_density import rater_accuracies

    v = model.verdicts
    if v is None or not v.raters.raters:
        return
    arms = {arm: number for number, arm in enumerate(arms_present(patterns))}
    weight = label_weights(patterns, patterns.frame["arm"].map(arms).to_numpy(dtype=np.int64))
    point = model.unpack_parameters(values)
    draws = rater_accuracies(point["rater_wrong"], point["rater_deviation"], v.possible, v.raters, weight)
    said = patterns.ratings != MISSING
    repeated = said & ((said.sum(axis=1) > 1) | patterns.exact)[:, None]
    for place, rater in enumerate(patterns.raters):
        yield RaterRow(
            rater=rater,
            labels=int(patterns.count[said[:, place]].sum()),
            repeated=int(patterns.count[repeated[:, place]].sum()),
            prior=priors.rater_accuracy,
            **posterior_interval(draws[:, place]),
        )


def _save_fit(
    store: Store,
    plan: FitRequest,
    status: str,
    diagnostics: Diagnostics,
    result: FitResult,
    draws_sha256: str | None = None,
) -> StoredFit:
    fit = StoredFit(
        id=plan.fit_id,
        view=plan.view,
        status=status,
        data_hash=plan.data_hash,
        seed=plan.seed,
        priors=plan.priors.as_dict(),
        diagnostics=diagnostics,
        result=result,
        draws_sha256=draws_sha256,
    )
    return save_fit(store, fit)
