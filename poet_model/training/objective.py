"""Objective: the interface between a Trainer and what it trains. It assumes no model or data."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn


class Losses(NamedTuple):
    """What one forward pass of an Objective returns.

    Attributes:
        total: () the weighted sum of the losses, which is differentiated; it is the sum over the targets, not
            their mean.
        named: () each loss by its name in the log, summed over the targets; one is called `loss`.
    """

    total: torch.Tensor
    named: dict[str, torch.Tensor]


class BatchSize(NamedTuple):
    """The size of a batch.

    Attributes:
        tokens: number of tokens, for measuring the speed.
        targets: number of scored tokens, by which summed losses are divided.
    """

    tokens: int
    targets: int


class Objective(nn.Module):
    """The losses that a Trainer minimizes; everything that is trained is a submodule.

    The Trainer passes each batch to these methods without looking into it. A subclass sets `model` and
    implements `size`, `prepare` and `forward`; see PoemObjective.

    Attributes:
        model: the submodule that is validated and saved; others are needed only during training.
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
        """Prepares one part of a batch for `forward`, on the device.

        A batch is split between processes and, with gradient accumulation, between passes. The losses of all
        parts must add up to those of the batch; a part without rows therefore has losses of 0.

        Args:
            batch: the whole batch.
            part, parts: index of the part, counted from 0, and the number of parts.
            rng: random generator for use on the CPU. On the device, use torch's global generator, which the
                Trainer seeds before each step.
            device: the model's device.
        """
        raise NotImplementedError

    def forward(self, prepared: Any) -> Losses:
        """The losses of one part."""
        raise NotImplementedError
