"""Shares, ratios and means with 95 % confidence intervals. Works on numbers only, whatever they count."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

RESAMPLES = 1000
SEED = 0
Z = 1.959964  # the 97.5 % quantile of the normal distribution
# The same quantile of Student's t, for 1 to 30 degrees of freedom. The last is 4 % above Z and is used beyond
# 30 too.
STUDENT = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)


class Estimate(NamedTuple):
    """A value and its 95 % confidence interval, rounded to five decimal places.

    Attributes:
        value: the estimate itself.
        low, high: the ends of the interval; None if there is no interval.
        n: the number of poems (or titles, or groups) that the estimate is based on.
    """

    value: float
    low: float | None
    high: float | None
    n: int


def as_json(section: dict[str, Any]) -> dict[str, Any]:
    """A copy of a section of metrics.json with each Estimate as a dict of `value`, `low`, `high` and `n`."""

    def plain(value: object) -> object:
        if isinstance(value, Estimate):
            return value._asdict()
        return as_json(value) if isinstance(value, dict) else value

    return {name: plain(value) for name, value in section.items()}


def _estimate(value: float, low: float | None, high: float | None, n: int) -> Estimate:
    low, high = (None if end is None else round(float(end), 5) for end in (low, high))
    return Estimate(round(float(value), 5), low, high, int(n))


def share(flags: Sequence[bool] | np.ndarray) -> Estimate | None:
    """The share of true flags, with Wilson's interval (1927); None if there are no flags.

    Unlike a bootstrap interval, Wilson's has a width even when the share is 0 or 1.
    """
    n = len(flags)
    if not n:
        return None
    hits = int(np.sum(np.asarray(flags, bool)))
    return _estimate(hits / n, *wilson(hits, n), n)


def wilson(hits: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % interval for `hits` out of `n`."""
    p, zz = hits / n, Z * Z
    centre = (p + zz / (2 * n)) / (1 + zz / n)
    half = Z / (1 + zz / n) * math.sqrt(p * (1 - p) / n + zz / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def ratio(
    numerators: Sequence[float] | np.ndarray,
    denominators: Sequence[float] | np.ndarray,
    transform: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> Estimate | None:
    """The sum of the numerators divided by the sum of the denominators, with a bootstrap interval over poems.

    The bootstrap (Efron 1979) draws as many poems as there are, with replacement, 1,000 times; the interval
    is from the 2.5th to the 97.5th percentile of the ratios.

    Args:
        numerators, denominators: one pair per poem. Poems whose denominator is 0 are ignored, and not counted
            in `n`.
        transform: an increasing function to apply to the ratio and its interval, such as np.exp.

    Returns:
        None if no denominator is above 0.
    """
    numerators, denominators = np.asarray(numerators, float), np.asarray(denominators, float)
    numerators, denominators = numerators[denominators > 0], denominators[denominators > 0]
    n = len(denominators)
    if not n:
        return None
    drawn = np.random.default_rng(SEED).integers(0, n, (RESAMPLES, n))
    ratios = numerators[drawn].sum(axis=1) / denominators[drawn].sum(axis=1)
    low, high = transform(np.percentile(ratios, [2.5, 97.5]))
    return _estimate(float(transform(numerators.sum() / denominators.sum())), low, high, n)


def part(
    numerators: Sequence[float] | np.ndarray, denominators: Sequence[float] | np.ndarray
) -> Estimate | None:
    """Like `ratio`, for numerators that count a part of the denominator, such as copied lines of all lines.

    When the share is 0 or 1, the bootstrap gives an interval of zero width. Wilson's is used then, with each
    poem as one trial, because the lines of a poem are not independent.
    """
    estimate = ratio(numerators, denominators)
    if estimate and estimate.value in (0, 1):
        low, high = wilson(estimate.value * estimate.n, estimate.n)
        return _estimate(estimate.value, low, high, estimate.n)
    return estimate


def mean(values: Sequence[float] | np.ndarray) -> Estimate | None:
    """The mean of one number per poem, with a bootstrap interval."""
    return ratio(values, np.ones(len(values)))


def over_groups(values: Sequence[float]) -> Estimate | None:
    """The mean of one share per group, with Student's interval; a single group has no interval."""
    n = len(values)
    if n < 2:
        return _estimate(values[0], None, None, n) if n else None
    half = STUDENT[min(n - 2, len(STUDENT) - 1)] * float(np.std(values, ddof=1)) / math.sqrt(n)
    middle = float(np.mean(values))
    return _estimate(middle, max(0.0, middle - half), min(1.0, middle + half), n)
