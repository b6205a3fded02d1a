"""A design's axes for one model: depths become layers, shares of its limit of coherence become strengths."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor

from sqlalchemy import func, select

from gnomon.data.errors import InputError
from gnomon.data.records import GENERATED
from gnomon.data.storage.store import Store
from gnomon.data.storage.stored_settings import SubjectAxes
from gnomon.data.storage.tables import events, trials
from gnomon.study_file import DesignSpec, ExclusionSpec, StudyFile, SubjectSpec

DOSES_FOUND = "doses_found"
"""Event: at which strengths a model's answers stay coherent at a layer."""
LIMIT = 0.5
"""The limit of coherence is the strength at which this share of answers is coherent."""
DIGITS = 6
"""Significant digits of a strength that is a share of a limit: it is part of the identity of trials."""


def depth_layer(depth: float, layers: int) -> int:
    """The block whose depth, (block + 1) / layers, is nearest to a share of a model's blocks; the deeper of two.

    Parameters
    ----------
    depth : float
        Share of the blocks, in (0, 1].
    layers : int
        Number of the model's blocks.
    """
    return min(max(floor(round(depth * layers, 9) + 0.5) - 1, 0), layers - 1)


def planned_layers(design: DesignSpec, spec: SubjectSpec, layers: int | None) -> tuple[int, ...]:
    """A model's layers: those that are named, then those of the depths, each once.

    Parameters
    ----------
    design : DesignSpec
        The design.
    spec : SubjectSpec
        The model; layers and depths of its own take the place of the design's.
    layers : int or None
        Number of its blocks; None is enough where no depths are named.

    Raises
    ------
    InputError
        There are depths and the number of blocks is not known.
    """
    table = design if spec.layers is None and spec.depths is None else spec
    depths = table.depths or []
    if depths and layers is None:
        raise InputError(f"subject '{spec.name}': its number of layers is not known yet: generate trials of it first")
    found = [*(table.layers or []), *(depth_layer(depth, layers or 1) for depth in depths)]
    return tuple(dict.fromkeys(found)) if depths else tuple(found)


def subject_axes(
    design: DesignSpec, spec: SubjectSpec, layers: int | None, limits: Mapping[int, float] | None = None
) -> SubjectAxes:
    """A model's layers, and the strengths at each.

    Parameters
    ----------
    design : DesignSpec
        The design.
    spec : SubjectSpec
        The model; axes of its own take the place of the design's.
    layers : int or None
        Number of its blocks; None is enough where no depths are named.
    limits : mapping of int to float, optional
        By layer, the strength at which half of the model's answers are coherent.

    Raises
    ------
    InputError
        The number of blocks, or the limit of a layer, is needed and not known.
    """
    strengths = spec.strengths or design.strengths
    doses: dict[int, tuple[float, ...]] = {}
    for layer in planned_layers(design, spec, layers):
        unit = 1.0
        if design.strength_unit == "limit":
            if layer not in (limits or {}):
                raise InputError(
                    f"subject '{spec.name}', layer {layer}: strengths are shares of its limit of coherence, which is "
                    "not known: run 'gnomon strengths' on the study first"
                )
            unit = (limits or {})[layer]
            doses[layer] = tuple(float(f"{one.number * unit:.{DIGITS}g}") for one in strengths)
        else:
            doses[layer] = tuple(one.number for one in strengths)
    return SubjectAxes(doses=doses)


def excluded_conditions(
    design: DesignSpec, spec: SubjectSpec, axes: SubjectAxes, layers: int | None
) -> list[dict[str, object]]:
    """What a design leaves out for one model: values by axis, with its own layers and strengths.

    A rule that names a layer, depth or strength that this model does not have, and other models may, says nothing
    about it; one that no model can have is kept, so that planning refuses it.

    Parameters
    ----------
    design : DesignSpec
        The design.
    spec : SubjectSpec
        The model.
    axes : SubjectAxes
        Its layers and strengths.
    layers : int or None
        Number of its blocks; None is enough where no depths are named.
    """
    found: list[dict[str, object]] = []
    for rule in design.exclude:
        if rule.subject not in (None, spec.name):
            continue
        base = rule.model_dump(exclude_none=True, include={"arm", "concept", "span", "protocol"})
        if rule.layer is None and rule.depth is None and rule.strength is None:
            found.append(base)
            continue
        sites = _excluded_sites(design, spec, rule, axes, layers)
        if not sites and not (design.depths or spec.has_axes):
            sites = [rule.model_dump(exclude_none=True, include={"layer", "strength"})]
        found += [{**base, **site} for site in sites]
    return found


