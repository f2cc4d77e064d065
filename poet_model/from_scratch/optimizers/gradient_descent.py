"""Gradient descent, with and without momentum: one learning rate for all parameters."""

from __future__ import annotations

from collections.abc import Mapping

from ..functional import Array
from .base import Optimizer


class SGD(Optimizer):
    """p ← p - η g   (Robbins & Monro 1951)"""

    def __init__(
        self, parameters: Mapping[str, Array], learning_rate: float = 1e-3, weight_decay: float = 0.0
    ):
        super().__init__(parameters, learning_rate, weight_decay)

    def update(self, p: Array, g: Array) -> None:
        p -= self.learning_rate * g


class Momentum(Optimizer):
    """v ← μ v + g;  p ← p - η v   (Polyak 1964)"""

    slots: tuple[str, ...] = ("v",)

    def __init__(
        self,
        parameters: Mapping[str, Array],
        learning_rate: float = 1e-3,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
    ):
        super().__init__(parameters, learning_rate, weight_decay)
        self.momentum = momentum

    def update(self, p: Array, g: Array, v: Array) -> None:
        v *= self.momentum
        v += g
        p -= self.learning_rate * v


class Nesterov(Momentum):
    """v ← μ v + g;  p ← p - η (g + μ v)   (Nesterov 1983, in the form of Sutskever et al. 2013)"""

    def update(self, p: Array, g: Array, v: Array) -> None:
        v *= self.momentum
        v += g
        p -= self.learning_rate * (g + self.momentum * v)
