"""Revised labels: how many after a verdict, in which direction, and what may be concluded.

Correcting an error also moves a label towards a good judge. So a small p shows a direction, not its cause.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from gnomon.calibration.error_rates.confusion import as_times, spoken_versions, verdict_times
from gnomon.calibration.labels.views import KEYS, label_events
from gnomon.calibration.observations.frames import judge_frame, verdicts_with_outcomes, with_outcomes
from gnomon.calibration.results.audit import (
    JudgeRevisions,
    LabelRevisions,
    PassFailRevisions,
    RevisedVerdict,
    RevisionDirections,
    RevisionMove,
)
from gnomon.data.facts import CORE_FACTS, PASSED, further_names
from gnomon.data.records import Exposure, LabelKind
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import load_settings

TOWARD = "toward"
AWAY = "away"
NEITHER = "neither"
HEARD = ["id", "judge", "name", "verdict", "verdict_passed", "moved"]


class SignTest(NamedTuple):
    """Exact p-values of a sign test; None if nothing moved."""

    p_value: float | None
    p_one_sided: float | None


def audit_revisions(store: Store, judges: Sequence[str] | None = None) -> LabelRevisions:
    """Revised labels, and whether those made after a verdict was seen moved to the judge's answer.

    A revision is a label of a rater whose facts, or answer to the study's question, differ from those of the same
    rater's previous label on the same trial; retracting the earlier one does not hide it. The direction is
    determined by pass or fail if the revision changes that (it is then towards or away by necessity), and
    by the outcome otherwise (it may then be neither). With several judges the majority decides.

    Which verdicts were visible is not recorded. By default those of every judge count, each in the newest version
    that had read the trial by the time of the revision, or in its newest version if none had.

    Parameters
    ----------
    store : Store
        Store of the study.
    judges : sequence of str, optional
        Names or versions of the judges that the raters saw, if known.
    """
    changes = _label_changes(store)
    heard = _verdicts_on_changes(store, changes, judges)
    sums = heard.groupby("id")["moved"].sum().reindex(changes["id"]).fillna(0)
    changes = changes.assign(direction=[_direction_of(total) for total in sums])
    seen = changes[changes["exposure"] == str(Exposure.AFTER_VERDICT)]
    flipped = seen[seen["passed"] != seen["passed_before"]]
    ways = _direction_counts(seen["direction"])
    return LabelRevisions(
        n=len(changes),
        after_verdict=len(seen),
        unknown=int((changes["exposure"] == str(Exposure.UNKNOWN)).sum()),
        blind=int((changes["exposure"] == str(Exposure.BLIND)).sum()),
        **vars(ways),
        neither=len(seen) - ways.toward_judge - ways.away_from_judge,
        pass_fail=PassFailRevisions(n=len(flipped), **vars(_direction_counts(flipped["direction"]))),
        by_judge=_by_judge(heard[heard["id"].isin(seen["id"])]),
        trials=tuple(sorted(set(seen["trial"]))),
        moves=_movements(changes, heard),
    )


def sign_test(toward: int, away: int) -> SignTest:
    """Exact tests that revisions move towards the judge as often as away.

    Estimand: the probability that a label which moves at all moves towards the judge; the null is one half. Assumes
    independent revisions, which several by one rater hardly are.

    Parameters
    ----------
    toward : int
        Number of revisions towards the judge.
    away : int
        Number of revisions away from the judge.

    Returns
    -------
    dict of str to float or None
        p_value (two-sided) and p_one_sided (as many or more towards the judge); None if nothing moved.
    """
    from scipy.stats import binomtest

    moved = toward + away
    if not moved:
        return SignTest(None, None)
    return SignTest(
        p_value=float(binomtest(toward, moved, 0.5).pvalue),
        p_one_sided=float(binomtest(toward, moved, 0.5, alternative="greater").pvalue),
    )


def _label_changes(store: Store) -> pd.DataFrame:
    """Label events whose facts or answer differ from the rater's previous event, with the outcome `before`."""
    events = label_events(store)
    given = events[events["kind"] == str(LabelKind.LABEL)].dropna(subset=list(CORE_FACTS))
    ordered = with_outcomes(given.sort_values([*KEYS, "revision"]), load_settings(store).rule)
    ordered = ordered.assign(**{name: ordered[name].astype(object).fillna("") for name in further_names()})
    said = [*CORE_FACTS, *further_names(), PASSED]
    earlier = ordered.groupby(KEYS)[[*said, "outcome"]].shift()
    differs = (ordered[said].astype(object) != earlier[said].astype(object)).any(axis=1)
    told = ordered.assign(before=earlier["outcome"], passed_before=earlier[PASSED])
    changed = told[differs & earlier["outcome"].notna()]
    return changed.astype({"passed_before": bool}).reset_index(drop=True)


