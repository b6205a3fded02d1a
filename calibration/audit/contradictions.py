"""Contradictory facts: how often a judge or a rater contradicts itself, and on which transcripts.

Facts contradict each other where the rubric (`gnomon.data.facts`) rules them out together. A response that is not
coherent may name the concept: the rubric asks for both separately, and the outcome rules differ in how they count it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnomon.calibration.error_rates.confusion import spoken_versions
from gnomon.calibration.labels.views import KEYS, label_events, standing_labels
from gnomon.calibration.numerics.proportions import wilson_interval
from gnomon.calibration.observations.frames import judge_frame
from gnomon.calibration.observations.verdict_table import VerdictTable, read_verdict_table
from gnomon.calibration.results.audit import (
    ContradictionAudit,
    ContradictionCount,
    ContradictionCounts,
    ContradictionShare,
    JudgeContradictions,
    RaterContradictions,
)
from gnomon.data.arms import identified_arms
from gnomon.data.facts import CORE_FLAGS, FACTS, PASSED, Fact, asked_facts, further_names
from gnomon.data.records import NONE
from gnomon.data.results import finite_estimate
from gnomon.data.storage.store import Store

SHOWN = 5
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Statement:
    """Reported facts of trials, as arrays (n,): `named` the injected concept, `described` any concept.

    `flags` holds every flag by name, further ones included, and `reported` whether it was reported at all.
    """

    injected: Mask
    claims: Mask
    coherent: Mask
    refused: Mask
    named: Mask
    described: Mask
    asked: Mask
    passed: Mask
    flags: Mapping[str, Mask]
    reported: Mapping[str, Mask]

    def take(self, places: NDArray[np.intp]) -> _Statement:
        """Those of some trials, as if there were no others."""
        part = {name: getattr(self, name)[places] for name in _MASKS}
        part["asked"] &= part["injected"].any()
        flags, reported = ({name: each[places] for name, each in of.items()} for of in (self.flags, self.reported))
        return _Statement(**part, flags=flags, reported=reported)


_MASKS = tuple(field.name for field in fields(_Statement) if field.name not in ("flags", "reported"))


@dataclass(frozen=True, slots=True)
class ContradictionKind:
    """One kind of contradiction: which trials could show it, and which of them do."""

    name: str
    words: str
    could: Callable[[_Statement], Mask]
    does: Callable[[_Statement], Mask]


def _any_of(said: _Statement) -> Mask:
    return np.ones_like(said.claims)


def _exclusion_kind(fact: Fact, other: Fact) -> ContradictionKind:
    """Two flags that cannot both be true."""
    one, two = fact.name, other.name
    return ContradictionKind(
        f"{one}_but_{two}",
        f"{fact.verb or one} and {other.verb or two} at once",
        lambda s: s.reported[one] & s.reported[two],
        lambda s: s.flags[one] & s.flags[two],
    )


_ABOUT_CONCEPT = (
    ContradictionKind(
        "identified_but_denied",
        "describes the injected concept and says that nothing was claimed",
        lambda s: s.injected,
        lambda s: s.named & ~s.claims,
    ),
    ContradictionKind(
        "described_but_denied",
        "describes some concept and says that nothing was claimed",
        _any_of,
        lambda s: s.described & ~s.claims,
    ),
)
_ABOUT_PASS = (
    ContradictionKind(
        "passed_but_refused", "passes an answer that refuses", lambda s: s.asked, lambda s: s.passed & s.refused
    ),
    ContradictionKind(
        "passed_but_incoherent",
        "passes an answer that is incoherent",
        lambda s: s.asked,
        lambda s: s.passed & ~s.coherent,
    ),
    ContradictionKind(
        "passed_but_not_identified",
        "passes an injection trial whose concept was not identified",
        lambda s: s.asked & s.injected,
        lambda s: s.passed & ~(s.claims & s.named),
    ),
    ContradictionKind(
        "passed_but_claims",
        "passes a trial without injection that claims something",
        lambda s: s.asked & ~s.injected,
        lambda s: s.passed & s.claims,
    ),
    ContradictionKind(
        "failed_but_identified",
        "fails an injection trial whose concept was plainly identified",
        lambda s: s.asked & s.injected,
        lambda s: ~s.passed & s.claims & s.named & s.coherent & ~s.refused,
    ),
    ContradictionKind(
        "failed_but_denies",
        "fails a trial without injection that plainly denies",
        lambda s: s.asked & ~s.injected,
        lambda s: ~s.passed & ~s.claims & s.coherent & ~s.refused,
    ),
)


def contradiction_kinds() -> tuple[ContradictionKind, ...]:
    """Every kind there is, those of registered facts included (`gnomon.data.facts.Fact.excludes`).

    Facts that are impossible together come first, then answers to the study's own question that do not follow.
    """
    exclusions = (_exclusion_kind(fact, FACTS[other]) for fact in asked_facts() for other in fact.excludes)
    return (*_ABOUT_CONCEPT, *exclusions, *_ABOUT_PASS)


def audit_contradictions(store: Store, table: VerdictTable | None = None) -> ContradictionAudit:
    """Contradictions in the verdicts of each judge version and in the standing labels of each rater.

    Verdicts and labels of all splits count, paired or not: a contradiction needs no reference. Pass and fail are
    compared with the facts if the study's own question was asked, for readers of trials with injection.

    Parameters
    ----------
    store : Store
        Store of the study.
    table : VerdictTable, optional
        Verdicts of every judge version, if already read.
    """
    judges = judge_frame(store, spoken_versions(store))
    heard = read_verdict_table(store, judges["version"].tolist()) if table is None else table
    return ContradictionAudit(
        judges=tuple(
            JudgeContradictions(
                judge=str(row.name),
                version=str(row.version),
                **vars(count_verdict_contradictions(heard, str(row.version))),
            )
            for row in judges.itertuples(index=False)
        ),
        raters=tuple(
            RaterContradictions(rater=rater, **vars(counts)) for rater, counts in _rater_contradictions(store).items()
        ),
    )


def count_contradictions(rows: pd.DataFrame) -> ContradictionCounts:
    """Count contradictions in rows with trial, arm, target, claims, concept, coherent, refused and passed."""
    return _count_by_trial(_statements(rows), rows["trial"].to_numpy())


def _count_by_trial(said: _Statement, ids: NDArray[np.object_]) -> ContradictionCounts:
    return _count_statements(said, np.ones(len(ids), dtype=np.int64), lambda hit: sorted(ids[hit])[:SHOWN])


def _rater_contradictions(store: Store) -> dict[str, ContradictionCounts]:
    """Contradictions in the standing labels of each rater."""
    labels = _label_statements(store)
    ids, every = labels["trial"].to_numpy(dtype=object), _statements(labels)
    places = {str(rater): np.asarray(where) for rater, where in labels.groupby("rater").indices.items()}
    return {rater: _count_by_trial(every.take(places[rater]), ids[places[rater]]) for rater in sorted(places)}


def count_verdict_contradictions(table: VerdictTable, version: str) -> ContradictionCounts:
    """Count contradictions in the verdicts of one judge version.

    Parameters
    ----------
    table : VerdictTable
        Verdicts.
    version : str
        Judge version.
    """
    kind = table.kind[:, table.place_of(version)]
    number = np.bincount(kind[kind >= 0], minlength=len(table.kinds))
    there = np.flatnonzero(number)

    def first_trials(hit: Mask) -> list[str]:
        mine = np.zeros(len(table.kinds) + 1, dtype=bool)  # the last place is that of trials without a verdict
        mine[there[hit]] = True
        return [str(trial) for trial in table.trials.iloc[np.flatnonzero(mine[kind])[:SHOWN]]]

    return _count_statements(_statements(table.kinds.iloc[there]), number[there], first_trials)


def _count_statements(
    said: _Statement, number: NDArray[np.int64], first_trials: Callable[[Mask], list[str]]
) -> ContradictionCounts:
    """Contradictions in facts that each stand for a number of trials; `first_trials` names some of those hit."""
    kinds = contradiction_kinds()
    hits = {kind.name: kind.could(said) & kind.does(said) for kind in kinds}
    some, read = np.any(list(hits.values()), axis=0), int(number.sum())
    return ContradictionCounts(
        read=read,
        anything=_contradiction_share(int(number[some].sum()), read),
        kinds={
            kind.name: ContradictionCount(
                words=kind.words,
                **vars(_contradiction_share(int(number[hits[kind.name]].sum()), int(number[kind.could(said)].sum()))),
                trials=tuple(first_trials(hits[kind.name])) if hits[kind.name].any() else (),
            )
            for kind in kinds
        },
    )


def _contradiction_share(n: int, of: int) -> ContradictionShare:
    return ContradictionShare(n=n, of=of, share=finite_estimate(wilson_interval(n, of)) if of else None)


def _statements(rows: pd.DataFrame) -> _Statement:
    concept = rows["concept"].astype(object)
    flags = (*CORE_FLAGS, *further_names())
    answer = rows[PASSED].astype(object)
    injected = (rows["arm"].isin(identified_arms()) & rows["target"].notna()).to_numpy(dtype=bool)
    # If nothing was ever injected (such as a comparison of two answers), pass has another meaning.
    asked = answer.notna().to_numpy(dtype=bool) & injected.any()
    return _Statement(
        injected=injected,
        claims=rows["claims"].to_numpy(dtype=bool),
        coherent=rows["coherent"].to_numpy(dtype=bool),
        refused=rows["refused"].to_numpy(dtype=bool),
        named=(concept == rows["target"]).to_numpy(dtype=bool),
        described=(concept != NONE).to_numpy(dtype=bool),
        asked=asked,
        passed=answer.where(answer.notna(), False).to_numpy(dtype=bool),
        flags={name: rows[name].eq(True).to_numpy(dtype=bool) for name in flags},
        reported={name: rows[name].notna().to_numpy(dtype=bool) for name in flags},
    )


def _label_statements(store: Store) -> pd.DataFrame:
    """The last standing label of each rater and role on each trial, as given: `passed` only where it was answered."""
    return standing_labels(label_events(store)).sort_values([*KEYS, "revision"]).drop_duplicates(KEYS, keep="last")
