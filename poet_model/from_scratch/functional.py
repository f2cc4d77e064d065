"""The functions without memory: each forward directly followed by its backward. No layers, no time.

A backward takes `d…`, the gradient of the loss with respect to what the forward returned, and returns those
with respect to what it was given. Everything works on the last axis, whatever stands before it.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x), by way of tanh, which cannot overflow: σ(x) = (1 + tanh(x / 2)) / 2."""
    return 0.5 * (1 + np.tanh(0.5 * x))


def sigmoid_backward(dy: Array, y: Array) -> Array:
    """σ' = σ (1 - σ), through the output y."""
    return dy * y * (1 - y)


def tanh(x: Array) -> Array:
    """The hyperbolic tangent."""
    return np.tanh(x)


def tanh_backward(dy: Array, y: Array) -> Array:
    """tanh' = 1 - tanh², through the output y."""
    return dy * (1 - y * y)


def affine(x: Array, weight: Array, bias: Array) -> Array:
    """x (..., K), weight (N, K), bias (N,) -> x Wᵀ + b, (..., N). Torch's layout: a row an output."""
    check_shape("the last axis of x", x.shape[-1:], weight.shape[1:])
    check_shape("bias", bias.shape, weight.shape[:1])
    return x @ weight.T + bias


def affine_backward(dy: Array, x: Array, weight: Array) -> tuple[Array, Array, Array]:
    """dy (..., N) -> dx (..., K), dweight (N, K), dbias (N,): sums over all that stands before."""
    rows, dy_rows = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
    return dy @ weight, dy_rows.T @ rows, dy_rows.sum(axis=0)


def embedding(ids: Array, weight: Array) -> Array:
    """ids (...), weight (V, E) -> the rows of weight at the ids, (..., E)."""
    check_ids(ids, len(weight))
    return weight[ids]


def embedding_backward(dy: Array, ids: Array, num_rows: int) -> Array:
    """dy (..., E) -> dweight (V, E): each row is the sum of dy over the places that hold its id.

    Sorted by id, the places of one row are neighbours, and `np.add.reduceat` sums them in one go; `np.add.at`
    gives the same, many times slower.
    """
    flat = ids.ravel()
    order = np.argsort(flat, kind="stable")
    rows, starts = np.unique(flat[order], return_index=True)
    dweight = np.zeros((num_rows, dy.shape[-1]), dy.dtype)
    if len(rows):
        dweight[rows] = np.add.reduceat(dy.reshape(-1, dy.shape[-1])[order], starts, axis=0)
    return dweight


def softmax(logits: Array, temperature: float = 1.0) -> Array:
    """Probabilities (..., V); a low temperature sharpens them. Without the maximum e^x cannot overflow."""
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, got {temperature!r}; for 0 take the argmax")
    exponents = np.exp((logits - logits.max(axis=-1, keepdims=True)) / temperature)
    return exponents / exponents.sum(axis=-1, keepdims=True)


def cross_entropy(logits: Array, targets: Array, mask: Array | None = None) -> tuple[float, tuple]:
    """The mean of -log p(target), in nats, and what the backward needs.

    Args:
        logits: (..., V), before the softmax.
        targets: (...) ids.
        mask: (...), 1 where a target counts and 0 at padding; None: all count. The mean is over those that
            count: a loss averaged over padding looks smaller than it is.
    """
    check_ids(targets, logits.shape[-1], "target")
    check_shape("targets", targets.shape, logits.shape[:-1])
    probabilities = softmax(logits)
    counts = np.ones(targets.shape, logits.dtype) if mask is None else mask.astype(logits.dtype)
    check_shape("mask", counts.shape, targets.shape)
    if not counts.sum():
        raise ValueError("no target counts: the batch is empty or the mask is 0 everywhere")
    weights = counts / counts.sum()
    # log-softmax apart from the probabilities: a probability may be 0 in float32, its logarithm is finite
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_probs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    loss = -(weights * np.take_along_axis(log_probs, targets[..., None], axis=-1)[..., 0]).sum()
    return float(loss), (probabilities, targets, weights)


def cross_entropy_backward(cache: tuple) -> Array:
    """dlogits (..., V) = (probabilities - one-hot of the targets), weighted as in the mean."""
    probabilities, targets, weights = cache
    dlogits = probabilities * weights[..., None]
    at_targets = np.take_along_axis(dlogits, targets[..., None], axis=-1)
    np.put_along_axis(dlogits, targets[..., None], at_targets - weights[..., None], axis=-1)
    return dlogits


def fast_output_loss(
    hidden: Array, weight: Array, bias: Array, targets: Array, mask: Array | None = None, rows: int = 512
) -> tuple[float, Array, Array, Array]:
    """`affine`, `cross_entropy` and both backwards at once: the same numbers, faster.

    The logits are the largest array of a language model. They are made for some rows at a time, and turned
    into their own gradient in place, while they are in the processor's cache.

    Args:
        hidden: (N, H).
        weight: (V, H); bias: (V,); targets: (N,); mask: (N,).
        rows: worked on at a time.

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
        logits *= count / sums  # the probabilities, weighted as in the mean …
        logits[places] -= count[:, 0]  # … less the one-hot targets: dlogits
        np.matmul(logits, weight, out=dhidden[part])
        dweight += np.matmul(logits.T, hidden[part], out=product)
        dbias += logits.sum(axis=0)
    return loss, dhidden, dweight, dbias


def output_nats(hidden: Array, weight: Array, bias: Array, targets: Array, rows: int = 512) -> Array:
    """-log p of each target, (N,), without gradients; the logits of some rows at a time, never all."""
    check_ids(targets, len(weight), "target")
    nats = np.empty(len(targets), hidden.dtype)
    for start in range(0, len(hidden), rows):
        part = slice(start, start + rows)
        logits = affine(hidden[part], weight, bias)
        logits -= logits.max(axis=1, keepdims=True)
        at_targets = logits[np.arange(len(logits)), targets[part]]
        nats[part] = np.log(np.exp(logits).sum(axis=1)) - at_targets
    return nats


def perplexity(loss: float) -> float:
    """e^loss for a loss in nats: among how many equally likely characters one chooses. (2^nats is wrong.)"""
    return float(np.exp(loss))


def check_shape(what: str, given: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Raises ValueError with both shapes if they differ."""
    if tuple(given) != tuple(expected):
        raise ValueError(f"{what} has shape {tuple(given)}, expected {tuple(expected)}")


def check_ids(ids: Array, size: int, what: str = "id") -> None:
    """Raises ValueError unless there are ids and all are whole numbers from 0 to size - 1."""
    if not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(f"{what}s must be whole numbers, got {ids.dtype}")
    if not ids.size:
        raise ValueError(f"the batch is empty: {what}s have shape {ids.shape}, expected at least one")
    if ids.min() < 0 or ids.max() >= size:
        wrong = ids.min() if ids.min() < 0 else ids.max()
        raise ValueError(f"{what} {wrong} is out of range: the vocabulary has {size}, from 0 to {size - 1}")
