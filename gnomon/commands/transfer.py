"""Implements `gnomon import` and `gnomon export`."""

from __future__ import annotations

import json as json_
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from gnomon.calibration.audit.label_notes import label_notes
from gnomon.chain.session import OpenStudy, label_policy, opened, sync_settings, write_study_file
from gnomon.console import print_json, print_status
from gnomon.data import importers
from gnomon.data.errors import InputError
from gnomon.data.foreign_documents.display_text import escape_controls
from gnomon.data.importers import ImportCounts, ImportOptions, ImportReport, ParsedFiles
from gnomon.data.importers.tabular.map_suggestion import suggest_map
from gnomon.data.records import LabelPolicy
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store
from gnomon.data.storage.stored_settings import COUNTS
from gnomon.render.documents import ExportDocument, ImportDocument, ImportProblem, LeftOutRows, UnusableVerdicts
from gnomon.study_file import FILE

SHOWN = 20
REASONS = 4


def import_files(
    format_: str, paths: Sequence[Path], folder: Path, options: ImportOptions, json: bool
) -> ImportDocument:
    """Read files of one format and store their valid rows; a folder without a study file gets one.

    Parameters
    ----------
    format_ : str
        Name of the format.
    paths : sequence of Path
        The files, all of this format.
    folder : Path
        The study's folder.
    options : ImportOptions
        Names and sizes that the files do not contain, and the column map.
    json : bool
        Whether to print one JSON document.

    Raises
    ------
    InputError
        If no row is valid; nothing is stored or written then.
    """
    parsed = importers.parse_files(format_, paths, options)
    landed, notes = ImportCounts(), list[str]()
    made = False
    if not parsed.is_empty:
        made = _prepare_study(folder, parsed)
        with opened(folder) as study:
            _check_kind(study, parsed)
            if parsed.study_settings and _is_empty(study.store):
                study.store.save_settings(parsed.study_settings)
            landed = parsed.ingest_into(study.store)
            sync_settings(study.store, study.file, folder=study.folder)
            if landed.new.get("labels") or (landed.new.get("verdicts") and study.store.count_rows(tables.labels)):
                notes = label_notes(study.store, study.file.labels.view)
    document = _import_document(parsed, folder, paths, landed, made)
    document = document.model_copy(update={"label_notes": tuple(notes)})
    _print_import(parsed, document)
    if json:
        print_json(document)
    if not landed.accepted:
        raise InputError(f"{_file_names(paths)}: no row fits the format '{format_}': nothing was stored")
    return document


def read_guideline_file(path: Path) -> LabelPolicy:
    """The guideline in a text file, known by the file's name."""
    return label_policy(path, path.name)


def suggest_columns(paths: Sequence[Path], options: ImportOptions) -> None:
    """Print the column map that tables suggest by their columns and values.

    Parameters
    ----------
    paths : sequence of Path
        The tables.
    options : ImportOptions
        How the tables are written, if they do not show it, and from which number on grades pass.

    Raises
    ------
    InputError
        If a file cannot be read.
    """
    options.layout.check_names()
    found = suggest_map(paths, options.layout, options.threshold)
    print(escape_controls(found.text, pairs=False), end="")
    if found.doubts:
        print_status(f"not sure of {len(found.doubts)} things: see the comments")


def _check_kind(study: OpenStudy, parsed: ParsedFiles) -> None:
    """Refuse counts for a study of trials, and trials for one of counts: its fit would not read them."""
    holds, brings = study.file.counts is not None, parsed.study_settings.get("kind") == COUNTS
    if holds != brings:
        what, other = ("counts", "trials") if holds else ("trials", "counts")
        raise InputError(f"{study.folder}: is a study of {what}: import {other} into a study of their own (--study)")


def _is_empty(store: Store) -> bool:
    """Whether the store holds no facts.

    The study file may be left from an import that was killed before storing any.
    """
    return not store.has_rows(tables.trials) and not store.has_rows(tables.counts)


