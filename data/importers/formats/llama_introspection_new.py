"""llama-introspection-new (CSV): questions with two logits, which of two injections is stronger, localisation counts.

A file is known by its columns. The direct question is a report, read by the source's judge; where it has the logits of
yes and no it is the task `notice`. The unrelated question, which of two is stronger, and in which sentence are tasks
with a right answer (docs/battery.md). No file has probabilities over the whole vocabulary: readings are relative.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path

from gnomon.data.errors import InputError
from gnomon.data.importers import row_builders
from gnomon.data.importers.field_parsers import (
    ImportReport,
    RowError,
    SourceLocation,
    is_empty,
    layer_of,
    limit_text,
    parse_bool,
    parse_integer,
    parse_number,
    parse_rows,
    parse_text,
    parse_word,
    quote_value,
    required_value,
)
from gnomon.data.importers.options import ImportOptions
from gnomon.data.importers.text_files import Rows, csv_rows
from gnomon.data.readings import ANSWER, OptionReading, Readings
from gnomon.data.records import REPORT, Arm, CountRow, Facts, JudgeVersion, Span, Subject

NAME = "llama-introspection-new"
SUBJECT = "Llama-3.1-8B"
"""The model of the published files, which they do not name."""
JUDGE = "llama-introspection-new-judge"
NOTICE, UNRELATED, STRONGER, LOCATE = "notice", "unrelated_no", "stronger", "locate"
"""Names of the tasks."""
QUESTIONS = {"anthropic_reproduce": NOTICE, "control_question": UNRELATED}
"""The question by the word in the column `type`."""
CLAIM, IDENTIFIED = "affirmative_response_judge", "affirmative_response_followed_by_correct_identification_judge"
SAID = (
    "coherence_judge",
    "thinking_about_word_judge",
    CLAIM,
    IDENTIFIED,
    "mcq_correct_judge",
    "injection_strength_correct_judge",
)
FIRST, SECOND = "first", "second"
SHARED = ("concept", "vec_type", "layer")
COLUMNS = {
    "question": (*SHARED, "coeff", "type", "response"),
    "pair": (*SHARED, "coeff_first", "coeff_second", "logit_first", "logit_second", "expected_stronger"),
    "cell": (*SHARED, "coeff", "num_sentences", "correct_predictions", "total_predictions", "chance_level"),
}
"""Columns by which a file is known."""
READ = "read"
"""How an answer ended of which logits alone are known."""
Row = Mapping[str, object]
RowParser = Callable[..., row_builders.ImportedRow]


def read_files(
    paths: Sequence[Path], options: ImportOptions, report: ImportReport
) -> Iterator[row_builders.ImportedRow]:
    """Rows of all files.

    Parameters
    ----------
    paths : sequence of Path
        CSV files.
    options : ImportOptions
        `subject` and `parameters` name another model than the published one, `judge` the judge.
    report : ImportReport
        Receives the rows that cannot be imported.

    Raises
    ------
    InputError
        If a file has the columns of none of the kinds.
    """
    if options.subject is None:
        report.add_note(f"the files name no model: it is taken to be {SUBJECT}, as published (--subject names another)")
    subject = row_builders.subject_named(options.subject or SUBJECT, options.parameters)
    for path in paths:
        rows, parse = _known_rows(path, report)
        yield from parse_rows(rows, partial(parse, subject=subject, options=options), report)


def _known_rows(path: Path, report: ImportReport) -> tuple[Rows, RowParser]:
    """The file's rows, and the parser of their kind."""
    rows = csv_rows(path, report)
    first = next(rows, None)
    columns = set() if first is None else set(first[1])
    kind = next((kind for kind, needed in COLUMNS.items() if columns.issuperset(needed)), None)
    if first is None or kind is None:
        raise InputError(f"{path}: has the columns of none of {NAME}'s files: it has {', '.join(sorted(columns))}")
    whole = _with_first(first, rows)
    if kind == "question":
        return _known_questions(whole, report), _parse_question
    return whole, {"pair": _parse_pair, "cell": _parse_cell}[kind]


def _with_first(first: tuple[SourceLocation, dict[str, object]], rows: Rows) -> Rows:
    yield first
    yield from rows


