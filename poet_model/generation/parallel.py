"""對仗 in the middle couplets of a 律詩: the rule against repeated characters, and two preferences.

The rule is guaranteed. How parallel the couplets become is a matter of taste: Parallelism leads each
character of the second line towards those that poets set beside the one above it, and ParallelLines prefers
the more parallel of the candidates of `best_of`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..arrays import FloatArray
from ..couplets import MIDDLE, parallelism, vectors_of
from ..couplets.couplet import FORMS
from ..errors import InvalidValueError, quoted
from ..novelty.index import plain
from ..prosody.lines import LINE_ENDS, split_lines
from .form import RegularForm
from .masks import VocabularyMasks
from .row import Row

# Found by benchmarks/couplets.py: with these, couplets are as parallel as real ones.
CHARACTER_WEIGHT = 1.5  # nats for a similarity of 1 to the character above
LINE_WEIGHT = 3.0  # nats for a parallelism of 1


class NoRepeatedCharacter:
    """Bars the characters of the first line of a middle couplet from its second line, in any written form.

    In the first line it bars the head and the tail that the second line is going to have.
    """

    def __init__(self, masks: VocabularyMasks, form: RegularForm):
        self._ids, self._form = masks.ids_by_plain, form

    def __call__(self, logits: FloatArray, rows: Sequence[Row]) -> None:
        for row, its_logits in zip(rows, logits, strict=True):
            line = len(row.ends)
            if line in MIDDLE and row.place < self._form.length:
                barred = _edges(self._form, line + 1)
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


def check_parallel(form: str, rules: RegularForm | None, start: str) -> None:
    """Checks that a poem can have parallel couplets.

    Args:
        form: the form, '' for none.
        rules: the rules of the form, with heads and tails.
        start: the first characters of the poem, with the line ends of the form.

    Raises:
        InvalidValueError: the form has no middle couplets, or one of them is given with a repeated character.
    """
    if form not in FORMS or rules is None:
        instead = f", got {form}" if form else ""
        raise InvalidValueError(
            f"parallel needs a form with middle couplets, 五律 or 七律{instead}; give form='五律' or "
            "form='七律', or leave parallel out",
            chinese="對仗只用於五律、七律的中間兩聯；請選五律或七律，或不選對仗。",
        )
    for first, name in MIDDLE.items():
        upper, lower = ("".join(_given(rules, start, line)) for line in (first, first + 1))
        shared = [c for c in upper if plain(c) in set(map(plain, lower))]
        if shared:
            raise InvalidValueError(
                f"parallel allows no character twice in a couplet, and {quoted(shared[0])} is given in both "
                f"line {first + 1} and line {first + 2}; give another one, or leave parallel out",
                chinese=f"對仗時上下句不能重字，{name}的「{shared[0]}」重了；請換一字，或不選對仗。",
            )


def _given(rules: RegularForm, start: str, line: int) -> Iterator[str]:
    """What a line is given: its part of the start, its head and its tail."""
    yield from (text.rstrip(LINE_ENDS) for text in split_lines(start)[line : line + 1])
    yield _edges(rules, line)


def _edges(form: RegularForm, line: int) -> str:
    """The head and the tail that a line must have; '' if it need not have any."""
    return form.options.heads[line : line + 1] + form.options.tails[line : line + 1]


def _line_above(row: Row) -> str:
    """The first line of the middle couplet in whose second line a row is; '' if it is elsewhere."""
    if len(row.ends) - 1 not in MIDDLE:
        return ""
    end = len(row.text) - row.place - 1  # the place of the `，`
    return row.text[end - row.length : end]
