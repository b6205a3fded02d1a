"""Claims about reading yes and no."""

from __future__ import annotations

import pytest

from gnomon.data.arms.measures import says_yes


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Yes.", True),
        ("No, the Sun is a star.", False),
        ("The answer is: no", False),
        ("Absolutely! Yes.", True),
        ("It is not true.", False),
        ("Perhaps.", None),
        ("", None),
        ("Nobody knows; yesterday it did.", None),
    ],
)
def test_the_first_word_for_yes_or_no_decides(answer: str, expected: bool | None) -> None:
    assert says_yes(answer) is expected
