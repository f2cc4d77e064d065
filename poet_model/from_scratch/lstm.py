"""The LSTM, as the same four functions as in rnn.py. It handles vectors, not characters. fast.py is
a faster version.

    i, f, o = σ(W x_t + b + U h_{t-1} + b')     g = tanh(… likewise)
    c_t = f ⊙ c_{t-1} + i ⊙ g                   h_t = o ⊙ tanh(c_t)

(Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000.) Names, shapes and the order of the gates are
those of torch: the rows of the weights are i, f, g, o. docs/derivation.md derives every line of the backward.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .functional import Array, check_shape, sigmoid, sigmoid_backward, tanh, tanh_backward
from .rnn import Weights


class StepCache(NamedTuple):
    """What `step_backward` needs from `step_forward`: x is (B, D), all others (B, H)."""

    x: Array
    h_before: Array
    c_before: Array
    i: Array
    f: Array
    g: Array
    o: Array
    tanh_c: Array


def step_forward(x: Array, h: Array, c: Array, w: Weights) -> tuple[Array, Array, StepCache]:
    """x (B, D) and the previous state, h and c (B, H) -> the new h and c, and a cache."""
    a_i, a_f, a_g, a_o = np.split(x @ w.weight_ih.T + w.bias_ih + h @ w.weight_hh.T + w.bias_hh, 4, axis=1)
    i, f, g, o = sigmoid(a_i), sigmoid(a_f), tanh(a_g), sigmoid(a_o)
    c_after = f * c + i * g
    tanh_c = tanh(c_after)
    return o * tanh_c, c_after, StepCache(x, h, c, i, f, g, o, tanh_c)


def step_backward(dh: Array, dc: Array, cache: StepCache, w: Weights) -> tuple[Array, Array, Array, Weights]:
    """dh, dc (B, H) of the new state -> dx (B, D), dh, dc of the previous state, gradients of the weights."""
    x, h_before, c_before, i, f, g, o, tanh_c = cache
    # h = o ⊙ tanh(c). In a product, each factor receives the gradient times the other factor.
    do = dh * tanh_c
    # Likewise, tanh(c) receives dh ⊙ o, and c receives that times the slope of tanh. But c affects the
    # loss on a second path, through the next step, whose contribution is the incoming dc. The chain
    # rule adds the two paths, and must do so here, before any gate uses the sum.
    dc = dc + tanh_backward(dh * o, tanh_c)
    # c = f ⊙ c_before + i ⊙ g. A sum passes its gradient to both terms unchanged, and both terms are
    # products.
    df = dc * c_before
    di = dc * g
    dg = dc * i
    # The path from c to c_before has only the factor f, no weight matrix: where f is near 1, gradients
    # survive.
    dc_before = dc * f
    # Each gate is σ or tanh of its pre-activation a. The slope is computed from the gate itself.
    da = np.concatenate(
        [sigmoid_backward(di, i), sigmoid_backward(df, f), tanh_backward(dg, g), sigmoid_backward(do, o)],
        axis=1,
    )  # (B, 4H)
    # a = x Wᵀ + b + h_before Uᵀ + b' for all four gates at once. The rest is the same as in
    # rnn.step_backward.
    db = da.sum(axis=0)
    grads = Weights(da.T @ x, da.T @ h_before, db, db.copy())
    return da @ w.weight_ih, da @ w.weight_hh, dc_before, grads


def forward(
    x: Array, h0: Array, c0: Array, w: Weights, mask: Array | None = None
) -> tuple[Array, tuple[Array, Array], list[StepCache]]:
    """All steps in order.

    Args:
        x: (B, T, D).
        h0, c0: (B, H), the state before the first step.
        mask: (B, T), 1 at a character and 0 at padding, where the state does not change. None: no padding.

    Returns:
        The outputs h (B, T, H), the last h and c (B, H), and one cache per step.
    """
    w.check(4, x.shape[2])
    for name, part in (("h0", h0), ("c0", c0)):
        check_shape(name, part.shape, (len(x), w.hidden_size))
    h, c, outputs, caches = h0, c0, [], []
    for t in range(x.shape[1]):
        h_new, c_new, cache = step_forward(x[:, t], h, c, w)
        h = h_new if mask is None else np.where(mask[:, t, None], h_new, h)
        c = c_new if mask is None else np.where(mask[:, t, None], c_new, c)
        outputs.append(h)
        caches.append(cache)
    return np.stack(outputs, axis=1), (h, c), caches


def backward(
    d_outputs: Array,
    d_last: tuple[Array, Array],
    caches: list[StepCache],
    w: Weights,
    mask: Array | None = None,
    truncate: int | None = None,
    step_backward: Callable[..., tuple[Array, Array, Array, Weights]] = step_backward,
) -> tuple[Array, tuple[Array, Array], Weights]:
    """Backpropagation through time, full or truncated.

    Args:
        d_outputs: (B, T, H), the gradient that reaches each h from its own output.
        d_last: (B, H) each, the gradient that reaches the last h and c from later steps.
        mask: as given to `forward`.
        truncate: the most steps that the gradient of one output goes back. None: to the first step.
        step_backward: the backward of one step. Pass a wrong one to see the gradient check catch it.

    Returns:
        dx (B, T, D), dh0 and dc0 (B, H), and the gradients of the weights, summed over the steps.
    """
    steps, (dh_last, dc_last) = len(caches), d_last
    grads, dx = w.zeros(), np.zeros((len(dh_last), steps, w.weight_ih.shape[1]), dh_last.dtype)

    def step_back(t: int, dh: Array, dc: Array) -> tuple[Array, Array]:
        """One step back, from t to t - 1. Adds to `grads` and `dx`."""
        dh_new = dh if mask is None else dh * mask[:, t, None]
        dc_new = dc if mask is None else dc * mask[:, t, None]
        dx_t, dh_before, dc_before, grads_t = step_backward(dh_new, dc_new, caches[t], w)
        dx[:, t] += dx_t
        grads.add(grads_t)
        if mask is None:
            return dh_before, dc_before
        return dh_before + dh * (1 - mask[:, t, None]), dc_before + dc * (1 - mask[:, t, None])

    if truncate is None:  # one pass collects the gradients of all outputs on its way
        dh, dc = dh_last, dc_last
        for t in reversed(range(steps)):
            dh, dc = step_back(t, dh + d_outputs[:, t], dc)
        return dx, (dh, dc), grads
    if truncate < 1:
        raise ValueError(f"truncate must be 1 or more, got {truncate}; None goes back to the first step")
    dh0, dc0 = np.zeros_like(dh_last), np.zeros_like(dc_last)
    for t in reversed(range(steps)):  # each output has its own pass back
        is_last = t == steps - 1
        dh, dc = d_outputs[:, t] + (dh_last if is_last else 0), dc_last if is_last else np.zeros_like(dc_last)
        first = max(0, t - truncate + 1)
        for k in range(t, first - 1, -1):
            dh, dc = step_back(k, dh, dc)
        if t - truncate + 1 <= 0:
            dh0 += dh
            dc0 += dc
    return dx, (dh0, dc0), grads
