"""The LSTM: the four functions of rnn.py line by line, then the same layer made fast. It knows no characters.

    i, f, o = σ(W x_t + b + U h_{t-1} + b')     g = tanh(… likewise)
    c_t = f ⊙ c_{t-1} + i ⊙ g                   h_t = o ⊙ tanh(c_t)

(Hochreiter & Schmidhuber 1997; the forget gate: Gers et al. 2000.) Torch's names, shapes and order of gates:
the rows of the weights are i, f, g, o. The derivation of every line of the backward is in docs/derivation.md.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .functional import Array, check_shape, sigmoid
from .rnn import Weights


class StepCache(NamedTuple):
    """What a step's backward needs of its forward; all (B, H) but x (B, D)."""

    x: Array
    h_before: Array
    c_before: Array
    i: Array
    f: Array
    g: Array
    o: Array
    tanh_c: Array


def step_forward(x: Array, h: Array, c: Array, w: Weights) -> tuple[Array, Array, StepCache]:
    """x (B, D) and the state before, h and c (B, H) -> the state after."""
    a_i, a_f, a_g, a_o = np.split(x @ w.weight_ih.T + w.bias_ih + h @ w.weight_hh.T + w.bias_hh, 4, axis=1)
    i, f, g, o = sigmoid(a_i), sigmoid(a_f), np.tanh(a_g), sigmoid(a_o)
    c_after = f * c + i * g
    tanh_c = np.tanh(c_after)
    return o * tanh_c, c_after, StepCache(x, h, c, i, f, g, o, tanh_c)


def step_backward(dh: Array, dc: Array, cache: StepCache, w: Weights) -> tuple[Array, Array, Array, Weights]:
    """dh and dc (B, H) of the state after -> dx (B, D), dh and dc of the state before, and the weights'."""
    x, h_before, c_before, i, f, g, o, tanh_c = cache
    do = dh * tanh_c
    dc = dc + dh * o * (1 - tanh_c**2)  # both ways by which c_t reaches the loss, before any gate uses it
    df, di, dg = dc * c_before, dc * g, dc * i
    da = np.concatenate(
        [di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o)], axis=1
    )  # (B, 4H)
    db = da.sum(axis=0)
    grads = Weights(da.T @ x, da.T @ h_before, db, db.copy())
    return da @ w.weight_ih, da @ w.weight_hh, dc * f, grads


