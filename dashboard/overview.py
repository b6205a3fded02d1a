"""What a study holds and lacks, as counts from the database, and from them what matters and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import pandas as pd
from sqlalchemy import func, select

from calibration.facts import MEASURING, judge_frame
from calibration.labels import label_events, reference_labels
from dashboard.fitted import FAILED
from dashboard.words import count, estimand, listed, percent
from data import tables
from data.records import Arm, Exposure, LabelKind, VerdictState
from data.store import Store

ENOUGH_LABELS = 20
TOO_MANY_LOST = 0.02

_trial = tables.trials.c
_verdict = tables.verdicts.c


@dataclass(frozen=True, slots=True)
class Overview:
    """Counts of a study.

    `cells` has one row a condition (subject, arm, concept, strength, layer, span, protocol) with `n` answers and
    `failed` trials; `missing` the planned conditions that lack answers; `states` verdicts by judge and state;
    `labels` the reference label of each trial with its arm; `events` all label events; `fits` the newest fit of
    each view.
    """

    settings: Mapping[str, Any]
    cells: pd.DataFrame
    missing: pd.DataFrame
    states: pd.DataFrame
    labels: pd.DataFrame
    events: pd.DataFrame
    fits: list[dict[str, Any]]
    newest_fact: str

    @property
    def counts_only(self) -> bool:
        """Whether the study holds published counts and no transcripts."""
        return self.settings.get("kind") == "counts"

    @property
    def trials(self) -> int:
        """Trials that gave an answer."""
        return int(self.cells["n"].sum())

    @property
    def unjudged(self) -> dict[str, int]:
        """Answers without a verdict of any state, by judge, of the judges that the study names or that have spoken."""
        read = self.states.groupby("judge")["n"].sum()
        names = dict.fromkeys([*self.settings.get("judges", []), *read.index])
        lacking = {name: self.trials - int(read.get(name, 0)) for name in names}
        return {name: number for name, number in lacking.items() if number > 0}

    @property
    def measuring(self) -> dict[str, int]:
        """Labels that measure judges (dev and test split) by arm, arms without one included."""
        usable = self.labels[self.labels["split"].isin([str(split) for split in MEASURING])]
        found = usable["arm"].value_counts()
        return {str(arm): int(found.get(arm, 0)) for arm in self.cells["arm"].drop_duplicates()}

    @property
    def stale(self) -> bool:
        """Whether a trial, verdict or label is newer than every fit."""
        return bool(self.fits) and max(fit["created_at"] for fit in self.fits) < self.newest_fact


def overview(store: Store) -> Overview:
    """Count what the store holds."""
    settings = store.study()
    cells = _cells(store)
    judges = judge_frame(store)
    query = select(_verdict.judge, _verdict.state, func.count().label("n")).where(_verdict.sample == 0)
    states = store.frame(
        query.where(_verdict.judge.in_(list(judges["version"]))).group_by(_verdict.judge, _verdict.state)
    )
    states["judge"] = states["judge"].map(dict(zip(judges["version"], judges["name"], strict=True)))
    events = label_events(store)
    view = str(settings.get("label_view", "blind"))
    arms = events.drop_duplicates("trial")[["trial", "arm"]]
    labels = reference_labels(store, view).merge(arms, on="trial", how="left")
    return Overview(
        settings=settings,
        cells=cells,
        missing=missing(cells, settings.get("design") or {}),
        states=states,
        labels=labels,
        events=events,
        fits=sorted(store.newest_fits().values(), key=lambda fit: str(fit["view"])),
        newest_fact=_newest_fact(store, events, view),
    )


def _cells(store: Store) -> pd.DataFrame:
    axes = [_trial[name] for name in ("subject", "arm", "concept", "strength", "layer", "span")]
    answered = func.count().filter(_trial.error.is_(None)).label("n")
    failed = func.count(_trial.error).label("failed")
    query = select(*axes, tables.protocols.c.name.label("protocol"), answered, failed)
    query = query.join(tables.protocols, tables.protocols.c.hash == _trial.protocol)
    return store.frame(query.group_by(*axes, tables.protocols.c.name).order_by(*axes))


def _newest_fact(store: Store, events: pd.DataFrame, view: str) -> str:
    """Time of the newest trial, verdict or label that a fit in this label view would read."""
    with store.reading() as connection:
        times = [
            connection.execute(select(func.max(column))).scalar() for column in (_trial.created_at, _verdict.created_at)
        ]
    counting = events["kind"] != str(LabelKind.FLAG)
    if view == "blind":
        counting &= events["exposure"] == str(Exposure.BLIND)
    return str(max([*(time or "" for time in times), *events.loc[counting, "created_at"]]))


def missing(cells: pd.DataFrame, design: Mapping[str, Any]) -> pd.DataFrame:
    """Conditions that the design plans and that lack answers: the axes, `have` and `want`.

    The random arm is left out: how its directions are shared between concepts is the generator's business.
    """
    wanted = design.get("replicates", {})
    columns = ["subject", "arm", "protocol", "concept", "layer", "strength", "have", "want"]
    rows: list[tuple[Any, ...]] = []
    for subject, protocol in product(cells["subject"].unique(), _protocols(cells, design)):
        mine = cells[(cells["subject"] == subject) & (cells["protocol"] == protocol)]
        control = int(mine.loc[mine["arm"] == str(Arm.CONTROL), "n"].sum())
        if str(Arm.CONTROL) in design.get("arms", []) and control < (want := wanted.get("control", 0)):
            rows.append((subject, str(Arm.CONTROL), protocol, None, None, None, control, want))
        injected = mine[mine["arm"] == str(Arm.INJECTION)].groupby(["concept", "layer", "strength"])["n"].sum()
        axes = [design.get(name, []) for name in ("concepts", "layers", "strengths")]
        if str(Arm.INJECTION) in design.get("arms", []):
            for axis in product(*axes):
                have, want = int(injected.get(axis, 0)), wanted.get("injection", 0) * len(design.get("spans", [0]))
                if have < want:
                    rows.append((subject, str(Arm.INJECTION), protocol, *axis, have, want))
    return pd.DataFrame(rows, columns=columns)


def _protocols(cells: pd.DataFrame, design: Mapping[str, Any]) -> list[str]:
    """Names of protocols: as designed, or as stored where the design names files."""
    named = [str(name) for name in design.get("protocols", [])]
    if any(name.endswith(".toml") for name in named):
        return [str(name) for name in cells["protocol"].unique()]
    return named


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a reader of the figures should know, worst first: `error`, `warning` or `info`."""

    level: str
    text: str


