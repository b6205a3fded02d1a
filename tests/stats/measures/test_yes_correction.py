"""A yes-bias leaves nothing, a detection is left, a loss of certainty is told from both."""

from __future__ import annotations

import numpy as np
import pytest

from gnomon.data.errors import InputError
from gnomon.stats.measures.measured_trials_frame import checked_frame
from gnomon.stats.measures.yes_correction import _beyond_gradient, yes_corrected_detection, yes_diagnosis, yes_shift
from tests.stats.measures.conftest import MakeTrials, trial_rows

BASE = {"notice": -4.0, "unrelated_no": -8.0, "unrelated_yes": 8.0}
CONCEPTS, ITEMS = 5, 6


def scripted(change, trials: MakeTrials, noise: float = 0.2, base: dict[str, float] = BASE):
    """Trials of a subject whose log-odds `l` become `change(task, l)` under a vector."""
    tables, rng = [], np.random.default_rng(7)
    for task, odds in base.items():
        plain = odds + rng.normal(0, 1, ITEMS)
        steered = change(task, np.tile(plain, (CONCEPTS, 1))) + rng.normal(0, noise, (CONCEPTS, ITEMS))
        expected = "no" if task == "unrelated_no" else "yes"
        tables += [
            trial_rows(task, "injection", steered.tolist(), expected=expected),
            trial_rows(task, "control", [plain.tolist()], expected=expected),
        ]
    return trials(*tables)


def test_nothing_is_left_of_a_pure_yes_bias(trials: MakeTrials) -> None:
    found = yes_corrected_detection(scripted(lambda task, odds: odds + 3, trials), "s")
    assert found is not None
    assert found.notice.value == pytest.approx(3, abs=0.2)
    assert found.unrelated.value == pytest.approx(3, abs=0.2)
    assert abs(found.corrected.value) < 0.2
    assert found.verdict == "nothing_left"


def test_a_true_detection_is_left_with_its_size(trials: MakeTrials) -> None:
    frame = scripted(lambda task, odds: odds + 3 + 2 * (task == "notice"), trials)
    found = yes_corrected_detection(frame, "s")
    assert found is not None
    assert found.corrected.headline is not None
    assert found.corrected.headline.low < 2 < found.corrected.headline.high
    assert found.verdict == "detection"


def test_noise_decides_nothing(trials: MakeTrials) -> None:
    found = yes_corrected_detection(scripted(lambda task, odds: odds, trials, noise=6), "s")
    assert found is not None
    assert found.verdict == "undecided"


def test_a_loss_of_certainty_is_no_bias_and_no_detection(trials: MakeTrials) -> None:
    frame = scripted(lambda task, odds: 0.5 * odds, trials)
    found = yes_diagnosis(frame, "s")
    corrected = yes_corrected_detection(frame, "s")
    assert found is not None
    assert found.beyond is not None
    assert corrected is not None
    assert found.flattening.value == pytest.approx(4, abs=0.6)
    assert found.bias.these is not None
    assert found.bias.these.low < 0 < found.bias.these.high
    assert corrected.corrected.value < -1, "the question starts nearer to even odds than its matched questions"
    assert found.beyond.these is not None
    assert found.beyond.these.low < 0 < found.beyond.these.high


def mixed_with_even_odds(odds: np.ndarray, share: float = 0.2) -> np.ndarray:
    """Log-odds of answers of which a share is drawn by a coin."""
    chance = (1 - share) / (1 + np.exp(-odds)) + share / 2
    return np.log(chance / (1 - chance))


@pytest.mark.parametrize("scale", ["logit", "probability", "rate"])
@pytest.mark.parametrize("notice", [-10.0, -8.0, -4.0], ids=["below matched", "as matched", "above matched"])
@pytest.mark.parametrize(
    "change",
    [lambda odds: odds + 4, lambda odds: 0.4 * odds, mixed_with_even_odds, lambda odds: 0.6 * odds + 2],
    ids=["bias", "shrunk", "mixed", "both"],
)
def test_no_change_that_is_the_same_of_all_questions_is_called_a_detection(change, notice, scale, trials) -> None:
    frame = scripted(lambda _, odds: change(odds), trials, base=BASE | {"notice": notice})
    found = yes_corrected_detection(frame, "s", scale=scale)
    assert found is not None
    assert found.verdict != "detection"


@pytest.mark.parametrize("scale", ["logit", "probability"])
@pytest.mark.parametrize("notice", [-10.0, -8.0, -4.0])
def test_a_detection_is_told_under_a_loss_of_certainty(notice: float, scale, trials: MakeTrials) -> None:
    frame = scripted(lambda task, odds: 0.8 * odds + 6 * (task == "notice"), trials, base=BASE | {"notice": notice})
    found = yes_corrected_detection(frame, "s", scale=scale)
    assert found is not None
    assert found.above is not None
    assert found.verdict == "detection"


