"""Words: text stays as it is written, numbers read as people write them."""

from __future__ import annotations

import math

import pytest

from gnomon.stats.narrative import formatting


def test_marks_that_markdown_would_read_are_escaped():
    assert formatting.escape_markdown("**b** <i> $x$ [a](b)") == r"\*\*b\*\* \<i\> \$x\$ \[a\]\(b\)"


def test_a_shortcode_loses_its_colon_to_a_zero_width_space_and_a_lone_colon_does_not():
    assert formatting.escape_markdown(":smile: a: b") == ":\u200bsmile: a: b"


def test_line_ends_do_not_reach_a_label():
    assert formatting.escape_markdown("a\n# b") == r"a \# b"


@pytest.mark.parametrize(("value", "shown"), [(0.412, "41 %"), (-0.05, "-5 %"), (None, "–"), (math.nan, "–")])
def test_percent(value, shown):
    assert formatting.format_percent(value) == shown


@pytest.mark.parametrize(("parameters", "shown"), [(1.345e8, "134M"), (5e8, "0.5B"), (3.2e10, "32B"), (1.5e9, "1.5B")])
def test_size(parameters, shown):
    assert formatting.format_size(parameters) == shown


def test_counts_agree_with_their_noun():
    assert [formatting.count_noun(n, "trial") for n in (0, 1, 2560)] == ["0 trials", "1 trial", "2,560 trials"]


def test_lists_end_in_and():
    assert [formatting.join_names(list("abc")[:n]) for n in range(4)] == ["none", "a", "a and b", "a, b and c"]
    assert formatting.join_names(list("abcdefgh"), limit=2) == "a, b and 6 more"
