"""Removes the secrets of a judge's server from what is stored or shown. A server that has a key can send it back."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gnomon.judging.rubrics.fence import clean_text

HIDDEN = "***"
SHORTEST_PART = 8
"""Characters by which the beginning of a secret is recognised, since a text may have been cut inside it."""
_INVISIBLE = r"(?:\\u(?:00ad|061c|180e|200[b-f]|202[a-e]|206[0-9a-f]|feff|00[01][0-9a-f]))*"


class SecretScrubber:
    """Replaces secrets by asterisks: as they are, in the escapes of JSON, and cut off anywhere after their beginning.

    Parameters
    ----------
    secrets : iterable of str
        The secrets; empty ones are none.
    """

    def __init__(self, secrets: Iterable[str | None] = ()) -> None:
        self._secrets = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
        self._escaped = [re.compile(_INVISIBLE.join(map(_as_json, secret))) for secret in self._secrets]

    def scrub_text(self, text: str) -> str:
        """The text without characters that are not shown, and then without secrets."""
        text = clean_text(text)
        for secret, escaped in zip(self._secrets, self._escaped, strict=True):
            if "\\" in text:
                text = escaped.sub(HIDDEN, text)
            text = _without_secret(text, secret)
        return text


def _without_secret(text: str, secret: str) -> str:
    """The text without any beginning of the secret that is long enough to be one."""
    start, parts, at = secret[:SHORTEST_PART], [], 0
    while (found := text.find(start, at)) >= 0:
        end = found + len(start)
        while end - found < len(secret) and text[end : end + 1] == secret[end - found]:
            end += 1
        parts += [text[at:found], HIDDEN]
        at = end
    return "".join([*parts, text[at:]])


def _as_json(mark: str) -> str:
    code = f"{ord(mark):04x}"
    short = rf"|\\{re.escape(mark)}" if mark in '"\\/' else ""
    return rf"(?:{re.escape(mark)}|(?i:\\u{code}){short})"
