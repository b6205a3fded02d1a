"""What one layer keeps for the rows of a batch, a slot each: keys and values by position, states, both or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import (
    Cache,
    DummyLayer,
    DynamicLayer,
    DynamicSlidingWindowLayer,
    LinearAttentionAndFullAttentionLayer,
    LinearAttentionAndSlidingWindowAttentionLayer,
    LinearAttentionLayer,
)

Pair = tuple[Tensor, Tensor]
StateKey = tuple[str, int]
KNOWN_WINDOWS = frozenset(
    {"sliding_window", "sliding_window_pattern", "_sliding_window_pattern", "use_sliding_window", "max_window_layers"}
)
"""Settings of windows that masks of a step of decoding follow, by `layer_types` or `sliding_window`."""


@dataclass(frozen=True)
class LayerKind:
    """What a layer keeps.

    Attributes
    ----------
    positions : bool
        Keys and values of each position.
    states : int
        Number of convolution and recurrent states, which stand for all positions so far and cannot be cut.
    """

    positions: bool = True
    states: int = 0


_KINDS: dict[type, tuple[bool, bool]] = {
    DynamicLayer: (True, False),
    DynamicSlidingWindowLayer: (True, False),
    LinearAttentionLayer: (False, True),
    LinearAttentionAndFullAttentionLayer: (True, True),
    LinearAttentionAndSlidingWindowAttentionLayer: (True, True),
    DummyLayer: (False, False),
}
"""By the library's own class of a layer: whether it keeps positions, and whether it keeps states."""


def own_cache(model: Any) -> DynamicCache:
    """An empty cache of the kind that a model makes for itself."""
    return DynamicCache(config=model.config)


def layer_kinds(model: Any) -> tuple[LayerKind, ...] | None:
    """What each layer of a model keeps; None if a layer keeps something that has no slots here.

    It is None too for a model that looks back over a window that `attention_masks` doesn't know: it would count the
    window back from the longest row.

    Parameters
    ----------
    model : PreTrainedModel
        A causal language model.
    """
    layers: list[Any] = own_cache(model).layers
    windows = [name for name in vars(model.config.get_text_config()) if "window" in name and name not in KNOWN_WINDOWS]
    if windows or any(type(layer) not in _KINDS for layer in layers):
        return None
    kinds = [(_KINDS[type(layer)], getattr(layer, "number_of_states", 1)) for layer in layers]
    return tuple(LayerKind(positions, number if states else 0) for (positions, states), number in kinds)


class SlotPlaces:
    """What the next call of a model reads and writes in the slots of every layer.

    The indices lie once on each device that a layer is on.

    Parameters
    ----------
    slots : int
        Number of rows.
    columns : int
        Number of positions per row.
    """

    def __init__(self, slots: int, columns: int) -> None:
        self.slots, self.columns = slots, columns
        self.before = self.end = 0
        self.first = self.rows = 0
        self._places: Tensor | None = None
        self._copies: dict[torch.device, tuple[Tensor, Tensor]] = {}

    def prefill(self, first: int, rows: int, begin: int, end: int) -> None:
        """The next call writes positions `begin` to `end` of `rows` slots from `first` on."""
        self.first, self.rows, self.before, self.end = first, rows, begin, end
        self._places, self._copies = None, {}

    def decode(self, positions: Tensor, width: int) -> None:
        """The next call writes one position of each of the first slots, and attends to `width` columns."""
        self.first, self.rows, self.before, self.end = 0, len(positions), width - 1, width
        self._places, self._copies = positions, {}

    @property
    def slice(self) -> slice:
        """The slots of the rows that run."""
        return slice(self.first, self.first + self.rows)

    def write(self, block: Tensor, new: Tensor) -> Tensor:
        """Write new states into a block; returns what the rows may attend to.

        Parameters
        ----------
        block : Tensor, shape (slots, heads, columns, width)
            Keys or values of one layer.
        new : Tensor, shape (rows, heads, tokens, width)
            Their new states.

        Returns
        -------
        Tensor, shape (rows, heads, positions, width)
        """
        if self._places is None:
            block[self.slice, :, self.before : self.end] = new
        else:
            index, places = self._on_device(block.device)
            block[index, :, places] = new[:, :, 0]
        return block[self.slice, :, : self.end]

    def _on_device(self, device: torch.device) -> tuple[Tensor, Tensor]:
        if device not in self._copies:
            assert self._places is not None
            places = self._places.to(device)
            self._copies[device] = (torch.arange(self.rows, device=device), places)
        return self._copies[device]


class SlotLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """Keys and values of one layer: two blocks (slots, heads, columns, width), allocated at the first update."""

    def __init__(self, places: SlotPlaces) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.places = places
        self.is_initialized = True
        self.blocks: Pair | None = None

    def update(self, key_states: Tensor, value_states: Tensor, *_args: Any, **_kwargs: Any) -> Pair:
        """Write new states where the cache says; returns all states that the current rows may attend to."""
        keys, values = self.allocated_blocks(key_states, value_states)
        return self.places.write(keys, key_states), self.places.write(values, value_states)

    def allocated_blocks(self, keys: Tensor, values: Tensor) -> Pair:
        """The blocks. They start as zeros, because a masked column must still be finite.

        Parameters
        ----------
        keys : Tensor, shape (rows, heads, tokens, width)
            Keys; their shape and type are those of the block.
        values : Tensor, shape (rows, heads, tokens, width)
            Values, likewise.
        """
        if self.blocks is None:
            shapes = [(self.places.slots, like.shape[1], self.places.columns, like.shape[3]) for like in (keys, values)]
            self.blocks = (keys.new_zeros(shapes[0]), values.new_zeros(shapes[1]))
        return self.blocks

    def get_seq_length(self) -> int:
        """Number of positions before those that run now."""
        return self.places.before

    def begin_rows(self, pair: Pair | None) -> None:
        """Copy the positions before those that a prefill computes into its slots, from a pair of one row or as many."""
        if pair is not None and self.places.before:
            for block, part in zip(self.allocated_blocks(*pair), pair, strict=True):
                block[self.places.slice, :, : self.places.before] = part[:, :, : self.places.before]

    def move_slot(self, source: int, target: int, columns: int) -> None:
        """Move the first columns of a row to another slot."""
        for block in self.blocks or ():
            block[target, :, :columns] = block[source, :, :columns]

    def clear_slot(self, slot: int) -> None:
        """Set a slot to zero."""
        for block in self.blocks or ():
            block[slot] = 0.0


class StateLayer(LinearAttentionLayer):
    """States of one layer: blocks (slots, ...), of which the rows that run are shown to the model as views.

    The library's own arithmetic works on the views: it copies new states into them, and some models write there
    themselves.
    """

    def __init__(self, places: SlotPlaces, states: int) -> None:
        super().__init__(number_of_states=states)
        self.places = places
        self.state_blocks: dict[StateKey, Tensor] = {}

    def lazy_initialization(
        self, *_args: Any, state_idx: int = 0, conv_kernel_size: int | None = None, **kwargs: Any
    ) -> None:
        """Allocate the block of a state at its first update, and show the rows that run.

        Parameters
        ----------
        *_args : object
            Not used: the library names what it gives.
        state_idx : int
            Number of the state in its layer.
        conv_kernel_size : int, optional
            Columns of a convolution state; by default as many as `conv_states` has.
        **kwargs : Tensor
            `conv_states` or `recurrent_states`, shape (rows, ...): what the state is like.
        """
        if (conv := kwargs.get("conv_states")) is not None:
            self.conv_kernel_size[state_idx] = conv_kernel_size or conv.shape[-1]
            shape = (*conv.shape[1:-1], self.conv_kernel_size[state_idx])
            self._allocate(("conv", state_idx), conv, shape)
        if (recurrent := kwargs.get("recurrent_states")) is not None:
            self._allocate(("recurrent", state_idx), recurrent, recurrent.shape[1:])
        self._show_rows()

    def _allocate(self, key: StateKey, like: Tensor, shape: tuple[int, ...]) -> None:
        self.state_blocks[key] = like.new_zeros((self.places.slots, *shape))
        kind = self.is_conv_states_initialized if key[0] == "conv" else self.is_recurrent_states_initialized
        kind[key[1]] = True
        base: Any = self  # the library leaves the types of these to the first update
        base.dtype, base.device = like.dtype, like.device

    def _show_rows(self) -> None:
        for (kind, number), block in self.state_blocks.items():
            (self.conv_states if kind == "conv" else self.recurrent_states)[number] = block[self.places.slice]

    def begin_states(self, source: StateLayer | None) -> None:
        """Before a prefill: begin the rows' states anew, or from those of one row of another cache.

        Parameters
        ----------
        source : StateLayer, optional
            The same layer of a cache of which slot 0 has computed the positions before those that now run.
        """
        if source is not None:
            self.conv_kernel_size.update(source.conv_kernel_size)
            for key, block in source.state_blocks.items():
                if key not in self.state_blocks:
                    self._allocate(key, block, block.shape[1:])
        for key, block in self.state_blocks.items():
            block[self.places.slice] = 0.0 if source is None else source.state_blocks[key][:1]
        self._has_previous(source is not None)

    def begin_step(self) -> None:
        """Before a step of decoding: show the rows that run."""
        self._has_previous(True)

    def _has_previous(self, there_are: bool) -> None:
        self.has_previous_state = dict.fromkeys(self.has_previous_state, there_are)
        self._show_rows()

    def move_state(self, source: int, target: int) -> None:
        """Move the states of a row to another slot."""
        for block in self.state_blocks.values():
            block[target] = block[source]

    def clear_state(self, slot: int) -> None:
        """Set the states of a slot to zero."""
        for block in self.state_blocks.values():
            block[slot] = 0.0


