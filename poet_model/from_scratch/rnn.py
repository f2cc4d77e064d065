"""The vanilla RNN: one step forward, one step backward, then both through time.

It handles vectors, not characters.

    h_t = tanh(W x_t + b + U h_{t-1} + b')                                        (Elman 1990)

Names, shapes and the two biases are those of torch, so that weights can be copied without a transpose.
docs/derivation.md derives every line of the backward.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .functional import Array, check_shape, tanh, tanh_backward


class Weights(NamedTuple):
    """The parameters of a recurrent layer, or their gradients. G is 1 for an RNN and 4 for an LSTM."""

    weight_ih: Array  # (G·H, D): W, applied to the input
    weight_hh: Array  # (G·H, H): U, applied to the previous state
    bias_ih: Array  # (G·H,): b
    bias_hh: Array  # (G·H,): b', redundant beside b; it is here because torch and cuDNN have it

    @property
    def hidden_size(self) -> int:
        """H, the number of units."""
        return int(self.weight_hh.shape[1])

    def zeros(self) -> Weights:
        """Gradients of the same shapes, all zero."""
        return Weights(*map(np.zeros_like, self))

    def add(self, grads: Weights) -> None:
        """Adds other gradients to these, in place."""
        for own, other in zip(self, grads, strict=True):
            own += other

    def check(self, gates: int, input_size: int) -> None:
        """Raises ValueError unless the shapes fit each other and inputs of this size."""
        rows = gates * self.hidden_size
        check_shape("weight_ih", self.weight_ih.shape, (rows, input_size))
        check_shape("weight_hh", self.weight_hh.shape, (rows, self.hidden_size))
        for name in ("bias_ih", "bias_hh"):
            check_shape(name, getattr(self, name).shape, (rows,))


class StepCache(NamedTuple):
    """What `step_backward` needs from `step_forward`."""

    x: Array  # (B, D)
    h_before: Array  # (B, H)
    h: Array  # (B, H)


def step_forward(x: Array, h: Array, w: Weights) -> tuple[Array, StepCache]:
    """x (B, D) and the previous state h (B, H) -> the new state (B, H), and a cache."""
    h_after = tanh(x @ w.weight_ih.T + w.bias_ih + h @ w.weight_hh.T + w.bias_hh)
    return h_after, StepCache(x, h, h_after)


def step_backward(dh: Array, cache: StepCache, w: Weights) -> tuple[Array, Array, Weights]:
    """dh (B, H) -> dx (B, D), dh of the previous state (B, H), and the gradients of the weights."""
    # h = tanh(a): the chain rule multiplies by the slope of tanh at a, which is 1 - h², so a is not needed.
    da = tanh_backward(dh, cache.h)
    # a = x Wᵀ + b + h_before Uᵀ + b': each term of a sum receives da unchanged. A bias was added to
    # every row of the batch, so its gradient is the sum over the rows. It is the same for both biases.
    db = da.sum(axis=0)
    # a_m contains the product W_mk x_k, so the gradient of W_mk is da_m x_k, summed over the rows;
    # likewise for U.
    grads = Weights(da.T @ cache.x, da.T @ cache.h_before, db, db.copy())
    # Conversely, x_k affects every a_m by the factor W_mk, so dx_k is the sum of da_m W_mk over m.
    return da @ w.weight_ih, da @ w.weight_hh, grads


def forward(
    x: Array, h0: Array, w: Weights, mask: Array | None = None
) -> tuple[Array, Array, list[StepCache]]:
    """All steps in order.

    Args:
        x: (B, T, D).
        h0: (B, H), the state before the first step.
        mask: (B, T), 1 at a character and 0 at padding, where the state does not change. None: no padding.

    Returns:
        The states (B, T, H), the last one (B, H), and one cache per step.
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
        dh_last: (B, H), the gradient that reaches the last state from later steps.
        mask: as given to `forward`.
        truncate: the most steps that the gradient of one output goes back (Williams & Peng 1990). None: to
            the first step.

    Returns:
        dx (B, T, D), dh0 (B, H), and the gradients of the weights, summed over the steps.
    """
    steps = len(caches)
    grads, dx = w.zeros(), np.zeros((len(dh_last), steps, w.weight_ih.shape[1]), dh_last.dtype)

    def step_back(t: int, dh: Array) -> Array:
        """One step back, from t to t - 1. Adds to `grads` and `dx`."""
        dh_new = dh if mask is None else dh * mask[:, t, None]
        dx_t, dh_before, grads_t = step_backward(dh_new, caches[t], w)
        dx[:, t] += dx_t
        grads.add(grads_t)
        return dh_before if mask is None else dh_before + dh * (1 - mask[:, t, None])

    if truncate is None:  # one pass collects the gradients of all outputs on its way
        dh = dh_last
        for t in reversed(range(steps)):
            dh = step_back(t, dh + d_states[:, t])
        return dx, dh, grads
    if truncate < 1:
        raise ValueError(f"truncate must be 1 or more, got {truncate}; None goes back to the first step")
    dh0 = np.zeros_like(dh_last)
    for t in reversed(range(steps)):  # each output has its own pass back
        dh = d_states[:, t] + (dh_last if t == steps - 1 else 0)
        first = max(0, t - truncate + 1)
        for k in range(t, first - 1, -1):
            dh = step_back(k, dh)
        if t - truncate + 1 <= 0:
            dh0 += dh
    return dx, dh0, grads
