"""Optimizers that give each parameter a learning rate of its own, by the size of its past gradients."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..functional import Array
from .base import Optimizer


class Adagrad(Optimizer):
    """s ← s + g²;  p ← p - η g / (√s + ε)   (Duchi et al. 2011)"""

    slots: tuple[str, ...] = ("s",)

    def __init__(
        self,
        parameters: Mapping[str, Array],
        learning_rate: float = 1e-2,
        eps: float = 1e-10,
        weight_decay: float = 0.0,
    ):
        super().__init__(parameters, learning_rate, weight_decay)
        self.eps = eps

    def update(self, p: Array, g: Array, s: Array) -> None:
        s += g * g
        p -= self.learning_rate * g / (np.sqrt(s) + self.eps)


class RMSProp(Optimizer):
    """s ← α s + (1-α) g²;  p ← p - η g / (√s + ε)   (Hinton 2012, lecture 6e)"""

    slots: tuple[str, ...] = ("s",)

    def __init__(
        self,
        parameters: Mapping[str, Array],
        learning_rate: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        super().__init__(parameters, learning_rate, weight_decay)
        self.alpha: float = alpha
        self.eps: float = eps

    def update(self, p: Array, g: Array, s: Array) -> None:
        s *= self.alpha
        s += (1 - self.alpha) * g * g
        p -= self.learning_rate * g / (np.sqrt(s) + self.eps)


class Adadelta(Optimizer):
    """s ← ρ s + (1-ρ) g²;  d = g √(u + ε) / √(s + ε);  u ← ρ u + (1-ρ) d²;  p ← p - η d   (Zeiler 2012)"""

    slots: tuple[str, ...] = ("s", "u")

    def __init__(
        self,
        parameters: Mapping[str, Array],
        learning_rate: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
    ):
        super().__init__(parameters, learning_rate, weight_decay)
        self.rho: float = rho
        self.eps: float = eps

    def update(self, p: Array, g: Array, s: Array, u: Array) -> None:
        s *= self.rho
        s += (1 - self.rho) * g * g
        d = g * np.sqrt(u + self.eps) / np.sqrt(s + self.eps)
        u *= self.rho
        u += (1 - self.rho) * d * d
        p -= self.learning_rate * d
