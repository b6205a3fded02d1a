"""One step of decoding for all slots, from the table to the table: body, steering, head and draw, on the device alone.

On a GPU each shape of a step is captured once as a CUDA graph and replayed. What a step leaves for the host is a small
tensor of tokens and flags.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch import Tensor

from gnomon.generation.caches.slot_layers import Pair, SlotCache, SlotLayer
from gnomon.generation.engine.forward import ModelParts, model_parts
from gnomon.generation.engine.row_memory import step_masks
from gnomon.generation.engine.sampling import choose_tokens
from gnomon.generation.fast_engine.dense_steering import DenseSteering
from gnomon.generation.fast_engine.slot_table import IDS, POSITIONS, SEEDS, STEPS, SlotTable
from gnomon.generation.fast_engine.static_sampling import draw_tokens
from gnomon.generation.fast_engine.step_shapes import StepOptions

CLOSE, DAMAGED, UNRESOLVED = 1, 2, 4
"""Flags of a drawn token: the choice was close, logits are not finite, or there was no room to draw it."""
EAGER = 2
"""Steps of a shape that run before it is captured: they set up what the libraries allocate once, and a shape that
hardly ever occurs is not captured at all."""


class DecodeStep:
    """Steps of the rows in the first slots of a cache.

    Parameters
    ----------
    model : PreTrainedModel
        The subject's model.
    table : SlotTable
        What each slot reads next.
    steering : DenseSteering
        The steering of each slot.
    slots : int
        Number of slots.
    columns : int
        Number of positions of a row.
    near : float
        As for `choose_tokens`.
    options : StepOptions
        How steps run.
    """

    def __init__(
        self,
        model: Any,
        table: SlotTable,
        steering: DenseSteering,
        slots: int,
        columns: int,
        near: float,
        options: StepOptions,
    ) -> None:
        self.options, self.table, self.steering = options, table, steering
        self.cache = SlotCache(model.config.get_text_config().num_hidden_layers, slots, columns)
        self.logits: Tensor | None = None
        self._parts: ModelParts = model_parts(model)
        self._model, self._near, self._room = model, near, options.candidates
        self._results = torch.zeros(2, slots, dtype=torch.long, device=model.device)
        self._graphs: dict[tuple[int, int], Any] = {}
        self._uses: Counter[tuple[int, int]] = Counter()
        self._pool: Any = None

    # -- the cache -----------------------------------------------------------------------------------------

    def fill_slots(self, slots: Tensor, pairs: list[Pair]) -> None:
        """Copy what new rows keep of their prompts into their slots.

        Parameters
        ----------
        slots : Tensor of int64, shape (rows,)
            Their slots.
        pairs : list of (Tensor, Tensor)
            Keys and values of each layer, shape (rows, heads, positions, width).
        """
        for layer, pair in zip(self._slot_layers(), pairs, strict=True):
            for block, part in zip(layer.allocated_blocks(*pair), pair, strict=True):
                block[slots, :, : part.shape[2]] = part

    def move_slots(self, sources: Tensor, targets: Tensor, columns: int) -> None:
        """Move the first columns of rows to other slots.

        Parameters
        ----------
        sources, targets : Tensor of int64, shape (rows,)
            Their slots before and afterwards.
        columns : int
            Number of columns.
        """
        for layer in self._slot_layers():
            for block in layer.blocks or ():
                block[targets, :, :columns] = block[sources, :, :columns]
        self.table.move(sources, targets)
        self.steering.move(sources, targets)

    def release_slots(self, slots: Tensor) -> None:
        """Rows leave their slots.

        Parameters
        ----------
        slots : Tensor of int64, shape (rows,)
            Their slots.
        """
        self.table.release(slots)
        self.steering.release(slots)

    def clear_slots(self, slots: Tensor) -> None:
        """Set slots to zero whose values are not finite: even masked they would affect the next row."""
        for layer in self._slot_layers():
            for block in layer.blocks or ():
                block[slots] = 0.0

    def _slot_layers(self) -> list[SlotLayer]:
        layers: list[Any] = self.cache.layers
        return layers

    # -- steps ---------------------------------------------------------------------------------------------

    def forget_graphs(self) -> None:
        """Capture shapes anew from now on: buffers have been replaced."""
        self._graphs.clear()
        self._pool = None

    def widen_room(self) -> None:
        """Twice as many tokens may run alone from now on."""
        self._room *= 2
        self.forget_graphs()

    @torch.no_grad()
    def run(self, rows: int, width: int) -> Tensor:
        """Run a step; returns tokens and flags, shape (2, rows), which the next step overwrites.

        Parameters
        ----------
        rows : int
            Number of slots that run.
        width : int
            Number of cache columns that they attend to.
        """
        if not (self.options.has_graphs and self._replay(rows, width)):
            self._compute(rows, width)
        return self._results[:, :rows]

    def draw(self, logits: Tensor, slots: Tensor | slice) -> tuple[Tensor, Tensor]:
        """Draw the next tokens of some slots; returns tokens and flags.

        Parameters
        ----------
        logits : Tensor, shape (rows, vocabulary)
            Their logits.
        slots : Tensor of int64 or slice
            The slots.
        """
        seeds, steps = self.table.numbers[SEEDS, slots], self.table.numbers[STEPS, slots]
        temperatures = self.table.temperatures[slots]
        if not self.options.is_static:
            found = choose_tokens(logits, temperatures, seeds, steps, self._near)
            return found.tokens, found.close * CLOSE + ~found.finite * DAMAGED
        drawn = draw_tokens(logits, temperatures, seeds, steps, self._near, self._room, self.options.tails)
        return drawn.tokens, drawn.close * CLOSE + ~drawn.finite * DAMAGED + drawn.unresolved * UNRESOLVED

    def _compute(self, rows: int, width: int) -> None:
        some = slice(rows)
        ids, positions = self.table.numbers[IDS, some, None], self.table.numbers[POSITIONS, some, None]
        here = positions[:, 0]
        self.cache.decode_slots(here, width)
        masks = self._added_masks(step_masks(self._parts.form.masks, self._model, here, width))
        with self.steering.running(positions, some):
            hidden = self._parts.run_body(ids, positions, masks, self.cache)
        logits = self._parts.run_head(hidden.states, hidden.kind)[:, -1]
        self.logits = logits if logits.dtype == torch.float64 else logits.float()
        tokens, flags = self.draw(self.logits, some)
        self._results[0, some], self._results[1, some] = tokens, flags
        self.table.advance(rows, tokens)

    def _added_masks(self, masks: Any) -> Any:
        """Masks of booleans as what is added to the scores, which the attention would else make anew in each layer."""
        if self._model.config._attn_implementation != "sdpa":
            return masks
        if isinstance(masks, dict):
            return {kind: self._added_masks(mask) for kind, mask in masks.items()}
        if masks is None or masks.dtype != torch.bool:
            return masks
        added = torch.zeros(masks.shape, dtype=self._model.dtype, device=masks.device)
        return added.masked_fill_(~masks, -torch.inf)

    def _replay(self, rows: int, width: int) -> bool:
        """Replay the graph of a shape, captured when the shape occurs often enough; whether there is one."""
        shape = rows, width
        self._uses[shape] += 1
        if shape not in self._graphs:
            if self._uses[shape] <= EAGER:
                return False
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool):  # recorded, not run
                self._compute(rows, width)
            self._graphs[shape], self._pool = graph, graph.pool()
        self._graphs[shape].replay()
        return True
