"""Figures are of the design as the study file has it now, and say how many trials of an earlier one are left out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from sqlalchemy import event

from gnomon.calibration.audit.rule_comparison import compare_rules
from gnomon.calibration.labels.views import rater_labels
from gnomon.calibration.observations.frames import trial_frame
from gnomon.chain.planned_scope import planned_scope
from gnomon.chain.session import OpenStudy, check_subjects, sync_scope, sync_settings
from gnomon.chain.trial_generation import sweep_design
from gnomon.data.arms import ADDED_CONCEPT, ARMS, judged_arms
from gnomon.data.errors import StudyFileError
from gnomon.data.records import Facts, JudgeVersion, Label, Subject, Trial, Verdict
from gnomon.data.storage import tables
from gnomon.data.storage.design_scope import SCOPE, DesignScope, count_outside, design_conditions, outside_sentence
from gnomon.data.storage.pending_verdicts import count_missing
from gnomon.generation.prompts.protocol import load_protocol
from gnomon.generation.sweeps.trial_factory import all_protocols, plan_trials
from gnomon.generation.vectors.additions import addition_of, recipe_match
from gnomon.generation.vectors.vector_methods import recipe_hash, recipe_of
from gnomon.stats.cells.aggregation import judged_cells, pattern_cells
from gnomon.stats.narrative.next_steps import list_notices
from gnomon.stats.narrative.study_overview import summarize_study
from gnomon.stats.outdated_fits import outdated_fits
from gnomon.study_file import StudyFile

NO = Facts(claims=False, concept="none", coherent=True, refused=False)
FILE = {
    "name": "t",
    "seed": 1,
    "subjects": [{"name": "tiny", "parameters": 10_000, "family": "llama"}],
    "design": {
        "concepts": ["ocean", "fear", "silence"],
        "layers": [1, 2],
        "strengths": [1.0, 2.5],
        "arms": judged_arms(),
        "replicates": dict.fromkeys(ARMS, 2),
    },
}


@dataclass
class Named:
    """As much of a subject as planning takes."""

    name: str = "tiny"
    revision: str = "r"
    layers: int = 4


def study(**changes):
    """The study file with changes in its design, and in the rest where a key stands there."""
    rest = {key: changes.pop(key) for key in ("seed", "subjects") if key in changes}
    design = {key: value for key, value in {**FILE["design"], **changes}.items() if value is not None}
    return StudyFile.model_validate({**FILE, **rest, "design": design})


def generate(store, file, folder, subject=None, place=0):
    """What `gnomon generate` stores of a design of one model, without a model; returns the ids."""
    subject = subject or Named()
    design = sweep_design(OpenStudy(folder, file, store), file.design, file.subjects[place], subject.layers)
    protocols = [load_protocol(name) for name in design.protocols]
    planned = plan_trials(design, subject, protocols)
    store.add_subjects([Subject(subject.name, 10_000.0, "llama", "instruct", "r")])
    for protocol in all_protocols(design, protocols):
        store.add_protocol(protocol.protocol_hash, protocol.name, protocol.stored_content())
    for arm in (arm for arm in design.arms if ARMS[arm].is_steered):
        for concept in design.concepts:
            for layer in dict.fromkeys(design.layers):
                addition, base = addition_of(arm), recipe_hash("r", concept, layer, design.vectors)
                others = {recipe_hash("r", other, layer, design.vectors): other for other in design.concepts}
                recipe = recipe_of("r", concept, layer, design.vectors)
                for other in others if addition.of_another else [None]:
                    named = {ADDED_CONCEPT: others[other]} if other else {}
                    match = recipe_match(arm, design.vectors.match)
                    content = {**(addition.added_recipe(base, other, match) or recipe), **named}
                    about = {"subject": subject.name, "concept": concept, "layer": layer, "norm": 1.0}
                    store.add_vector(addition.vector_hash(base, other, match), content=content, **about)
    made = [
        Trial(one.id, one.condition, one.replicate, one.trial_seed, "Nothing.", "stop", 1, depth_of(one, subject))
        for one in planned
    ]
    store.add_trials(made)
    return [trial.id for trial in made]


def depth_of(planned, subject):
    layer = planned.condition.layer
    return None if layer is None else (layer + 1) / subject.layers


def written(text):
    lines = [
        'name = "p"',
        'span = "generation"',
        'marker = "Well?"',
        "temperature = 1.0",
        text,
        "[[messages]]",
        'role = "user"',
    ]
    return "\n".join([*lines, 'content = "Well?"', ""])


@pytest.fixture
def made(store, tmp_path):
    """A study with all its trials, judged and labelled."""
    ids = generate(store, study(), tmp_path)
    sync_settings(store, study(), folder=tmp_path)
    store.add_judge(JudgeVersion("v", "lexicon", "lexicon", {}))
    store.add_verdicts([Verdict(id_, "v", NO) for id_ in ids])
    store.add_labels([Label(id_, "ann", NO) for id_ in ids])
    return ids


CHANGES = {
    "seed": {"seed": 2},
    "scale": {"vectors": {"scale": "unit"}},
    "method": {"vectors": {"method": "contrast"}},
    "match": {"vectors": {"match": "kl"}},
    "concept": {"concepts": ["ocean", "fear"]},
    "strength": {"strengths": [1.0]},
    "layer": {"layers": [1]},
    "arm": {"arms": ["injection", "control"]},
    "span": {"spans": ["all"]},
    "excluded": {"exclude": [{"concept": "ocean", "layer": 1}]},
    "excluded protocol": {"exclude": [{"arm": "control", "protocol": "plain"}]},
}


def test_every_trial_of_a_design_lies_inside_it(store, tmp_path):
    """Also those of arms whose trials are asked other questions."""
    file = study(arms=list(map(str, ARMS)))
    generate(store, file, tmp_path)
    sync_settings(store, file, folder=tmp_path)
    assert count_outside(store) == 0
    assert outside_sentence(store) == ""
    sync_settings(store, study(arms=list(map(str, ARMS)), seed=2), folder=tmp_path)
    assert count_outside(store) == store.count_rows(tables.trials)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_a_change_leaves_outside_is_what_it_no_longer_plans(store, made, tmp_path, change):
    file = study(**change)
    sync_settings(store, file, folder=tmp_path)
    design = sweep_design(OpenStudy(tmp_path, file, store), file.design, file.subjects[0], 4)
    planned = {one.id for one in plan_trials(design, Named(), [load_protocol(name) for name in design.protocols])}
    inside = set(made) & planned
    assert count_outside(store) == len(made) - len(inside) > 0
    assert set(trial_frame(store)["trial"]) == inside
    assert set(rater_labels(store, "blind")["trial"]) == inside
    overview = summarize_study(store)
    assert overview.trial_count == len(inside)
    assert any("outside the design" in notice.text for notice in list_notices(overview))
    if inside:
        assert judged_cells(store).counts.sum() == pattern_cells(store).count.sum() == len(inside)
        compared = compare_rules(store, ["strict"])
        assert sum(row.verdicts for row in compared.rows) == len(inside)
        assert compared.outside_design == len(made) - len(inside)
    generate(store, file, tmp_path)
    assert set(trial_frame(store)["trial"]) == planned
    sync_settings(store, study(), folder=tmp_path)
    again = trial_frame(store).set_index("trial")["arm"]
    assert set(made) <= set(again.index)
    further = again.drop(made)  # with fewer concepts, each of the others is added more often
    assert set(further) == ({"swapped"} if change == CHANGES["concept"] else set())


TWO = [Named("small", layers=4), Named("large", layers=12)]
TWO_MODELS = [{"name": each.name, "parameters": 10_000, "family": "llama"} for each in TWO]
BY_MODEL = {
    "depth": {"depths": [0.5]},
    "further depth": {"depths": [0.5, 0.75, 1.0]},
    "other depth": {"depths": [0.5, 0.9]},
    "layers in place of depths": {"depths": None, "layers": [1]},
    "one model's layers": {"subjects": [{**TWO_MODELS[0], "layers": [3]}, TWO_MODELS[1]]},
    "one model's strengths": {"subjects": [TWO_MODELS[0], {**TWO_MODELS[1], "strengths": [2.5]}]},
    "excluded model": {"exclude": [{"subject": "large"}]},
    "excluded controls of a model": {"exclude": [{"subject": "large", "arm": "control"}]},
    "excluded depth": {"exclude": [{"depth": 1.0, "concept": "ocean"}]},
    "excluded strength of a model": {"exclude": [{"subject": "small", "strength": 1.0}]},
    "excluded arm": {"exclude": [{"arm": "sham"}]},
}


@pytest.mark.parametrize("change", BY_MODEL.values(), ids=BY_MODEL)
def test_layers_of_each_model_are_its_own_when_figures_are_counted(store, tmp_path, change):
    """A layer that one model's depths mean is outside for another model, whose depths mean others."""
    base = {"subjects": TWO_MODELS, "layers": None, "depths": [0.5, 1.0], "arms": ["injection", "control", "sham"]}
    file = study(**base)
    made = {id_ for place, named in enumerate(TWO) for id_ in generate(store, file, tmp_path, named, place)}
    sync_settings(store, file, folder=tmp_path)
    assert count_outside(store) == 0
    assert set(trial_frame(store)["trial"]) == made
    missing = summarize_study(store).missing
    assert missing.empty

    changed = study(**{**base, **change})
    sync_settings(store, changed, folder=tmp_path)
    planned = set()
    for place, named in enumerate(TWO):
        design = sweep_design(
            OpenStudy(tmp_path, changed, store), changed.design, changed.subjects[place], named.layers
        )
        planned |= {one.id for one in plan_trials(design, named, [load_protocol(name) for name in design.protocols])}
    assert set(trial_frame(store)["trial"]) == made & planned
    assert count_outside(store) == len(made - planned)
    sync_settings(store, file, folder=tmp_path)
    assert count_outside(store) == 0


