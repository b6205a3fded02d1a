"""Properties of a labelled trial and of a verdict that a judge's errors may depend on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sqlalchemy import select

from gnomon.calibration.labels.views import reference_labels
from gnomon.calibration.susceptibility.susceptibility_results import ErrorKind
from gnomon.data.facts import concept_choices
from gnomon.data.storage.store import Store, split_chunks
from gnomon.data.storage.tables import judges, protocols, subjects, trials, verdicts
from gnomon.data.study_settings import load_settings

SHARED_WORDS = 6
"""Words in a row that an answer shares with its prompt to count as repeating it."""
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Covariate:
    """One property, declared once: its name, the trials that have it in words, and the errors that it may cause."""

    name: str
    about: str
    errors: tuple[ErrorKind, ...] = (ErrorKind.FALSE_ALARM, ErrorKind.MISS)


COVARIATES: tuple[Covariate, ...] = (
    Covariate("long", "responses longer than the median of their arm"),
    Covariate("late", "trials whose concept stands in the second half of the list that judges are shown"),
    Covariate("own_family", "subjects of the judge's own family of models"),
    Covariate("incoherent", "responses that the label calls incoherent"),
    Covariate("repeats_prompt", f"responses that repeat {SHARED_WORDS} words in a row of their prompt"),
    Covariate("no_quote", "verdicts whose quote is empty or not in the response", (ErrorKind.WRONG_PASS,)),
)


def covariate_frame(store: Store, version: str, view: str, labelled: Sequence[str]) -> pd.DataFrame:
    """Every property of the labelled trials that one judge version has read.

    Parameters
    ----------
    store : Store
        Store of the study.
    version : str
        Judge version.
    view : {"blind", "first", "current"}
        Label view.
    labelled : sequence of str
        Ids of the trials.

    Returns
    -------
    pandas.DataFrame
        One row per trial in the given order: trial, and for each of `COVARIATES` 1.0, 0.0, or NaN where it does not
        apply.
    """
    rows = _trial_rows(store, version, labelled)
    coherent = reference_labels(store, view).set_index("trial")["coherent"].reindex(rows["trial"]).to_numpy()
    length = rows["answer"].str.len()
    config = _judge_config(store, version)
    concepts = load_settings(store).concepts if "rubric" in config else ()
    return rows[["trial"]].assign(
        long=(length > length.groupby(rows["arm"]).transform("median")).astype(float),
        late=[_is_late(concepts, *each) for each in zip(rows["concept"], rows["seed"], strict=True)],
        own_family=_own_family(config.get("model"), rows["family"]),
        incoherent=[np.nan if each is None else float(not each) for each in coherent],
        repeats_prompt=_repeats_prompt(store, rows),
        no_quote=[_lacks_quote(*each) for each in zip(rows["quote"], rows["answer"], strict=True)],
    )


def _trial_rows(store: Store, version: str, labelled: Sequence[str]) -> pd.DataFrame:
    column = trials.c
    query = (
        select(
            column.id.label("trial"),
            column.arm,
            column.concept,
            column.seed,
            column.answer,
            column.protocol,
            subjects.c.family,
            verdicts.c.quote,
        )
        .join(subjects, subjects.c.name == column.subject)
        .join(verdicts, (verdicts.c.trial == column.id) & (verdicts.c.judge == version) & (verdicts.c.sample == 0))
    )
    parts = [store.read_frame(query.where(column.id.in_(part))) for part in split_chunks(labelled)]
    found = pd.concat(parts) if parts else store.read_frame(query.where(column.id == ""))
    return found.set_index("trial").reindex(list(labelled)).rename_axis("trial").reset_index()


def _is_late(concepts: Sequence[str], concept: str | None, seed: int) -> float:
    """Whether a concept is in the second half of the list in the first prompt about its trial; NaN without a list."""
    if not isinstance(concept, str) or concept not in concepts or len(concepts) < 2:
        return np.nan
    place = concept_choices(concepts, int(seed)).index(concept)
    return np.nan if 2 * place + 1 == len(concepts) else float(2 * place + 1 > len(concepts))


def _judge_config(store: Store, version: str) -> Mapping[str, object]:
    table = store.read_frame(select(judges.c.config).where(judges.c.version == version))
    return dict(table["config"].iloc[0]) if len(table) else {}


def _own_family(model: object, families: pd.Series[str]) -> list[float]:
    """Whether the name of the judge's model has the subject's family in it; NaN for judges without a model."""
    if not isinstance(model, str) or not model:
        return [np.nan] * len(families)
    return [float(bool(family) and _letters(family) in _letters(model)) for family in families.fillna("")]


def _letters(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalpha())


def _repeats_prompt(store: Store, rows: pd.DataFrame) -> list[float]:
    table = store.read_frame(select(protocols.c.hash, protocols.c.content))
    passages = {
        hash_: _word_runs(" ".join(_message_texts(content)))
        for hash_, content in zip(table["hash"], table["content"], strict=True)
    }
    return [
        float(bool(_word_runs(answer) & passages[protocol])) if passages.get(protocol) else np.nan
        for answer, protocol in zip(rows["answer"], rows["protocol"], strict=True)
    ]


def _message_texts(content: object) -> list[str]:
    messages = content.get("messages") if isinstance(content, Mapping) else None
    return [str(each["content"]) for each in messages or () if isinstance(each, Mapping) and "content" in each]


def _word_runs(text: str) -> set[tuple[str, ...]]:
    words = _WORD.findall(text.casefold())
    return {tuple(words[at : at + SHARED_WORDS]) for at in range(len(words) - SHARED_WORDS + 1)}


def _lacks_quote(quote: str, answer: str) -> float:
    said = " ".join(quote.split()).casefold()
    return float(not said or said not in " ".join(answer.split()).casefold())
