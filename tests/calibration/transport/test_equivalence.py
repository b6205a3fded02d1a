"""Errors pass, fail, stay open or are not checked, against a margin said beforehand."""

from __future__ import annotations

import pytest

from gnomon.calibration.transport.equivalence import RateCounts, compare_rates, decide_transport
from gnomon.calibration.transport.transport_results import TransportOutcome
from gnomon.data.errors import InputError


def rates(learnt: tuple[float, float], used: tuple[float, float]) -> RateCounts:
    return RateCounts("control", "specificity", learnt, used)


@pytest.mark.parametrize(
    ("learnt", "used", "outcome"),
    [
        ((190, 200), (95, 100), TransportOutcome.PASS),
        ((190, 200), (60, 100), TransportOutcome.FAIL),
        ((190, 200), (84, 100), TransportOutcome.INCONCLUSIVE),
        ((190, 200), (5, 5), TransportOutcome.NOT_CHECKED),
        ((190, 200), (0, 0), TransportOutcome.NOT_CHECKED),
        ((0, 0), (5, 5), TransportOutcome.NOT_CHECKED),
    ],
)
def test_a_rate_is_decided_by_the_margin(learnt, used, outcome):
    found = compare_rates(rates(learnt, used), 0.1)
    assert found.outcome is outcome
    assert (found.needs is None) == (outcome in (TransportOutcome.PASS, TransportOutcome.FAIL))


def test_the_labels_that_it_needs_suffice():
    found = compare_rates(rates((190, 200), (5, 5)), 0.1)
    assert found.needs is not None
    assert "more labelled non-events where it is used (5 now)" in found.needs
    more = int(found.needs.split("about ")[1].split()[0])
    n = 5 + more
    assert compare_rates(rates((190, 200), (round(0.95 * n), n)), 0.1).outcome is TransportOutcome.PASS


def test_too_few_labels_where_it_was_learnt_are_told_there():
    found = compare_rates(rates((9, 10), (180, 200)), 0.05)
    assert found.outcome is TransportOutcome.NOT_CHECKED
    assert found.needs is not None
    assert "where it was learnt do not suffice" in found.needs


def test_without_a_margin_nothing_is_checked():
    found = compare_rates(rates((190, 200), (95, 100)), None)
    assert found.outcome is TransportOutcome.NOT_CHECKED
    assert found.difference is not None
    assert found.needs is not None
    assert "[transport] margin" in found.needs


@pytest.mark.parametrize("margin", [0.0, 1.0, -0.1, 10.0])
def test_a_margin_outside_0_to_1_is_refused(margin):
    with pytest.raises(InputError, match="is not between 0 and 1"):
        compare_rates(rates((1, 2), (1, 2)), margin)


def test_a_place_passes_only_if_every_rate_does():
    good, bad = rates((190, 200), (95, 100)), rates((190, 200), (84, 100))
    both, one = decide_transport({"both": [good, good], "one": [good, bad]}, 0.1)
    assert both.outcome is TransportOutcome.PASS
    assert one.outcome is TransportOutcome.INCONCLUSIVE


def test_many_places_make_each_pass_harder():
    close = rates((190, 200), (93, 100))
    alone = decide_transport({"a": [close]}, 0.1)[0]
    among = decide_transport({name: [close] for name in "abcdef"}, 0.1)[0]
    assert alone.outcome is TransportOutcome.PASS
    assert among.outcome is TransportOutcome.INCONCLUSIVE
    assert among.p_within == pytest.approx(6 * alone.p_within)


def test_a_place_without_labels_is_not_of_the_family():
    close = rates((190, 200), (93, 100))
    found = decide_transport({"a": [close], "b": [rates((190, 200), (0, 0))], "c": []}, 0.1)
    assert [each.outcome for each in found] == [TransportOutcome.PASS] + 2 * [TransportOutcome.NOT_CHECKED]


def test_a_sure_failure_is_told_even_where_another_rate_lacks_labels():
    found = decide_transport({"a": [rates((190, 200), (5, 5)), rates((190, 200), (50, 100))]}, 0.1)[0]
    assert found.outcome is TransportOutcome.FAIL
    assert "50 % (50 of 100) where used" in found.reason
