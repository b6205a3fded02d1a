"""The conditions that a study file plans, as they stand in trials: names of protocols become hashes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from gnomon.chain.subject_axes import (
    excluded_conditions,
    has_subject_axes,
    stored_layer_counts,
    stored_limits,
    subject_axes,
)
from gnomon.data.arms import ARMS
from gnomon.data.arms.measures import MEASURES
from gnomon.data.errors import InputError, UserError
from gnomon.data.storage.design_scope import DesignScope
from gnomon.data.storage.store import Store
from gnomon.data.storage.stored_settings import SubjectAxes
from gnomon.study_file import DesignSpec, ExclusionSpec, StudyFile, resolve_study_path

if TYPE_CHECKING:
    from gnomon.generation.vectors.vector_spec import VectorMethod


def planned_scope(
    file: StudyFile, folder: Path, store: Store | None = None, layers: Mapping[str, int] | None = None
) -> dict[str, JsonValue]:
    """What figures are restricted to, as a setting; empty for a study without a design of its own.

    Parameters
    ----------
    file : StudyFile
        The study file.
    folder : Path
        The study's folder, where protocols in files lie.
    store : Store, optional
        The study's store, which knows the layers of models that it has trials of, and their limits of coherence.
    layers : mapping of str to int, optional
        Numbers of layers of models that are loaded.
    """
    if file.design is None or file.imported or file.counts:
        return {}
    from gnomon.generation.vectors.vector_spec import SCALES

    design = file.design
    hashes = _protocol_hashes(file, design, folder)
    axes, unresolved, counts = known_axes(file, store, layers)
    absolute = design.strength_unit != "limit"
    try:
        method = vector_method(file, design, folder)
    except UserError:
        method = None
    scope = DesignScope(
        seed=file.seed,
        arms=tuple(map(str, design.arms)),
        concepts=tuple(design.concepts),
        layers=tuple(design.layers),
        strengths=tuple(one.number for one in design.strengths) if absolute else (),
        spans=tuple(map(str, design.spans)),
        protocols=None if hashes is None else tuple(dict.fromkeys(one for every in hashes.values() for one in every)),
        method=None if method is None else method.label,
        normalisation=SCALES[design.vector_scale],
        exclude=tuple(
            _excluded_values(rule, hashes or {})
            for rule in (_rules_by_model(file, axes, counts) if has_subject_axes(file) else _common_rules(design))
        ),
        subjects=axes,
        unresolved=unresolved,
        match=design.vectors.match,
        sources=method.source.hashes if method and method.source else (),
    )
    return scope.to_setting()


def vector_method(file: StudyFile, design: DesignSpec, folder: Path, lender: str = "") -> VectorMethod:
    """How the vectors of a design are made.

    Parameters
    ----------
    file : StudyFile
        The study file, whose concepts a file of directions has, and the baseline may do without.
    design : DesignSpec
        Its design, or a part of it.
    folder : Path
        The study's folder, where a file of directions lies.
    lender : str
        Revision of the model whose vectors they are, if that is another than the one that is steered.

    Raises
    ------
    UserError
        A file of directions cannot be read.
    """
    from gnomon.generation.vectors.vector_files import read_vector_file
    from gnomon.generation.vectors.vector_spec import VectorMethod

    vectors, concepts = design.vectors, tuple(file.concept_names())
    source = None
    if vectors.file is not None:
        path = resolve_study_path(folder, vectors.file, "vectors")
        source = read_vector_file(path, concepts, vectors.rows, vectors.tensor)
    left_out = concepts if vectors.baseline == "without_concepts" else ()
    return VectorMethod(vectors.method, design.vector_scale, left_out, source, vectors.match, lender)


def known_axes(
    file: StudyFile, store: Store | None, layers: Mapping[str, int] | None = None
) -> tuple[dict[str, SubjectAxes], tuple[str, ...], dict[str, int]]:
    """Layers and strengths of models that may have others than the design's own lists.

    Parameters
    ----------
    file : StudyFile
        The study file.
    store : Store or None
        The study's store; None where it is not asked.
    layers : mapping of str to int, optional
        Numbers of layers of models that are loaded.

    Returns
    -------
    tuple of (dict of str to SubjectAxes, tuple of str, dict of str to int)
        By model its axes; models whose axes are not known yet; numbers of layers.
    """
    if file.design is None or not has_subject_axes(file):
        return {}, (), {}
    counts = {**({} if store is None else stored_layer_counts(store)), **(layers or {})}
    axes: dict[str, SubjectAxes] = {}
    unresolved = []
    for spec in file.subjects:
        limits = {} if store is None else stored_limits(store, file, spec.name)
        try:
            axes[spec.name] = subject_axes(file.design, spec, counts.get(spec.name), limits)
        except InputError:
            unresolved.append(spec.name)
    return axes, tuple(unresolved), counts


def _rules_by_model(
    file: StudyFile, axes: Mapping[str, SubjectAxes], counts: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Exclusions of each model whose layers and strengths are known, with these."""
    assert file.design is not None
    return [
        {**rule, "subject": spec.name}
        for spec in file.subjects
        if spec.name in axes
        for rule in excluded_conditions(file.design, spec, axes[spec.name], counts.get(spec.name))
    ]


def _common_rules(design: DesignSpec) -> list[dict[str, Any]]:
    """Exclusions as the file writes them, where all models have the design's own layers and strengths."""
    return [{key: value for key, value in _rule_values(rule).items() if value is not None} for rule in design.exclude]


def _rule_values(rule: ExclusionSpec) -> dict[str, Any]:
    """An exclusion's values by axis, strengths as numbers."""
    held = rule.model_dump(mode="json")
    return held if rule.strength is None else {**held, "strength": rule.strength.number}


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
    rule: Mapping[str, Any], hashes: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str | int | float, ...]]:
    return {axis: hashes.get(value, (value,)) if axis == "protocol" else (value,) for axis, value in rule.items()}


def planned_design(
    file: StudyFile, store: Store | None, layers: Mapping[str, int] | None = None
) -> dict[str, JsonValue]:
    """The design as the study's settings hold it, with what is known of models' own layers and strengths.

    Parameters
    ----------
    file : StudyFile
        The study file; it has a design.
    store : Store or None
        The study's store.
    layers : mapping of str to int, optional
        Numbers of layers of models that are loaded.
    """
    assert file.design is not None
    held: dict[str, JsonValue] = file.design.model_dump(mode="json")
    if not has_subject_axes(file):
        numbers: list[JsonValue] = [one.number for one in file.design.strengths]
        return {**held, "strengths": numbers, "exclude": [_rule_values(rule) for rule in file.design.exclude]}
    axes, unresolved, counts = known_axes(file, store, layers)
    nothing = SubjectAxes(doses={})
    known = {**axes, **dict.fromkeys(unresolved, nothing)}
    absolute = file.design.strength_unit != "limit"
    return {
        **held,
        "strengths": [one.number for one in file.design.strengths] if absolute else [],
        "exclude": [dict(rule) for rule in _rules_by_model(file, axes, counts)],
        "subjects": {name: each.model_dump(mode="json") for name, each in known.items()},
    }
