"""Eleven optimizers by growing complexity, clipping, and schedules; none knows a layer.

p: parameter, g: its gradient, η: learning rate, t: step, from 1. Where ε and the bias corrections stand is as
in torch.optim, so that each equals its twin there step by step; AdaBound, which torch lacks, is its paper's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from .functional import Array, check_shape


class Optimizer:
    """The loop over parameters, and what is kept of each between steps.

    Args:
        parameters: name -> array, changed in place.
        learning_rate: η; may be set anew before any step (see the schedules below).
        weight_decay: λ; adds λ p to g, which is the gradient of λ/2 |p|².
    """

    slots: tuple[str, ...] = ()  # the arrays kept for each parameter, zeros at first

    def __init__(self, parameters: Mapping[str, Array], learning_rate: float, weight_decay: float = 0.0):
        for name, value in (("learning_rate", learning_rate), ("weight_decay", weight_decay)):
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} must be 0 or more, got {value!r}")
        self.parameters, self.learning_rate, self.weight_decay = dict(parameters), learning_rate, weight_decay
        self.steps = 0
        self.state = {
            name: {slot: np.zeros_like(p) for slot in self.slots} for name, p in self.parameters.items()
        }

    def step(self, grads: Mapping[str, Array]) -> None:
        """One update of every parameter."""
        for name, p in self.parameters.items():
            if name not in grads:
                raise ValueError(f"there is no gradient for {name}; given are {', '.join(grads)}")
            check_shape(f"the gradient of {name}", grads[name].shape, p.shape)
        self.steps += 1
        self.begin_step()
        for name, p in self.parameters.items():
            g = grads[name]
            if self.weight_decay:
                g = g + self.weight_decay * p
            self.update(p, g, **self.state[name])

    def begin_step(self) -> None:
        """What is the same for all parameters of a step."""

    def update(self, p: Array, g: Array, **slots: Array) -> None:
        """The rule itself: changes p and the slots in place."""
        raise NotImplementedError

    def state_arrays(self) -> dict[str, Array]:
        """All that a checkpoint needs, as named arrays."""
        arrays = {f"{slot}.{name}": a for name, slots in self.state.items() for slot, a in slots.items()}
        return arrays | {"steps": np.array(self.steps)}

    def load_state_arrays(self, arrays: Mapping[str, Array]) -> None:
        """Goes on where `state_arrays` was taken."""
        for name, own in self.state_arrays().items():
            if name not in arrays:
                raise ValueError(f"the optimizer's state has no {name}: it is another optimizer's or model's")
            check_shape(name, arrays[name].shape, own.shape)
        for name, slots in self.state.items():
            for slot, array in slots.items():
                array[...] = arrays[f"{slot}.{name}"]
        self.steps = int(arrays["steps"])


class SGD(Optimizer):
    """p ← p - η g   (Robbins & Monro 1951)"""

    def __init__(self, parameters, learning_rate=1e-3, weight_decay=0.0):
        super().__init__(parameters, learning_rate, weight_decay)

    def update(self, p, g):
        p -= self.learning_rate * g


class Momentum(Optimizer):
    """v ← μ v + g;  p ← p - η v   (Polyak 1964)"""

    slots = ("v",)

    def __init__(self, parameters, learning_rate=1e-3, momentum=0.9, weight_decay=0.0):
        super().__init__(parameters, learning_rate, weight_decay)
        self.momentum = momentum

    def update(self, p, g, v):
        v *= self.momentum
        v += g
        p -= self.learning_rate * v


class Nesterov(Momentum):
    """v ← μ v + g;  p ← p - η (g + μ v)   (Nesterov 1983, in the form of Sutskever et al. 2013)"""

    def update(self, p, g, v):
        v *= self.momentum
        v += g
        p -= self.learning_rate * (g + self.momentum * v)


class Adagrad(Optimizer):
    """s ← s + g²;  p ← p - η g / (√s + ε)   (Duchi et al. 2011)"""

    slots = ("s",)

    def __init__(self, parameters, learning_rate=1e-2, eps=1e-10, weight_decay=0.0):
        super().__init__(parameters, learning_rate, weight_decay)
        self.eps = eps

    def update(self, p, g, s):
        s += g * g
        p -= self.learning_rate * g / (np.sqrt(s) + self.eps)


class RMSProp(Optimizer):
    """s ← α s + (1-α) g²;  p ← p - η g / (√s + ε)   (Hinton 2012, lecture 6e)"""

    slots = ("s",)

    def __init__(self, parameters, learning_rate=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0):
        super().__init__(parameters, learning_rate, weight_decay)
        self.alpha, self.eps = alpha, eps

    def update(self, p, g, s):
        s *= self.alpha
        s += (1 - self.alpha) * g * g
        p -= self.learning_rate * g / (np.sqrt(s) + self.eps)


class Adadelta(Optimizer):
    """s ← ρ s + (1-ρ) g²;  d = g √(u + ε) / √(s + ε);  u ← ρ u + (1-ρ) d²;  p ← p - η d   (Zeiler 2012)"""

    slots = ("s", "u")

    def __init__(self, parameters, learning_rate=1.0, rho=0.9, eps=1e-6, weight_decay=0.0):
        super().__init__(parameters, learning_rate, weight_decay)
        self.rho, self.eps = rho, eps

    def update(self, p, g, s, u):
        s *= self.rho
        s += (1 - self.rho) * g * g
        d = g * np.sqrt(u + self.eps) / np.sqrt(s + self.eps)
        u *= self.rho
        u += (1 - self.rho) * d * d
        p -= self.learning_rate * d


class Adam(Optimizer):
    """m ← β₁ m + (1-β₁) g;  v ← β₂ v + (1-β₂) g²;  p ← p - η m̂ / (√v̂ + ε)   (Kingma & Ba 2015)

    m̂ = m / (1-β₁ᵗ) and v̂ = v / (1-β₂ᵗ) make up for the zeros that m and v began with.
    """

    slots = ("m", "v")

    def __init__(self, parameters, learning_rate=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        super().__init__(parameters, learning_rate, weight_decay)
        self.beta1, self.beta2, self.eps = *betas, eps

    def begin_step(self):
        self.correction1 = 1 - self.beta1**self.steps
        self.correction2 = 1 - self.beta2**self.steps

    def update(self, p, g, m, v):
        m *= self.beta1
        m += (1 - self.beta1) * g
        v *= self.beta2
        work = g * g
        work *= 1 - self.beta2
        v += work
        np.divide(v, self.correction2, out=work)  # in place from here on: this is the optimizer that is used
        np.sqrt(work, out=work)
        work += self.eps
        np.divide(m, work, out=work)
        work *= self.learning_rate / self.correction1
        p -= work


class AdamW(Adam):
    """p ← p - η λ p, then Adam with g alone   (Loshchilov & Hutter 2019)"""

    def __init__(self, parameters, learning_rate=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
        super().__init__(parameters, learning_rate, betas, eps)
        self.decoupled_decay = weight_decay

    def update(self, p, g, m, v):
        p *= 1 - self.learning_rate * self.decoupled_decay
        super().update(p, g, m, v)


class Adamax(Optimizer):
    """m ← β₁ m + (1-β₁) g;  u ← max(β₂ u, |g| + ε);  p ← p - η/(1-β₁ᵗ) m / u   (Kingma & Ba 2015, § 7.1)

    Only the step is corrected for bias: m itself is kept as it is, and u, a maximum, needs no correction.
    """

    slots = ("m", "u")

    def __init__(self, parameters, learning_rate=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        super().__init__(parameters, learning_rate, weight_decay)
        self.beta1, self.beta2, self.eps = *betas, eps

    def update(self, p, g, m, u):
        m *= self.beta1
        m += (1 - self.beta1) * g
        np.maximum(self.beta2 * u, np.abs(g) + self.eps, out=u)
        p -= self.learning_rate / (1 - self.beta1**self.steps) * m / u


class NAdam(Optimizer):
    """Adam that looks one step of momentum ahead   (Dozat 2016)

    μₜ = β₁ (1 - 0.96^(tψ)/2);  m, v as Adam's;
    p ← p - η [(1-μₜ) g / (1-Πμ_{≤t}) + μₜ₊₁ m / (1-Πμ_{≤t+1})] / (√v̂ + ε)
    """

    slots = ("m", "v")

    def __init__(
        self,
        parameters,
        learning_rate=2e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0.0,
        momentum_decay=4e-3,
    ):
        super().__init__(parameters, learning_rate, weight_decay)
        self.beta1, self.beta2, self.eps, self.momentum_decay = *betas, eps, momentum_decay

    def _mu(self, t: int) -> float:
        return self.beta1 * (1 - 0.5 * 0.96 ** (t * self.momentum_decay))

    def begin_step(self):
        self.product = math.prod(self._mu(t) for t in range(1, self.steps + 1))

    def update(self, p, g, m, v):
        mu, mu_next = self._mu(self.steps), self._mu(self.steps + 1)
        m *= self.beta1
        m += (1 - self.beta1) * g
        v *= self.beta2
        v += (1 - self.beta2) * g * g
        ahead = (1 - mu) / (1 - self.product) * g + mu_next / (1 - self.product * mu_next) * m
        p -= self.learning_rate * ahead / (np.sqrt(v / (1 - self.beta2**self.steps)) + self.eps)


class AdaBound(Optimizer):
    """Adam whose rate is clipped between bounds that close in on SGD's   (Luo et al. 2019, algorithm 2)

    m, v as Adam's, not corrected for bias;  lower(t) = η* (1 - 1/(γt + 1)), upper(t) = η* (1 + 1/(γt));
    p ← p - clip(η / √v, lower, upper) / √t · m

    (The authors' program leaves the √t out and corrects for bias; this is the paper.)
    """

    slots = ("m", "v")

    def __init__(
        self,
        parameters,
        learning_rate=1e-3,
        final_rate=0.1,
        betas=(0.9, 0.999),
        gamma=1e-3,
        weight_decay=0.0,
    ):
        super().__init__(parameters, learning_rate, weight_decay)
        self.final_rate, self.gamma = final_rate, gamma
        self.beta1, self.beta2 = betas

    def update(self, p, g, m, v):
        m *= self.beta1
        m += (1 - self.beta1) * g
        v *= self.beta2
        v += (1 - self.beta2) * g * g
        progress = self.gamma * self.steps
        lower, upper = self.final_rate * (1 - 1 / (progress + 1)), self.final_rate * (1 + 1 / progress)
        with np.errstate(divide="ignore"):  # v = 0: an infinite rate, clipped to the upper bound
            rate = np.clip(self.learning_rate / np.sqrt(v), lower, upper)
        p -= rate / math.sqrt(self.steps) * m


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adagrad": Adagrad,
    "rmsprop": RMSProp,
    "adadelta": Adadelta,
    "adam": Adam,
    "adamw": AdamW,
    "adamax": Adamax,
    "nadam": NAdam,
    "adabound": AdaBound,
}


def clip_gradients(grads: Mapping[str, Array], max_norm: float) -> float:
    """Shortens all gradients together, in place, to the norm `max_norm` at most (Pascanu et al. 2013).

    Returns:
        The norm before.
    """
    norm = math.sqrt(sum(float(np.vdot(g, g)) for g in grads.values()))
    if norm > max_norm:
        for g in grads.values():
            g *= max_norm / norm
    return norm


class HalveWhenLossRises:
    """Halves the rate whenever the loss is above the one before."""

    def __init__(self, optimizer: Optimizer):
        self._optimizer, self.state = optimizer, math.inf  # the last loss

    def step(self, loss: float) -> None:
        """To be called with the loss of each epoch, or of each stretch of examples."""
        if loss > self.state:
            self._optimizer.learning_rate /= 2
        self.state = loss


class StepDecay:
    """Multiplies the rate by `factor` every `every` steps."""

    def __init__(self, optimizer: Optimizer, every: int, factor: float = 0.5):
        self._optimizer, self._first, self.state = optimizer, optimizer.learning_rate, 0  # steps so far
        self._every, self._factor = every, factor

    def step(self) -> None:
        """To be called after each step of the optimizer."""
        self.state += 1
        self._optimizer.learning_rate = self._first * self._factor ** (self.state // self._every)


class Cosine:
    """Half a cosine from the first rate down to 0 in `total` steps (Loshchilov & Hutter 2017)."""

    def __init__(self, optimizer: Optimizer, total: int):
        self._optimizer, self._first, self.state = optimizer, optimizer.learning_rate, 0  # steps so far
        self._total = total

    def step(self) -> None:
        """To be called after each step of the optimizer."""
        self.state += 1
        share = min(1.0, self.state / self._total)
        self._optimizer.learning_rate = self._first * 0.5 * (1 + math.cos(math.pi * share))


SCHEDULES = {"halve_when_loss_rises": HalveWhenLossRises, "step": StepDecay, "cosine": Cosine}
