"""What a card rests on, read from a store: judge version, labels, verdicts, scope and rules. Measures nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pandas as pd
from pydantic import JsonValue
from sqlalchemy import func, select

from gnomon.calibration.cards.calibration_card import (
    LANGUAGE,
    CardAxes,
    CardBasis,
    CardJudge,
    CardLabels,
    CardRater,
    CardRules,
    CardScope,
    CardVerdicts,
)
from gnomon.calibration.labels.views import rater_labels
from gnomon.calibration.observations.frames import (
    complete_verdicts,
    is_readable,
    judge_frame,
    judge_splits,
    verdict_frame,
)
from gnomon.calibration.observations.trial_fields import declared_fields
from gnomon.data.errors import UnknownNameError
from gnomon.data.facts import CORE_FACTS, further_names
from gnomon.data.records import canonical_hash
from gnomon.data.storage.store import Store, code_version, split_chunks
from gnomon.data.storage.tables import judges as judge_table
from gnomon.data.storage.tables import trials as trial_table
from gnomon.data.storage.tables import verdicts as verdict_table
from gnomon.data.study_settings import load_settings

LONGEST = 200
"""Characters of the longest setting that a card shows as it is."""
HASHED = (
    "trial",
    "rater",
    "role",
    "rater_kind",
    *CORE_FACTS,
    "passed",
    "revision",
    "exposure",
    "stratum",
    "probability",
)
"""What of a label its hash covers, beside its further facts, its policy and the facts that may be either."""
ALSO_HASHED = ("policy", "undecided")
AXES = ("subjects", "concepts", "arms", "protocols")


def card_basis(store: Store, version: str, view: str, splits: Sequence[str] | None = None) -> CardBasis:
    """All that a card of a judge version would rest on now.

    Parameters
    ----------
    store : Store
        Store of the study.
    version : str
        Judge version.
    view : {"blind", "first", "current"}
        Label view.
    splits : sequence of str, optional
        Splits that the judge is measured on, by default those of its kind.

    Raises
    ------
    UnknownNameError
        If the store has no such judge version.
    """
    judge = card_judge(store, version)
    measuring = judge_splits(judge.kind, splits)
    labels = card_label_rows(store, version, view, measuring)
    settings = load_settings(store)
    return CardBasis(
        judge=judge,
        labels=_card_labels(labels),
        verdicts=_card_verdicts(store, version),
        valid_for=_card_scope(store, labels["trial"].drop_duplicates().tolist()),
        rules=CardRules(
            view=view,
            truth=settings.truth,
            outcome=settings.rule,
            splits=measuring,
            margin=settings.transport.margin,
        ),
        panel=_other_versions(store, judge.name),
        code_version=code_version(),
    )


def card_judge(store: Store, version: str) -> CardJudge:
    """The judge version as a card shows it.

    Parameters
    ----------
    store : Store
        Store of the study.
    version : str
        Judge version.
    """
    rows = store.read_frame(select(judge_table).where(judge_table.c.version == version)).to_dict("records")
    if not rows:
        raise UnknownNameError(f"judge version '{version[:12]}': the study has none: is the card of another study?")
    config = dict(rows[0]["config"])
    rubric, examples = config.pop("rubric", None), config.pop("examples", None)
    edition, model = config.pop("edition", None), config.pop("model", None)
    words = rubric.get("hash") if isinstance(rubric, Mapping) else rubric
    return CardJudge(
        name=rows[0]["name"],
        version=version,
        kind=rows[0]["kind"],
        model=model if isinstance(model, str) else None,
        rubric=None if words is None else str(words),
        edition=edition if isinstance(edition, int) else None if rubric is None else 1,
        examples=len(examples) if isinstance(examples, list) else 0,
        examples_hash=canonical_hash(examples) if examples else None,
        settings={name: _shown_setting(value) for name, value in sorted(config.items())},
    )


def card_label_rows(store: Store, version: str, view: str, splits: Sequence[str]) -> pd.DataFrame:
    """Labels of all raters of reference on trials that a judge version has read, in the splits that measure it.

    Parameters
    ----------
    store : Store
        Store of the study.
    version : str
        Judge version.
    view : str
        Label view.
    splits : sequence of str
        Splits that measure the judge.

    Returns
    -------
    pandas.DataFrame
        Rows of `rater_labels`, ordered by trial, rater and role.
    """
    labels = rater_labels(store, view)
    labels = labels[labels["split"].isin(splits)]
    heard = complete_verdicts(verdict_frame(store, [version], labels["trial"].drop_duplicates().tolist()))
    return labels[labels["trial"].isin(heard["trial"])].sort_values(["trial", "rater", "role"]).reset_index(drop=True)


def _other_versions(store: Store, name: str) -> tuple[str, ...]:
    """Newest versions of the judges with another name, sorted."""
    known = judge_frame(store)
    return tuple(sorted(known.loc[known["name"] != name, "version"]))


def _shown_setting(value: JsonValue) -> JsonValue:
    shown = canonical_hash(value)
    return value if len(str(value)) <= LONGEST else f"sha256:{shown}"


def _card_labels(labels: pd.DataFrame) -> CardLabels:
    names = [name for name in (*HASHED, *further_names(), *ALSO_HASHED) if name in labels]
    rows = [[_plain_value(value) for value in row] for row in labels[names].itertuples(index=False, name=None)]
    by_rater = labels.groupby(["rater", "rater_kind"]).size().rename("labels").reset_index()
    policies = sorted({str(each) for each in labels.get("policy", pd.Series(dtype=object)) if each})
    return CardLabels(
        hash=canonical_hash([names, rows]),
        number=len(labels),
        trials=labels["trial"].nunique(),
        raters=tuple(
            CardRater(name=name, kind=kind, labels=int(n))
            for name, kind, n in by_rater.itertuples(index=False, name=None)
        ),
        policies=tuple(policies),
        exposure=_counts(labels["exposure"]),
        chosen=_counts(labels["stratum"]),
        splits=_counts(labels["split"]),
        start=None if labels.empty else str(labels["created_at"].min()),
        end=None if labels.empty else str(labels["created_at"].max()),
    )


def _plain_value(value: Any) -> JsonValue:
    """A cell as JSON knows it."""
    if isinstance(value, str):
        return value
    if isinstance(value, tuple | list):
        return [str(each) for each in value]
    if value is None or pd.isna(value):
        return None
    return cast("JsonValue", value.item() if hasattr(value, "item") else value)


def _counts(values: pd.Series[str]) -> dict[str, int]:
    return {str(name): int(n) for name, n in values.value_counts().sort_index().items()}


def _card_verdicts(store: Store, version: str) -> CardVerdicts:
    column = verdict_table.c
    numbers = select(func.count(), func.min(column.created_at), func.max(column.created_at))
    with store.read_transaction() as connection:
        number, start, end = connection.execute(numbers.where(column.judge == version)).one()
    return CardVerdicts(number=number, start=start, end=end)


def _card_scope(store: Store, labelled: Sequence[str]) -> CardScope:
    """What the labelled trials are of, and what the study's other trials are of besides."""
    column = trial_table.c
    of = select(column.subject, column.revision, column.concept, column.arm, column.protocol).distinct()
    parts = [store.read_frame(of.where(column.id.in_(chunk))) for chunk in split_chunks(list(labelled))]
    measured = _axis_values(pd.concat(parts) if parts else store.read_frame(of.limit(0)))
    present = _axis_values(store.read_frame(of.where(*is_readable(store))))
    fields, every = (declared_fields(store, axes["protocols"]) for axes in (measured, present))
    besides = {name: tuple(value for value in every[name] if value not in fields.get(name, ())) for name in every}
    return CardScope(
        measured=CardAxes(**measured, fields=fields),
        unmeasured=CardAxes(
            **{axis: tuple(sorted({*present[axis]} - {*measured[axis]})) for axis in AXES},
            fields={name: values for name, values in besides.items() if values},
        ),
        languages=fields.get(LANGUAGE),
    )


def _axis_values(rows: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    columns = {
        "subjects": rows["subject"] + "@" + rows["revision"],
        "concepts": rows["concept"].dropna(),
        "arms": rows["arm"],
        "protocols": rows["protocol"],
    }
    return {axis: tuple(sorted({str(value) for value in values})) for axis, values in columns.items()}
