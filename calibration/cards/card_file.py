"""Cards as files: hash, writing, and reading with every check; a card that is not as it was made is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue, ValidationError

from gnomon.calibration.cards.calibration_card import CARD_SCHEMA, CalibrationCard
from gnomon.data.errors import InputError
from gnomon.data.files import write_atomically
from gnomon.data.foreign_documents.json_documents import read_json_file
from gnomon.data.records import canonical_hash

ANEW = "make it anew with 'gnomon calibrate DIR --card FILE'"


def card_hash(content: Mapping[str, JsonValue]) -> str:
    """SHA-256 of the canonical JSON of a card without its key `hash`."""
    return canonical_hash({name: value for name, value in content.items() if name != "hash"}, 64)


def with_hash(card: CalibrationCard) -> CalibrationCard:
    """The card with the hash of its content."""
    return card.model_copy(update={"hash": card_hash(card.model_dump(mode="json"))})


def card_text(card: CalibrationCard) -> str:
    """The card as the JSON of its file."""
    return json.dumps(card.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


def write_card(card: CalibrationCard, path: Path) -> None:
    """Write a card.

    Parameters
    ----------
    card : CalibrationCard
        The card.
    path : Path
        The .json file to write.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    try:
        write_atomically(path, card_text(card).encode())
    except OSError as error:
        raise InputError(f"card '{path}': cannot be written ({error.strerror}): name another place") from error


def read_card(path: Path) -> CalibrationCard:
    """Read a card and check that it is as it was made.

    Raises
    ------
    InputError
        If there is no such file, it is no card, it has another schema, or its hash is not that of its content.
    """
    try:
        content = read_json_file(path)
    except FileNotFoundError:
        raise InputError(f"card '{path}': there is no such file: {ANEW}") from None
    if not isinstance(content, dict) or "schema" not in content or "hash" not in content:
        raise InputError(f"card '{path}': is no calibration card: {ANEW}")
    if content["schema"] != CARD_SCHEMA:
        raise InputError(
            f"card '{path}': has schema {str(content['schema'])[:20]}, this Gnomon reads schema {CARD_SCHEMA}: {ANEW}"
        )
    if content["hash"] != card_hash(content):
        raise InputError(f"card '{path}': was changed after it was made, its hash is not that of its content: {ANEW}")
    try:
        return CalibrationCard.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(f"card '{path}': '{place}': {first['msg']}: {ANEW}") from None