def test_shares_of_the_residual_norm_are_of_the_design_as_their_numbers(store, tmp_path):
    shares = ["0.5 of residual", "1 of residual"]
    file = study(strengths=shares, arms=["injection"], exclude=[{"strength": shares[1], "concept": "fear"}])
    made = generate(store, file, tmp_path)
    sync_settings(store, file, folder=tmp_path)
    assert count_outside(store) == 0
    assert summarize_study(store).missing.empty
    sync_settings(store, study(strengths=[0.5, 1.0], arms=["injection"]), folder=tmp_path)
    assert count_outside(store) == len(made)


def test_a_model_whose_layers_nobody_knows_yet_has_no_trial_outside(store, tmp_path):
    base = {"subjects": TWO_MODELS, "layers": None, "depths": [0.5, 1.0]}
    file = study(**base)
    sync_settings(store, file, folder=tmp_path)
    scope = DesignScope.model_validate(store.study_settings()[SCOPE])
    assert (scope.unresolved, scope.subjects) == (("small", "large"), {})
    generate(store, file, tmp_path, TWO[0])
    assert count_outside(store) == 0
    sync_scope(OpenStudy(tmp_path, file, store), {"small": 4})
    scope = DesignScope.model_validate(store.study_settings()[SCOPE])
    assert (scope.unresolved, list(scope.subjects["small"].doses)) == (("large",), [1, 3])
    assert count_outside(store) == 0


