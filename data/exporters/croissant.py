"""The gnomon export with a description of its files and columns as Croissant metadata (MLCommons, JSON-LD)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from sqlalchemy import Boolean, Column, Float, Integer, Table

from gnomon.data.exporters.gnomon_export import export_store
from gnomon.data.exporters.registry import ExportReport
from gnomon.data.records import utc_timestamp
from gnomon.data.storage.columns.column_values import plain_type
from gnomon.data.storage.row_keys import KEYS, ORDER, columns_of
from gnomon.data.storage.store import Store, code_version
from gnomon.data.study_settings import load_settings

METADATA = "croissant.json"
VERSION = "http://mlcommons.org/croissant/1.0"
PARQUET, JSON_LINES = "application/x-parquet", "application/jsonlines"
KINDS: tuple[tuple[type, str], ...] = ((Boolean, "sc:Boolean"), (Float, "sc:Float"), (Integer, "sc:Integer"))
TERMS = (
    "citeAs column equivalentProperty extract field fileObject fileProperty fileSet format includes "
    "isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated replace samplingRate "
    "separator source subField transform"
)
Document = dict[str, object]


def export_croissant(store: Store, folder: Path) -> ExportReport:
    """Write a study as `export_store` does, with `croissant.json` beside it.

    Parameters
    ----------
    store : Store
        Store of the study.
    folder : Path
        Folder to create; it appears only when complete.

    Raises
    ------
    InputError
        If the folder exists and is not empty, or is a file.
    """
    name = load_settings(store).name or "study"
    return export_store(store, folder, describe=partial(_write_metadata, name))


def _write_metadata(name: str, folder: Path, rows: Mapping[str, int], files: Mapping[str, str]) -> None:
    text = json.dumps(croissant_document(name, rows, files), indent=1, ensure_ascii=False)
    (folder / METADATA).write_text(text + "\n", encoding="utf-8")


def croissant_document(name: str, rows: Mapping[str, int], files: Mapping[str, str]) -> Document:
    """The metadata of an export folder.

    Parameters
    ----------
    name : str
        Name of the study.
    rows : mapping of str to int
        Rows by table.
    files : mapping of str to str
        SHA-256 by file.
    """
    shown = [table for table in ORDER if rows.get(table.name)]
    counted = ", ".join(f"{rows[table.name]} {table.name}" for table in shown)
    return {
        "@context": _context(),
        "@type": "sc:Dataset",
        "conformsTo": VERSION,
        "name": name,
        "description": f"Answers of language models, verdicts of judges and labels of raters, by Gnomon: {counted}.",
        "version": "1.0.0",
        "datePublished": utc_timestamp(),
        "creator": {"@type": "sc:Organization", "name": f"Gnomon {code_version()}"},
        "distribution": [_file_object(file, digest) for file, digest in files.items()],
        "recordSet": [_record_set(table) for table in shown],
    }


def _context() -> Document:
    terms: Document = {term: f"cr:{term}" for term in TERMS.split()}
    return {
        "@language": "en",
        "@vocab": "https://schema.org/",
        **terms,
        "conformsTo": "dct:conformsTo",
        "cr": "http://mlcommons.org/croissant/",
        "data": {"@id": "cr:data", "@type": "@json"},
        "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "dct": "http://purl.org/dc/terms/",
        "examples": {"@id": "cr:examples", "@type": "@json"},
        "rai": "http://mlcommons.org/croissant/RAI/",
        "sc": "https://schema.org/",
    }


def _file_object(file: str, digest: str) -> Document:
    return {
        "@type": "cr:FileObject",
        "@id": file,
        "name": file,
        "contentUrl": file,
        "encodingFormat": PARQUET if file.endswith(".parquet") else JSON_LINES,
        "sha256": digest,
    }


def _record_set(table: Table) -> Document:
    names = columns_of(table)
    key = [{"@id": f"{table.name}/{column}"} for column in KEYS[table.name] if column in names]
    return {
        "@type": "cr:RecordSet",
        "@id": table.name,
        "name": table.name,
        "key": key[0] if len(key) == 1 else key,
        "field": [_field(table.name, table.c[name]) for name in names],
    }


def _field(table: str, column: Column[object]) -> Document:
    """A column of the Parquet file; columns of JSON are JSON text there."""
    return {
        "@type": "cr:Field",
        "@id": f"{table}/{column.name}",
        "name": column.name,
        "dataType": next((kind for type_, kind in KINDS if isinstance(plain_type(column), type_)), "sc:Text"),
        "source": {"fileObject": {"@id": f"{table}.parquet"}, "extract": {"column": column.name}},
    }
