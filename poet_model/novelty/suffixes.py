"""Sorts the suffixes of a text. Knows nothing of poems."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.uint32]  # code points
Places = npt.NDArray[np.int32]  # in a text
SORTED_BY = 32  # characters by which suffixes are sorted, more than any line of verse has


def sort_suffixes(codes: Codes) -> Places:
    """The places of a text, sorted by the SORTED_BY characters that begin there.

    The algorithm is prefix doubling (Manber & Myers 1990).

    Args:
        codes: (N,) code points.

    Returns:
        (N,) places.
    """
    _, ranks = np.unique(codes, return_inverse=True)
    ranks, width = ranks.astype(np.int64), 1
    while width < SORTED_BY:
        following = np.zeros_like(ranks)
        following[:-width] = ranks[width:] + 1
        _, ranks = np.unique(ranks * (len(codes) + 2) + following, return_inverse=True)
        width *= 2
    return np.argsort(ranks, kind="stable").astype(np.int32)
