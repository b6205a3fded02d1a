"""A first look at all logs together: what each scorer gave, which samples were run again, which models there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from gnomon.data.importers.field_parsers import ImportReport, RowError, is_empty, parse_bool
from gnomon.data.importers.formats.inspect_log.log_files import LogHeader, find_logs, read_log
from gnomon.data.importers.formats.inspect_log.own_exports import own_part
from gnomon.data.importers.formats.inspect_log.score_history import trace_history
from gnomon.data.importers.formats.inspect_log.score_readings import ValueRange

UNNAMED = "scorer"
"""Name of the scorer of a log's first version, which has one score without a name."""
NO_MODELS = ("", "none", "none/none")

SampleKey = tuple[str, str, object, object]


@dataclass(slots=True)
class LogSurvey:
    """What all logs of an import say together.

    Attributes
    ----------
    ranges : dict of str to ValueRange
        All values by scorer, a person's edits included.
    edited : set of str
        Scorers whose value a person set.
    models : set of str
        Models of the logs.
    samples : dict of str to int
        Number of samples by log.
    scorers : dict of str to set
        Scorers that gave scores, by log.
    retried : dict
        By sample of a run that was tried again, the log whose sample counts.
    invalidated : set
        Samples that any copy of their run's log has as invalidated.
    others : list of Path
        JSON files in folders of logs that are no logs.
    problem : str
        The first sample that cannot be read, and why; "" if all can.
    has_concepts, has_injections : bool
        Whether any sample's metadata name a concept, and whether any say `injected`.
    """

    ranges: dict[str, ValueRange] = field(default_factory=dict)
    edited: set[str] = field(default_factory=set)
    models: set[str] = field(default_factory=set)
    samples: dict[Path, int] = field(default_factory=dict)
    scorers: dict[Path, set[str]] = field(default_factory=dict)
    retried: dict[SampleKey, Path] = field(default_factory=dict)
    invalidated: set[tuple[object, ...]] = field(default_factory=set)
    others: list[Path] = field(default_factory=list)
    problem: str = ""
    has_concepts: bool = False
    has_injections: bool = False

    @property
    def means_other_injections(self) -> bool:
        """Whether `injected` is another task's word, as in prompt injection: it is said, and no concept is named."""
        return self.has_injections and not self.has_concepts

    def is_superseded(self, path: Path, header: LogHeader, sample: Mapping[str, object]) -> bool:
        """Whether the log of a retry holds this sample, and counts.

        Parameters
        ----------
        path : Path
            Log that contains the sample.
        header : LogHeader
            Its header.
        sample : mapping of str to object
            The sample.
        """
        return self.retried.get(sample_key(header, sample), path) != path

    def is_invalidated(self, header: LogHeader, sample: Mapping[str, object]) -> bool:
        """Whether a sample was invalidated, in this copy of its run's log or in another.

        Parameters
        ----------
        header : LogHeader
            Header of the sample's log.
        sample : mapping of str to object
            The sample.
        """
        return _run_key(header, sample) in self.invalidated


def _run_key(header: LogHeader, sample: Mapping[str, object]) -> tuple[object, ...]:
    return (header.run, str(sample.get("uuid")), *sample_key(header, sample))


def sample_key(header: LogHeader, sample: Mapping[str, object]) -> SampleKey:
    """What a sample has in common with itself in the logs of its retries.

    Parameters
    ----------
    header : LogHeader
        Header of the sample's log.
    sample : mapping of str to object
        The sample.
    """
    number, epoch = sample.get("id"), sample.get("epoch")
    plain = number if isinstance(number, int | str) else str(number)
    return header.task_id, header.model, plain, epoch if isinstance(epoch, int) else 1


def iter_scores(sample: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, object]]]:
    """The scores of a sample by scorer; a log of the first version has one without a name."""
    scores = sample.get("scores")
    if not isinstance(scores, Mapping):
        scores = {UNNAMED: sample.get("score")}
    for scorer, score in scores.items():
        if isinstance(score, Mapping) and "value" in score:
            yield str(scorer), score