def _known_questions(rows: Rows, report: ImportReport) -> Rows:
    """Rows of the questions that are tasks of the battery; others are left out and counted."""
    for place, row in rows:
        if row["type"] in QUESTIONS:
            yield place, row
        else:
            report.add_exclusion(place, f"type {quote_value(row['type'])} is none of {', '.join(QUESTIONS)}")


def _parse_question(
    place: SourceLocation, row: Row, subject: Subject, options: ImportOptions
) -> row_builders.ImportedRow:
    concept, vector, layer = _axes(row)
    strength, readings = _strength(row, "coeff"), _yes_no_reading(row)
    question = str(row["type"])
    task = QUESTIONS[question]
    measure = REPORT if task == NOTICE and readings is None else task
    arm = Arm.INJECTION if strength else Arm.CONTROL
    later = parse_bool(row, "assistant_tokens_only")
    expected = {"name": measure, "options": {"yes": [], "no": []}, "expected": "yes" if task == NOTICE else "no"}
    about = {} if measure == REPORT else {"measure": expected}
    said = row_builders.imported_protocol(NAME, f"{question}: vector {vector}", vector=vector, **about)
    trial = row_builders.imported_trial(
        NAME,
        [question, concept, vector, layer, strength, later],
        subject=subject,
        protocol=said,
        arm=arm,
        answer=parse_text(row, "response"),
        concept=concept,
        layer=layer,
        strength=strength,
        span=Span.GENERATION if later else Span.ALL,
        measure=measure,
        readings=readings,
    )
    verdicts = _parse_verdicts(row, arm, concept, options) if measure == REPORT else ()
    return row_builders.ImportedRow(place, trial.id, trial, subject, said, verdicts)


def _axes(row: Row) -> tuple[str, str, int]:
    """Concept, kind of vector and layer."""
    concept, layer = parse_word(row, "concept"), layer_of(row, "layer")
    if concept is None or layer is None:
        raise RowError(f"'{'layer' if concept else 'concept'}' is empty: name what was injected, and where")
    return concept, limit_text(str(required_value(row, "vec_type")), "vec_type", 20), layer


def _strength(row: Row, name: str) -> float:
    value = parse_number(row, name)
    if value is None or value < 0:
        raise RowError(f"'{name}' is {quote_value(row.get(name))}: write a number of 0 or more")
    return value


def _yes_no_reading(row: Row) -> Readings | None:
    if is_empty(row.get("logit_yes")) and is_empty(row.get("logit_no")):
        return None
    return _reading(row, {"yes": "logit_yes", "no": "logit_no"})


def _reading(row: Row, columns: Mapping[str, str]) -> Readings:
    """A reading of which two logits are known, checked against the difference that the file gives."""
    logits = {}
    for option, name in columns.items():
        value = parse_number(row, name)
        if value is None:
            raise RowError(f"'{name}' is empty and the other logit is not: give both")
        logits[option] = value
    one, other = logits.values()
    told = parse_number(row, "logit_diff")
    if told is not None and abs(one - other - told) > 1e-3:
        raise RowError(f"'logit_diff' is {told:g} and its logits differ by {one - other:g}: correct the row")
    return {ANSWER: OptionReading.from_logits(logits)}


def _parse_verdicts(
    row: Row, arm: Arm, target: str, options: ImportOptions
) -> tuple[row_builders.ImportedVerdict, ...]:
    kept = {name: row[name] for name in SAID if name in row}
    if all(is_empty(value) for value in kept.values()):
        return ()
    facts: Facts | None = None
    reason = ""
    try:
        claims, right, coherent = (parse_bool(row, name) for name in (CLAIM, IDENTIFIED, "coherence_judge"))
        facts = row_builders.facts_of_claim(claims, right, target, arm=arm, coherent=coherent, refused=None)
    except RowError as error:
        reason = str(error)
    raw = json.dumps(kept, ensure_ascii=False, sort_keys=True)
    return (row_builders.ImportedVerdict(_judge_version(options.judge or JUDGE), facts, raw, reason=reason),)


@lru_cache(maxsize=1024)
def _judge_version(name: str) -> JudgeVersion:
    return row_builders.judge_version(NAME, name)


