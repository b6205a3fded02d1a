"""A map is used elsewhere only where labels have shown, within a margin said beforehand, that it holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gnomon.calibration.graded.graded_results import TransferStatus
from gnomon.calibration.graded.map_transfer import (
    check_transfer,
    support_limit,
    transferred_mean,
    unsupported_share,
)
from gnomon.data.errors import InputError, NotEnoughDataError

NOTHING = ([], [], None)


def draw(seed: int, n: int, shift: float = 0.0, *, low: float = 0.0) -> tuple[np.ndarray, np.ndarray, None]:
    """Scores from `low` to 1 and events with chance score - shift."""
    random = np.random.default_rng([9, seed])
    scores = random.uniform(low, 1, n)
    return scores, (random.random(n) < np.clip(scores - shift, 0, 1)).astype(float), None


SOURCE = draw(0, 600)


def status_of(shift: float, n: int, margin: float | None = 0.1) -> TransferStatus:
    return check_transfer(SOURCE, draw(1, 2000)[0], draw(2, n, shift), margin, source="A", target="B").status


@pytest.mark.parametrize(
    ("shift", "n", "margin", "status"),
    [
        (0.0, 600, 0.1, TransferStatus.PASS),
        (0.3, 600, 0.1, TransferStatus.FAIL),
        (0.1, 60, 0.1, TransferStatus.INCONCLUSIVE),
        (0.0, 9, 0.1, TransferStatus.NOT_CHECKED),
        (0.0, 600, None, TransferStatus.NOT_CHECKED),
    ],
)
def test_labels_and_the_margin_decide(shift: float, n: int, margin: float | None, status: TransferStatus) -> None:
    assert status_of(shift, n, margin) is status


def test_scores_that_no_label_taught_are_refused_whatever_the_labels_there_say() -> None:
    taught = draw(3, 100, low=0.6)
    found = check_transfer(taught, draw(4, 500)[0], draw(4, 300), 0.5, source="A", target="B")
    assert found.status is TransferStatus.UNSUPPORTED
    assert found.unsupported == pytest.approx(0.6, abs=0.1)
    assert "label trials of B" in found.words


def test_the_ends_of_the_source_itself_are_no_ground_to_refuse() -> None:
    """Of 60 labels the outermost four at each end, an eighth of scores alike, have no five labels beyond them."""
    taught = draw(5, 60)
    same = check_transfer(taught, draw(6, 500)[0], draw(6, 300), 0.3, source="A", target="B")
    assert same.unsupported > 0.08
    assert same.status is TransferStatus.PASS
    few = check_transfer(draw(5, 19), draw(6, 500)[0], draw(6, 300), 0.3, source="A", target="B")
    assert few.status is TransferStatus.UNSUPPORTED


def test_scores_distributed_as_the_sources_own_are_hardly_ever_refused() -> None:
    random = np.random.default_rng(12)
    shares = [unsupported_share(random.random(60), random.random(400)) for _ in range(1000)]
    assert np.mean(np.array(shares) > support_limit(60, 400)) <= 0.005
    assert support_limit(60, 10_000) == pytest.approx(0.33, abs=0.03)
    assert support_limit(1000, 10_000) < 0.025


def test_support_counts_labels_at_or_beyond_a_score() -> None:
    known = np.array([0.1] * 4 + [0.3] * 6 + [0.9] * 5)
    assert unsupported_share(known, [0.1]) == 1.0
    assert unsupported_share(known, [0.3, 0.5, 0.9]) == 0.0
    assert unsupported_share(known, [0.95]) == 1.0
    assert unsupported_share(known, []) == 0.0


def test_no_discrepancy_in_few_labels_is_no_proof() -> None:
    """The rule of three: none in 40 is compatible with one in thirteen, so a margin of .05 is not shown."""
    certain = (np.repeat([0.0, 1.0], 50), np.repeat([0.0, 1.0], 50), None)
    for n, status in ((40, TransferStatus.INCONCLUSIVE), (90, TransferStatus.PASS)):
        same = (np.repeat([0.0, 1.0], n // 2), np.repeat([0.0, 1.0], n // 2), None)
        assert check_transfer(certain, same[0], same, 0.05, source="A", target="B").status is status


def test_a_map_that_is_off_by_the_margin_passes_in_at_most_one_of_twenty() -> None:
    """Truth is score - .1 and the margin .1: a map learnt from 600 exact labels."""
    passed = sum(
        check_transfer(SOURCE, SOURCE[0], draw(seed, 400, 0.1), 0.1, source="A", target="B").is_usable
        for seed in range(10, 210)
    )
    assert passed / 200 <= 0.08


def test_what_it_would_take_is_said_and_is_enough() -> None:
    few = check_transfer(SOURCE, SOURCE[0], draw(2, 60, 0.02), 0.1, source="A", target="B")
    assert few.status is TransferStatus.INCONCLUSIVE
    assert few.needs is not None
    assert f"about {few.needs} labels of B" in few.words
    passed = [
        check_transfer(SOURCE, SOURCE[0], draw(seed, few.needs), 0.1, source="A", target="B").is_usable
        for seed in range(300, 340)
    ]
    assert np.mean(passed) > 0.5


def test_a_mean_elsewhere_needs_a_pass_and_is_wider_by_the_margin() -> None:
    target = draw(20, 800)
    passed = check_transfer(SOURCE, target[0], draw(21, 700), 0.1, source="A", target="B")
    found = transferred_mean(SOURCE, target[0], passed)
    assert found.low <= target[1].mean() <= found.high
    assert found.high - found.low > 0.2
    refused = check_transfer(SOURCE, target[0], draw(22, 700, 0.3), 0.1, source="A", target="B")
    with pytest.raises(NotEnoughDataError, match="refused, labels there differ"):
        transferred_mean(SOURCE, target[0], refused)


def test_an_adversarial_policy_is_refused(shared: Path) -> None:
    """The bar of issue 27: calibrated on the base policy of `cje-arena-sample`, the other one does not get a figure."""
    table = pd.read_csv(shared / "data" / "cje-arena-sample" / "scores.csv")
    base = table[table["policy"] == "base"].dropna()
    other = table.loc[table["policy"] != "base", "judge_score"].to_numpy()
    taught = (base["judge_score"].to_numpy(), base["oracle_label"].to_numpy(), None)
    found = check_transfer(taught, other, NOTHING, 0.05, source="the base policy", target="the other policy")
    assert found.status is TransferStatus.UNSUPPORTED
    with pytest.raises(NotEnoughDataError, match="scores lie where fewer than 5 labels"):
        transferred_mean(taught, other, found)


def test_a_margin_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="margin 0: give one above 0"):
        check_transfer(SOURCE, SOURCE[0], NOTHING, 0.0, source="A", target="B")
