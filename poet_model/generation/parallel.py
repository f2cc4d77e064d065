"""對仗 in the middle couplets of a 律詩: the rule against repeated characters, and two preferences.

The rule is guaranteed. How parallel the couplets become is a matter of taste: Parallelism leads each
character of the second line towards those that poets set beside the one above it, and ParallelLines prefers
the more parallel of the candidates of `best_of`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import FloatArray
from ..couplets import MIDDLE, parallelism, vectors_of
from ..couplets.couplet import FORMS
from ..errors import InvalidValueError, quoted
from ..novelty.index import plain
from ..prosody.lines import LINE_ENDS, split_lines
from .form_options import FormOptions
from .masks import VocabularyMasks
from .row import Row

# Found by benchmarks/couplets.py: with these, couplets are as parallel as real ones.
CHARACTER_WEIGHT = 1.5  # nats for a similarity of 1 to the character above
LINE_WEIGHT = 3.0  # nats for a parallelism of 1


class NoRepeatedCharacter:
    """Bars the characters of the first line of a middle couplet from its second line, in any written form.

    In the first line it bars the characters that are fixed in the second line.
    """

    def __init__(self, masks: VocabularyMasks):
        self._ids = masks.ids_by_plain

    def __call__(self, logits: FloatArray, rows: Sequence[Row]) -> None:
        for row, its_logits in zip(rows, logits, strict=True):
            line, form = len(row.ends), row.form
            if form and line in MIDDLE and row.place < form.length:
                barred = "".join(character for _, character in form.options.fixed_in[line + 1])
            else:
                barred = _line_above(row)
            its_logits[[token for c in barred for token in self._ids.get(plain(c), ())]] = -np.inf


class Parallelism:
    """Raises the logits of the characters that make a middle couplet parallel, and lowers those of others.

    In the second line of such a couplet, a character gains CHARACTER_WEIGHT times its similarity to the
    character above it, less the mean of its similarities to the others of that line: what it adds to
    `couplets.parallelism`, times the length of the line.
    """

    def __init__(self, masks: VocabularyMasks):
        self._vectors = masks.couplet_vectors

    def __call__(self, logits: FloatArray, rows: Sequence[Row]) -> None:
        gains: dict[tuple[str, int], FloatArray] = {}
        for row, its_logits in zip(rows, logits, strict=True):
            above, place = _line_above(row), row.place
            if not above or place >= len(above):
                continue
            if (above, place) not in gains:
                vectors = vectors_of(above)
                others = (vectors.sum(axis=0) - vectors[place]) / (len(above) - 1)
                added: FloatArray = self._vectors @ (vectors[place] - others)
                gains[above, place] = np.float32(CHARACTER_WEIGHT) * added
            its_logits += gains[above, place]


class ParallelLines:
    """Prefers the candidates for the second line of a middle couplet that are more parallel to the first."""

    def __call__(self, rows: Sequence[Row]) -> FloatArray:
        scores = [parallelism(above, row.line) or 0 if (above := _line_above(row)) else 0 for row in rows]
        return np.float32(LINE_WEIGHT) * np.array(scores, np.float32)


def check_form(form: str) -> None:
    """Checks that a form has middle couplets.

    Raises:
        InvalidValueError: it has none.
    """
    if form not in FORMS:
        instead = f", got {form}" if form else ""
        raise InvalidValueError(
            f"parallel needs a form with middle couplets, 五律 or 七律{instead}; give form='五律' or "
            "form='七律', or leave parallel out",
            chinese="對仗只用於五律、七律的中間兩聯；請選五律或七律，或不選對仗。",
        )


def check_couplets(options: FormOptions, start: str) -> None:
    """Checks that no character is given in both lines of a middle couplet, if the poem is to be parallel.

    Args:
        options: the form and its rules, with the characters that are fixed.
        start: the first characters of the poem, with the line ends of the form.

    Raises:
        InvalidValueError: a character is.
    """
    if not options.parallel:
        return
    for first, name in MIDDLE.items():
        upper, lower = (_given(options, start, line) for line in (first, first + 1))
        if shared := [c for c in upper if plain(c) in set(map(plain, lower))]:
            raise InvalidValueError(
                f"parallel allows no character twice in a couplet, and {quoted(shared[0])} is given in both "
                f"line {first + 1} and line {first + 2}",
                chinese=f"對仗時上下句不能重字，{name}的「{shared[0]}」重了。",
            )


def _given(options: FormOptions, start: str, line: int) -> str:
    """The characters that a line is given: its part of the start, and those that are fixed in it."""
    of_start = [text.rstrip(LINE_ENDS) for text in split_lines(start)[line : line + 1]]
    return "".join([*of_start, *(character for _, character in options.fixed_in[line])])


def _line_above(row: Row) -> str:
    """The first line of the middle couplet in whose second line a row is; '' if it is elsewhere."""
    if len(row.ends) - 1 not in MIDDLE:
        return ""
    end = len(row.text) - row.place - 1  # the place of the `，`
    return row.text[end - row.length : end]
