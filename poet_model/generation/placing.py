"""Placing: where the keywords of a poem stand. Each poem draws its places among the most natural ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..arrays import DoubleArray
from ..errors import InvalidValueError
from .form import RegularForm
from .parallel import check_couplets

# where the parts of a line begin and end, which are 2+3 or 2+2+3 characters long
PARTS = {5: (0, 2, 5), 7: (0, 2, 4, 7)}
Place = tuple[int, int]  # a line and a place in it, from 0


class Placing:
    """The places of a form at which its keywords may stand.

    A keyword may stand at a place if the tones, the rhyme, the start and all other given characters allow it.
    Places in different lines, and those that do not tear a word apart between two parts of its line, are
    preferred.

    Args:
        rules: the form without its keywords.
        start: the first characters of the poem, with the line ends of the form. It may have keywords.
        avoids_ends: whether the ends of lines are the last choice. A line that must not be one of known lines
            needs an end that can still be chosen.

    Raises:
        InvalidValueError: the keywords cannot stand in this form, or not together.
    """

    def __init__(self, rules: RegularForm, start: str, avoids_ends: bool = False):
        options = rules.options
        self._rules, self._start, self._avoids_ends = rules, start, avoids_ends
        self._forms: dict[tuple[tuple[str, ...], tuple[Place, ...]], RegularForm | None] = {}
        plain = replace(options, keywords=())
        lines = start.replace("。", "，").split("，")
        left = [word for word in options.keywords if not any(word in line for line in lines)]
        places = {
            word: [place for place in self._all(word) if self._form((word,), (place,))] for word in left
        }
        after = f" after the start {start!r}" if start else ""
        for word in left:
            if not places[word]:
                raise InvalidValueError(
                    f"the keyword {word!r} fits no place of {plain}{after}",
                    chinese=f"詞語「{word}」放不進{plain.in_chinese}。",
                )
        # those with the fewest places come first, so that an impossible request is soon known as such
        self._words = tuple(sorted(left, key=lambda word: len(places[word])))
        self._places = [places[word] for word in self._words]
        if not self._place((), np.zeros((len(left), options.lines, options.length))):
            raise InvalidValueError(
                f"the keywords {' '.join(self._words)} do not fit into {plain}{after} together",
                chinese=f"詞語「{'、'.join(self._words)}」不能一起放進{plain.in_chinese}。",
            )

    def draw(self, rng: np.random.Generator) -> RegularForm:
        """The form of a poem, with its keywords at places that are drawn for it."""
        if not self._words:
            return self._rules
        noise = rng.random((len(self._words), self._rules.lines, self._rules.length))
        form = self._place((), noise)
        assert form is not None  # the search is complete, and has found one before
        return form

    def _place(self, placed: tuple[Place, ...], noise: DoubleArray) -> RegularForm | None:
        """The form with the keywords at the first places that fit together; None if there are none.

        Args:
            placed: the places of the first keywords, which fit together.
            noise: (keywords, lines, places) numbers by which equally good places are ordered.
        """
        number = len(placed)
        form = self._form(self._words[:number], placed) if placed else self._rules
        if form is None or number == len(self._words):
            return form
        taken = {line for line, _ in placed}
        size = len(self._words[number])

        def rank(place: Place) -> tuple[bool, bool, bool, float]:
            line, first = place
            is_end = self._avoids_ends and first + size == self._rules.length
            return is_end, not self._is_natural(first, size), line in taken, float(noise[number][place])

        for place in sorted(self._places[number], key=rank):
            if form := self._place((*placed, place), noise):
                return form
        return None

    def _form(self, words: tuple[str, ...], places: tuple[Place, ...]) -> RegularForm | None:
        """The form with the words at these places; None if they do not fit there."""
        if (words, places) not in self._forms:
            self._forms[words, places] = self._make_form(words, places)
        return self._forms[words, places]

    def _make_form(self, words: tuple[str, ...], places: tuple[Place, ...]) -> RegularForm | None:
        before = replace(self._rules.options, keywords=words[:-1], places=places[:-1]).fixed
        line, first = places[-1]
        if any(before.get((line, first + i), c) != c for i, c in enumerate(words[-1])):
            return None
        options = replace(self._rules.options, keywords=words, places=places)
        try:
            check_couplets(options, self._start)
            form = RegularForm(self._rules.masks, options, self._start)
        except InvalidValueError:
            return None
        return form if form.state_of(self._start) else None

    def _all(self, word: str) -> Iterator[Place]:
        for line in range(self._rules.lines):
            for first in range(self._rules.length - len(word) + 1):
                yield line, first

    def _is_natural(self, first: int, size: int) -> bool:
        """Whether a word of some characters from a place on consists of whole parts or lies within one."""
        parts = PARTS[self._rules.length]
        torn = [part for part in parts if first < part < first + size]
        return not torn or (first in parts and first + size in parts)