def injection_flag(about: Mapping[str, object]) -> bool | None:
    """Whether a sample's metadata say that something was injected; None if they do not say it."""
    for name in ("injected", "was_injected"):
        if name in about:
            try:
                return parse_bool(about, name)
            except RowError:
                return None
    return None


def survey_logs(paths: Sequence[Path]) -> LogSurvey:
    """Read all logs once, without keeping their samples.

    Raises
    ------
    InputError
        If a file is not an Inspect log, or a folder contains none.
    """
    logs, others = find_logs(list(paths))
    survey = _survey_files(tuple(map(_file_stamp, logs)))
    survey.others = others
    return survey


def _file_stamp(path: Path) -> tuple[Path, int, int]:
    state = path.stat() if path.is_file() else None
    return (path, 0, 0) if state is None else (path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=1)
def _survey_files(stamps: tuple[tuple[Path, int, int], ...]) -> LogSurvey:
    """The survey of files in one state: an import reads them twice, and surveys them once."""
    survey, report = LogSurvey(), ImportReport()
    tries = _BestTries([read_log(path, ImportReport())[0] for path, *_ in stamps] if len(stamps) > 1 else [])
    for path, *_ in stamps:
        header, samples = read_log(path, report)
        if header.model.lower() not in NO_MODELS:
            survey.models.add(header.model)
        survey.samples[path] = 0
        for _, sample in samples:
            survey.samples[path] += 1
            told = sample.get("metadata")
            about = told if isinstance(told, Mapping) else {}
            survey.has_concepts |= not is_empty(about.get("concept"))
            survey.has_injections |= injection_flag(about) is True
            survey.scorers.setdefault(path, set()).update(_survey_scores(survey, sample))
            tries.add_try(path, header, sample)
            if not is_empty(sample.get("invalidation")):
                survey.invalidated.add(_run_key(header, sample))
    survey.problem = str(report.problems[0]) if report.problems else ""
    survey.retried = {key: path for key, (_, path) in tries.best.items()}
    return survey


def _survey_scores(survey: LogSurvey, sample: Mapping[str, object]) -> Iterator[str]:
    """Extend the survey by the scores of a sample; yields the scorers that gave it one themselves."""
    for scorer, score in iter_scores(sample):
        range_ = survey.ranges.setdefault(scorer, ValueRange())
        original, edits = trace_history(score)
        for state in (original, *(edit.state for edit in edits if not own_part(edit.about))):
            if state is not None and not reports_facts(state):
                range_.add_value(state["value"])
        if any(edit.sets_value and not own_part(edit.about) for edit in edits):
            survey.edited.add(scorer)
        if original is not None and not sample.get("error"):
            yield scorer


def reports_facts(state: Mapping[str, object]) -> bool:
    """Whether a score's value or metadata report facts by name, so that its value needs no reading."""
    told = (state["value"], state["metadata"])
    return bool(own_part(state["metadata"])) or any(
        isinstance(part, Mapping) and not is_empty(part.get("claims")) for part in told
    )


class _BestTries:
    """For each sample of a task that was run several times, one run failing, the log whose try counts."""

    def __init__(self, headers: Sequence[LogHeader]) -> None:
        runs: dict[tuple[str, str], set[tuple[str, ...]]] = {}
        for header in headers:
            runs.setdefault((header.task_id, header.model), set()).add(header.run)
        failed = {(header.task_id, header.model) for header in headers if not header.is_complete}
        self.retried = {task for task in failed if task[0] and len(runs[task]) > 1}
        self.best: dict[SampleKey, tuple[tuple[bool, bool, str], Path]] = {}

    def add_try(self, path: Path, header: LogHeader, sample: Mapping[str, object]) -> None:
        if (header.task_id, header.model) not in self.retried:
            return
        key = sample_key(header, sample)
        rank = (not sample.get("error"), is_empty(sample.get("invalidation")), header.created)
        if key not in self.best or self.best[key][0] <= rank:
            self.best[key] = rank, path
