"""What a Trainer trains on: the batches of an epoch, and of all epochs. Two protocols, without any code."""

from __future__ import annotations

from typing import Any, Protocol


class Epoch(Protocol):
    """The batches of one epoch, in order."""

    def __len__(self) -> int: ...

    def batch(self, index: int) -> Any:
        """The batch at `index`, in the form that the objective expects."""


class EpochSource(Protocol):
    """Provides the batches of each epoch, the same in every process."""

    def epoch(self, number: int) -> Epoch:
        """The batches of epoch `number`, counted from 0."""