def _parse_pair(place: SourceLocation, row: Row, subject: Subject, options: ImportOptions) -> row_builders.ImportedRow:
    """Which of two sentences was steered more: the stronger one is the span, the other is steered by a share of it."""
    concept, vector, layer = _axes(row)
    doses = {FIRST: _strength(row, "coeff_first"), SECOND: _strength(row, "coeff_second")}
    if doses[FIRST] == doses[SECOND]:
        raise RowError("both sentences are steered alike: there is no right answer; leave the row out")
    stronger, weaker = sorted(doses, key=lambda name: -doses[name])
    readings = _reading(row, {FIRST: "logit_first", SECOND: "logit_second"})
    _check_answer(row, readings[ANSWER], stronger)
    share = doses[weaker] / doses[stronger]
    about = {
        "measure": {"name": STRONGER, "options": {FIRST: [], SECOND: []}, "expected": "{span}"},
        "also": [{"span": weaker, "share": share}] if share else [],
    }
    # the item stands after a colon, as in the names of the battery's protocols
    asked = f"{STRONGER}: strength {doses[stronger]:g} and {doses[weaker]:g}, vector {vector}"
    said = row_builders.imported_protocol(NAME, asked, vector=vector, **about)
    trial = row_builders.imported_trial(
        NAME,
        [STRONGER, concept, vector, layer, doses[FIRST], doses[SECOND]],
        subject=subject,
        protocol=said,
        arm=Arm.INJECTION,
        answer="",
        concept=concept,
        layer=layer,
        strength=doses[stronger],
        span=Span(stronger),
        finish=READ,
        measure=STRONGER,
        readings=readings,
    )
    return row_builders.ImportedRow(place, trial.id, trial, subject, said)


def _check_answer(row: Row, reading: OptionReading, stronger: str) -> None:
    """Refuse a row whose own result contradicts its strengths and logits."""
    told = str(required_value(row, "expected_stronger")).strip().lower()
    if told != stronger:
        raise RowError(f"'expected_stronger' is {quote_value(told)} and the {stronger} is stronger: correct the row")
    right, odds = parse_bool(row, "is_correct"), reading.log_odds(FIRST, SECOND)
    if right is not None and odds and right != ((FIRST if odds > 0 else SECOND) == stronger):
        raise RowError(f"'is_correct' is {right}, and the logits say otherwise: correct the row")


def _parse_cell(place: SourceLocation, row: Row, subject: Subject, options: ImportOptions) -> row_builders.ImportedRow:
    """How often the steered one of several sentences was found, in one cell."""
    concept, vector, layer = _axes(row)
    strength = _strength(row, "coeff")
    if not strength:
        raise RowError("'coeff' is 0: nothing was steered, so that no sentence is the right one; leave the row out")
    sentences, right, whole = (
        _whole(row, name) for name in ("num_sentences", "correct_predictions", "total_predictions")
    )
    chance, rate = parse_number(row, "chance_level"), parse_number(row, "accuracy")
    if right > whole or sentences < 2 or not whole:
        raise RowError(f"{right} of {whole} predictions among {sentences} sentences are no counts: correct the row")
    if rate is not None and abs(rate - right / whole) > 1e-3:
        raise RowError(f"'accuracy' is {rate:g}, and {right} of {whole} are right: correct the row")
    if chance is not None and abs(chance - 1 / sentences) > 1e-3:
        raise RowError(f"'chance_level' is {chance:g} with {sentences} sentences: correct the row")
    counted = CountRow(
        NAME,
        subject.name,
        Arm.INJECTION,
        whole,
        None,
        right,
        concept=concept,
        layer=layer,
        strength=strength,
        protocol=f"{sentences} sentences, vector {vector}",
        measure=LOCATE,
        chance=1 / sentences,
    )
    return row_builders.ImportedRow(place, "", None, subject, None, counted=counted)


def _whole(row: Row, name: str) -> int:
    value = parse_integer(row, name)
    if value is None or not 0 <= value < 2**31:
        raise RowError(f"'{name}' is {quote_value(row.get(name))}: write a whole number of 0 or more")
    return value
