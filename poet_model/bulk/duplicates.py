"""Finds the poems that repeat an earlier one, or two adjacent lines of it, by hashes and not by comparison.

Memory: 8 bytes a poem and 16 for each of its pairs of lines, and three times as much while they are sorted.
"""

from __future__ import annotations

import array
import hashlib
from itertools import pairwise

import numpy as np

from ..novelty.index import plain
from ..prosody.lines import LINE_ENDS, split_lines
from ..script import is_hanzi

MIN_LINE = 4  # characters; a pair with a shorter line is too common to be a copy
NONE = -1


class Duplicates:
    """The hashes of all poems of a run, which are added in their order.

    Two poems are duplicates if their texts are equal. They are near duplicates if two adjacent lines, each of
    MIN_LINE characters or more, are adjacent in both, in any script. (Near copies in a corpus are told by the
    same rule, and by another that compares poems with each other; see corpus/near_copies.py.) Lines that the
    request itself gave do not count.

    A hash has 64 bits, so that among the 4 million of a million quatrains there are two that are equal by
    chance once in two million runs.
    """

    def __init__(self) -> None:
        self._texts, self._pairs, self._holders = array.array("Q"), array.array("Q"), array.array("q")

    def add(self, text: str, start: str = "") -> None:
        """Adds the next poem.

        Args:
            text: its text; a poem without text is no duplicate of anything.
            start: the start that its request gave.
        """
        number = len(self._texts)
        self._texts.append(_hash(text) if text else number)  # a hash that is this small does not occur
        lines = [line.rstrip(LINE_ENDS) for line in split_lines(plain(text))]
        given, end = sum(map(is_hanzi, start)), len(lines[0]) if lines else 0
        for first, second in pairwise(lines):
            end += len(second)
            if min(len(first), len(second)) >= MIN_LINE and end > given:
                self._pairs.append(_hash(f"{first}\n{second}"))
                self._holders.append(number)

    def find(self) -> tuple[np.ndarray, np.ndarray]:
        """The numbers (N,) of the first poem of which each is a duplicate, and a near duplicate; or NONE.

        A duplicate is not counted as a near duplicate, too.
        """
        numbers = np.arange(len(self._texts))
        same = _firsts(np.frombuffer(self._texts, np.uint64), numbers)
        near, holders = numbers.copy(), np.frombuffer(self._holders, np.int64)
        np.minimum.at(near, holders, _firsts(np.frombuffer(self._pairs, np.uint64), holders))
        is_copy = same < numbers
        return np.where(is_copy, same, NONE), np.where((near < numbers) & ~is_copy, near, NONE)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8"), digest_size=8).digest(), "little")


def _firsts(hashes: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """For each hash (M,), the first of the numbers (M,), which ascend, that has the same hash."""
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    is_new = np.concatenate([[True], ordered[1:] != ordered[:-1]]) if len(order) else np.zeros(0, bool)
    firsts = np.empty_like(numbers)
    firsts[order] = numbers[order[np.flatnonzero(is_new)]][np.cumsum(is_new) - 1]
    return firsts
