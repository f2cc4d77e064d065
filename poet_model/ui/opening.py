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
    "seed": 34,
    "rules": [RHYME, TONES],
    "best_of": 4,
}


def defaults_of(poet: Poet) -> dict[str, Any]:
    """The values of the controls whose defaults are those of the model."""
    config = poet.model.generation_config
    return {"temperature": config.temperature, "top_k": config.top_k}


def first_poem(poet: Poet) -> tuple[dict[str, Any], Shown]:
    """The control values that the page opens with, and their poem.

    The values are FIRST, and the defaults of the model. If the model refuses them, as one with a small
    vocabulary may, the rules, then the form and then the start are dropped.

    Raises:
        InvalidValueError: the model refuses to write any of these poems.
    """
    fallbacks: tuple[dict[str, Any], ...] = (
        {},
        {"rules": []},
        {"form": ANY_FORM},
        {"form": ANY_FORM, "start": ""},
    )
    first = FIRST | defaults_of(poet)
    for fallback in fallbacks:
        values = first | fallback
        try:
            stream = poet.model.stream(**options_of(**values))
            for _ in stream:
                pass
        except PoetError as error:
            reason = error
        else:
            return values, Shown.of(stream)
    raise InvalidValueError(f"the model of the page cannot write a poem: {reason}")
