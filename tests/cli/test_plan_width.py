"""Widths of `gnomon plan`: percent as it prints them, or a fraction."""

from __future__ import annotations

import pytest

from gnomon.commands.study.plan import parse_width
from gnomon.data.errors import InputError


@pytest.mark.parametrize("text", ["10", "10%", "10 %", "0.1", ".1", "10.0", "0.1 "])
def test_ten_points_may_be_written_in_percent_or_as_a_fraction(text: str) -> None:
    assert parse_width(text) == pytest.approx(0.1)


def test_half_a_point_needs_its_percent_sign() -> None:
    assert parse_width("0.5%") == pytest.approx(0.005)
    assert parse_width(None) is None


@pytest.mark.parametrize("text", ["700", "0", "-3", "ten", "200%", "nan", ""])
def test_a_width_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"write 10, 10% or 0\.1"):
        parse_width(text)