def _file_names(paths: Sequence[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"


def _prepare_study(folder: Path, parsed: ParsedFiles) -> bool:
    """Write a study file if there is none; True if one was written."""
    told, importer = parsed.study_settings, importers.IMPORTERS.find(parsed.format)
    concepts = told.get("concepts") or []
    return write_study_file(
        folder,
        "counts.toml" if told.get("kind") == COUNTS else "imported.toml",
        name=_toml_text(str(told.get("name") or folder.resolve().name)),
        rule=told.get("rule") or importer.rule,
        why=importer.rule_comment,
        concepts=f"concepts = {json_.dumps(concepts)}" if concepts else '# concepts = ["ocean", "fear"]',
        view=told.get("label_view") or "current",
        admit=json_.dumps(told.get("admitted_raters") or [], ensure_ascii=False),
        truth=_toml_text(str(told.get("truth") or "voices")),
        mute="" if importer.suggests_judge else "# ",
    )


def _toml_text(name: str) -> str:
    """A name as it may appear between the quotes of the study file."""
    return json_.dumps(name[:100], ensure_ascii=False)[1:-1]


def _import_document(
    parsed: ParsedFiles, folder: Path, paths: Sequence[Path], landed: ImportCounts, made: bool
) -> ImportDocument:
    report = parsed.report
    return ImportDocument(
        format=parsed.format,
        study=str(folder),
        made_study_file=made,
        files=tuple(str(path) for path in paths),
        rows=report.rows,
        accepted=landed.accepted,
        repeated=landed.repeated,
        new=landed.new,
        already=landed.already,
        revisions=landed.revisions,
        left_out=_left_out(report),
        rejected=len({problem.place for problem in report.problems}),
        problems=tuple(ImportProblem(**asdict(problem.place), problem=problem.text) for problem in report.problems),
        without_size=tuple(parsed.seen.subjects_without_size),
        unusable=tuple(
            UnusableVerdicts(judge=judge, reason=reason, verdicts=count)
            for (judge, reason), count in sorted(landed.unusable.items())
        ),
        notes=tuple(report.notes),
        usable=dict(sorted(landed.usable.items())),
        empty=dict(sorted(report.empty_verdicts.items())),
    )


def _left_out(report: ImportReport) -> tuple[LeftOutRows, ...]:
    return tuple(
        LeftOutRows(file=file, reason=reason, rows=rows) for (file, reason), rows in sorted(report.left_out.items())
    )


def _print_import(parsed: ParsedFiles, document: ImportDocument) -> None:
    problems = parsed.report.problems
    for problem in problems[:SHOWN]:
        print_status(str(problem))
    if len(problems) > SHOWN:
        print_status(f"... and {len(problems) - SHOWN} more problems: --json lists all {len(problems)}")
    for left in document.left_out:
        print_status(f"{left.file}: {left.rows} rows left out: {left.reason}")
    for note in document.notes[:SHOWN]:
        print_status(note)
    if len(document.notes) > SHOWN:
        print_status(f"... and {len(document.notes) - SHOWN} more remarks: --json lists all {len(document.notes)}")
    if not document.accepted:
        return
    for line in _verdict_lines(document):
        print_status(line)
    if names := document.without_size:
        shown = ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
        print_status(
            f"number of parameters not known for {shown}: estimates by size need it: give it with --parameters"
        )
    if document.made_study_file:
        print_status(f"{Path(document.study) / FILE} written")
    print_status(_summary_line(document))
    for note in document.label_notes:
        print_status(note)


def _verdict_lines(document: ImportDocument) -> list[str]:
    """What is said of the judges some of whose verdicts are missing."""
    judges = dict.fromkeys((*(each.judge for each in document.unusable), *document.empty))
    return [_verdict_line(judge, document) for judge in judges]


def _verdict_line(judge: str, document: ImportDocument) -> str:
    kinds = sorted((each for each in document.unusable if each.judge == judge), key=lambda each: -each.verdicts)
    parts: list[str] = []
    if kinds:
        reasons = ", ".join(f"{each.verdicts}: {each.reason}" for each in kinds[:REASONS])
        more = f", and {len(kinds) - REASONS} more reasons" if len(kinds) > REASONS else ""
        parts.append(f"{sum(each.verdicts for each in kinds)} verdicts cannot be used ({reasons}{more})")
    if empty := document.empty.get(judge):
        parts.append(f"{empty} rows have none")
    parts.append(f"{document.usable.get(judge, 0)} new ones can be used")
    return f"judge '{judge}': {', '.join(parts)}"


def _summary_line(document: ImportDocument) -> str:
    new, rows = document.new, document.rows
    rejected = f", {document.rejected} rows with problems" if document.rejected else ""
    if not any(new.values()) and document.repeated == document.accepted:
        return f"nothing new: all {document.accepted} rows that fit are in the study already{rejected}"
    cells = new.get("counts")
    if cells and not new.get("trials"):
        return f"{rows} rows read: added {cells} cells of counts; {document.repeated} repeated{rejected}"
    revised = f" ({document.revisions} revisions)" if document.revisions else ""
    lost = sum(each.verdicts for each in document.unusable)
    unusable = f" ({lost} not usable)" if lost else ""
    added = f"{new['trials']} trials, {new['verdicts']} verdicts{unusable}, {new['labels']} labels{revised}"
    added += f", {cells} cells of counts" if cells else ""
    return f"{rows} rows read: added {added}; {document.repeated} repeated{rejected}"


def export_study(folder: Path, out: Path, format_: str, json: bool) -> ExportDocument:
    """Write a whole study into a new folder, and print what was written.

    Parameters
    ----------
    folder : Path
        The study's folder.
    out : Path
        The new folder.
    format_ : str
        Name of a registered format: `gnomon` (Parquet and JSON lines), `csv` (CSV as well), or a plug-in's.
    json : bool
        Whether to print one JSON document.
    """
    from gnomon.calibration.exporters import EXPORTERS

    exporter = EXPORTERS.find(format_)
    with opened(folder) as study:
        done = exporter.write(study.store, out)
    guarded = done.guarded if exporter.guards_cells else None
    document = ExportDocument(
        study=str(folder), folder=str(out), rows=done.rows, files=done.files, guarded_cells=guarded
    )
    if guarded:
        print_status(f"{guarded} CSV cells that begin like a formula got a leading apostrophe; the other files did not")
    counts = ", ".join(f"{count} {name}" for name, count in done.rows.items() if count)
    print_status(f"{out} written: {counts or 'an empty study'}")
    if json:
        print_json(document)
    return document
