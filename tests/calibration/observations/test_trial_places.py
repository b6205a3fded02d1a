"""Ids are found exactly, of one length or of several."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gnomon.calibration.observations import trial_places
from gnomon.calibration.observations.trial_places import TrialIds, TrialPlaces

MAKERS: dict[str, Callable[[int], str]] = {
    "as made": lambda n: f"{n * 7919:032x}",
    "of several lengths": lambda n: f"trial {n}",
    "beyond ASCII": lambda n: f"é{n * 31 % 997:06d}",
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_ids_are_sorted_and_found(make: Callable[[int], str]) -> None:
    ids = [make(n) for n in range(900, 0, -1)]
    known = sorted(ids)
    assert [ids[place] for place in TrialIds(ids).sorted_order()] == known
    asked = [*ids[::3], "0" * 32, "trial", ids[1]]
    expected = [known.index(each) if each in known else -1 for each in asked]
    places = TrialPlaces(TrialIds(known))
    assert places.places_of(TrialIds(asked)).tolist() == expected
    assert places.places_of(TrialIds(ids[5:25])).tolist() == [known.index(each) for each in ids[5:25]]
    assert places.places_of(TrialIds([])).tolist() == []
    assert TrialPlaces(TrialIds([])).places_of(TrialIds(ids[:2])).tolist() == [-1, -1]


def test_ids_with_the_same_number_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [f"{n:032x}" for n in range(50)]
    monkeypatch.setattr(trial_places, "_mixed", lambda words: np.arange(len(words), dtype=np.uint64))
    places = TrialPlaces(TrialIds(ids))
    assert places.places_of(TrialIds([ids[0], ids[7], "f" * 32])).tolist() == [0, -1, -1], "bytes decide"
    monkeypatch.setattr(trial_places, "_mixed", lambda words: np.zeros(len(words), dtype=np.uint64))
    places = TrialPlaces(TrialIds(ids))
    assert places.places_of(TrialIds([ids[7], "f" * 32, ids[3]])).tolist() == [7, -1, 3]
