"""Samples ids from logits with NumPy."""

from __future__ import annotations

import numpy as np

from ..arrays import DoubleArray, FloatArray, IntArray
from ..errors import CheckpointError, InvalidValueError
from .options import GenerationConfig


def sample(logits: FloatArray, uniforms: DoubleArray, config: GenerationConfig) -> IntArray:
    """Samples one id per row by inverting the cumulative distribution, in float64.

    Args:
        logits: (B, V), -inf for barred ids.
        uniforms: (B,) random numbers in [0, 1), one per row. They are the only source of randomness.
        config: the sampling settings.

    Returns:
        The ids (B,).

    Raises:
        InvalidValueError: every id of a row is barred. (The error is raised rather than silently dropping a
            rule.)
        CheckpointError: a logit is NaN or +inf.
    """
    likeliest: FloatArray = logits.max(axis=1)
    _check(bool((likeliest < np.inf).all()))  # false for NaN, which is the maximum of a row that has one
    if (likeliest == -np.inf).any():
        raise InvalidValueError(
            "the options together allow no next character; use another seed, or fewer options",
            chinese="這些要求合在一起，接不下去了；請換個種子，或少些要求。",
        )
    if config.temperature == 0:
        best: IntArray = logits.argmax(axis=1)
        return best
    rows = zip(logits, likeliest, uniforms, strict=True)
    return np.array([_draw(row, highest, uniform, config) for row, highest, uniform in rows], np.int64)


def _draw(logits: FloatArray, likeliest: float, uniform: float, config: GenerationConfig) -> int:
    """Samples one id from logits (V,), given the largest of them. One row at a time stays in the caches."""
    ids = np.flatnonzero(logits > -np.inf)
    if 0 < config.top_k < len(ids):
        ids = ids[np.argpartition(logits[ids], -config.top_k)[-config.top_k :]]
        ids.sort()  # makes the cumulative sum independent of the order that argpartition gives
    differences = logits[ids].astype(np.float64) - likeliest
    with np.errstate(over="ignore"):  # a tiny temperature makes the quotient -inf, and exp gives 0
        weights = np.exp(differences / config.temperature)
    if config.top_p < 1:
        _keep_top_p(weights, config.top_p)
    if config.min_p > 0:
        weights[weights < config.min_p * weights.max()] = 0
    if config.typical_p < 1:
        _keep_typical(weights, config.typical_p)
    cumulative = np.cumsum(weights)
    chosen = np.searchsorted(cumulative, uniform * cumulative[-1], side="right")
    return int(ids[min(chosen, len(ids) - 1)])


def largest(logits: FloatArray, count: int) -> IntArray:
    """The ids (B, count) of the largest of the logits (B, V) in each row, in no particular order."""
    if count >= logits.shape[1]:
        return np.tile(np.arange(logits.shape[1]), (len(logits), 1))
    found: IntArray = np.argpartition(logits, -count, axis=1)[:, -count:]
    return found


def log_sum_exp(logits: FloatArray) -> FloatArray:
    """The logarithm (B,) of the sum of exponentials of each row of finite logits (B, V).

    Raises:
        CheckpointError: a logit is NaN or +inf, or all of a row are -inf.
    """
    highest = logits.max(axis=1, keepdims=True)
    _check(bool(np.isfinite(highest).all()))
    weights = logits - highest
    np.exp(weights, out=weights)
    result: FloatArray = highest[:, 0] + np.log(weights.sum(axis=1))
    return result


def log_probs_of(logits: FloatArray, ids: IntArray) -> FloatArray:
    """The log-probabilities (B,) of one id per row, given the logits (B, V)."""
    return logits[np.arange(len(ids)), ids] - log_sum_exp(logits)


def _check(are_numbers: bool) -> None:
    """Raises CheckpointError if the logits of a model are not numbers to sample from."""
    if not are_numbers:
        raise CheckpointError(
            "the model computes numbers that are not finite: its weights are damaged or far too large; use "
            "another model",
            chinese="這個模型算出了無窮大的數，它的權重壞了；請換一個模型。",
        )


def _keep_top_p(weights: DoubleArray, top_p: float) -> None:
    """Keeps the largest weights (k,) with at least `top_p` of their sum; sets the rest to 0 in place.

    Weights equal to the least that is kept are kept, too.
    """
    total = weights.sum()
    # Weights below an equal share of what may be left out can all be left out, so they are not sorted.
    large = weights[weights >= (1 - top_p) * total / len(weights)]
    falling = -np.sort(-large)
    weights[weights < _last_kept(falling, falling, top_p * total)] = 0


def _keep_typical(weights: DoubleArray, typical_p: float) -> None:
    """Keeps the weights (k,) whose surprisal is closest to its mean, as many as have `typical_p` together.

    The rest are set to 0 in place. Those as far from the mean as the last that is kept are kept, too.
    """
    distances = _distance_to_entropy(weights)
    order = np.argsort(distances)
    mass = typical_p * weights.sum()
    weights[distances > _last_kept(distances[order], weights[order], mass)] = 0


def _last_kept(values: DoubleArray, weights: DoubleArray, mass: float) -> float:
    """The last of the sorted values (k,) that their weights need to have a sum of `mass`."""
    before = np.cumsum(weights) - weights  # the sum of all that come first
    count = max(int(np.count_nonzero(before < mass)), 1)
    return float(values[count - 1])


def _distance_to_entropy(weights: DoubleArray) -> DoubleArray:
    """How far (k,), in nats, the surprisal of each weight is from its mean; inf for a weight of 0."""
    shares = weights / weights.sum()
    surprisals = np.full_like(shares, np.inf)
    np.negative(np.log(shares, where=shares > 0, out=surprisals), where=shares > 0, out=surprisals)
    entropy = (shares * np.where(shares > 0, surprisals, 0)).sum()
    distances: DoubleArray = np.abs(surprisals - entropy)
    return distances
