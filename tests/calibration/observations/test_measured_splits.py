"""One rule for the splits on which judges are measured without a look at the test split."""

from __future__ import annotations

import pytest

from gnomon.calibration.comparison.compared_versions import compared_judge
from gnomon.calibration.observations.measured_splits import splits_before_test
from gnomon.data.records import IMPORTED, LEARNED

SHOWN = {"examples": [{"trial": "t1"}]}


@pytest.mark.parametrize(
    ("kind", "config", "splits"),
    [
        ("logprob", {}, ("train", "dev")),
        ("openai", {"model": "m"}, ("train", "dev")),
        ("openai", SHOWN, ("dev",)),
        (LEARNED, {}, ("dev",)),
        (IMPORTED, SHOWN, ("train", "dev")),
    ],
)
def test_train_counts_only_where_no_label_of_it_taught_the_judge(kind, config, splits):
    assert splits_before_test(compared_judge("j", "v", kind, config)) == splits


def test_judges_measured_together_share_the_splits_of_the_one_that_learnt():
    plain, taught = compared_judge("a", "1", "openai", {}), compared_judge("b", "2", LEARNED, {})
    assert splits_before_test(plain, taught) == ("dev",)
    assert splits_before_test(plain) == ("train", "dev")
