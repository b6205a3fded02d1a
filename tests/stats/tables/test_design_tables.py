"""Tables of what was run."""

from __future__ import annotations

import pandas as pd

from gnomon.stats.tables.design_tables import missing_trials_table, trials_by_arm_table


def test_missing_trials_are_counted_by_model_and_arm_in_their_order():
    missing = pd.DataFrame(
        [
            ("b", "random", "fear", 1, 5),
            ("b", "random", "ocean", 0, 5),
            ("b", "sham", "fear", 2, 5),
            ("a", "sham", "x", 0, 5),
        ],
        columns=["subject", "arm", "concept", "have", "want"],
    )
    assert missing_trials_table(missing).text_frame().to_numpy().tolist() == [
        ["b", "random", "2", "1", "10"],
        ["b", "sham", "1", "2", "5"],
        ["a", "sham", "1", "0", "5"],
    ]


def test_trials_have_models_in_the_given_order_and_arms_in_that_of_the_registry():
    cells = pd.DataFrame(
        [("a", "control", 3), ("a", "injection", 4), ("b", "control", 5), ("b", "control", 6)],
        columns=["subject", "arm", "n"],
    )
    assert trials_by_arm_table(cells, ["b", "a"]).text_frame().to_dict("records") == [
        {"Model": "b", "injection": "0", "control": "11"},
        {"Model": "a", "injection": "4", "control": "3"},
    ]
