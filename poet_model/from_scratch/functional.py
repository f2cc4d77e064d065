"""The functions without state, each forward directly followed by its backward. No layers, no time.

A backward takes `d…`, the gradient of the loss with respect to what the forward returned, and returns the
gradients with respect to what the forward was given. All functions work on the last axis; any number of axes
may precede it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import quoted

Array = npt.NDArray[Any]  # of floats, or of ids
Cache = tuple[Array, Array, Array]  # probabilities, targets and weights of cross_entropy


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x), computed as (1 + tanh(x / 2)) / 2, which cannot overflow."""
    return 0.5 * (1 + np.tanh(0.5 * x))


def sigmoid_backward(dy: Array, y: Array) -> Array:
    """σ' = σ (1 - σ), so the output y is enough to compute it."""
    return dy * y * (1 - y)


def tanh(x: Array) -> Array:
    """The hyperbolic tangent."""
    return np.tanh(x)


def tanh_backward(dy: Array, y: Array) -> Array:
    """tanh' = 1 - tanh², so the output y is enough to compute it."""
    return dy * (1 - y * y)


def affine(x: Array, weight: Array, bias: Array) -> Array:
    """x (..., K), weight (N, K), bias (N,) -> x Wᵀ + b, (..., N). As in torch, W has one row per output."""
    check_shape("the last axis of x", x.shape[-1:], weight.shape[1:])
    check_shape("bias", bias.shape, weight.shape[:1])
    return x @ weight.T + bias


def affine_backward(dy: Array, x: Array, weight: Array) -> tuple[Array, Array, Array]:
    """dy (..., N) -> dx (..., K), dweight (N, K), dbias (N,), the last two summed over all leading axes."""
    rows, dy_rows = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
    return dy @ weight, dy_rows.T @ rows, dy_rows.sum(axis=0)


def embedding(ids: Array, weight: Array) -> Array:
    """ids (...), weight (V, E) -> for each id its row of weight, (..., E)."""
    check_ids(ids, len(weight))
    return weight[ids]


def embedding_backward(dy: Array, ids: Array, num_rows: int) -> Array:
    """dy (..., E) -> dweight (V, E): each row is the sum of dy over the positions that hold its id.

    Sorting by id makes the positions of one id neighbours, which `np.add.reduceat` sums in one pass.
    `np.add.at` gives the same result many times more slowly.
    """
    flat = ids.ravel()
    order = np.argsort(flat, kind="stable")
    rows, starts = np.unique(flat[order], return_index=True)
    dweight = np.zeros((num_rows, dy.shape[-1]), dy.dtype)
    if len(rows):
        dweight[rows] = np.add.reduceat(dy.reshape(-1, dy.shape[-1])[order], starts, axis=0)
    return dweight


def softmax(logits: Array, temperature: float = 1.0) -> Array:
    """Probabilities (..., V). A low temperature sharpens them; subtracting the maximum prevents overflow."""
    if not temperature > 0:
        raise ValueError(
            f"temperature must be above 0, got {quoted(temperature)}; in place of 0, take the argmax"
        )
    exponents = np.exp((logits - logits.max(axis=-1, keepdims=True)) / temperature)
    return exponents / exponents.sum(axis=-1, keepdims=True)


def cross_entropy(logits: Array, targets: Array, mask: Array | None = None) -> tuple[float, Cache]:
    """The mean of -ln p(target), in nats, and a cache for the backward.

    Args:
        logits: (..., V), before the softmax.
        targets: (...) ids.
        mask: (...), 1 where a target counts and 0 at padding. None counts all. The mean is over the targets
            that count: a loss averaged over padding looks smaller than it is.
    """
    check_ids(targets, logits.shape[-1], "target")
    check_shape("targets", targets.shape, logits.shape[:-1])
    probabilities = softmax(logits)
    counts = np.ones(targets.shape, logits.dtype) if mask is None else mask.astype(logits.dtype)
    check_shape("mask", counts.shape, targets.shape)
    if not counts.sum():
        raise ValueError("no target counts: the batch is empty or the mask is 0 everywhere")
    weights = counts / counts.sum()
    # not the log of the probabilities: in float32 a probability can be 0, but its logarithm is finite
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_probs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    loss = -(weights * np.take_along_axis(log_probs, targets[..., None], axis=-1)[..., 0]).sum()
    return float(loss), (probabilities, targets, weights)


def cross_entropy_backward(cache: Cache) -> Array:
    """dlogits (..., V) = probabilities - one-hot targets, each row times its weight in the mean."""
    probabilities, targets, weights = cache
    dlogits = probabilities * weights[..., None]
    at_targets = np.take_along_axis(dlogits, targets[..., None], axis=-1)
    np.put_along_axis(dlogits, targets[..., None], at_targets - weights[..., None], axis=-1)
    return dlogits


def perplexity(loss: float) -> float:
    """e^loss, for a loss in nats: a choice among that many equally likely characters has this loss."""
    return float(np.exp(loss))


def check_shape(what: str, given: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Raises a ValueError that names both shapes if they differ."""
    if tuple(given) != tuple(expected):
        raise ValueError(f"{what} has shape {tuple(given)}, expected {tuple(expected)}")


def check_ids(ids: Array, size: int, what: str = "id") -> None:
    """Raises ValueError unless `ids` is a non-empty array of whole numbers from 0 to size - 1."""
    if not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(f"{what}s must be whole numbers, got {ids.dtype}")
    if not ids.size:
        raise ValueError(f"the batch is empty: {what}s have shape {ids.shape}, expected at least one")
    if ids.min() < 0 or ids.max() >= size:
        wrong = ids.min() if ids.min() < 0 else ids.max()
        raise ValueError(f"{what} {wrong} is out of range: there are {size} ids, from 0 to {size - 1}")