def _excluded_sites(
    design: DesignSpec, spec: SubjectSpec, rule: ExclusionSpec, axes: SubjectAxes, layers: int | None
) -> list[dict[str, object]]:
    """Layers and strengths of a model that a rule with one of the two names."""
    at_depth = None if rule.depth is None else depth_layer(rule.depth, layers or 1)
    chosen = [layer for layer in axes.doses if rule.layer in (None, layer) and at_depth in (None, layer)]
    named = rule.layer is not None or rule.depth is not None
    if rule.strength is None:
        return [{"layer": layer} for layer in chosen]
    written = spec.strengths or design.strengths
    if rule.strength not in written:
        return []
    place = written.index(rule.strength)
    if design.strength_unit == "limit":
        return [{"layer": layer, "strength": axes.doses[layer][place]} for layer in chosen]
    number = rule.strength.number
    return [{"layer": layer, "strength": number} for layer in chosen] if named else [{"strength": number}]


def shared_layers(design: DesignSpec, spec: SubjectSpec, layers: int) -> list[str]:
    """One line for each of a model's layers that several depths mean.

    Parameters
    ----------
    design : DesignSpec
        The design.
    spec : SubjectSpec
        The model.
    layers : int
        Number of its blocks.
    """
    table = design if spec.layers is None and spec.depths is None else spec
    by_layer: dict[int, list[str]] = {}
    for depth in table.depths or []:
        by_layer.setdefault(depth_layer(depth, layers), []).append(f"{depth:g}")
    return [
        f"{spec.name}: depths {', '.join(depths)} are one layer, {layer} of {layers}: it is steered there once"
        for layer, depths in by_layer.items()
        if len(depths) > 1
    ]


FAR = {"vector": 100.0, "residual": 5.0, "limit": 5.0}
"""Strengths beyond which hardly any model still writes, by the unit of strengths."""


def strange_strengths(design: DesignSpec, spec: SubjectSpec) -> list[str]:
    """What is odd about a model's strengths: none, the opposite of the concept, or far beyond what a model bears.

    Parameters
    ----------
    design : DesignSpec
        The design.
    spec : SubjectSpec
        The model; strengths of its own take the place of the design's.
    """
    numbers = [one.number for one in (spec.strengths or design.strengths)]
    said = {
        "adds nothing: these trials are control trials under another name": [each for each in numbers if each == 0],
        "adds the opposite of the concept, as the arm 'negated' does": [each for each in numbers if each < 0],
        "is far beyond what models bear, so expect incoherent responses; 'gnomon strengths' finds what they bear": [
            each for each in numbers if abs(each) > FAR[design.strength_unit]
        ],
    }
    return [
        f"{spec.name}: strength {', '.join(f'{each:g}' for each in found)} {what}"
        for what, found in said.items()
        if found
    ]


def has_subject_axes(file: StudyFile) -> bool:
    """Whether models of a study may have other layers or strengths than its `layers` and `strengths` say."""
    design = file.design
    return design is not None and bool(
        design.depths
        or design.strength_unit == "limit"
        or any(spec.has_axes for spec in file.subjects)
        or any(rule.depth is not None for rule in design.exclude)
    )


def stored_limits(store: Store, file: StudyFile, subject: str) -> dict[int, float]:
    """By layer, the strength at which half of a model's answers are coherent, as `gnomon strengths` found it last.

    Parameters
    ----------
    store : Store
        The study's store.
    file : StudyFile
        The study file; only searches with the vectors of its design count.
    subject : str
        The model.
    """
    if file.design is None:
        return {}
    event = events.c
    query = select(event.detail).where(event.kind == DOSES_FOUND).order_by(event.id)
    with store.read_transaction() as connection:
        details = [detail for detail in connection.execute(query).scalars() if detail.get("subject") == subject]
    vectors = {"method": file.design.vectors.method, "scale": file.design.vector_scale}
    found: dict[int, float] = {}
    for detail in details:
        if all(detail.get(key) == value for key, value in vectors.items()):
            limit = detail["doses"].get(str(LIMIT))
            found.pop(int(detail["layer"]), None)
            if limit is not None:
                found[int(detail["layer"])] = float(limit)
    return found


def stored_layer_counts(store: Store) -> dict[str, int]:
    """Number of blocks of each model that the store holds steered trials of, from their layers and depths."""
    trial = trials.c
    query = (
        select(trial.subject, func.max(trial.layer), func.max(trial.depth))
        .where(trial.source == GENERATED, trial.layer.is_not(None), trial.depth.is_not(None))
        .group_by(trial.subject)
    )
    with store.read_transaction() as connection:
        rows = connection.execute(query).all()
    return {str(name): round((layer + 1) / depth) for name, layer, depth in rows if depth and depth > 0}
