"""KneserNey: an n-gram model of characters, smoothed by modified Kneser-Ney. It knows texts only.

It judges poems independently of the LSTM: it shares nothing with it but the poems it was trained on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

START, END, UNKNOWN = 0, 1, 2  # ids; those of characters follow
BITS = 15  # of an id within the 64-bit key of an n-gram
MAX_ORDER = 4


@dataclass(frozen=True)
class _Order:
    """The n-grams of one length; keys are sorted.

    Attributes:
        keys, shares: (N,), the n-grams and their discounted counts divided by the total of their context.
        contexts: (C,), the keys of their first n - 1 characters.
        left: (C,), the probability that each context leaves to shorter n-grams.
    """

    keys: np.ndarray
    shares: np.ndarray
    contexts: np.ndarray
    left: np.ndarray

    def share_of(self, keys: np.ndarray) -> np.ndarray:
        """(M,), what these n-grams have by their own count; 0 for n-grams that were never seen."""
        return _look_up(self.keys, self.shares, keys, 0.0)

    def left_by(self, contexts: np.ndarray) -> np.ndarray:
        """(M,), what these contexts leave to shorter n-grams; 1 for contexts that were never seen."""
        return _look_up(self.contexts, self.left, contexts, 1.0)


class KneserNey:
    """Interpolated modified Kneser-Ney (Chen & Goodman 1999) over characters, line ends and the poem's end.

    Contexts reach back to the beginning of the poem, not beyond. An unknown character has the probability
    of one of the unseen characters, which is that of a uniform choice after all discounts.

    Args:
        texts: the poems to count.
        order: the length of the longest n-grams, from 1 to 4.

    Example:
        >>> model = KneserNey(["白日依山盡，黃河入海流。", "白日何短短，百年苦易滿。"])
        >>> model.log_probs(["白日"])[0].round(2).tolist()
        [-0.05, -0.11, -3.61]
    """

    def __init__(self, texts: Iterable[str], order: int = MAX_ORDER):
        self.order = order
        self._points, ids, lengths = _encode(texts)
        self.size = len(self._points) + UNKNOWN  # kinds of tokens that can follow: END, UNKNOWN, characters
        if self.size + 1 >= 1 << BITS:
            raise ValueError(f"at most {(1 << BITS) - UNKNOWN - 1} different characters can be counted")
        keys = _windows(ids, lengths, order)
        self._orders: list[_Order] = []
        unique, counts = np.unique(keys, return_counts=True)
        for length in range(order, 0, -1):
            self._orders.insert(0, _discounted(unique, counts))
            if length > 1:
                unique, counts = _continuations(unique, counts, length)

    def log_probs(self, texts: Sequence[str], order: int | None = None) -> list[np.ndarray]:
        """The natural logarithms of the probabilities of each character and the end of each text.

        Args:
            texts: T characters each.
            order: use only n-grams of up to this length; None for all.

        Returns:
            One array (T + 1,) per text.
        """
        ids, lengths = self._ids(texts)
        keys = _windows(ids, lengths, self.order)
        probabilities = np.full(len(keys), 1 / self.size)
        for length, counted in enumerate(self._orders[: order or self.order], 1):
            short = keys & ((1 << BITS * length) - 1)
            probabilities = counted.share_of(short) + counted.left_by(short >> BITS) * probabilities
        return np.split(np.log(probabilities), np.cumsum(lengths + 1)[:-1])

    def perplexity(self, texts: Sequence[str]) -> float:
        """The perplexity per character and poem end."""
        return float(np.exp(-np.concatenate(self.log_probs(texts)).mean()))

    def _ids(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        points = _code_points(texts)
        places = np.searchsorted(self._points, points).clip(max=len(self._points) - 1)
        ids = np.where(self._points[places] == points, places + UNKNOWN + 1, UNKNOWN)
        return ids, np.array([len(text) for text in texts], np.int64)


def _code_points(texts: Sequence[str]) -> np.ndarray:
    return np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)


def _encode(texts: Iterable[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The different code points in order, the ids of all characters, and the length of each text."""
    texts = list(texts)
    points, ids = np.unique(_code_points(texts), return_inverse=True)
    return points, ids + UNKNOWN + 1, np.array([len(text) for text in texts], np.int64)


def _windows(ids: np.ndarray, lengths: np.ndarray, order: int) -> np.ndarray:
    """(sum of lengths + 1,), for each character and each end, the key of it and the order - 1 before it."""
    ends = np.cumsum(lengths)
    tokens = np.insert(ids.astype(np.int64), ends, END)
    place = np.arange(len(tokens)) - np.repeat(ends - lengths + np.arange(len(lengths)), lengths + 1)
    keys = tokens.copy()
    for back in range(1, order):
        before = np.where(place >= back, np.roll(tokens, back), START)
        keys |= before << (BITS * back)
    return keys


def _continuations(keys: np.ndarray, counts: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """The n-grams one shorter: how many different characters each follows.

    Nothing but START stands before the beginning of a poem, so n-grams from there keep their counts.
    """
    short = keys & ((1 << BITS * (length - 1)) - 1)
    order = np.argsort(short, kind="stable")
    short = short[order]
    first = np.flatnonzero(np.r_[True, short[1:] != short[:-1]])
    unique = short[first]
    kinds = np.diff(np.r_[first, len(short)])
    if length > 2:
        from_start = unique >> (BITS * (length - 2)) == START
        kinds = np.where(from_start, np.add.reduceat(counts[order], first), kinds)
    return unique, kinds


def _discounted(keys: np.ndarray, counts: np.ndarray) -> _Order:
    """One order, from its sorted n-grams and their counts."""
    contexts = keys >> BITS
    first = np.flatnonzero(np.r_[True, contexts[1:] != contexts[:-1]])
    total = np.add.reduceat(counts, first)
    discounts = _discounts(counts)[np.minimum(counts, 3)]
    left = np.add.reduceat(discounts, first) / total
    shares = (counts - discounts) / np.repeat(total, np.diff(np.r_[first, len(keys)]))
    return _Order(keys, shares.astype(np.float32), contexts[first], left.astype(np.float32))


def _discounts(counts: np.ndarray) -> np.ndarray:
    """(4,), the discounts of the counts 0, 1, 2 and 3 or more (Chen & Goodman 1999, equation 17)."""
    once, twice, thrice, four_times = (max(1, int((counts == n).sum())) for n in (1, 2, 3, 4))
    y = once / (once + 2 * twice)
    values = [0, 1 - 2 * y * twice / once, 2 - 3 * y * thrice / twice, 3 - 4 * y * four_times / thrice]
    return np.clip(values, 0, [0, 0.95, 1.9, 2.85])


def _look_up(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray, default: float) -> np.ndarray:
    places = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    return np.where(keys[places] == wanted, values[places], default).astype(np.float64)
