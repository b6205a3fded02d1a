"""Replies cut into tokens with log-probabilities, as servers give them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from gnomon.judging.rubrics.answer_scores import ReplyToken

FACTS_CLAIM = {"claims_quote": "q", "claims": True, "concept_quote": "q", "concept": "ocean"}
FACTS_REST = {"coherent_quote": "", "coherent": True, "refused_quote": "", "refused": False}
CLAIM_REPLY = json.dumps({**FACTS_CLAIM, **FACTS_REST})
DENIAL_REPLY = json.dumps({**FACTS_CLAIM, "claims": False, "concept": "none", **FACTS_REST})
SURE = 0.999
_CUTS = re.compile(r"\w+|\s+|[^\w\s]+")

Shares = Mapping[str, Mapping[str, float]]


def cut_reply(text: str, shares: Shares) -> list[tuple[str, dict[str, float]]]:
    """Tokens of a text with the probabilities of what is listed in the place of each.

    Parameters
    ----------
    text : str
        The reply.
    shares : mapping of str to mapping of str to float
        Probabilities of tokens by the text before them, of which each occurs once and ends where a token begins; the
        first one that the text continues with is the token itself. Elsewhere a token is listed alone.
    """
    wanted = {text.rindex(before) + len(before): listed for before, listed in shares.items()}
    pieces: list[tuple[str, dict[str, float]]] = []
    place = 0
    while place < len(text):
        if place in wanted:
            token = max((word for word in wanted[place] if text.startswith(word, place)), key=len)
            pieces.append((token, dict(wanted[place])))
        else:
            found = _CUTS.match(text, place)
            assert found is not None
            end = min([found.end(), *(start for start in wanted if start > place)])
            token = text[place:end]
            pieces.append((token, {token: SURE}))
        place += len(token)
    return pieces


def reply_tokens(text: str, shares: Shares) -> list[ReplyToken]:
    """The tokens of `cut_reply` as they are read."""
    return [
        ReplyToken(
            token.encode(),
            {word.encode(): math.log(share) for word, share in listed.items()},
            min(listed.values()) if len(listed) > 1 else 1.0,
        )
        for token, listed in cut_reply(text, shares)
    ]


def chat_logprobs(text: str, shares: Shares, *, has_bytes: bool = True) -> dict[str, Any]:
    """What stands under `logprobs` in a choice of the chat protocol (OpenAI, vLLM, llama.cpp, SGLang, Ollama)."""

    def entry(token: str, share: float) -> dict[str, Any]:
        logprob = math.log(share) if share > 0 else -9999.0
        return {"token": token, "logprob": logprob, "bytes": list(token.encode()) if has_bytes else None}

    content = []
    for token, listed in cut_reply(text, shares):
        top = [entry(word, share) for word, share in sorted(listed.items(), key=lambda pair: -pair[1])]
        content.append({**entry(token, listed[token]), "top_logprobs": top})
    return {"content": content, "refusal": None}


def list_logprobs(text: str, shares: Shares) -> dict[str, Any]:
    """The older form, lists side by side, that some servers give for chats too."""
    pieces = cut_reply(text, shares)
    return {
        "tokens": [token for token, _ in pieces],
        "token_logprobs": [math.log(listed[token]) for token, listed in pieces],
        "top_logprobs": [{word: math.log(share) for word, share in listed.items()} for _, listed in pieces],
    }
