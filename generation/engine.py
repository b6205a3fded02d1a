"""Decodes one batch of rows that differ in prompt, layer, strength and span; knows nothing of studies or stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import Cache

from generation.injection import Addition, Injection, inject
from generation.kvcache import Pairs, cache_of, first, join, keep_rows, pairs_of
from generation.noise import sampling_noise
from generation.subjects import LoadedSubject


@dataclass(frozen=True)
class Request:
    """One row: the prompt's token ids, what is added (None: nothing), and how its answer is sampled.

    `temperature` 0 takes the likeliest token; else noise comes from `seed` and the token's number alone.
    """

    prompt: tuple[int, ...]
    addition: Addition | None
    seed: int
    temperature: float
    max_tokens: int


@dataclass(frozen=True)
class Answer:
    """What the subject said: `finish` is stop, length or error; `touched` are the positions that were steered."""

    text: str
    tokens: tuple[int, ...]
    finish: str
    error: str | None
    touched: tuple[int, ...]


@dataclass
class _Row:
    """A request under way."""

    index: int
    request: Request
    tokens: list[int] = field(default_factory=list)
    finish: str | None = None
    error: str | None = None


class Engine:
    """Answers requests of one subject. Prompts are computed once and their caches kept for later batches."""

    def __init__(self, subject: LoadedSubject) -> None:
        self.subject = subject
        self._model = subject.model
        self._stops = stop_tokens(subject)
        self._clean: dict[tuple[int, ...], Pairs] = {}

    @torch.no_grad()
    def answers(self, requests: Sequence[Request]) -> list[Answer]:
        """Answer all requests as one batch, in their order.

        A row whose logits are not finite ends with finish `error` and its reason; the others go on.
        """
        rows = [_Row(index, request) for index, request in enumerate(requests)]
        for request in requests:
            self._compute_clean(request.prompt)
        with inject(self._model, [request.addition for request in requests]) as injection:
            live, cache, logits = self._prefill(rows, injection)
            lengths = [len(row.request.prompt) for row in live]
            mask = _left_padded(lengths, self.subject.device)
            while live:
                self._choose(live, logits)
                live, mask = self._drop_finished(live, cache, mask)
                if live:
                    mask = torch.cat([mask, mask.new_ones(len(live), 1)], dim=1)
                    logits = self._step(live, cache, mask, injection)
            return [self._answer(row, injection) for row in rows]

    # -- the prompt --------------------------------------------------------------------------------------

    def _prefill(self, rows: list[_Row], injection: Injection) -> tuple[list[_Row], Cache, Tensor]:
        """Run every prompt from its first steered position on; what lies before is shared between rows."""
        groups: dict[tuple[tuple[int, ...], int], list[_Row]] = {}
        for row in rows:
            groups.setdefault((row.request.prompt, _begin(row.request)), []).append(row)
        done, caches, logits = [], [], []
        for (prompt, begin), members in groups.items():
            injection.select([row.index for row in members])
            pairs, last = self._finish_prompt(prompt, begin, len(members))
            done += members
            caches.append(pairs)
            logits.append(last)
        room = max(row.request.max_tokens for row in rows)
        return done, join(caches, room), torch.cat(logits)

    def _finish_prompt(self, prompt: tuple[int, ...], begin: int, rows: int) -> tuple[Pairs, Tensor]:
        """Caches and last logits of `rows` rows with one prompt, of which the first `begin` positions are shared."""
        cache = cache_of(first(self._clean[prompt], begin, rows)) if begin else DynamicCache()
        device = self.subject.device
        ids = torch.tensor(prompt[begin:], device=device).expand(rows, -1)
        positions = torch.arange(begin, len(prompt), device=device).expand(rows, -1)
        logits = self._forward(ids, positions, torch.ones(rows, len(prompt), dtype=torch.long, device=device), cache)
        return pairs_of(cache), logits

    def _compute_clean(self, prompt: tuple[int, ...]) -> None:
        """Keep the cache of a prompt that nothing is added to, but for its last token, which every row runs itself."""
        if prompt in self._clean or len(prompt) == 1:
            return
        cache, ids = DynamicCache(), torch.tensor([prompt[:-1]], device=self.subject.device)
        self._forward(ids, torch.arange(ids.shape[1], device=ids.device)[None], torch.ones_like(ids), cache)
        self._clean[prompt] = pairs_of(cache)

    # -- the answer --------------------------------------------------------------------------------------

    def _step(self, live: list[_Row], cache: Cache, mask: Tensor, injection: Injection) -> Tensor:
        injection.select([row.index for row in live])
        device = self.subject.device
        ids = torch.tensor([[row.tokens[-1]] for row in live], device=device)
        places = [[len(row.request.prompt) + len(row.tokens) - 1] for row in live]
        return self._forward(ids, torch.tensor(places, device=device), mask, cache)

    def _forward(self, ids: Tensor, positions: Tensor, mask: Tensor, cache: Cache) -> Tensor:
        """Logits (rows, vocabulary) of the last column, float32."""
        output: Any = self._model(
            input_ids=ids,
            position_ids=positions,
            attention_mask=mask,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return output.logits[:, -1].float()  # type: ignore[no-any-return]

    def _choose(self, live: list[_Row], logits: Tensor) -> None:
        """Give each row its next token, and its end where it has come."""
        finite = torch.isfinite(logits).all(dim=1).tolist()
        chosen = _draw(logits, [row.request for row in live], [len(row.tokens) for row in live]).tolist()
        for row, fine, token in zip(live, finite, chosen, strict=True):
            if not fine:
                row.finish, row.error = "error", _not_finite(row)
            elif token in self._stops:
                row.finish = "stop"
            else:
                row.tokens.append(token)
                row.finish = "length" if len(row.tokens) == row.request.max_tokens else None

    def _drop_finished(self, live: list[_Row], cache: Cache, mask: Tensor) -> tuple[list[_Row], Tensor]:
        """Finished rows leave, and with them the padding that only they needed."""
        kept = [place for place, row in enumerate(live) if row.finish is None]
        if kept and len(kept) < len(live):
            rows = torch.tensor(kept, device=mask.device)
            drop = int(mask[rows].any(dim=0).int().argmax())
            keep_rows(cache, rows, drop)
            mask = mask[rows, drop:]
        return [live[place] for place in kept], mask

    def _answer(self, row: _Row, injection: Injection) -> Answer:
        text = self.subject.tokenizer.decode(row.tokens, skip_special_tokens=True)
        return Answer(text, tuple(row.tokens), row.finish or "error", row.error, tuple(injection.touched(row.index)))


def stop_tokens(subject: LoadedSubject) -> frozenset[int]:
    """Tokens that end an answer: those of the model's generation settings and the tokenizer's own."""
    stops = subject.model.generation_config.eos_token_id
    ids = set(stops if isinstance(stops, list) else [stops]) | {subject.tokenizer.eos_token_id}
    return frozenset(id_ for id_ in ids if id_ is not None)


def _begin(request: Request) -> int:
    """First position that a row must run itself: where its steering starts, at the latest the prompt's last token."""
    last = len(request.prompt) - 1
    return last if request.addition is None else min(request.addition.start, last)


def _left_padded(lengths: Sequence[int], device: Any) -> Tensor:
    """Attention mask (rows, longest) with each row's tokens on the right."""
    columns = torch.arange(max(lengths), device=device)
    return (columns[None] >= max(lengths) - torch.tensor(lengths, device=device)[:, None]).long()


def _draw(logits: Tensor, requests: Sequence[Request], steps: Sequence[int]) -> Tensor:
    """Next token of each row, (rows,): the likeliest, or a draw from softmax(logits / temperature)."""
    scores = logits.clone()
    for row, (request, step) in enumerate(zip(requests, steps, strict=True)):
        if request.temperature > 0:
            noise = torch.from_numpy(sampling_noise(request.seed, step, logits.shape[1])).log_()
            scores[row] = logits[row] / request.temperature - noise.to(scores)
    return scores.argmax(dim=1)


def _not_finite(row: _Row) -> str:
    addition = row.request.addition
    where = "nothing was added" if addition is None else f"vector added at layer {addition.layer}"
    return f"logits of answer token {len(row.tokens) + 1} are not finite ({where})"
