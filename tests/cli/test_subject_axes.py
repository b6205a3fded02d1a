"""Claims about designs with axes of their own for each model: depths, layers, strengths, exclusions."""

from __future__ import annotations

from typing import Any

import pytest

from gnomon.chain.session import OpenStudy
from gnomon.chain.subject_axes import depth_layer, shared_layers, subject_axes
from gnomon.chain.trial_generation import sweep_design
from gnomon.data.errors import InputError
from gnomon.generation.sweeps.trial_design import SweepDesign
from gnomon.study_file import PlannedStrength, StudyFile

DEPTHS = [0.60, 0.65, 0.70, 0.75]


def study(subjects: list[dict[str, Any]] | None = None, **design: Any) -> StudyFile:
    plain = {"concepts": ["ocean", "fear"], "depths": [0.5, 1.0], "strengths": [1.0, 2.0]}
    given = subjects or [{"name": "small"}, {"name": "large"}]
    table = {key: value for key, value in {**plain, **design}.items() if value is not None}
    return StudyFile.model_validate({"name": "t", "subjects": given, "design": table})


def planned(file: StudyFile, place: int, layers: int, tmp_path: Any = None) -> SweepDesign:
    assert file.design is not None
    return sweep_design(OpenStudy(tmp_path, file, None), file.design, file.subjects[place], layers)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("layers", "found"),
    [
        (64, [37, 41, 44, 47]),
        (48, [28, 30, 33, 35]),
        (36, [21, 22, 24, 26]),
        (28, [16, 17, 19, 20]),
        (24, [13, 15, 16, 17]),
        (4, [1, 2, 2, 2]),
        (1, [0, 0, 0, 0]),
    ],
)
def test_a_depth_is_the_block_nearest_to_it(layers: int, found: list[int]) -> None:
    assert [depth_layer(depth, layers) for depth in DEPTHS] == found
    for depth in DEPTHS:
        nearest = min(abs((block + 1) / layers - depth) for block in range(layers))
        assert abs((depth_layer(depth, layers) + 1) / layers - depth) == pytest.approx(nearest)
    assert depth_layer(1.0, layers) == layers - 1
    assert depth_layer(0.001, layers) == 0


def test_depths_are_resolved_for_each_model_and_stand_beside_layers() -> None:
    file = study(layers=[2])
    assert planned(file, 0, 4).layers == (2, 1, 3)
    assert planned(file, 1, 12).layers == (2, 5, 11)


def test_depths_that_are_one_layer_are_planned_once_and_said() -> None:
    file = study(depths=DEPTHS)
    assert planned(file, 0, 4).layers == (1, 2)
    assert file.design is not None
    (line,) = shared_layers(file.design, file.subjects[0], 4)
    assert line == "small: depths 0.65, 0.7, 0.75 are one layer, 2 of 4: it is steered there once"
    assert shared_layers(file.design, file.subjects[0], 64) == []


def test_a_model_may_have_layers_depths_and_strengths_of_its_own() -> None:
    own = [{"name": "small", "layers": [0]}, {"name": "large", "strengths": [8.0]}, {"name": "third", "depths": [0.25]}]
    file = study(own)
    assert (planned(file, 0, 4).layers, planned(file, 0, 4).strengths) == ((0,), (1.0, 2.0))
    assert (planned(file, 1, 4).layers, planned(file, 1, 4).strengths) == ((1, 3), (8.0,))
    assert planned(file, 2, 4).layers == (0,)


def test_exclusions_name_models_depths_and_strengths() -> None:
    rules = [
        {"subject": "small", "strength": 2.0},
        {"depth": 0.5, "concept": "fear"},
        {"subject": "large", "arm": "control"},
        {"layer": 11, "strength": 1.0},
    ]
    file = study(exclude=rules)
    assert planned(file, 0, 4).exclude == ({"strength": 2.0}, {"concept": "fear", "layer": 1})
    assert planned(file, 1, 12).exclude == (
        {"concept": "fear", "layer": 5},
        {"arm": "control"},
        {"layer": 11, "strength": 1.0},
    )


def test_a_model_may_be_left_out_whole() -> None:
    file = study(exclude=[{"subject": "small"}], depths=None, layers=[1])
    assert planned(file, 0, 4).exclude == ({},)
    assert planned(file, 1, 4).exclude == ()


def test_strengths_of_the_residual_norm_are_those_of_matched_vectors() -> None:
    file = study(strengths=["0.5 of residual", "1 of residual"])
    made = planned(file, 0, 4)
    assert (made.strengths, made.vectors.scale) == ((0.5, 1.0), "matched")


def test_strengths_of_a_limit_are_each_layers_own() -> None:
    file = study(strengths=["0.5 of limit", "1 of limit"])
    assert file.design is not None
    axes = subject_axes(file.design, file.subjects[0], 4, {1: 3.0, 3: 7.123456789})
    assert axes.doses == {1: (1.5, 3.0), 3: (3.56173, 7.12346)}
    with pytest.raises(InputError, match=r"'small', layer 3: .* run 'gnomon strengths'"):
        subject_axes(file.design, file.subjects[0], 4, {1: 3.0})


def test_a_strength_says_its_number_and_its_unit() -> None:
    read = [PlannedStrength(text) for text in (2, "3", "-.5 of residual", "1e-1  of limit")]
    assert [(one.number, one.unit) for one in read] == [
        (2.0, "vector"),
        (3.0, "vector"),
        (-0.5, "residual"),
        (0.1, "limit"),
    ]


@pytest.mark.parametrize(
    ("design", "message"),
    [
        ({"depths": None}, "names neither layers nor depths"),
        ({"depths": []}, "at least 1 item"),
        ({"depths": [0.0]}, "greater than 0"),
        ({"depths": [1.5]}, "less than or equal to 1"),
        ({"strengths": ["half of residual"]}, 'write a finite number, "0.5 of residual" or "0.5 of limit"'),
        ({"strengths": [1.0, "1 of limit"]}, "all as multiples of the vector"),
        ({"strengths": ["1 of residual"], "vectors": {"scale": "unit"}}, "leave 'scale' out"),
        ({"exclude": [{"subject": "other"}]}, "exclude names the subject 'other'"),
        ({"exclude": [{"depth": 0.3}]}, r"exclude names the depth 0\.3, which the design does not have"),
    ],
)
def test_axes_that_cannot_be_are_refused(design: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        study(**design)


def test_a_models_own_strengths_are_in_the_designs_unit() -> None:
    with pytest.raises(ValueError, match="subject 'small': its strengths are in another unit"):
        study([{"name": "small", "strengths": ["1 of limit"]}])


def test_a_layer_that_no_model_has_is_refused_where_all_have_the_same() -> None:
    file = study(depths=None, layers=[1], exclude=[{"layer": 9}])
    with pytest.raises(InputError, match="names the layer 9, which the design does not have"):
        planned(file, 0, 4)
