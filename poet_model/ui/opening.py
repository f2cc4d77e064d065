"""The poem that the page opens with, and the control values that produce it."""

from __future__ import annotations

from typing import Any

from ..errors import InvalidValueError, PoetError
from .options import ANY_FORM, RHYME, TONES, options_of
from .poem import Shown
from .poet import Poet

FIRST: dict[str, Any] = {
    "start": "春",
    "form": "五絕",
    "temperature": 0.8,
    "top_k": 40,
    "seed": 26,
    "rules": [RHYME, TONES],
    "best_of": 4,
}


def first_poem(poet: Poet) -> tuple[dict[str, Any], Shown]:
    """The control values that the page opens with, and their poem.

    The values are FIRST. If the model refuses them, as one with a small vocabulary may, the rules, then the
    form and then the start are dropped.

    Raises:
        InvalidValueError: the model refuses to write any of these poems.
    """
    fallbacks: tuple[dict[str, Any], ...] = (
        {},
        {"rules": []},
        {"form": ANY_FORM},
        {"form": ANY_FORM, "start": ""},
    )
    for fallback in fallbacks:
        values = FIRST | fallback
        try:
            stream = poet.model.stream(**options_of(**values))
            for _ in stream:
                pass
        except PoetError as error:
            reason = error
        else:
            return values, Shown.of(stream)
    raise InvalidValueError(f"the model of the page cannot write a poem: {reason}")