def test_a_rise_that_less_certain_answers_explain_is_said_to_be_explained(trials: MakeTrials) -> None:
    frame = scripted(lambda _, odds: 0.5 * odds, trials, base=BASE | {"notice": -12.0})
    found = yes_corrected_detection(frame, "s")
    assert found is not None
    assert found.corrected.headline is not None
    assert found.corrected.headline.low > 0
    assert found.verdict == "explained"


def test_answers_in_words_tell_a_detection_from_a_bias_to_a_question_that_stands_higher(trials: MakeTrials) -> None:
    def answers(share: float, items: int) -> list[float]:
        return [float(i < share * items) for i in range(items)]

    def verdict_of(shares: dict[str, tuple[float, float]]) -> str:
        tables = []
        for task, (plain, steered) in shares.items():
            right = (lambda each: [1 - x for x in each]) if task == "unrelated_no" else list
            expected = "no" if task == "unrelated_no" else "yes"
            tables += [
                trial_rows(task, "injection", [right(answers(steered, 40))] * 6, column="correct", expected=expected),
                trial_rows(task, "control", [right(answers(plain, 40))], column="correct", expected=expected),
            ]
        found = yes_corrected_detection(trials(*tables), "s", scale="rate")
        assert found is not None
        return found.verdict

    assert verdict_of({"notice": (0.1, 0.8), "unrelated_no": (0.05, 0.1)}) == "detection"
    assert verdict_of({"notice": (0.2, 0.65), "unrelated_no": (0.05, 0.25)}) == "explained", (
        "the same push of 2 log-odds"
    )


def test_a_bias_raises_both_kinds_of_questions(trials: MakeTrials) -> None:
    found = yes_diagnosis(scripted(lambda task, odds: odds + 3, trials), "s")
    assert found is not None
    assert found.bias.value == pytest.approx(3, abs=0.2)
    assert abs(found.flattening.value) < 0.2


def test_the_gradient_is_that_of_what_it_stands_for() -> None:
    def beyond(means: np.ndarray) -> float:
        n1, n0, u1, u0, y1, y0 = means
        slope = ((y1 - y0) - (u1 - u0)) / (y0 - u0)
        return float(n1 - n0 - (u1 - u0) - slope * (n0 - u0))

    at = np.array([-1.0, -4.0, -5.0, -8.0, 6.0, 9.0])
    steps = 1e-6 * np.eye(6)
    numeric = [(beyond(at + step) - beyond(at - step)) / 2e-6 for step in steps]
    assert _beyond_gradient(at) == pytest.approx(numeric, abs=1e-6)
    assert _beyond_gradient(at) @ at == pytest.approx(beyond(at))


def test_answers_in_words_give_rates_where_nothing_was_read(trials: MakeTrials) -> None:
    steered, plain = np.repeat([[1.0, 0.0]], 5, axis=0), np.zeros((1, 2))
    frame = trials(
        trial_rows("notice", "injection", steered.tolist(), column="correct"),
        trial_rows("notice", "control", plain.tolist(), column="correct"),
        trial_rows("unrelated_no", "injection", (1 - steered).tolist(), column="correct", expected="no"),
        trial_rows("unrelated_no", "control", (1 - plain).tolist(), column="correct", expected="no"),
    )
    assert yes_corrected_detection(frame, "s") is None
    found = yes_corrected_detection(frame, "s", scale="rate")
    assert found is not None
    assert (found.notice.value, found.unrelated.value) == (0.5, 0.5)


def test_cells_are_told_apart(trials: MakeTrials) -> None:
    frame = trials(
        trial_rows("unrelated_no", "injection", [[-5.0, -5.0], [-5.0, -5.0]], strength=4),
        trial_rows("unrelated_no", "injection", [[-1.0, -1.0], [-1.0, -1.0]], strength=8),
        trial_rows("unrelated_no", "control", [[-7.0, -7.0]]),
    )
    one, both = yes_shift(frame, "s", (9, 8)), yes_shift(frame, "s")
    assert one is not None
    assert both is not None
    assert (one.value, one.by) == (6, {"layer": 9, "strength": 8})
    assert both.value == 4


def test_a_frame_without_a_column_is_refused_with_its_name(trials: MakeTrials) -> None:
    frame = trial_rows("notice", "injection", [[1.0]])
    with pytest.raises(InputError, match="no column 'item'"):
        checked_frame(frame.drop(columns="item"))
    with pytest.raises(InputError, match="'correct' is 3"):
        checked_frame(frame.assign(correct=3))
