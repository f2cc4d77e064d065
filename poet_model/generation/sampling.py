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
        _keep_first(weights, -weights, config.top_p)
    if config.min_p > 0:
        weights[weights < config.min_p * weights.max(axis=1, keepdims=True)] = 0
    if config.typical_p < 1:
        _keep_first(weights, _distance_to_entropy(weights), config.typical_p)
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


def _keep_first(weights: DoubleArray, order: DoubleArray, mass: float) -> None:
    """Keeps the first weights (B, k) in rising order that have at least `mass` of each row's sum.

    Args:
        weights: (B, k); the rest are set to 0 in place.
        order: (B, k) numbers to sort them by.
        mass: a share of the sum, above 0.
    """
    places = np.argsort(order, axis=1, kind="stable")
    sorted_weights = np.take_along_axis(weights, places, axis=1)
    before = np.cumsum(sorted_weights, axis=1) - sorted_weights  # the sum of all that come first
    sorted_weights[before >= mass * sorted_weights.sum(axis=1, keepdims=True)] = 0
    np.put_along_axis(weights, places, sorted_weights, axis=1)


def _distance_to_entropy(weights: DoubleArray) -> DoubleArray:
    """How far (B, k), in nats, the surprisal of each weight is from its row's mean; inf for a weight of 0."""
    shares = weights / weights.sum(axis=1, keepdims=True)
    surprisals = np.full_like(shares, np.inf)
    np.negative(np.log(shares, where=shares > 0, out=surprisals), where=shares > 0, out=surprisals)
    entropy = (shares * np.where(shares > 0, surprisals, 0)).sum(axis=1, keepdims=True)
    distances: DoubleArray = np.abs(surprisals - entropy)
    return distances
