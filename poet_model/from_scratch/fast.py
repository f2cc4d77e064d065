"""The LSTM layer and the output layer again, made as fast as NumPy allows; they compute the same numbers.

To learn, read lstm.py and functional.py instead; the tests check that both versions agree. Nothing here
depends on characters.
"""

from __future__ import annotations

import numpy as np

from .functional import Array, affine, check_ids, check_shape
from .rnn import Weights


class FastLSTM:
    """An LSTM layer for whole sequences, with full backpropagation through time.

    - One product `X W` computes the inputs' part of all steps. Only `h U` remains in the loop, written into
      existing memory by `out=`.
    - σ(x) = (1 + tanh(x/2)) / 2: with the factors 1/2 folded into the weights, one `np.tanh` serves all four
      gates.
    - The gradient of a weight matrix is a sum of products, one per step. One large matrix product computes
      it at once.
    - Arrays are time-first, so that each step is contiguous in memory, and they are reused by the next call:
      allocating memory costs more than the arithmetic on it.

    It takes no mask. Padding must stand at the end of a row, where no gradient flows back from it; the last
    state of a padded row is not the one after its last character. The object holds the cache: call `backward`
    once after each `forward`. The arrays that both return are overwritten by the next call.
    """

    def __init__(self) -> None:
        self._buffers: dict[tuple[object, ...], Array] = {}

    def _buffer(self, name: str, shape: tuple[int, ...], dtype: np.dtype) -> Array:
        key = (name, shape, dtype)
        if key not in self._buffers:
            self._buffers[key] = np.empty(shape, dtype)
        return self._buffers[key]

    def forward(self, x: Array, h0: Array, c0: Array, w: Weights) -> tuple[Array, tuple[Array, Array]]:
        """x (T, B, D), h0 and c0 (B, H) -> the outputs h (T, B, H), and the last h and c (B, H)."""
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
        """Gradients of everything that `forward` was given.

        Args:
            d_outputs: (T, B, H), the gradient that reaches each h from its own output.
            d_last: (B, H) each, the gradient that reaches the last h and c from later steps. None: zeros.

        Returns:
            dx (T, B, D), dh0 and dc0 (B, H), and the gradients of the weights.
        """
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


def fast_output_loss(
    hidden: Array, weight: Array, bias: Array, targets: Array, mask: Array | None = None, rows: int = 512
) -> tuple[float, Array, Array, Array]:
    """`affine`, `cross_entropy` and their backwards in one: the same numbers, faster.

    The logits are the largest array of a language model. Here they are computed for a few rows at a time, and
    turned into their own gradient in place while they are in the processor's cache.

    Args:
        hidden: (N, H).
        weight: (V, H).
        bias: (V,).
        targets: (N,) ids.
        mask: (N,), 1 where a target counts and 0 at padding. None counts all.
        rows: how many rows are processed at a time.

    Returns:
        The loss, dhidden (N, H), dweight (V, H), dbias (V,).
    """
    check_ids(targets, len(weight), "target")
    check_shape("targets", targets.shape, hidden.shape[:1])
    check_shape("the last axis of hidden", hidden.shape[-1:], weight.shape[1:])
    counts = np.ones(len(targets), hidden.dtype) if mask is None else mask.astype(hidden.dtype)
    if not counts.sum():
        raise ValueError("no target counts: the batch is empty or the mask is 0 everywhere")
    counts /= counts.sum()
    loss = 0.0
    dhidden, dweight, dbias = np.empty_like(hidden), np.zeros_like(weight), np.zeros_like(bias)
    logits_buffer = np.empty((min(rows, len(hidden)), len(weight)), hidden.dtype)
    product = np.empty_like(weight)
    for start in range(0, len(hidden), rows):
        part = slice(start, start + rows)
        target, count = targets[part], counts[part, None]
        places = np.arange(len(target)), target
        logits = np.matmul(hidden[part], weight.T, out=logits_buffer[: len(target)])
        logits += bias
        logits -= logits.max(axis=1, keepdims=True)
        at_targets = logits[places]
        np.exp(logits, out=logits)
        sums = logits.sum(axis=1, keepdims=True)
        loss += float((count[:, 0] * (np.log(sums[:, 0]) - at_targets)).sum())
        logits *= count / sums  # the probabilities, weighted as in the mean,
        logits[places] -= count[:, 0]  # minus the one-hot targets: these are the dlogits
        np.matmul(logits, weight, out=dhidden[part])
        dweight += np.matmul(logits.T, hidden[part], out=product)
        dbias += logits.sum(axis=0)
    return loss, dhidden, dweight, dbias


def output_nats(hidden: Array, weight: Array, bias: Array, targets: Array, rows: int = 512) -> Array:
    """-ln p of each target, (N,), without gradients. The logits of only `rows` rows exist at any time."""
    check_ids(targets, len(weight), "target")
    nats = np.empty(len(targets), hidden.dtype)
    for start in range(0, len(hidden), rows):
        part = slice(start, start + rows)
        logits = affine(hidden[part], weight, bias)
        logits -= logits.max(axis=1, keepdims=True)
        at_targets = logits[np.arange(len(logits)), targets[part]]
        nats[part] = np.log(np.exp(logits).sum(axis=1)) - at_targets
    return nats
