"""Shapes in which decoding steps run: a graph is captured for each, so on a GPU there are few of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch

ROW_COUNTS = (1, 2, 4, 8, 16, 32, 64, 96, 128, 160, 192, 224, 256)
COLUMNS = 64
CANDIDATES = 4096
TAILS = 8


@dataclass(frozen=True)
class StepOptions:
    """How steps run on a kind of device.

    Attributes
    ----------
    row_counts : tuple of int
        Numbers of rows that a step may have, ascending; empty for any number.
    columns : int
        The number of cache columns that a step attends to is a multiple of this.
    is_static : bool
        Whether tokens are drawn in shapes that do not depend on the logits.
    candidates : int
        Tokens a row, on average over the rows of a step, that may take part in a static draw one by one.
    tails : int
        Rows of a step whose improbable tokens may win a static draw.
    ahead : int
        Steps that are started before the tokens of the one before them are read: 0 or 1.
    has_graphs : bool
        Whether each shape is captured as a CUDA graph and replayed.
    """

    row_counts: tuple[int, ...] = ()
    columns: int = 1
    is_static: bool = False
    candidates: int = CANDIDATES
    tails: int = TAILS
    ahead: int = 0
    has_graphs: bool = False

    def rows(self, count: int, most: int) -> int:
        """Number of rows of a step for a number of slots that hold rows.

        Parameters
        ----------
        count : int
            Number of slots up to the last that holds a row.
        most : int
            Number of slots.
        """
        return min(next((size for size in self.row_counts if size >= count), count), most)

    def width(self, count: int, most: int) -> int:
        """Number of cache columns of a step.

        Parameters
        ----------
        count : int
            Number of columns that are filled in the longest row.
        most : int
            Number of columns of the cache.
        """
        return min(-(-count // self.columns) * self.columns, most)


def step_options(device: torch.device) -> StepOptions:
    """How steps run on a device.

    On a CPU any shape costs what it has, and a token is at hand as soon as it is drawn.

    Parameters
    ----------
    device : torch.device
        Where the model runs.
    """
    if device.type != "cuda":
        return StepOptions()
    return StepOptions(ROW_COUNTS, COLUMNS, is_static=True, ahead=1, has_graphs=True)
