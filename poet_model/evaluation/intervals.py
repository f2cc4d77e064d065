"""A figure with its 95 % interval: shares, ratios, means, groups. Knows numbers, not what they count.

A figure is a dict of `value`, `low`, `high` and `n`, as it stands in metrics.json.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

RESAMPLES = 1000
SEED = 0
Z = 1.959964  # 97.5 % of a normal distribution lie below
# the same of Student's t, by degrees of freedom from 1 to 30; the last is 4 % above Z, and serves beyond too
T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)
T += (2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042)
Figure = dict[str, float | int | None]


def figure(value: float, low: float | None, high: float | None, n: int) -> Figure:
    """A figure as it is published, to five places."""
    rounded = (None if number is None else round(float(number), 5) for number in (value, low, high))
    return {**dict(zip(("value", "low", "high"), rounded, strict=True)), "n": int(n)}


def share(flags: Sequence[bool] | np.ndarray) -> Figure | None:
    """The share that is true, with Wilson's interval (1927); None of nothing.

    Unlike the bootstrap it is honest about 0 of n and n of n.
    """
    n = len(flags)
    if not n:
        return None
    hits = int(np.sum(np.asarray(flags, bool)))
    return figure(hits / n, *wilson(hits, n), n)


def wilson(hits: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % interval of `hits` out of `n`."""
    p, zz = hits / n, Z * Z
    centre = (p + zz / (2 * n)) / (1 + zz / n)
    half = Z / (1 + zz / n) * math.sqrt(p * (1 - p) / n + zz / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def ratio(
    numerators: Sequence[float] | np.ndarray,
    denominators: Sequence[float] | np.ndarray,
    transform: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> Figure | None:
    """Sum of numerators by sum of denominators, one pair a poem; the interval by bootstrap over poems.

    The bootstrap (Efron 1979) draws as many poems as there are, with replacement, 1,000 times, and takes the
    2.5th and 97.5th percentile. Poems whose denominator is 0 count for nothing, not in `n` either.

    Args:
        transform: of the ratio, a growing function such as np.exp.
    """
    numerators, denominators = np.asarray(numerators, float), np.asarray(denominators, float)
    numerators, denominators = numerators[denominators > 0], denominators[denominators > 0]
    n = len(denominators)
    if not n:
        return None
    drawn = np.random.default_rng(SEED).integers(0, n, (RESAMPLES, n))
    ratios = numerators[drawn].sum(axis=1) / denominators[drawn].sum(axis=1)
    low, high = transform(np.percentile(ratios, [2.5, 97.5]))
    return figure(transform(numerators.sum() / denominators.sum()), low, high, n)


def part(
    numerators: Sequence[float] | np.ndarray, denominators: Sequence[float] | np.ndarray
) -> Figure | None:
    """`ratio` where each numerator counts some of its denominator: lines that are copied, of all lines.

    Of none or all the bootstrap knows no interval; then it is Wilson's, as if each poem were one trial:
    a poem's lines are not independent.
    """
    found = ratio(numerators, denominators)
    if found and found["value"] in (0, 1):
        low, high = wilson(found["value"] * found["n"], found["n"])
        return figure(found["value"], low, high, found["n"])
    return found


def mean(values: Sequence[float] | np.ndarray) -> Figure | None:
    """The mean of one number a poem, with the bootstrap's interval."""
    return ratio(values, np.ones(len(values)))


def over_groups(values: Sequence[float]) -> Figure | None:
    """The mean of one share a group, with Student's interval; of one group there is none (null)."""
    n = len(values)
    if n < 2:
        return figure(values[0], None, None, n) if n else None
    half = T[min(n - 2, len(T) - 1)] * float(np.std(values, ddof=1)) / math.sqrt(n)
    middle = float(np.mean(values))
    return figure(middle, max(0.0, middle - half), min(1.0, middle + half), n)
