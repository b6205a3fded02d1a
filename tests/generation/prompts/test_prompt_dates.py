"""A prompt is the same tomorrow: templates that print a date print the study's, and other tokens are refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from tiny_subjects import TEMPLATE

from gnomon.data.errors import InputError
from gnomon.data.foreign_documents.chat_templates import PROMPT_DATE
from gnomon.data.records import Subject
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store
from gnomon.generation.prompts.protocol import load_protocol
from gnomon.generation.prompts.tokenization import make_prompt
from gnomon.generation.subjects.loading import LoadedSubject, load_subject
from gnomon.generation.sweeps import runner
from gnomon.generation.sweeps.runner import PROMPTS, LocalWorker, run_sweep
from gnomon.generation.sweeps.trial_design import SweepDesign
from gnomon.generation.vectors.concept_vectors import concept_vectors
from gnomon.judging.judges.yes_no_scorer import YesNoScorer
from gnomon.study_file import StudyFile

DATED = "{{ strftime_now('%d %b %Y') }}|" + TEMPLATE
RECORD = Subject("ignored", 1e6, "toy", "instruct")


@pytest.fixture
def dated(model_folder: Callable[..., Path], own_cache: Path) -> LoadedSubject:
    return load_subject("dated", str(model_folder(template=DATED)))


def words(subject: LoadedSubject, *day: date) -> str:
    prompt = make_prompt(subject.tokenizer, load_protocol("plain"), *day)
    return str(subject.tokenizer.decode(prompt.ids))


def test_a_template_that_prints_a_date_prints_the_studys(dated: LoadedSubject) -> None:
    assert words(dated).startswith(f"{PROMPT_DATE:%d %b %Y}|")
    assert words(dated, date(2026, 11, 28)).startswith("28 Nov 2026|")
    for call in ('strftime_now("%d %b %Y")', "strftime_now( format='%d %b %Y' )"):
        dated.tokenizer.chat_template = f"{{% set today = {call} %}}{{{{ today }}}}|{TEMPLATE}"
        assert words(dated, date(2026, 11, 28)).startswith("28 Nov 2026|")
    scorer = YesNoScorer(dated, "Read.")
    assert scorer._split_template("Read.")[0].startswith("01 Jan 2025|")


def test_the_study_file_names_the_day() -> None:
    file = {"name": "t", "imported": True}
    assert StudyFile.model_validate(file).day == PROMPT_DATE
    assert StudyFile.model_validate({**file, "date": date(2026, 1, 2)}).day == date(2026, 1, 2)


def test_other_tokens_under_the_same_protocol_are_refused(
    store: Store, dated: LoadedSubject, small_design: SweepDesign
) -> None:
    run_sweep(store, LocalWorker(dated, 4), small_design, record=RECORD)
    run_sweep(store, LocalWorker(dated, 4), replace(small_design, seed=7), record=RECORD)
    (event,) = store.event_details(PROMPTS)
    assert (event["subject"], len(event["prompts"])) == ("dated", 1)
    other = replace(small_design, seed=8, day=date(2026, 1, 2))
    count = store.count_rows(tables.trials)
    with pytest.raises(InputError, match="subject 'dated': a prompt has other tokens than the one that its stored"):
        run_sweep(store, LocalWorker(dated, 4), other, record=RECORD)
    assert store.count_rows(tables.trials) == count


def test_vectors_with_other_values_than_the_stored_ones_are_told(
    store: Store, small_subject: LoadedSubject, small_design: SweepDesign, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    run_sweep(store, LocalWorker(small_subject, 4), small_design, record=RECORD, tell=told.append)
    run_sweep(store, LocalWorker(small_subject, 4), replace(small_design, seed=7), record=RECORD, tell=told.append)
    assert told == []
    made = concept_vectors(small_subject, ["ocean", "fear"], [1])
    changed = {**made, ("ocean", 1): replace(made["ocean", 1], sha256="0" * 64)}

    class Elsewhere(LocalWorker):
        def prepare_worker(self, design, protocols):
            super().prepare_worker(design, protocols)
            self.maker.vectors = changed
            return self.maker.vector_records()

    run_sweep(store, Elsewhere(small_subject, 4), replace(small_design, seed=8), record=RECORD, tell=told.append)
    assert [line for line in told if "1 of " in line and "other values than those of the stored trials" in line]
    assert runner.PROMPTS == "prompts"