def notices(found: Overview) -> list[Notice]:
    """What matters about the study, the worst first."""
    notes = [*_about_fits(found), *_about_trials(found), *_about_judges(found), *_about_labels(found)]
    order = {"error": 0, "warning": 1, "info": 2}
    return sorted(notes, key=lambda note: order[note.level])


def _about_fits(found: Overview) -> list[Notice]:
    notes = []
    for fit in found.fits:
        if fit["status"] == FAILED:
            reasons = listed(list(fit["diagnostics"].get("reasons", []))) or "its gates"
            notes.append(Notice("error", f"The fit '{fit['view']}' failed ({reasons}): its figures are not shown."))
        notes += [Notice("warning", text) for text in refusals(fit["result"])]
    if found.stale:
        notes.append(Notice("warning", "Trials, verdicts or labels are newer than the newest fit: figures lag behind."))
    return list(dict.fromkeys(notes))


def refusals(result: Mapping[str, Any]) -> list[str]:
    """One line for each reason that a fit gives for figures that it refuses."""
    by_reason: dict[str, list[str]] = {}
    for entry in result.get("refused", []):
        what = estimand(str(entry["estimand"])) if entry.get("estimand") else "figures"
        whom = f" of {entry['subject']}" if entry.get("subject") else ""
        by_reason.setdefault(str(entry["reason"]), []).append(f"{what}{whom}")
    return [
        f"Not shown: {listed(list(dict.fromkeys(what)))} ({reason.rstrip('.')})." for reason, what in by_reason.items()
    ]


