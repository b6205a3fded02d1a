"""Writes the study file of a new study from Python values, and refuses what no study file may say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import tomlkit
from pydantic import ValidationError

from gnomon.api.study import Study, open_study
from gnomon.chain.progress import SILENT, ProgressListener
from gnomon.data.errors import InputError, StudyFileError
from gnomon.data.files import write_atomically
from gnomon.data.foreign_documents.bounds import DocumentError
from gnomon.data.foreign_documents.toml_documents import decode_toml
from gnomon.data.foreign_documents.validation_words import first_problem
from gnomon.study_file import FILE, StudyFile

Table = Mapping[str, object]
LOCAL_JUDGES = ("lexicon", "learned")


def create_study(
    path: str | Path,
    *,
    concepts: Sequence[str],
    layers: Sequence[int],
    strengths: Sequence[float],
    subjects: Sequence[str | Table] = ("embedded",),
    judges: Sequence[str | Table] = LOCAL_JUDGES,
    name: str | None = None,
    seed: int = 1,
    design: Table | None = None,
    labels: Table | None = None,
    fit: Table | None = None,
    listener: ProgressListener = SILENT,
) -> Study:
    """Make a study in a new folder, or one without a study file, and open it.

    Parameters
    ----------
    path : str or Path
        The folder; made if it does not exist.
    concepts : sequence of str
        Concepts to inject; also the closed list that judges and raters choose from.
    layers : sequence of int
        Blocks, counted from 0.
    strengths : sequence of float
        Multiples of the concept vector.
    subjects : sequence of str or mapping
        Language models: `embedded`, hub names, folders or GGUF files, or tables as in `[[subjects]]`.
    judges : sequence of str or mapping
        Kinds of judges that need no settings (`lexicon`, `learned`), or tables as in `[[judges]]`.
    name : str, optional
        By default that of the folder.
    seed : int
        Part of every trial's identity.
    design, labels, fit : mapping, optional
        Further keys of `[design]` (`arms`, `protocols`, `spans`, `replicates`, `exclude`, `vectors`), `[labels]` and
        `[fit]`, as in docs/study-file.md.
    listener : ProgressListener
        Hears what the study's steps do.

    Returns
    -------
    Study

    Raises
    ------
    InputError
        If the folder has a study file already.
    StudyFileError
        If a value may not stand in a study file; the message names the key, and nothing is written.
    """
    folder = Path(path)
    file = folder / FILE
    if file.exists():
        raise InputError(f"{file}: is there already: open it with gn.open_study, or name another folder")
    content = {
        "name": name or folder.resolve().name,
        "seed": seed,
        "subjects": [_subject_table(one) for one in subjects],
        "design": {"concepts": concepts, "layers": layers, "strengths": strengths, **(design or {})},
        "judges": [_judge_table(one) for one in judges],
        "labels": labels or {},
        "fit": fit or {},
    }
    text = _checked_text(file, content)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(file, text.encode())
    return open_study(folder, listener=listener)


def _subject_table(subject: str | Table) -> Table:
    if not isinstance(subject, str):
        return subject
    return {"name": Path(subject).name or subject, "model": subject}


def _judge_table(judge: str | Table) -> Table:
    return {"name": judge, "kind": judge} if isinstance(judge, str) else judge


def _checked_text(file: Path, content: Table) -> str:
    """The study file's text, once it is known to be valid and to say what was meant."""
    try:
        text = tomlkit.dumps(content)
        held = decode_toml(text, file, finite=False)
    except (TypeError, RecursionError, DocumentError) as error:
        raise StudyFileError(f"{file}: {error}: give texts, numbers, lists and tables") from error
    try:
        StudyFile.model_validate(held)
    except ValidationError as error:
        told = first_problem(error, document=held)
        raise StudyFileError(f"{file}: not written: {told}: see docs/study-file.md for keys and values") from error
    return text