def test_the_scope_of_a_design_without_axes_by_model_is_written_as_it_was(tmp_path):
    scope = planned_scope(study(), tmp_path)
    assert not {"subjects", "unresolved"} & scope.keys()
    assert (scope["layers"], scope["strengths"]) == ([1, 2], [1.0, 2.5])


def test_trials_outside_are_not_judged(store, tmp_path):
    ids = generate(store, study(), tmp_path)
    sync_settings(store, study(), folder=tmp_path)
    asked = count_missing(store, "v")
    sync_settings(store, study(concepts=["ocean", "fear"]), folder=tmp_path)
    assert 0 < count_missing(store, "v") < asked == len(ids)


def test_trials_of_a_protocol_that_was_edited_lie_outside(store, tmp_path):
    (tmp_path / "p.toml").write_text(written("max_tokens = 60"), encoding="utf-8")
    file = study(protocols=["p.toml"], arms=["injection", "control"])
    made = generate(store, study(protocols=[str(tmp_path / "p.toml")], arms=["injection", "control"]), tmp_path)
    sync_settings(store, file, folder=tmp_path)
    assert count_outside(store) == 0
    (tmp_path / "p.toml").write_text(written("max_tokens = 61"), encoding="utf-8")
    sync_settings(store, file, folder=tmp_path)
    assert count_outside(store) == len(made)
    (tmp_path / "p.toml").unlink()
    assert planned_scope(file, tmp_path)["protocols"] is None
    sync_settings(store, file, folder=tmp_path)
    assert count_outside(store) == 0