def forward(
    x: Array, h0: Array, c0: Array, w: Weights, mask: Array | None = None
) -> tuple[Array, tuple[Array, Array], list[StepCache]]:
    """The steps in order.

    Args:
        x: (B, T, D).
        h0, c0: (B, H), the state before the first step.
        mask: (B, T), 1 at a character and 0 at padding, where the state stays as it was; None: no padding.

    Returns:
        The outputs h (B, T, H), the last h and c (B, H), and a cache a step.
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
) -> tuple[Array, tuple[Array, Array], Weights]:
    """Backpropagation through time, full or truncated.

    Args:
        d_outputs: (B, T, H), the gradient that reaches each h from its own output.
        d_last: (B, H) each, what reaches the last h and c from after the sequence.
        truncate: how many steps back the gradient of one output goes at most; None: to the first.

    Returns:
        dx (B, T, D), dh0 and dc0 (B, H), and the gradients of the weights, summed over the steps.
    """
    steps, (dh_last, dc_last) = len(caches), d_last
    grads, dx = w.zeros(), np.zeros((len(dh_last), steps, w.weight_ih.shape[1]), dh_last.dtype)

    def step_back(t: int, dh: Array, dc: Array) -> tuple[Array, Array]:
        """One step, t -> t - 1; adds to `grads` and `dx`."""
        dh_new = dh if mask is None else dh * mask[:, t, None]
        dc_new = dc if mask is None else dc * mask[:, t, None]
        dx_t, dh_before, dc_before, grads_t = step_backward(dh_new, dc_new, caches[t], w)
        dx[:, t] += dx_t
        grads.add(grads_t)
        if mask is None:
            return dh_before, dc_before
        return dh_before + dh * (1 - mask[:, t, None]), dc_before + dc * (1 - mask[:, t, None])

    if truncate is None:  # one way back takes the gradients of all outputs along
        dh, dc = dh_last, dc_last
        for t in reversed(range(steps)):
            dh, dc = step_back(t, dh + d_outputs[:, t], dc)
        return dx, (dh, dc), grads
    if truncate < 1:
        raise ValueError(f"truncate must be 1 or more, got {truncate}; None goes back to the first step")
    dh0, dc0 = np.zeros_like(dh_last), np.zeros_like(dc_last)
    for t in reversed(range(steps)):  # a way back of its own for each output
        is_last = t == steps - 1
        dh, dc = d_outputs[:, t] + (dh_last if is_last else 0), dc_last if is_last else np.zeros_like(dc_last)
        first = max(0, t - truncate + 1)
        for k in range(t, first - 1, -1):
            dh, dc = step_back(k, dh, dc)
        if t - truncate + 1 <= 0:
            dh0 += dh
            dc0 += dc
    return dx, (dh0, dc0), grads


class FastLSTM:
    """The same layer for whole sequences, as fast as NumPy can: the same numbers, full BPTT.

    - One product `X W` for all steps; only `h U` is left in the loop, written into its place by `out=`.
    - σ(x) = (1 + tanh(x/2)) / 2: with the halves folded into the weights, one `np.tanh` serves four gates.
    - The weights' gradients are sums over steps of products: one product over all steps does both.
    - Arrays are time-first, so that a step is one block of memory, and are used again at the next call:
      fresh memory costs more than the arithmetic on it.

    It needs no mask: padding stands at the end of its row, and nothing there reaches back before it. (The
    last state of a padded row is not that of its last character.) The cache is the object's own: one
    `backward` to one `forward`; what they return is overwritten by the next call.
    """

    def __init__(self):
        self._buffers: dict[tuple, Array] = {}

    def _buffer(self, name: str, shape: tuple[int, ...], dtype: np.dtype) -> Array:
        key = (name, shape, dtype)
        if key not in self._buffers:
            self._buffers[key] = np.empty(shape, dtype)
        return self._buffers[key]

    def forward(self, x: Array, h0: Array, c0: Array, w: Weights) -> tuple[Array, tuple[Array, Array]]:
        """x (T, B, D), h0 and c0 (B, H) -> the outputs h (T, B, H), the last h and c (B, H)."""
        w.check(4, x.shape[2])
        (steps, batch, _), size, dtype = x.shape, w.hidden_size, x.dtype
        for name, part in (("h0", h0), ("c0", c0)):
            check_shape(name, part.shape, (batch, size))
        scale = np.repeat(np.array([0.5, 0.5, 1, 0.5], dtype), size)  # of the pre-activations of i, f, g, o
        shift = np.repeat(np.array([0.5, 0.5, 0, 0.5], dtype), size)
        gates = self._buffer("gates", (steps, batch, 4 * size), dtype)
        np.matmul(x.reshape(steps * batch, -1), (w.weight_ih.T * scale), out=gates.reshape(-1, 4 * size))
        gates += (w.bias_ih + w.bias_hh) * scale
        weight_hh = w.weight_hh.T * scale  # (H, 4H), contiguous
        h = self._buffer("h", (steps + 1, batch, size), dtype)
        c = self._buffer("c", (steps + 1, batch, size), dtype)
        tanh_c = self._buffer("tanh_c", (steps, batch, size), dtype)
        product = self._buffer("product", (batch, 4 * size), dtype)
        h[0], c[0] = h0, c0
        for t in range(steps):
            a = gates[t]
            a += np.matmul(h[t], weight_hh, out=product)
            np.tanh(a, out=a)
            a *= scale
            a += shift
            i, f, g, o = (a[:, k * size : (k + 1) * size] for k in range(4))
            np.multiply(f, c[t], out=c[t + 1])
            c[t + 1] += np.multiply(i, g, out=tanh_c[t])
            np.tanh(c[t + 1], out=tanh_c[t])
            np.multiply(o, tanh_c[t], out=h[t + 1])
        self._cache = x, w, gates, h, c, tanh_c
        return h[1:], (h[-1], c[-1])

    def backward(
        self, d_outputs: Array, d_last: tuple[Array, Array] | None = None
    ) -> tuple[Array, tuple[Array, Array], Weights]:
        """d_outputs (T, B, H), what reaches the last h and c -> dx (T, B, D), dh0 and dc0, the weights'."""
        x, w, gates, h, c, tanh_c = self._cache
        steps, batch, size = tanh_c.shape
        check_shape("d_outputs", d_outputs.shape, tanh_c.shape)
        dtype = x.dtype
        da = self._buffer("da", gates.shape, dtype)
        dh = self._buffer("dh", (batch, size), dtype)
        dc = self._buffer("dc", (batch, size), dtype)
        work = self._buffer("work", (batch, size), dtype)
        dh[...], dc[...] = (0, 0) if d_last is None else d_last
        for t in reversed(range(steps)):
            i, f, g, o = (gates[t, :, k * size : (k + 1) * size] for k in range(4))
            da_i, da_f, da_g, da_o = (da[t, :, k * size : (k + 1) * size] for k in range(4))
            dh += d_outputs[t]
            np.multiply(tanh_c[t], tanh_c[t], out=work)
            np.subtract(1, work, out=work)
            work *= o
            work *= dh
            dc += work  # dc_t = dc + dh ⊙ o ⊙ (1 - tanh² c_t)
            np.multiply(dh, tanh_c[t], out=da_o)
            np.multiply(dc, g, out=da_i)
            np.multiply(dc, c[t], out=da_f)
            for d_gate, gate in ((da_i, i), (da_f, f), (da_o, o)):
                d_gate *= gate
                np.subtract(1, gate, out=work)
                d_gate *= work
            np.multiply(g, g, out=work)
            np.subtract(1, work, out=work)
            work *= i
            np.multiply(dc, work, out=da_g)
            dc *= f
            np.matmul(da[t], w.weight_hh, out=dh)
        rows = da.reshape(steps * batch, 4 * size)
        d_bias = rows.sum(axis=0)
        grads = Weights(
            rows.T @ x.reshape(steps * batch, -1),
            rows.T @ h[:-1].reshape(steps * batch, size),
            d_bias,
            d_bias.copy(),
        )
        dx = np.matmul(rows, w.weight_ih).reshape(x.shape)
        return dx, (dh, dc), grads
