"""A space of characters in which those that poets set side by side in couplets are near to each other.

The vectors are in space.npz, made by tools/make_couplet_space.py from the middle couplets of Song and Tang
poems. They know nothing of any model, so that they can judge its poems.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..arrays import FloatArray
from ..prosody.readings import is_simplified
from ..script import characterwise, to_traditional

FILE = Path(__file__).with_name("space.npz")


@functools.cache
def _space() -> tuple[dict[str, int], FloatArray]:
    """The place of each character, and the unit vectors (N, D) by place."""
    with np.load(FILE, allow_pickle=False) as arrays:
        places = {character: place for place, character in enumerate(arrays["characters"].tolist())}
        vectors = arrays["vectors"].astype(np.float32)  # int8 in the file
    unit: FloatArray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return places, unit


def vectors_of(characters: Iterable[str]) -> FloatArray:
    """The unit vectors (N, D) of N characters; zeros for one that is not in the space.

    A simplified character that verse does not use has the vector of its traditional form.
    """
    places, vectors = _space()
    given = list(characters)
    unknown = [character for character in dict.fromkeys(given) if character not in places]
    full = dict(zip(unknown, characterwise(to_traditional, unknown), strict=True))
    found = np.zeros((len(given), vectors.shape[1]), np.float32)
    for number, character in enumerate(given):
        place = places.get(full.get(character, character))
        if place is not None:
            found[number] = vectors[place]
    return found


def similarities(line: str, other: str) -> FloatArray:
    """The similarity (L, M) of each of the L characters of a line to each of the M of another: their cosine.

    It is NaN where one of the two is not in the space, and where both are the same character, which are not
    compared: to repeat a character is no parallel.
    """
    first, second = map(vectors_of, _traditional(line, other))
    found: FloatArray = first @ second.T
    found[~first.any(axis=1)] = np.nan
    found[:, ~second.any(axis=1)] = np.nan
    found[[[one == two for two in other] for one in line]] = np.nan
    return found


def _traditional(line: str, other: str) -> tuple[str, str]:
    """Two lines in traditional script: by phrase, as a simplified 云 may be 雲."""
    if not is_simplified(line + other):
        return line, other
    full = to_traditional(line + other)
    return (full[: len(line)], full[len(line) :]) if len(full) == len(line + other) else (line, other)
