"""The poem that the page opens with, and the values of the controls that wrote it."""

from __future__ import annotations

from ..errors import InvalidValueError, PoetError
from .options import ANY_FORM, RHYME, TONES, options_of
from .poem import Shown
from .poet import Poet

FIRST = {
    "start": "春",
    "form": "五絕",
    "temperature": 0.8,
    "top_k": 40,
    "seed": 26,
    "rules": [RHYME, TONES],
    "best_of": 4,
}


def first_poem(poet: Poet) -> tuple[dict, Shown]:
    """FIRST, or as much of it as a model that knows few characters can do, and the poem it writes.

    Raises:
        InvalidValueError: the model writes no poem at all.
    """
    for less in ({}, {"rules": []}, {"form": ANY_FORM}, {"form": ANY_FORM, "start": ""}):
        values = FIRST | less
        try:
            stream = poet.model.stream(**options_of(**values))
            for _ in stream:
                pass
        except PoetError as error:
            reason = error
        else:
            return values, Shown.of(stream)
    raise InvalidValueError(f"the model of the page writes no poem: {reason}")
