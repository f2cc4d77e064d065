"""Objective: the interface between a Trainer and what it trains. It knows no particular model and no data."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn


class Losses(NamedTuple):
    """What one forward pass of an Objective returns.

    Attributes:
        total: () the weighted sum that is differentiated, summed (not averaged) over the targets.
        named: () each loss on its own, summed over the targets, by its name in the log; one is called `loss`.
    """

    total: torch.Tensor
    named: dict[str, torch.Tensor]


class BatchSize(NamedTuple):
    """How large a batch is: `tokens` are counted for the speed, and losses are divided by `targets`."""

    tokens: int
    targets: int


class Objective(nn.Module):
    """The losses that a Trainer minimizes, with all that learns as submodules.

    The Trainer takes batches from where it is told to and hands each one, unopened, to these methods. A
    subclass sets `model` and writes `size`, `prepare` and `forward`; see PoemObjective for ours.

    Attributes:
        model: the submodule that is validated and kept; others are needed for the training only.
    """

    model: nn.Module

    def begin_step(self, progress: float) -> None:
        """Called before each update with the share (0 to 1) of the training that is done."""

    def size(self, batch: Any) -> BatchSize:
        """The tokens and targets of a whole batch."""
        raise NotImplementedError

    def prepare(
        self,
        batch: Any,
        *,
        part: int = 0,
        parts: int = 1,
        rng: np.random.Generator | None = None,
        device: torch.device | str = "cpu",
    ) -> Any:
        """One part of a batch as `forward` takes it, on the device.

        A batch is split between processes and, with gradient accumulation, between passes. The losses of all
        parts must add up to those of the batch, so that a part without rows still has losses, of 0.

        Args:
            batch: the whole batch.
            part, parts: which part of how many, counted from 0.
            rng: draws whatever is random on the CPU. What is random on the device takes torch's generator,
                which the Trainer seeds before each update.
            device: where the model is.
        """
        raise NotImplementedError

    def forward(self, prepared: Any) -> Losses:
        """The losses of one part."""
        raise NotImplementedError