def _about_trials(found: Overview) -> list[Notice]:
    failed = int(found.cells["failed"].sum()) if len(found.cells) else 0
    notes = [Notice("warning", f"{count(failed, 'trial')} failed and count nowhere.")] if failed else []
    if len(found.missing):
        lacking = int((found.missing["want"] - found.missing["have"]).sum())
        where = count(len(found.missing), "planned condition")
        notes.append(Notice("warning", f"{count(lacking, 'trial')} of {where} are missing."))
    return notes


def _about_judges(found: Overview) -> list[Notice]:
    notes = []
    for judge, rows in found.states.groupby("judge"):
        lost = int(rows.loc[rows["state"] != str(VerdictState.OK), "n"].sum())
        total = int(rows["n"].sum())
        if lost > TOO_MANY_LOST * total:
            share = percent(lost / total, 1)
            notes.append(Notice("warning", f"Judge {judge} gave no usable verdict on {share} of what it read."))
    return [
        *notes,
        *(Notice("warning", f"Judge {j} has not read {count(n, 'answer')}.") for j, n in found.unjudged.items()),
    ]


def _about_labels(found: Overview) -> list[Notice]:
    if found.counts_only or not found.trials:
        return []
    if found.labels.empty:
        return [Notice("warning", "There are no labels: the judges' error is unknown and nothing can be corrected.")]
    thin = [f"{arm} ({number})" for arm, number in found.measuring.items() if number < ENOUGH_LABELS]
    notes = []
    if thin:
        notes.append(Notice("warning", f"Fewer than {ENOUGH_LABELS} labels measure the judges in {listed(thin)}."))
    after = int((found.events["exposure"] == str(Exposure.AFTER_VERDICT)).sum())
    if after:
        notes.append(Notice("info", f"{count(after, 'label event')} came after the rater had seen verdicts."))
    if found.events.loc[found.events["kind"] == str(LabelKind.LABEL), "rater"].nunique() == 1:
        notes.append(Notice("info", "All labels are one rater's: how far raters agree is unknown."))
    return notes


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next: why, and the step of `gnomon` that does it, or the page (`label`, `scaling`) to open."""

    why: str
    step: str = ""
    page: str = ""


def next_step(found: Overview) -> Step:
    """The one thing that helps the study most now."""
    fit = _fit_step([fit["status"] for fit in found.fits])
    if found.counts_only:
        return fit or Step("The published counts are fitted: read the figures.", page="scaling")
    return _trial_step(found) or _judge_step(found) or fit or _label_step(found)


def _trial_step(found: Overview) -> Step | None:
    lacking = int((found.missing["want"] - found.missing["have"]).sum())
    if lacking:
        return Step(f"Make the {count(lacking, 'missing trial')}.", step="generate")
    return None if found.trials else Step("Make the trials.", step="generate")


def _judge_step(found: Overview) -> Step | None:
    if found.unjudged:
        return Step(f"Let {listed(list(found.unjudged))} read what they have not read.", step="judge")
    if found.states.empty:
        return Step("Name judges under [[judges]] in study.toml and let them read the answers.", step="judge")
    return None


def _label_step(found: Overview) -> Step:
    thin = [arm for arm, number in found.measuring.items() if number < ENOUGH_LABELS]
    if thin:
        return Step(f"Label transcripts: too few labels measure the judges in {listed(thin)}.", page="label")
    if found.stale:
        return Step("Fit again: the data have grown since.", step="fit")
    return Step("Nothing is missing. More labels narrow the corrected figures most.", page="label")


def _fit_step(statuses: list[str]) -> Step | None:
    if not statuses:
        return Step("Fit the rates.", step="fit")
    if all(status == FAILED for status in statuses):
        return Step("The fit failed: raise draws and tune under [fit] in study.toml and fit again.", step="fit")
    return None