def test_a_change_of_the_design_makes_a_fit_out_of_date_and_its_first_reading_does_not(store, tmp_path):
    generate(store, study(), tmp_path)
    sync_settings(store, study())
    store.add_fit(
        {"id": "f", "view": "judged", "status": "passed", "data_hash": "d", "seed": 1, "priors": {}}
        | {"diagnostics": {}, "result": {}}
    )
    sync_settings(store, study(), folder=tmp_path)
    assert outdated_fits(store) == {}
    sync_settings(store, study(seed=2), folder=tmp_path)
    assert outdated_fits(store) == {"judged": ("[design]",)}


def test_imported_trials_are_of_no_design(store, make_trial, tmp_path):
    trial = make_trial()
    generate(store, study(), tmp_path)
    other = replace(trial, id="0" * 32, source="table", condition=replace(trial.condition, subject="tiny"))
    store.add_trials([other])
    sync_settings(store, study(concepts=["fear"]), folder=tmp_path)
    assert {trial.id, other.id} <= set(trial_frame(store)["trial"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"parameters": 7e10}, "parameters is 70_000_000_000 here and was 10_000 when"),
        ({"family": "other"}, 'family is "other" here and was "llama" when'),
        ({"variant": "base"}, 'variant is "base" here and was "instruct" when'),
    ],
)
def test_a_fact_of_a_model_that_the_stored_trials_contradict_is_refused(store, tmp_path, given, said):
    file = study(subjects=[{"name": "tiny", "family": "llama", **given}])
    check_subjects(store, file, tmp_path / "study.toml")
    generate(store, study(), tmp_path)
    with pytest.raises(StudyFileError, match=said):
        check_subjects(store, file, tmp_path / "study.toml")
    check_subjects(store, study(subjects=[{"name": "tiny"}]), tmp_path / "study.toml")


def test_vectors_of_another_file_are_of_another_design(store, tmp_path):
    """The same names of concepts and strengths, and another person's directions."""
    mine = {"arms": ["injection"], "vectors": {"method": "file", "file": "v.npy"}}
    np.save(tmp_path / "v.npy", np.eye(3, 4))
    made = generate(store, study(**mine), tmp_path)
    sync_settings(store, study(**mine), folder=tmp_path)
    assert count_outside(store) == 0
    np.save(tmp_path / "v.npy", 2 * np.eye(3, 4))
    sync_settings(store, study(**mine), folder=tmp_path)
    assert count_outside(store) == len(made)
    (tmp_path / "v.npy").unlink()
    sync_settings(store, study(**mine), folder=tmp_path)
    assert count_outside(store) == 0


def test_a_study_without_a_design_counts_no_trial_to_learn_that_none_lies_outside(store, make_trial):
    """Every figure of a page asks; of a million trials each count took a twentieth of a second."""
    make_trial()
    asked: list[str] = []
    event.listen(store.engine, "before_cursor_execute", lambda *of: asked.append(str(of[2])))
    assert design_conditions(store) == ()
    assert outside_sentence(store) == ""
    assert asked
    assert not [each for each in asked if "count(" in each.lower()]
