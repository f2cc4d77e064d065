"""SteadyWriter: writes poems that are the same, bit for bit, in a batch of any size.

A matrix product may take another algorithm, with other rounding, for few rows than for many. SteadyStepper
finds out from how many rows on the results are equal, and never runs the model with fewer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..generation.look_ahead import LOOK_AHEAD, LOOK_AHEAD_ROWS
from ..generation.stepper import Stepper
from ..generation.writer import Writer

MOST_ROWS = (
    LOOK_AHEAD * LOOK_AHEAD_ROWS
)  # rows that the decoding loop runs at once, if the batch is no larger
MOST_PADDED = 32  # from this many rows on, every matrix product that was tried takes the same algorithm


class SteadyWriter(Writer):
    """A model whose poems do not depend on the other poems of their batch, nor on how many there are.

    Args:
        model: the model; its `generate` gives the same poems, but the rounding of their probabilities depends
            on the batch, which changes one poem in thousands.
    """

    def __init__(self, model: Writer):
        self.tokenizer, self.generation_config = model.tokenizer, model.generation_config
        stepper = model.stepper()
        self._stepper = SteadyStepper(stepper, fewest_rows(stepper, len(model.tokenizer)))

    def stepper(self) -> Stepper:
        """The model as a Stepper that pads small batches."""
        return self._stepper


class SteadyStepper:
    """A Stepper that never takes a step with fewer than `rows` rows: it repeats the last one, then drops it.

    Args:
        stepper: the model.
        rows: the smallest number of rows.
    """

    def __init__(self, stepper: Stepper, rows: int):
        self._stepper, self.rows = stepper, rows
        self.read, self.select = stepper.read, stepper.select

    def step(self, ids: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        """Like Stepper.step."""
        count = len(ids)
        if count >= self.rows:
            return self._stepper.step(ids, state)
        padded: Sequence[int] = [*range(count), *[count - 1] * (self.rows - count)]
        logits, state = self._stepper.step(ids[padded], self.select(state, padded))
        return logits[:count], self.select(state, range(count))


def fewest_rows(stepper: Stepper, vocab_size: int) -> int:
    """The smallest number of rows from which on a row has the same logits in a batch of any size, by trial.

    It is at most MOST_PADDED + 1. With OpenBLAS on x86 it is 2 for the shipped model, as a product with one
    row takes another algorithm, and up to 19 for tiny models.
    """
    ids = np.arange(MOST_ROWS) % vocab_size
    others = ids[::-1].copy()  # torch takes no negative strides
    _, state = stepper.read([0])
    _, state = stepper.step(ids, stepper.select(state, [0] * MOST_ROWS))
    expected, _ = stepper.step(others, state)
    for rows in range(MOST_PADDED, 0, -1):
        logits, _ = stepper.step(others[:rows], stepper.select(state, range(rows)))
        if not np.array_equal(logits, expected[:rows], equal_nan=True):
            return rows + 1
    return 1
