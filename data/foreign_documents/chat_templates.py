"""Chat templates that print today's date: a prompt must not change overnight, so they print a fixed day."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from typing import Any

PROMPT_DATE = date(2025, 1, 1)
"""Day that is printed where a study names none."""
_CLOCK = re.compile(r"""\bstrftime_now\(\s*(?:format\s*=\s*)?(?:"([^"]*)"|'([^']*)')\s*\)""")


def dated_template(tokenizer: Any, day: date = PROMPT_DATE) -> dict[str, str]:
    """The template of a tokenizer in which each call for the present time is that of a day's noon.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizer
        The tokenizer, with a chat template.
    day : date
        The day.

    Returns
    -------
    dict of str to str
        Keywords for `apply_chat_template`: none for a template that asks for no time.
    """
    if "strftime_now" not in str(getattr(tokenizer, "chat_template", "")):
        return {}
    noon = datetime.combine(day, time(12))
    template = str(tokenizer.get_chat_template())
    return {"chat_template": _CLOCK.sub(lambda call: _quoted(noon.strftime(call[1] or call[2] or "")), template)}


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
