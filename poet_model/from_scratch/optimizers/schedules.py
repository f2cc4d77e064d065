"""Schedules: how the learning rate of an optimizer changes during the training."""

from __future__ import annotations

import math

from .base import Optimizer


class HalveWhenLossRises:
    """Halves the learning rate whenever the loss is higher than the last time."""

    def __init__(self, optimizer: Optimizer):
        self._optimizer, self.state = optimizer, math.inf  # the previous loss

    def step(self, loss: float) -> None:
        """Call this with the loss of each epoch, or of each fixed number of examples."""
        if loss > self.state:
            self._optimizer.learning_rate /= 2
        self.state = loss


class StepDecay:
    """Multiplies the learning rate by `factor` every `every` steps."""

    def __init__(self, optimizer: Optimizer, every: int, factor: float = 0.5):
        self._optimizer, self._first, self.state = optimizer, optimizer.learning_rate, 0  # steps taken
        self._every, self._factor = every, factor

    def step(self) -> None:
        """Call this after each step of the optimizer."""
        self.state += 1
        self._optimizer.learning_rate = self._first * self._factor ** (self.state // self._every)


class Cosine:
    """Half a cosine, from the initial learning rate down to 0 in `total` steps (Loshchilov & Hutter 2017)."""

    def __init__(self, optimizer: Optimizer, total: int):
        self._optimizer, self._first, self.state = optimizer, optimizer.learning_rate, 0  # steps taken
        self._total = total

    def step(self) -> None:
        """Call this after each step of the optimizer."""
        self.state += 1
        share = min(1.0, self.state / self._total)
        self._optimizer.learning_rate = self._first * 0.5 * (1 + math.cos(math.pi * share))


SCHEDULES = {"halve_when_loss_rises": HalveWhenLossRises, "step": StepDecay, "cosine": Cosine}
