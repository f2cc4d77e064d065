"""The vanilla RNN: a step forward, a step backward, then both through time. It knows no characters.

    h_t = tanh(W x_t + b + U h_{t-1} + b')                                        (Elman 1990)

Torch's names, shapes and its two biases, so that weights go across without a transpose. The derivation of
every line of the backward is in docs/derivation.md.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .functional import Array, check_shape


class Weights(NamedTuple):
    """The parameters of a recurrent layer, or their gradients; G is 1 for an RNN and 4 for an LSTM."""

    weight_ih: Array  # (G·H, D): W, from the input
    weight_hh: Array  # (G·H, H): U, from the state before
    bias_ih: Array  # (G·H,)
    bias_hh: Array  # (G·H,): adds nothing that bias_ih could not; torch and cuDNN have it

    @property
    def hidden_size(self) -> int:
        """H."""
        return self.weight_hh.shape[1]

    def zeros(self) -> Weights:
        """Gradients before anything was added to them."""
        return Weights(*map(np.zeros_like, self))

    def add(self, grads: Weights) -> None:
        """Adds gradients to gradients, in place."""
        for own, other in zip(self, grads, strict=True):
            own += other

    def check(self, gates: int, input_size: int) -> None:
        """Raises ValueError unless the shapes fit each other and an input of this size."""
        rows = gates * self.hidden_size
        check_shape("weight_ih", self.weight_ih.shape, (rows, input_size))
        check_shape("weight_hh", self.weight_hh.shape, (rows, self.hidden_size))
        for name in ("bias_ih", "bias_hh"):
            check_shape(name, getattr(self, name).shape, (rows,))


class StepCache(NamedTuple):
    """What a step's backward needs of its forward."""

    x: Array  # (B, D)
    h_before: Array  # (B, H)
    h: Array  # (B, H)


def step_forward(x: Array, h: Array, w: Weights) -> tuple[Array, StepCache]:
    """x (B, D) and the state before, h (B, H) -> the state after, (B, H)."""
    h_after = np.tanh(x @ w.weight_ih.T + w.bias_ih + h @ w.weight_hh.T + w.bias_hh)
    return h_after, StepCache(x, h, h_after)


def step_backward(dh: Array, cache: StepCache, w: Weights) -> tuple[Array, Array, Weights]:
    """dh (B, H) -> dx (B, D), dh of the state before (B, H), and the gradients of the weights."""
    da = dh * (1 - cache.h**2)  # through tanh
    db = da.sum(axis=0)
    grads = Weights(da.T @ cache.x, da.T @ cache.h_before, db, db.copy())
    return da @ w.weight_ih, da @ w.weight_hh, grads


def forward(
    x: Array, h0: Array, w: Weights, mask: Array | None = None
) -> tuple[Array, Array, list[StepCache]]:
    """The steps in order.

    Args:
        x: (B, T, D).
        h0: (B, H), the state before the first step.
        mask: (B, T), 1 at a character and 0 at padding, where the state stays as it was; None: no padding.

    Returns:
        The states (B, T, H), the last one (B, H), and a cache a step.
    """
    w.check(1, x.shape[2])
    check_shape("h0", h0.shape, (len(x), w.hidden_size))
    h, states, caches = h0, [], []
    for t in range(x.shape[1]):
        h_new, cache = step_forward(x[:, t], h, w)
        h = h_new if mask is None else np.where(mask[:, t, None], h_new, h)
        states.append(h)
        caches.append(cache)
    return np.stack(states, axis=1), h, caches


def backward(
    d_states: Array,
    dh_last: Array,
    caches: list[StepCache],
    w: Weights,
    mask: Array | None = None,
    truncate: int | None = None,
) -> tuple[Array, Array, Weights]:
    """Backpropagation through time (Werbos 1990), full or truncated.

    Args:
        d_states: (B, T, H), the gradient that reaches each state from its own output.
        dh_last: (B, H), what reaches the last state from after the sequence.
        truncate: how many steps back the gradient of one output goes at most (Williams & Peng 1990); None: to
            the first.

    Returns:
        dx (B, T, D), dh0 (B, H), and the gradients of the weights, summed over the steps.
    """
    steps = len(caches)
    grads, dx = w.zeros(), np.zeros((len(dh_last), steps, w.weight_ih.shape[1]), dh_last.dtype)

    def step_back(t: int, dh: Array) -> Array:
        """One step, t -> t - 1; adds to `grads` and `dx`."""
        dh_new = dh if mask is None else dh * mask[:, t, None]
        dx_t, dh_before, grads_t = step_backward(dh_new, caches[t], w)
        dx[:, t] += dx_t
        grads.add(grads_t)
        return dh_before if mask is None else dh_before + dh * (1 - mask[:, t, None])

    if truncate is None:  # one way back takes the gradients of all outputs along
        dh = dh_last
        for t in reversed(range(steps)):
            dh = step_back(t, dh + d_states[:, t])
        return dx, dh, grads
    if truncate < 1:
        raise ValueError(f"truncate must be 1 or more, got {truncate}; None goes back to the first step")
    dh0 = np.zeros_like(dh_last)
    for t in reversed(range(steps)):  # a way back of its own for each output
        dh = d_states[:, t] + (dh_last if t == steps - 1 else 0)
        first = max(0, t - truncate + 1)
        for k in range(t, first - 1, -1):
            dh = step_back(k, dh)
        if t - truncate + 1 <= 0:
            dh0 += dh
    return dx, dh0, grads
