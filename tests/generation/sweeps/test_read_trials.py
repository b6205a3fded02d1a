"""Claims about sweeps of protocols with spans and readings: what a file says is done, stored, and never judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_subjects import TEMPLATE

from gnomon.data.errors import InputError
from gnomon.data.readings import ANSWER
from gnomon.data.records import Arm, Span, Subject
from gnomon.data.storage.pending_verdicts import count_missing
from gnomon.data.storage.store import Store
from gnomon.generation.engine import injection
from gnomon.generation.engine.base import EngineAnswer
from gnomon.generation.prompts.protocol import load_protocol
from gnomon.generation.subjects.loading import LoadedSubject, load_subject
from gnomon.generation.sweeps.runner import LocalWorker, SweepReport, estimate_sweep, run_sweep
from gnomon.generation.sweeps.trial_design import SweepDesign
from gnomon.generation.sweeps.trial_factory import TrialFactory, make_trial, plan_trials

READ = """
name = "sentences"
span = "second"
temperature = 0
max_tokens = 0
[[messages]]
role = "user"
content = "The sea. The hill. Which?"
[spans.first]
text = "The sea."
[spans.second]
text = "The hill."
[[also]]
span = "first"
share = 0.5
[measure]
name = "which"
options = { yes = ["yes"], no = ["no"] }
expected = "yes"
"""


@pytest.fixture
def design(tmp_path: Path) -> SweepDesign:
    return SweepDesign(
        concepts=("ocean", "fear"),
        layers=(1,),
        strengths=(1, 2),
        protocols=(written(tmp_path),),
        spans=(Span("first"), Span("second"), Span.GENERATION),
        replicates={Arm.INJECTION: 1, Arm.CONTROL: 2, Arm.RANDOM: 1},
    )


def written(folder: Path, text: str = READ) -> str:
    path = folder / "sentences.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def swept(store: Store, subject: LoadedSubject, design: SweepDesign) -> SweepReport:
    return run_sweep(store, LocalWorker(subject, 4), design, record=Subject(subject.name, 1e6, "toy", "instruct"))


def test_trials_are_read_and_stored_without_an_answer_and_no_judge_sees_them(
    store: Store, small_subject: LoadedSubject, design: SweepDesign
) -> None:
    assert estimate_sweep(store, small_subject, design).tokens == 0
    report = swept(store, small_subject, design)
    assert (report.made, report.failed) == (2 * 2 * 3 * 2 + 2, 0)
    trials = store.load_trials()
    assert {(trial.measure, trial.answer, trial.finish, trial.tokens) for trial in trials} == {("which", "", "read", 0)}
    for trial in trials:
        assert trial.readings is not None
        assert set(trial.readings[ANSWER].log_probabilities) == {"yes", "no"}
        assert 0 < trial.readings[ANSWER].mass < 1
    injected = {t.readings[ANSWER].entropy for t in trials if t.condition.arm is Arm.INJECTION and t.readings}
    controls = {t.readings[ANSWER].entropy for t in trials if t.condition.arm is Arm.CONTROL and t.readings}
    assert len(injected) == 2 * 2 * 3
    assert len(controls) == 1
    assert count_missing(store, "anyone") == 0
    assert swept(store, small_subject, design).made == 0


def test_a_trial_is_steered_at_its_span_and_at_a_share_also_elsewhere(
    small_subject: LoadedSubject, design: SweepDesign
) -> None:
    protocol = load_protocol(design.protocols[0])
    factory = TrialFactory(small_subject, design, [protocol], 4)
    decode = small_subject.tokenizer.decode
    for trial in plan_trials(design, small_subject, [protocol]):
        request = factory.make_request(trial)
        if trial.condition.arm is not Arm.INJECTION:
            continue
        own, also = request.additions
        texts = [decode(request.prompt[one.start : one.end]) for one in (own, also)]
        assert texts == [{"first": "The sea.", "second": "The hill."}.get(trial.condition.span, ">"), "The sea."]
        assert also.delta.equal(0.5 * own.delta)
        assert own.delta.norm().item() == pytest.approx(
            trial.condition.strength * factory.vectors[trial.condition.concept or "", 1].norm, rel=1e-5
        )


def test_options_are_read_at_further_places_too(
    store: Store, small_subject: LoadedSubject, design: SweepDesign, tmp_path: Path
) -> None:
    """What is read before the steered positions is the same in every arm; after them it is not."""
    text = READ.replace('expected = "yes"', 'expected = "yes"\nplaces = ["first", "second"]')
    asked = replace(
        design, protocols=(written(tmp_path, text[: text.index("[[also]]")] + text[text.index("[measure]") :]),)
    )
    assert swept(store, small_subject, replace(asked, spans=(Span("second"),))).failed == 0
    found: dict[str, set[float]] = {}
    for trial in store.load_trials():
        for place, reading in (trial.readings or {}).items():
            found.setdefault(place, set()).add(round(reading.entropy, 4))
    assert set(found) == {ANSWER, "first", "second"}
    assert (len(found["first"]), len(found["second"])) == (1, 9)


def test_a_trial_steered_elsewhere_than_its_span_fails(
    store: Store, small_subject: LoadedSubject, design: SweepDesign, monkeypatch: pytest.MonkeyPatch
) -> None:
    due = injection.VectorAddition.due_positions
    monkeypatch.setattr(injection.VectorAddition, "due_positions", lambda one, read: due(replace(one, end=None), read))
    report = swept(store, small_subject, replace(design, spans=(Span("second"),)))
    assert report.failed == report.made - 2
    failed = [trial for trial in store.load_trials() if trial.error]
    assert all("were steered, range(" in (trial.error or "") and trial.finish == "error" for trial in failed)
    assert all(trial.readings is None or trial.error for trial in failed)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('text = "The sea."', 'text = "The lake."'), "'The lake.' stands 0 times in the prompt"),
        (('text = "The sea."', 'text = "The"'), "'The' stands 2 times in the prompt"),
        (('no = ["no"]', 'no = ["yet"]'), "options 'yes' and 'no' begin with the same token 'y'"),
        (("[[messages]]", '[[messages]]\nrole = "system"\ncontent = "Hm."\n[[messages]]'), "no system turns"),
        (('name = "which"', 'name = "which"\nplace = 1'), r"\[measure\]: key 'place' is not known"),
    ],
)
def test_what_is_wrong_with_a_protocol_is_one_line_before_any_trial(
    store: Store,
    model_folder: Callable[..., Path],
    own_cache: Path,
    design: SweepDesign,
    tmp_path: Path,
    change: tuple[str, str],
    said: str,
) -> None:
    template = "{% if messages[0].role == 'system' %}{{ raise_exception('no system turns') }}{% endif %}" + TEMPLATE
    subject = load_subject("small", str(model_folder(template=template)))
    assert change[0] in READ
    wrong = replace(design, protocols=(written(tmp_path, READ.replace(*change)),))
    with pytest.raises(InputError, match=said) as caught:
        swept(store, subject, wrong)
    assert "\n" not in str(caught.value)
    assert store.load_trials() == []


def test_a_span_that_the_protocol_lacks_is_told_before_any_trial(
    store: Store, small_subject: LoadedSubject, design: SweepDesign
) -> None:
    with pytest.raises(InputError, match="protocol 'sentences': span 'third': the protocol has none of this name"):
        swept(store, small_subject, replace(design, spans=(Span("third"), Span("second"))))
    with pytest.raises(InputError, match="span 'from_marker': the protocol has none of this name"):
        swept(store, small_subject, replace(design, spans=(Span.FROM_MARKER,)))
    assert store.load_trials() == []


def test_a_base_model_is_asked_in_plain_text_and_refused_without_a_format(
    store: Store, model_folder: Callable[..., Path], own_cache: Path, design: SweepDesign, tmp_path: Path
) -> None:
    base = load_subject("base", str(model_folder(template=None)))
    with pytest.raises(
        InputError, match=r"protocol 'sentences': the model's tokenizer has no chat template: .*\[plain\]"
    ):
        swept(store, base, design)
    assert store.load_trials() == []
    plain = READ + '[plain]\nuser = "Q: {content}\\n"\nanswer = "A:"\n'
    report = swept(store, base, replace(design, protocols=(written(tmp_path, plain),)))
    assert (report.made, report.failed) == (26, 0)


def test_what_is_thought_is_kept_apart_from_the_answer(small_subject: LoadedSubject, design: SweepDesign) -> None:
    protocol = replace(load_protocol(design.protocols[0]), thinking=("<think>", "</think>"), measure=None, max_tokens=9)
    factory = TrialFactory(small_subject, replace(design, arms=(Arm.CONTROL,)), [protocol], 4)
    (planned, *_) = plan_trials(replace(design, arms=(Arm.CONTROL,)), small_subject, [protocol])
    prompt = factory._said[protocol.protocol_hash][1]
    answer = EngineAnswer("<think>A sea?</think> No.", (1, 2), "stop", None, ())
    trial = make_trial(planned, answer, small_subject, factory.vectors, protocol, prompt)
    assert (trial.thinking, trial.answer, trial.measure, trial.readings) == ("A sea?", "No.", "report", None)
