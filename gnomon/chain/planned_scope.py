"""The conditions that a study file plans, as they stand in trials: names of protocols become hashes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from gnomon.data.arms import ARMS
from gnomon.data.arms.measures import MEASURES
from gnomon.data.errors import UserError
from gnomon.data.storage.design_scope import DesignScope
from gnomon.study_file import DesignSpec, ExclusionSpec, StudyFile


def planned_scope(file: StudyFile, folder: Path) -> dict[str, JsonValue]:
    """What figures are restricted to, as a setting; empty for a study without a design of its own.

    Parameters
    ----------
    file : StudyFile
        The study file.
    folder : Path
        The study's folder, where protocols in files lie.
    """
    if file.design is None or file.imported or file.counts:
        return {}
    from gnomon.generation.vectors.vector_spec import METHODS, SCALES

    design = file.design
    hashes = _protocol_hashes(file, design, folder)
    scope = DesignScope(
        seed=file.seed,
        arms=tuple(map(str, design.arms)),
        concepts=tuple(design.concepts),
        layers=tuple(design.layers),
        strengths=tuple(design.strengths),
        spans=tuple(map(str, design.spans)),
        protocols=None if hashes is None else tuple(dict.fromkeys(one for every in hashes.values() for one in every)),
        method=METHODS[design.vectors.method],
        normalisation=SCALES[design.vectors.scale],
        exclude=tuple(_excluded_values(rule, hashes or {}) for rule in design.exclude),
    )
    return scope.model_dump(mode="json")


def _protocol_hashes(file: StudyFile, design: DesignSpec, folder: Path) -> dict[str, tuple[str, ...]] | None:
    """Hashes by name of the protocol, those of every question among them; None if a protocol cannot be read."""
    from gnomon.generation.prompts.protocol import load_protocol
    from gnomon.generation.prompts.question_protocols import condition_protocols

    measures = list(dict.fromkeys(MEASURES.find(ARMS[arm].measure) for arm in design.arms))
    hashes, listed = {}, tuple(file.concept_names())
    for name in design.protocols:
        try:
            protocol = load_protocol(str(folder / name) if name.endswith(".toml") else name)
        except UserError:
            return None
        asked = (condition_protocols(protocol, measure, design.concepts, listed) for measure in measures)
        hashes[name] = (protocol.protocol_hash, *(one for every in asked for one in every))
    return hashes


def _excluded_values(
    rule: ExclusionSpec, hashes: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str | int | float, ...]]:
    given = rule.model_dump(exclude_none=True, mode="json")
    return {axis: hashes.get(value, (value,)) if axis == "protocol" else (value,) for axis, value in given.items()}
