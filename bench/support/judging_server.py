"""A loopback judge server in its own process: answers after a delay, fails, or shares prefixes, as configured."""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
from collections import Counter
from typing import ClassVar

FACTS = {"claims_quote": "I notice", "claims": True, "concept_quote": "", "concept": "ocean", "coherent_quote": ""}
FACTS |= {"coherent": True, "refused_quote": "", "refused": False}


def answer(content: str, status: str = "200 OK", more: str = "") -> bytes:
    """A complete HTTP response.

    Parameters
    ----------
    content : str
        JSON body.
    status : str, default "200 OK"
        HTTP status line.
    more : str, default ""
        Further header lines, each with its line end.
    """
    body = content.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{more}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def completion(text: str, usage: dict[str, object] | None = None) -> str:
    """A reply in the form of the chat completion protocol.

    Parameters
    ----------
    text : str
        The reply.
    usage : dict, optional
        Tokens that the server reports.
    """
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = usage or {"prompt_tokens": 900, "completion_tokens": 60, "total_tokens": 960}
    whole = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
    return json.dumps(whole)


def error(status: str, message: str, more: str = "") -> bytes:
    """An error in the protocol's form.

    Parameters
    ----------
    status : str
        HTTP status line.
    message : str
        Error message.
    more : str, default ""
        Further header lines, each with its line end.
    """
    return answer(json.dumps({"error": {"message": message}}), status, more)


GOOD = answer(completion(json.dumps(FACTS)))
READY = answer(completion("ready"))
LIMITED = error("429 Too Many Requests", "slow down", "Retry-After-Ms: 50\r\n")
BROKEN = error("500 Internal Server Error", "broken")
HALF = answer(completion('{"claims": tr'))
CUT = answer(completion(json.dumps(FACTS))[:60])
STATS = b"GET /stats"
FAULTS = b"POST /faults"
PREFIXES = b"POST /prefixes"
BLOCK = 16
_PIECES = re.compile(r"\w{1,5}|[^\w\s]|\s+(?=\S)")


class PrefixCache:
    """Blocks of prompts that a server has read: of a prompt, it reads only what follows the blocks it knows.

    As servers do it: a block of 16 tokens is known by all that stands before it. A token is a piece of a word of at
    most five letters, a mark, or white space.
    """

    def __init__(self) -> None:
        self._known: set[int] = set()

    def read_prompt(self, text: str) -> tuple[int, int]:
        """Read a prompt; returns its tokens, and those of them that were not known."""
        pieces = [piece for piece in _PIECES.findall(text) if piece != " "]
        shared, chain = 0, 0
        is_known = True
        for start in range(0, len(pieces) - BLOCK + 1, BLOCK):
            chain = hash((chain, *pieces[start : start + BLOCK]))
            is_known = is_known and chain in self._known
            shared += BLOCK * is_known
            self._known.add(chain)
        return len(pieces), len(pieces) - shared


class Speaker(asyncio.Protocol):
    """One connection; `faults`: 30 % 429, 5 % 500, 2 % broken JSON (half of it in the protocol's own envelope), 1 %
    hangs.
    """

    counts: ClassVar[Counter[str]] = Counter()
    wait = 0.05
    faults = False
    cache: ClassVar[PrefixCache | None] = None
    chance = random.Random(20)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self._transport = transport
        self._held = b""

    def data_received(self, data: bytes) -> None:
        """Answer every complete request in the buffer."""
        self._held += data
        while (end := self._held.find(b"\r\n\r\n")) >= 0:
            head = self._held[:end].lower()
            place = head.find(b"content-length:")
            size = 0 if place < 0 else int(head[place + 15 :].split(b"\r\n")[0])
            if len(self._held) < end + 4 + size:
                return
            request, self._held = self._held[: end + 4 + size], self._held[end + 4 + size :]
            self._answer(request)

    def _answer(self, request: bytes) -> None:
        if request.startswith(STATS):
            self._send(answer(json.dumps(Speaker.counts)))
        elif request.startswith(FAULTS):
            Speaker.faults, Speaker.counts = True, Counter()
            self._send(answer("{}"))
        elif request.startswith(PREFIXES):
            Speaker.cache, Speaker.counts = PrefixCache(), Counter()
            self._send(answer("{}"))
        elif Speaker.cache is not None:
            self._send(self._from_cache(request, Speaker.cache))
        elif b"ready. Write no JSON" in request:
            asyncio.get_running_loop().call_later(Speaker.wait, self._send, READY)
        elif (reply := self._drawn()) is not None:
            asyncio.get_running_loop().call_later(Speaker.wait, self._send, reply)

    def _from_cache(self, request: bytes, cache: PrefixCache) -> bytes:
        messages = json.loads(request.partition(b"\r\n\r\n")[2])["messages"]
        tokens, prefilled = cache.read_prompt("\n".join(f"{each['role']}\n{each['content']}" for each in messages))
        is_probe = len(messages) == 1
        if not is_probe:
            Speaker.counts.update(verdicts=1, prompt_tokens=tokens, prefilled=prefilled)
        usage = {"prompt_tokens": tokens, "prompt_tokens_details": {"cached_tokens": tokens - prefilled}}
        said = "ready" if is_probe else json.dumps(FACTS)
        return answer(completion(said, {**usage, "completion_tokens": 60, "total_tokens": tokens + 60}))

    def _drawn(self) -> bytes | None:
        kinds = {"limited": 0.30, "broken": 0.05, "half": 0.01, "cut": 0.01, "hang": 0.01, "good": 0.62}
        kind = Speaker.chance.choices(list(kinds), list(kinds.values()))[0] if Speaker.faults else "good"
        Speaker.counts[kind] += 1
        replies = {"limited": LIMITED, "broken": BROKEN, "half": HALF, "cut": CUT, "hang": None, "good": GOOD}
        return replies[kind]

    def _send(self, reply: bytes) -> None:
        if not self._transport.is_closing() and isinstance(self._transport, asyncio.WriteTransport):
            self._transport.write(reply)


async def main() -> None:
    """Serve on a free port and print it."""
    server = await asyncio.get_running_loop().create_server(Speaker, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    asyncio.run(main())
