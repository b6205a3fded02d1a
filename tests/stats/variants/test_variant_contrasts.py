"""Claims about variants against their base: signs, pairs, what is shared adds nothing, and what is said of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gnomon.data.storage.stored_settings import SubjectVariant
from gnomon.stats.measures.measured_trials_frame import checked_frame
from gnomon.stats.narrative.battery.variant_sentences import (
    judged_variant_sentences,
    task_contrast_sentences,
    variant_sentences,
)
from gnomon.stats.tables.battery.variant_table import variant_table
from gnomon.stats.variants import variant_contrasts
from gnomon.stats.variants.variant_contrasts import (
    compare_variants,
    paired_trials,
    variant_difference,
    variant_rate,
    variant_yes_corrected,
)

DECLARED = SubjectVariant(variant="ablated", base="base", changes=("ablated",))
CONCEPTS, ITEMS = ("ocean", "fear", "music", "debt", "spring"), 6


def rows(
    subject: str, task: str, arm: str, values: np.ndarray, column: str = "log_odds_yes", strength: float = 4.0
) -> pd.DataFrame:
    """Values by concept (one row for a control) and item."""
    plain = arm == "control"
    return pd.DataFrame(
        [
            {
                "subject": subject,
                "task": task,
                "arm": arm,
                "concept": None if plain else CONCEPTS[c],
                "layer": None if plain else 9,
                "strength": 0.0 if plain else strength,
                "item": f"q{i}",
                "expected": "no" if task == "unrelated_no" else "yes",
                "correct": None,
                column: value,
            }
            for c, of_concept in enumerate(np.atleast_2d(values))
            for i, value in enumerate(of_concept)
        ]
    )


def study(gain: float, seed: int = 1, noise: float = 0.1) -> pd.DataFrame:
    """Both models share what concepts and items do, which is large; the variant notices `gain` more."""
    rng = np.random.default_rng(seed)
    concepts, parts = rng.normal(0, 3, (len(CONCEPTS), 1)), []
    for task in ("notice", "unrelated_no"):
        items = rng.normal(0, 2, ITEMS)
        for subject, more in (("base", 0.0), ("ablated", gain)):
            push = 2 + concepts + (more if task == "notice" else 0.0)
            jitter = rng.normal(0, noise, (len(CONCEPTS), ITEMS))
            parts += [
                rows(subject, task, "injection", -4 + items + push + jitter),
                rows(subject, task, "control", -4 + items + rng.normal(0, noise, ITEMS)),
            ]
    return pd.concat(parts, ignore_index=True)


def test_a_variant_that_notices_more_is_higher_and_what_both_share_adds_nothing() -> None:
    (found,) = compare_variants(study(1.5), [DECLARED])
    logit = next(each for each in found.yes_corrected if each.scale == "logit")
    assert logit.value == pytest.approx(1.5, abs=0.2)
    assert logit.headline is not None
    assert 0 < logit.headline.high - logit.headline.low < 0.6
    assert logit.headline.low > 0
    assert logit.probability is not None
    assert logit.probability > 0.999
    assert (logit.estimand, logit.subject, found.base) == ("variant_yes_corrected", "ablated", "base")
    notice = next(task for task in found.tasks if task.task == "notice")
    assert notice.effect is not None
    assert notice.effect.value > 0
    assert (found.paired, found.unpaired) == (2 * (len(CONCEPTS) + 1) * ITEMS, 0)
    (none,) = compare_variants(study(0.0), [DECLARED])
    same = next(each for each in none.yes_corrected if each.scale == "logit")
    assert same.headline is not None
    assert same.headline.low < 0 < same.headline.high


def test_the_contrast_is_the_difference_of_the_paired_means() -> None:
    odds = np.arange(20.0).reshape(5, 4) / 7
    other = odds + np.array([[1.0], [2.0], [3.0], [4.0], [5.0]])
    frame = checked_frame(
        pd.concat(
            [
                rows("base", "pick", "injection", odds / 10, "p_correct"),
                rows("ablated", "pick", "injection", other / 10, "p_correct"),
            ]
        ).assign(expected="ocean")
    )
    found = variant_rate(paired_trials(frame, "ablated", "base"), DECLARED, "pick")
    assert found is not None
    assert found.value == pytest.approx(0.3)
    assert found.like_these is not None
    # the paired t interval of five concepts whose differences are .1 to .5: 4 degrees of freedom
    half = 2.7764451 * np.std([0.1, 0.2, 0.3, 0.4, 0.5], ddof=1) / np.sqrt(5)
    assert (found.like_these.low, found.like_these.high) == pytest.approx((0.3 - half, 0.3 + half), abs=1e-6)


def test_only_trials_that_both_have_count() -> None:
    whole = study(1.5)
    extra = rows("ablated", "notice", "injection", np.full((len(CONCEPTS), ITEMS), 50.0), strength=8.0)
    lost = whole[~((whole["subject"] == "base") & (whole["task"] == "notice") & (whole["concept"] == "ocean"))]
    (found,) = compare_variants(pd.concat([lost, extra], ignore_index=True), [DECLARED])
    logit = next(each for each in found.yes_corrected if each.scale == "logit")
    assert logit.value == pytest.approx(1.5, abs=0.25)
    assert found.unpaired == ITEMS + len(CONCEPTS) * ITEMS
    assert "36 trials without a counterpart" in variant_sentences(found)[-1]


def test_a_reading_that_the_base_lacks_is_left_out_of_both() -> None:
    frame = study(1.0)
    hidden = (frame["subject"] == "base") & (frame["item"] == "q0")
    frame.loc[hidden, "log_odds_yes"] = np.nan
    other = frame.copy()
    other.loc[(frame["subject"] == "ablated") & (frame["item"] == "q0"), "log_odds_yes"] = 99.0
    values = [
        found.value
        for each in (frame, other)
        if (found := variant_yes_corrected(paired_trials(checked_frame(each), "ablated", "base"), DECLARED)) is not None
    ]
    assert values[0] == pytest.approx(values[1])


def test_no_condition_in_common_is_said() -> None:
    frame = study(1.0)
    steered = (frame["subject"] == "base") & (frame["arm"] == "injection")
    frame = frame[frame["arm"] == "injection"].copy()
    frame.loc[steered, "strength"] = 2.0
    (found,) = compare_variants(frame, [DECLARED])
    assert found.tasks == ()
    assert found.yes_corrected == ()
    (line,) = variant_sentences(found)
    assert "no trial has the concept, layer, strength and item of one of base" in line


def test_a_variant_or_base_that_was_not_measured_is_left_out() -> None:
    frame = study(1.0)
    assert compare_variants(frame[frame["subject"] == "base"], [DECLARED]) == []
    assert compare_variants(frame, []) == []


def test_answers_in_words_are_contrasted_too() -> None:
    rng = np.random.default_rng(2)
    parts = [
        rows(subject, "timing", arm, rng.random((len(CONCEPTS), ITEMS)) < rate, "correct").assign(expected="ocean")
        for subject, arm, rate in (
            ("base", "injection", 0.1),
            ("ablated", "injection", 0.8),
            ("base", "control", 0.05),
            ("ablated", "control", 0.05),
        )
    ]
    frame = checked_frame(pd.concat([part.loc[:, ~part.columns.duplicated()] for part in parts], ignore_index=True))
    found = variant_difference(paired_trials(frame, "ablated", "base"), DECLARED, "timing")
    assert found is not None
    assert found.scale == "rate"
    assert found.headline is not None
    assert found.headline.low > 0


def test_sentences_and_table_say_which_is_higher() -> None:
    (found,) = compare_variants(study(1.5), [DECLARED])
    first = variant_sentences(found)[0]
    assert first.startswith(
        "ablated (base with a direction ablated), layer 9, strength 4: yes-corrected detection is higher than in "
        "base: +1."
    )
    assert "probability that it is higher above 99.9 %" in first
    assert any(
        line.startswith("notice a thought: is higher in ablated than in base: +")
        for line in task_contrast_sentences(found)
    )
    table = variant_table(found)
    shown = table.text_frame()
    assert list(shown["Task"]) == ["notice a thought", "unrelated question, answer no"]
    assert shown["Effect"].str.contains(" to ").all()
    assert variant_contrasts.PAIR_KEYS[0] == "task"


def test_judged_contrasts_are_shown_variant_less_base() -> None:
    contrasts = pd.DataFrame(
        [
            {
                "estimand": "net",
                "a": "base",
                "b": "ablated",
                "mean": -0.2,
                "low95": -0.3,
                "high95": -0.1,
                "probability": 0.01,
            }
        ]
    )
    (line,) = judged_variant_sentences(contrasts, [DECLARED, SubjectVariant(variant="x", base="y")], "net")
    assert line.startswith("ablated is higher than base: difference +20 points, 95 % interval +10 to +30")
