"""Adam and its relatives: momentum and a learning rate for each parameter together."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ..functional import Array
from .base import Optimizer


class Adam(Optimizer):
    """m ← β₁ m + (1-β₁) g;  v ← β₂ v + (1-β₂) g²;  p ← p - η m̂ / (√v̂ + ε)   (Kingma & Ba 2015)

    m̂ = m / (1-β₁ᵗ) and v̂ = v / (1-β₂ᵗ) correct for the zeros that m and v started with.
    """

    slots: tuple[str, ...] = ("m", "v")

    def __init__(
        self,
        parameters: Mapping[str, Array],
        learning_rate: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        super().__init__(parameters, learning_rate, weight_decay)
        self.beta1: float
        self.beta2: float
        self.beta1, self.beta2 = betas
        self.eps = eps

    def begin_step(self) -> None:
        self.correction1: float = 1 - self.beta1**self.steps
        self.correction2: float = 1 - self.beta2**self.steps

    def update(self, p: Array, g: Array, m: Array, v: Array) -> None:
        m *= self.beta1
        m += (1 - self.beta1) * g
        v *= self.beta2
        work = g * g
        work *= 1 - self.beta2
        v += work
        np.divide(v, self.correction2, out=work)  # all in place: training spends its time in this optimizer
        np.sqrt(work, out=work)
        work += self.eps
        np.divide(m, work, out=work)
        work *= self.learning_rate / self.correction1
        p -= work


class AdamW(Adam):
    """p ← p - η λ p (λ: weight_decay), then Adam without λ p in g   (Loshchilov & Hutter 2019)"""

    def __init__(
        self,
        parameters: Mapping[str, Array],
        learning_rate: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ):
        super().__init__(parameters, learning_rate, betas, eps)
        self.decoupled_decay = weight_decay

    def update(self, p: Array, g: Array, m: Array, v: Array) -> None:
        p *= 1 - self.learning_rate * self.decoupled_decay
        super().update(p, g, m, v)


class Adamax(Optimizer):
    """m ← β₁ m + (1-β₁) g;  u ← max(β₂ u, |g| + ε);  p ← p - η/(1-β₁ᵗ) m / u   (Kingma & Ba 2015, § 7.1)

    The bias correction is applied to the step only; m is stored uncorrected, and u, a maximum, needs none.
    """

    slots: tuple[str, ...] = ("m", "u")

    def __init__(
        self,
        parameters: Mapping[str, Array],
        learning_rate: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        super().__init__(parameters, learning_rate, weight_decay)
        self.beta1: float
        self.beta2: float
        self.beta1, self.beta2 = betas
        self.eps = eps

    def update(self, p: Array, g: Array, m: Array, u: Array) -> None:
        m *= self.beta1
        m += (1 - self.beta1) * g
        np.maximum(self.beta2 * u, np.abs(g) + self.eps, out=u)
        p -= self.learning_rate / (1 - self.beta1**self.steps) * m / u


class NAdam(Optimizer):
    """Adam with Nesterov's look ahead by one step of momentum   (Dozat 2016)

    μₜ = β₁ (1 - 0.96^(tψ)/2), where ψ is momentum_decay;  m and v as in Adam;
    p ← p - η [(1-μₜ) g / (1-Πμ_{≤t}) + μₜ₊₁ m / (1-Πμ_{≤t+1})] / (√v̂ + ε)
    """

    slots: tuple[str, ...] = ("m", "v")

    def __init__(
        self,
        parameters: Mapping[str, Array],
        learning_rate: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
    ):
        super().__init__(parameters, learning_rate, weight_decay)
        self.beta1: float
        self.beta2: float
        self.beta1, self.beta2 = betas
        self.eps: float = eps
        self.momentum_decay: float = momentum_decay

    def _mu(self, t: int) -> float:
        return self.beta1 * (1 - 0.5 * math.pow(0.96, t * self.momentum_decay))

    def begin_step(self) -> None:
        self.product = math.prod(self._mu(t) for t in range(1, self.steps + 1))

    def update(self, p: Array, g: Array, m: Array, v: Array) -> None:
        mu, mu_next = self._mu(self.steps), self._mu(self.steps + 1)
        m *= self.beta1
        m += (1 - self.beta1) * g
        v *= self.beta2
        v += (1 - self.beta2) * g * g
        ahead = (1 - mu) / (1 - self.product) * g + mu_next / (1 - self.product * mu_next) * m
        p -= self.learning_rate * ahead / (np.sqrt(v / (1 - self.beta2**self.steps)) + self.eps)


class AdaBound(Optimizer):
    """Adam with its rate clipped to bounds that converge to the rate of SGD   (Luo et al. 2019, algorithm 2)

    m and v as in Adam, without bias correction;  with η* = final_rate and γ = gamma,
    lower(t) = η* (1 - 1/(γt + 1)), upper(t) = η* (1 + 1/(γt));
    p ← p - clip(η / √v, lower, upper) / √t · m

    (This follows the paper. The authors' program leaves out the √t and corrects for bias.)
    """

    slots: tuple[str, ...] = ("m", "v")

    def __init__(
        self,
        parameters: Mapping[str, Array],
        learning_rate: float = 1e-3,
        final_rate: float = 0.1,
        betas: tuple[float, float] = (0.9, 0.999),
        gamma: float = 1e-3,
        weight_decay: float = 0.0,
    ):
        super().__init__(parameters, learning_rate, weight_decay)
        self.final_rate: float = final_rate
        self.gamma: float = gamma
        self.beta1: float
        self.beta2: float
        self.beta1, self.beta2 = betas

    def update(self, p: Array, g: Array, m: Array, v: Array) -> None:
        m *= self.beta1
        m += (1 - self.beta1) * g
        v *= self.beta2
        v += (1 - self.beta2) * g * g
        progress = self.gamma * self.steps
        lower, upper = self.final_rate * (1 - 1 / (progress + 1)), self.final_rate * (1 + 1 / progress)
        with np.errstate(divide="ignore"):  # v = 0: an infinite rate, clipped to the upper bound
            rate = np.clip(self.learning_rate / np.sqrt(v), lower, upper)
        p -= rate / math.sqrt(self.steps) * m
