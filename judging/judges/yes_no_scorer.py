"""P(yes) of yes-or-no questions about texts, from a causal language model's own probabilities.

Knows nothing of judges.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gnomon.data.foreign_documents.chat_templates import dated_template
from gnomon.data.foreign_documents.work_limits import run_within_limits

YES = ("yes", "Yes", " yes", " Yes")
NO = ("no", "No", " no", " No")
_TEXT, _ASKED = "\x01text\x01", "\x01asked\x01"


class LanguageModel(Protocol):
    """A transformers causal language model in evaluation mode, its tokenizer, and a hash of its weights."""

    @property
    def model(self) -> Any:
        """The model."""

    @property
    def tokenizer(self) -> Any:
        """Its fast tokenizer."""

    @property
    def revision(self) -> str:
        """Hash of weights and chat template."""


@dataclass(frozen=True, slots=True)
class _SharedPrefix:
    """A batch after instructions and texts: key-value cache, attention mask and, for each row, the next position."""

    cache: Any
    mask: Any
    position: Any


class YesNoScorer:
    """Asks one model several questions about each of several texts.

    The instructions are computed once for all texts, and each text once for all its questions: keys and values are
    kept, and only the tokens of a question are computed for it. Rows of a batch are padded between instructions and
    text; the padding is masked and left out of the positions, so that it changes nothing.

    Estimand: P(next token begins a yes | next token begins a yes or a no), the first tokens of `YES` against `NO`.

    Parameters
    ----------
    language_model : LanguageModel
        The model and its tokenizer.
    instructions : str
        Text before every text of a batch.
    """

    def __init__(self, language_model: LanguageModel, instructions: str) -> None:
        self._model = language_model.model
        self._tokenizer = language_model.tokenizer
        self._before, self._between, self._after = self._split_template(instructions)
        self._yes, self._no = self._first_tokens(YES), self._first_tokens(NO)

    def encode_texts(self, texts: Sequence[str]) -> _SharedPrefix:
        """Compute keys and values of a batch of texts, for `yes_probabilities`."""
        import torch

        rows = [self._token_ids(text, plain=True) + self._token_ids(self._between) for text in texts]
        longest = max(map(len, rows))
        pads = [longest - len(row) for row in rows]
        ids = torch.tensor([[0] * pad + row for pad, row in zip(pads, rows, strict=True)], device=self._model.device)
        shared = self._shared_prefix.get_seq_length()
        own = torch.tensor([[0] * pad + [1] * (longest - pad) for pad in pads], device=self._model.device)
        mask = torch.cat([torch.ones(len(rows), shared, dtype=own.dtype, device=own.device), own], dim=1)
        positions = (shared + own.cumsum(1) - 1).clamp(min=0)
        cache = copy.deepcopy(self._shared_prefix)
        cache.batch_repeat_interleave(len(rows))
        self._run_forward(ids, mask, positions, cache)
        return _SharedPrefix(cache, mask, positions[:, -1:] + 1)

    def yes_probabilities(self, batch: _SharedPrefix, question: str) -> NDArray[np.float64]:
        """P(yes) of one question for each text of a batch.

        Parameters
        ----------
        batch : _SharedPrefix
            What `encode_texts` returned; its cache is left as it was.
        question : str
            A question that can be answered with yes or no.

        Returns
        -------
        ndarray of float64, shape (texts,)
            Probabilities, in the order of the texts.
        """
        import torch

        asked = torch.tensor([self._token_ids(question + self._after)], device=self._model.device)
        rows = len(batch.mask)
        ids = asked.expand(rows, -1)
        mask = torch.cat([batch.mask, torch.ones_like(ids)], dim=1)
        steps = torch.arange(ids.shape[1], device=ids.device)
        logits = self._run_forward(ids, mask, batch.position + steps, batch.cache)
        batch.cache.crop(-ids.shape[1])
        scores = torch.log_softmax(logits.float(), dim=-1)
        yes, no = (scores[:, tokens].logsumexp(dim=-1) for tokens in (self._yes, self._no))
        return np.asarray(torch.sigmoid(yes - no).double().cpu().numpy(), dtype=np.float64)

    @cached_property
    def _shared_prefix(self) -> Any:
        """Keys and values of the instructions, one row."""
        import torch
        from transformers import DynamicCache

        ids = torch.tensor([self._token_ids(self._before)], device=self._model.device)
        cache = DynamicCache()
        positions = torch.arange(ids.shape[1], device=ids.device)[None]
        self._run_forward(ids, torch.ones_like(ids), positions, cache)
        return cache

    def _run_forward(self, ids: Any, mask: Any, positions: Any, cache: Any) -> Any:
        """Logits after the last token of each row; the tokens are added to the cache."""
        import torch

        with torch.inference_mode():
            return self._model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[:, -1]

    def _split_template(self, instructions: str) -> tuple[str, str, str]:
        """The template's text before the text, between text and question, and after the question."""
        content = f"{instructions}\n\n{_TEXT}\n\n{_ASKED}"
        whole = f"{content}\nAnswer:"
        if self._tokenizer.chat_template:
            turn = [{"role": "user", "content": content}]
            dated = dated_template(self._tokenizer)
            whole = run_within_limits(
                "chat template",
                lambda: str(
                    self._tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True, **dated)
                ),
            )
        before, _, rest = whole.partition(_TEXT)
        between, _, after = rest.partition(_ASKED)
        return before, between, after

    def _token_ids(self, text: str, *, plain: bool = False) -> list[int]:
        """Token ids of a text; in a `plain` text no control token is recognised, whatever the text contains."""
        found = self._tokenizer(text, add_special_tokens=False, split_special_tokens=plain)
        return list(found["input_ids"])

    def _first_tokens(self, words: Sequence[str]) -> list[int]:
        return sorted({self._token_ids(word)[0] for word in words})
