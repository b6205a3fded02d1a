"""Whether an answer to a question of fact says yes: what is counted in the mismatched arm, read from its words."""

from __future__ import annotations

import re

YES = frozenset({"yes", "yeah", "yep", "sure", "certainly", "indeed", "absolutely", "correct", "true"})
NO = frozenset({"no", "nope", "not", "never", "incorrect", "false"})


def says_yes(answer: str) -> bool | None:
    """True where the first word for yes or no is a yes, False where it is a no, None where there is neither."""
    for word in re.findall(r"[a-z]+", answer.lower()):
        if word in YES:
            return True
        if word in NO:
            return False
    return None
