"""Facts that exclude each other are found, counted among the readings that could hold them, and shown by trial."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from gnomon.calibration.audit import audit_frames
from gnomon.calibration.audit.contradictions import audit_contradictions, contradiction_kinds
from gnomon.calibration.audit.document import audit_views
from gnomon.calibration.results.audit import ContradictionCounts
from gnomon.data.records import Facts, JudgeVersion, Label, LabelKind, Trial, Verdict, VerdictState
from gnomon.data.storage.store import Store

Make = Callable[..., Trial]
SILENT = Facts(claims=False, concept="none", coherent=True, refused=False)
NAMED = Facts(claims=True, concept="ocean", coherent=True, refused=False)
OTHER = replace(NAMED, concept="other")


@pytest.fixture
def hear(store: Store, make_trial: Make) -> Callable[..., ContradictionCounts]:
    """What one judge says of trials that are each (arm, facts); returns its contradictions."""

    def add(*said: tuple[str, Facts | None]) -> ContradictionCounts:
        store.add_judge(JudgeVersion("j1", "judge", "lexicon", {}))
        for place, (arm, facts) in enumerate(said):
            state = VerdictState.OK if facts else VerdictState.UNPARSABLE
            store.add_verdicts([Verdict(make_trial(arm=arm, replicate=place).id, "j1", facts, state)])
        (judge,) = audit_contradictions(store).judges
        return judge

    return add


def counts(judge: ContradictionCounts) -> dict[str, tuple[int, int]]:
    return {name: (kind.n, kind.of) for name, kind in judge.kinds.items() if kind.n}


def test_facts_that_fit_together_are_no_contradiction(hear: Callable[..., ContradictionCounts]) -> None:
    judge = hear(
        ("injection", replace(NAMED, passed=True)),
        ("injection", replace(OTHER, passed=False)),
        ("injection", SILENT),
        ("injection", replace(NAMED, coherent=False)),
        ("control", replace(SILENT, passed=True)),
        ("control", replace(OTHER, passed=False)),
        ("control", replace(SILENT, refused=True, passed=False)),
        ("random", replace(SILENT, coherent=False)),
    )
    assert counts(judge) == {}
    assert (judge.read, judge.anything.n) == (8, 0)


@pytest.mark.parametrize(
    ("arm", "facts", "kinds"),
    [
        ("injection", replace(NAMED, claims=False), {"identified_but_denied", "described_but_denied"}),
        ("injection", replace(OTHER, claims=False), {"described_but_denied"}),
        ("control", replace(NAMED, claims=False), {"described_but_denied"}),
        ("control", replace(OTHER, refused=True), {"refused_but_claims"}),
        ("control", replace(SILENT, refused=True, passed=True), {"passed_but_refused"}),
        ("control", replace(SILENT, coherent=False, passed=True), {"passed_but_incoherent"}),
        ("injection", replace(OTHER, passed=True), {"passed_but_not_identified"}),
        ("injection", replace(SILENT, passed=True), {"passed_but_not_identified"}),
        ("control", replace(OTHER, passed=True), {"passed_but_claims"}),
        ("random", replace(OTHER, passed=True), {"passed_but_claims"}),
        ("injection", replace(NAMED, passed=False), {"failed_but_identified"}),
        ("control", replace(SILENT, passed=False), {"failed_but_denies"}),
    ],
)
def test_each_contradiction_is_known_by_its_name(
    hear: Callable[..., ContradictionCounts], arm: str, facts: Facts, kinds: set[str]
) -> None:
    judge = hear((arm, facts), ("injection", NAMED))
    assert set(counts(judge)) == kinds
    assert judge.anything.n == 1


def test_pass_may_mean_something_else_where_nothing_is_ever_injected(hear: Callable[..., ContradictionCounts]) -> None:
    assert counts(hear(("control", replace(OTHER, passed=True)), ("control", replace(SILENT, passed=False)))) == {}


def test_the_cases_above_show_every_kind_that_there_is() -> None:
    marks = test_each_contradiction_is_known_by_its_name.pytestmark  # type: ignore[attr-defined]
    assert set().union(*(case[2] for case in marks[0].args[1])) == {kind.name for kind in contradiction_kinds()}


def test_a_share_is_of_the_readings_that_could_contradict(hear: Callable[..., ContradictionCounts]) -> None:
    bad = replace(NAMED, claims=False)
    judge = hear(*[("injection", bad)] * 7, *[("injection", NAMED)] * 3, *[("control", SILENT)] * 5, ("control", None))
    kind = judge.kinds["identified_but_denied"]
    assert (kind.n, kind.of, kind.share.value) == (7, 10, 0.7)
    assert kind.share.low < 0.7 < kind.share.high
    assert len(kind.trials) == 5, "a few to look at, not all"
    assert judge.read == 15, "a verdict that is not ok holds no facts"
    asked = judge.kinds["passed_but_refused"]
    assert (asked.of, asked.share) == (0, None), "nobody was asked the study's question"


def test_raters_contradict_themselves_too_by_their_standing_label(store: Store, make_trial: Make) -> None:
    first, second = (make_trial(replicate=place).id for place in range(2))
    wrong = replace(NAMED, refused=True)
    store.add_labels([Label(first, "ann", wrong), Label(second, "ann", wrong), Label(first, "bob", NAMED)])
    store.add_labels([Label(second, "ann", SILENT, revision=1)])
    ann, bob = audit_contradictions(store).raters
    assert (ann.rater, counts(ann)) == ("ann", {"refused_but_claims": (1, 2)})
    assert ann.kinds["refused_but_claims"].trials == (first,)
    assert (bob.rater, counts(bob)) == ("bob", {})
    store.add_labels([Label(first, "ann", None, LabelKind.RETRACTION, revision=1)])
    assert counts(audit_contradictions(store).raters[0]) == {}, "what was taken back is not held against anybody"


def test_every_version_is_read_and_the_document_is_strict_json(store: Store, make_trial: Make) -> None:
    trial = make_trial().id
    for version, facts in (("v1", replace(NAMED, claims=False)), ("v2", NAMED)):
        store.add_judge(JudgeVersion(version, "judge", "lexicon", {}))
        store.add_verdicts([Verdict(trial, version, facts)])
    told = audit_views(store).contradictions
    document = told.model_dump(mode="json")
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert {judge.version: judge.anything.n for judge in told.judges} == {"v1": 1, "v2": 0}


def test_impossible_facts_are_listed_before_passes_that_do_not_follow(store: Store, make_trial: Make) -> None:
    passes, denies = (make_trial(replicate=place).id for place in range(2))
    store.add_judge(JudgeVersion("j1", "judge", "lexicon", {}))
    store.add_verdicts([Verdict(passes, "j1", replace(OTHER, passed=True))])
    store.add_labels([Label(denies, "ann", replace(NAMED, claims=False))])
    shown = audit_frames.contradiction_frame(audit_views(store))
    assert shown[["who", "what"]].to_numpy().tolist() == [
        ["ann", "describes the injected concept and says that nothing was claimed"],
        ["ann", "describes some concept and says that nothing was claimed"],
        ["judge", "passes an injection trial whose concept was not identified"],
    ]
