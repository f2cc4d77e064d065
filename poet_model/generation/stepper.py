"""Stepper: what the decoding loop needs of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from ..arrays import FloatArray, IntArray


class Stepper(Protocol):
    """A model that is run one character at a time.

    Logits are float32 arrays. The state may be of any type: only the stepper itself looks inside it.
    """

    def read(self, ids: Sequence[int], first: int = 0) -> tuple[FloatArray, Any]:
        """Runs the model over a prompt, the beginning of a sequence, from the initial state.

        Args:
            ids: (T,) ids.
            first: the position of the first id whose logits are needed.

        Returns:
            The logits (T - first, V) after each id from position `first` on, and the state after the last
            id, for a batch of one row.
        """

    def step(self, ids: IntArray, state: Any) -> tuple[FloatArray, Any]:
        """Takes ids (B,) and the state before them; returns the next logits (B, V) and the new state."""

    def select(self, state: Any, rows: Sequence[int] | IntArray) -> Any:
        """The state of the given rows; rows may be dropped, repeated or reordered."""
