"""The base rate stands beside every chance-corrected coefficient."""

from __future__ import annotations

import pandas as pd
import pytest

from gnomon.calibration.agreement.base_rates import commonest_outcome
from gnomon.calibration.agreement.pairwise import CODES, JUDGE, RATER, group_agreement, pair_agreement
from gnomon.data.outcomes import Outcome

COMMON, RARE = Outcome.DENIED, Outcome.IDENTIFIED


def readings(*columns):
    names = [(JUDGE, "j"), (RATER, "ann"), (RATER, "ben")][: len(columns)]
    frame = pd.DataFrame(
        {name: [CODES[str(said)] for said in column] for name, column in zip(names, columns, strict=True)}
    )
    frame.columns = pd.MultiIndex.from_tuples(names, names=["kind", "name"])
    return frame


def test_the_commonest_outcome_of_both_members_is_the_base_rate():
    one = [COMMON] * 38 + [RARE] * 2
    other = [COMMON] * 36 + [RARE] * 4
    (pair,) = pair_agreement(readings(one, other))
    assert pair.base_outcome == str(COMMON)
    assert pair.base_rate == pytest.approx(74 / 80)
    assert pair.cohen is not None


def test_groups_have_one_too():
    one, other = [COMMON] * 30 + [RARE] * 10, [COMMON] * 25 + [RARE] * 15
    found = {group.group: group for group in group_agreement(readings(one, one, other))}
    assert found["raters"].base_rate == pytest.approx(55 / 80)


def test_members_without_a_trial_in_common_have_none():
    assert commonest_outcome([0, 0, 0]).base_rate is None
