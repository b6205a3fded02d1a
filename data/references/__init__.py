"""References of methods as BibTeX, declared once in `references.bib`; knows nothing of reports."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gnomon.data.errors import UnknownNameError

SOURCE = Path(__file__).with_name("references.bib")
GNOMON = "gnomon"
"""Key of Gnomon's own entry, whose version is filled in."""
_VERSION = "{VERSION}"
_ENTRY = re.compile(r"^@\w+\{(?P<key>[\w-]+),\n.*?^\}$", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^  (?P<name>\w+) = \{(?P<value>.*)\},$", re.MULTILINE)
_ACCENTS = {r"{\H{o}}": "ő", r"{\"u}": "ü"}


@dataclass(frozen=True, slots=True)
class Reference:
    """One entry.

    Attributes
    ----------
    key : str
        What it is cited by.
    fields : mapping of str to str
        As written: author, title, year and others.
    text : str
        The entry as BibTeX.
    """

    key: str
    fields: Mapping[str, str]
    text: str

    @property
    def short(self) -> str:
        """The authors' family names with the year, as in a sentence: "Dawid and Skene (1979)"."""
        names = [_plain(name.split(",")[0]) for name in self.fields.get("author", "").split(" and ")]
        shown = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
        return f"{shown} ({self.fields.get('year', '')})"


@cache
def load_references() -> Mapping[str, Reference]:
    """Every reference by its key, in the order of the file."""
    found = _ENTRY.finditer(SOURCE.read_text(encoding="utf-8"))
    return {
        each["key"]: Reference(
            each["key"], {field["name"]: field["value"] for field in _FIELD.finditer(each[0])}, each[0]
        )
        for each in found
    }


def find_reference(key: str) -> Reference:
    """The reference with a key.

    Raises
    ------
    UnknownNameError
        If the file has none.
    """
    if key not in load_references():
        raise UnknownNameError(f"reference '{key}' is not in {SOURCE.name}: add it there")
    return load_references()[key]


def bibtex(keys: Iterable[str], version: str) -> str:
    """Gnomon's own entry and those of some keys as BibTeX, each once, in the order of the file.

    Parameters
    ----------
    keys : iterable of str
    version : str
        Version of Gnomon.

    Raises
    ------
    UnknownNameError
        If a key is not known.
    """
    wanted = {GNOMON, *(find_reference(key).key for key in keys)}
    texts = [each.text for key, each in load_references().items() if key in wanted]
    return "\n\n".join(texts).replace(_VERSION, "{" + version + "}") + "\n"


def _plain(text: str) -> str:
    for written, letter in _ACCENTS.items():
        text = text.replace(written, letter)
    return text.replace("{", "").replace("}", "")
