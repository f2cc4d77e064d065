"""A discriminator: how well a classifier tells real poems from those of a model, on poems it has not seen.

It knows poems and their features, and nothing of the model.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from .. import prosody
from ..corpus.near_copies import cluster
from ..prosody.lines import FORMS
from .features import PoemFeatures
from .intervals import Estimate, Z
from .metrics import Asked

SEED = 0
FOLDS = 10
PENALTY = 30.0  # of the squared weights; found on poems of the model at temperatures from 0.8 to 1
STEPS = 25  # at most, of Newton's method
FEWEST = 20  # poems on each side


def told_apart(features: PoemFeatures, real: Sequence[str], written: Sequence[Asked]) -> Estimate | None:
    """How well the classifier tells the poems apart: the area under its ROC curve (AUC).

    That is the probability that of one real and one written poem it takes the right one for the real one:
    0.5 if it can only guess, 1 if it is never wrong. Each poem is judged by a logistic regression fitted to
    the others, in ten folds; near-copies are in the same fold. Both sides have the same number of poems of
    each form, drawn with a fixed seed; poems without the form they should have are left out, since they
    would be too easy.

    Args:
        features: made from poems that are neither in `real` nor in `written`.
        real: held-out poems by people, of any shape.
        written: poems and the forms they should have.

    Returns:
        The AUC with DeLong's interval (1988); None if a side has fewer than FEWEST poems.
    """
    own = [text for text, form in written if prosody.form_of(text) == form]
    pair = _same_forms(real, own)
    return None if pair is None else _auc_of(features, *pair)


def real_beside_real(features: PoemFeatures, real: Sequence[str]) -> Estimate | None:
    """The control: the same for two random halves of the real poems, which should be 0.5."""
    order = np.random.default_rng(SEED).permutation(len(real)).tolist()
    half = len(real) // 2
    pair = _same_forms([real[i] for i in order[:half]], [real[i] for i in order[half:]])
    return None if pair is None else _auc_of(features, *pair)


def _same_forms(first: Sequence[str], second: Sequence[str]) -> tuple[list[str], list[str]] | None:
    """As many poems of each form from both sides, as there are on the smaller one."""
    sides = [[(text, prosody.form_of(text)) for text in side] for side in (first, second)]
    counts = [Counter(form for _, form in side) for side in sides]
    rng = np.random.default_rng(SEED)
    drawn: tuple[list[str], list[str]] = [], []
    for form in FORMS:
        count = min(counts[0][form], counts[1][form])
        for side, chosen in zip(sides, drawn, strict=True):
            texts = [text for text, own in side if own == form]
            chosen += [texts[i] for i in sorted(rng.permutation(len(texts))[:count])]
    return drawn if len(drawn[0]) >= FEWEST else None


def _auc_of(features: PoemFeatures, first: list[str], second: list[str]) -> Estimate:
    texts = [*first, *second]
    labels = np.repeat([0.0, 1.0], [len(first), len(second)])
    scores = cross_validated(features(texts), labels, np.array(cluster(texts)))
    return auc(scores[: len(first)], scores[len(first) :])


def cross_validated(values: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(N,), the score of each row by a logistic regression that was fitted without its fold.

    Args:
        values: (N, D), the features.
        labels: (N,), 0 or 1.
        groups: (N,), rows of the same group are in the same fold.
    """
    kinds, places = np.unique(groups, return_inverse=True)
    folds = (np.random.default_rng(SEED).permutation(len(kinds)) % FOLDS)[places]
    rows = np.column_stack([values, np.ones(len(values))])
    scores = np.zeros(len(values))
    for fold in range(FOLDS):
        held = folds == fold
        scores[held] = rows[held] @ _fit(rows[~held], labels[~held])
    return scores


def _fit(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The weights (D,) of a logistic regression by Newton's method; the last, the bias, has no penalty."""
    weights = np.zeros(rows.shape[1])
    penalty = np.append(np.full(len(weights) - 1, PENALTY), 1e-6)
    for _ in range(STEPS):
        chances = 1 / (1 + np.exp(-(rows @ weights).clip(-30, 30)))
        gradient = rows.T @ (chances - labels) + penalty * weights
        curvature = (rows * (chances * (1 - chances))[:, None]).T @ rows + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        weights -= step
        if np.abs(step).max() < 1e-6:
            break
    return weights


def auc(low: np.ndarray, high: np.ndarray) -> Estimate:
    """The share of pairs in which the second score is the higher one, with DeLong's 95 % interval.

    Args:
        low: (M,), the scores that should be lower. Of two equal scores, half a pair counts.
        high: (N,), the scores that should be higher.
    """
    below, above = np.sort(low), np.sort(high)
    of_high = (np.searchsorted(below, high, "left") + np.searchsorted(below, high, "right")) / (2 * len(low))
    of_low = 1 - (np.searchsorted(above, low, "left") + np.searchsorted(above, low, "right")) / (
        2 * len(high)
    )
    value = float(of_high.mean())
    half = Z * math.sqrt(of_high.var(ddof=1) / len(high) + of_low.var(ddof=1) / len(low))
    ends = max(0.0, value - half), min(1.0, value + half)
    return Estimate(round(value, 5), round(ends[0], 5), round(ends[1], 5), len(low) + len(high))
