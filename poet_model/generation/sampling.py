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
    ids = largest(logits, config.top_k or logits.shape[1])
    ids.sort(axis=1)  # makes the cumulative sum independent of the order that argpartition gives
    values = np.take_along_axis(logits, ids, axis=1).astype(np.float64)
    with np.errstate(
        over="ignore"
    ):  # with a tiny temperature the quotient overflows to -inf, and exp gives 0
        weights = np.exp((values - likeliest[:, None]) / config.temperature)
    if config.top_p < 1:
        _keep_top_p(weights, config.top_p)
    if config.min_p > 0:
        weights[weights < config.min_p * weights.max(axis=1, keepdims=True)] = 0
    if config.typical_p < 1:
        _keep_typical(weights, config.typical_p)
    cumulative = np.cumsum(weights, axis=1)
    chosen = (cumulative <= uniforms[:, None] * cumulative[:, -1:]).sum(axis=1)
    sampled: IntArray = ids[np.arange(len(ids)), np.minimum(chosen, ids.shape[1] - 1)]
    return sampled


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
    """Keeps the largest weights (B, k) with at least `top_p` of each row's sum; sets the rest to 0 in place.

    Weights equal to the least that is kept are kept, too.
    """
    falling = -np.sort(-weights, axis=1)  # several times faster than argsort
    weights[weights < _last_kept(falling, falling, top_p)] = 0


def _keep_typical(weights: DoubleArray, typical_p: float) -> None:
    """Keeps the weights (B, k) whose surprisal is closest to its mean, as many as have `typical_p` together.

    The rest are set to 0 in place. Those as far from the mean as the last that is kept are kept, too.
    """
    distances = _distance_to_entropy(weights)
    order = np.argsort(distances, axis=1)
    rising, its_weights = (np.take_along_axis(values, order, axis=1) for values in (distances, weights))
    weights[distances > _last_kept(rising, its_weights, typical_p)] = 0


def _last_kept(values: DoubleArray, weights: DoubleArray, mass: float) -> DoubleArray:
    """The last of the sorted values (B, k) in each row whose weights have at least a share `mass`; (B, 1)."""
    before = np.cumsum(weights, axis=1) - weights  # the sum of all that come first
    counts = (before < mass * weights.sum(axis=1, keepdims=True)).sum(axis=1, keepdims=True)
    last: DoubleArray = np.take_along_axis(values, counts - 1, axis=1)
    return last


def _distance_to_entropy(weights: DoubleArray) -> DoubleArray:
    """How far (B, k), in nats, the surprisal of each weight is from its row's mean; inf for a weight of 0."""
    shares = weights / weights.sum(axis=1, keepdims=True)
    surprisals = np.full_like(shares, np.inf)
    np.negative(np.log(shares, where=shares > 0, out=surprisals), where=shares > 0, out=surprisals)
    entropy = (shares * np.where(shares > 0, surprisals, 0)).sum(axis=1, keepdims=True)
    distances: DoubleArray = np.abs(surprisals - entropy)
    return distances