def _verdicts_on_changes(store: Store, changes: pd.DataFrame, judges: Sequence[str] | None) -> pd.DataFrame:
    """For each revision and judge the verdict that could be seen, and whether the label moved to it (1, 0, -1)."""
    known = judge_frame(store, spoken_versions(store) if judges is None else judges)
    versions = known["version"].tolist()
    trials = changes[["trial", "arm", "target"]].drop_duplicates("trial")
    verdicts = verdicts_with_outcomes(store, versions, trials)[["trial", "judge", "outcome", PASSED]]
    verdicts = verdicts.rename(columns={"outcome": "verdict", PASSED: "verdict_passed"})
    verdicts = verdicts.merge(verdict_times(store, versions, list(trials["trial"])), on=["trial", "judge"])
    names = known[["version", "name"]].rename(columns={"version": "judge"}).assign(age=range(len(known)))
    both = changes.merge(verdicts, on="trial").merge(names, on="judge")
    both = both.assign(late=~(both["at"] <= as_times(both["created_at"])))
    chosen = both.sort_values(["id", "name", "late", "age"]).drop_duplicates(["id", "name"])
    flips = chosen["passed"] != chosen["passed_before"]
    now = (chosen["passed"] == chosen["verdict_passed"]).where(flips, chosen["outcome"] == chosen["verdict"])
    then = (chosen["passed_before"] == chosen["verdict_passed"]).where(flips, chosen["before"] == chosen["verdict"])
    return chosen.assign(moved=now.astype(int) - then.astype(int)).sort_values(["id", "age"])[HEARD]


def _direction_counts(directions: pd.Series[str]) -> RevisionDirections:
    toward, away = int((directions == TOWARD).sum()), int((directions == AWAY).sum())
    return RevisionDirections(toward_judge=toward, away_from_judge=away, **sign_test(toward, away)._asdict())


def _by_judge(heard: pd.DataFrame) -> tuple[JudgeRevisions, ...]:
    return tuple(
        JudgeRevisions(
            judge=str(name), version=str(version), **vars(_direction_counts(rows["moved"].map(_direction_of)))
        )
        for (name, version), rows in heard.groupby(["name", "judge"], sort=False)
    )


def _movements(changes: pd.DataFrame, heard: pd.DataFrame) -> tuple[RevisionMove, ...]:
    said: dict[int, list[RevisedVerdict]] = {}
    for row in heard.to_dict("records"):
        verdict = RevisedVerdict(
            judge=row["name"],
            version=row["judge"],
            outcome=row["verdict"],
            passed=row["verdict_passed"],
            direction=_direction_of(row["moved"]),
        )
        said.setdefault(row["id"], []).append(verdict)
    return tuple(
        RevisionMove(
            trial=row["trial"],
            rater=row["rater"],
            exposure=row["exposure"],
            before=row["before"],
            after=row["outcome"],
            passed_before=row["passed_before"],
            passed_after=row["passed"],
            direction=row["direction"],
            verdicts=tuple(said.get(row["id"], ())),
        )
        for row in changes.sort_values(["created_at", "id"]).to_dict("records")
    )


def _direction_of(moved: float) -> str:
    return TOWARD if moved > 0 else AWAY if moved < 0 else NEITHER
