"""Whether an answer to a factual question says yes, from its words: the outcome counted in the mismatched arm."""

from __future__ import annotations

import re

YES = frozenset({"yes", "yeah", "yep", "sure", "certainly", "indeed", "absolutely", "correct", "true"})
NO = frozenset({"no", "nope", "not", "never", "incorrect", "false"})


def says_yes(answer: str) -> bool | None:
    """True if the first word for yes or no is a yes, False if it is a no, None if the answer contains neither."""
    for word in re.findall(r"[a-z]+", answer.lower()):
        if word in YES:
            return True
        if word in NO:
            return False
    return None