class SlotAndStateLayer(StateLayer, SlotLayer):  # type: ignore[misc, override, no-untyped-call]
    """Keys and values of one layer, and states beside them."""

    def __init__(self, places: SlotPlaces, states: int) -> None:
        SlotLayer.__init__(self, places)
        StateLayer.__init__(self, places, states)


class SlotCache(Cache):
    """What the rows of a batch keep; row i of the batch is in slot i and its position p in column p.

    Nothing is padded, a row that leaves is replaced without touching the others, and no more memory is used than the
    rows' own positions need. `prefill_slots` and `decode_slots` say what the model's next call writes.

    Parameters
    ----------
    layers : int or sequence of LayerKind
        What each layer keeps; a number for as many layers of keys and values.
    slots : int
        Number of rows.
    columns : int
        Number of positions per row.
    """

    def __init__(self, layers: int | tuple[LayerKind, ...], slots: int, columns: int) -> None:
        self.slots, self.columns = slots, columns
        self._places = SlotPlaces(slots, columns)
        kinds = (LayerKind(),) * layers if isinstance(layers, int) else layers
        super().__init__(layers=[_slot_layer(kind, self._places) for kind in kinds])

    def prefill_slots(
        self, first: int, rows: int, begin: int, end: int, shared: list[Pair] | Cache | None = None
    ) -> None:
        """Prepare the next call of the model to write a range of positions of some rows.

        Parameters
        ----------
        first, rows : int
            First slot, and number of slots.
        begin, end : int
            First position, and the one after the last.
        shared : list of (Tensor, Tensor) or SlotCache, optional
            From which the positions before `begin` are copied: keys and values of each layer, or slot 0 of a cache,
            whose states must be those after exactly `begin` positions.
        """
        self._places.prefill(first, rows, begin, end)
        begun: Any = shared if begin else None
        for number, layer in enumerate(self.layers):
            source: Any = begun.layers[number] if isinstance(begun, SlotCache) else begun and begun[number]
            if isinstance(layer, SlotLayer):
                layer.begin_rows(_first_row(source) if isinstance(source, SlotLayer) else source)
            if isinstance(layer, StateLayer):
                layer.begin_states(source)

    def decode_slots(self, positions: Tensor, width: int) -> None:
        """Prepare the next call of the model to write one token of each of the first rows.

        Parameters
        ----------
        positions : Tensor of int64, shape (rows,)
            Position of each row's token.
        width : int
            Number of columns that may be attended to, greater than every position.
        """
        self._places.decode(positions, width)
        for layer in self.layers:
            if isinstance(layer, StateLayer):
                layer.begin_step()

    def move_slot(self, source: int, target: int, columns: int) -> None:
        """Move a row to another slot.

        Parameters
        ----------
        source : int
            Slot of the row.
        target : int
            Its new slot; what was there is overwritten.
        columns : int
            Number of columns that the row has filled.
        """
        for layer in self.layers:
            if isinstance(layer, SlotLayer):
                layer.move_slot(source, target, columns)
            if isinstance(layer, StateLayer):
                layer.move_state(source, target)

    def clear_slot(self, slot: int) -> None:
        """Set a slot to zero whose values are not finite: even masked they would affect the next row in the slot."""
        for layer in self.layers:
            if isinstance(layer, SlotLayer):
                layer.clear_slot(slot)
            if isinstance(layer, StateLayer):
                layer.clear_state(slot)

    def row_bytes(self, columns: int) -> int:
        """Size of a row with that many columns, in bytes, once a call of the model has allocated all blocks."""
        total = 0
        for layer in self.layers:
            if isinstance(layer, SlotLayer):
                total += columns * sum(map(_bytes, layer.blocks or ())) // (self.slots * self.columns)
            if isinstance(layer, StateLayer):
                total += sum(map(_bytes, layer.state_blocks.values())) // self.slots
        return total


def _slot_layer(kind: LayerKind, places: SlotPlaces) -> Any:
    if kind.states:
        return (SlotAndStateLayer if kind.positions else StateLayer)(places, kind.states)
    return SlotLayer(places) if kind.positions else DummyLayer()  # type: ignore[no-untyped-call]


def _first_row(layer: SlotLayer) -> Pair | None:
    return None if layer.blocks is None else (layer.blocks[0][:1], layer.blocks[1][:1])


def _bytes(part: Tensor) -> int:
    return part.numel() * part.element_size()
