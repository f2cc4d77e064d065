"""RegularForm: a regular form as an automaton, which says at every place of a poem what may stand there.

At every moment it knows which courses (templates, and patterns of the line under way) are still open. What
may stand next is what any of them allows, and each choice closes some: nothing is decided before the model
has had its say, and no line runs into a dead end (see the property test).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InvalidValueError
from ..prosody.lines import LINE_ENDS
from ..prosody.readings import ANY, PING, rhyme_groups, tone_mask, tones
from ..prosody.templates import Pattern, Template
from ..script import is_hanzi
from ..tokenizer import EOS
from .form_options import FormOptions
from .masks import VocabularyMasks
from .rhymes import open_groups


# Courses and states are never changed, and compared as objects: many are made, and are keys of what is worked
# out only once.
@dataclass(eq=False, slots=True)
class Course:
    """A way a poem can go on.

    Attributes:
        template: None if no tones are asked for.
        patterns: those still open of the line under way.
    """

    template: Template | None
    patterns: tuple[Pattern, ...]


@dataclass(eq=False, slots=True)
class FormState:
    """Where a poem stands.

    Attributes:
        line, place: of the next character, from 0.
        courses: those still open.
        groups: that the poem may still rhyme in; None: there is no rhyme word yet.
        words: the rhyme words used.
    """

    line: int
    place: int
    courses: tuple[Course, ...]
    groups: frozenset[str] | None = None
    words: frozenset[str] = frozenset()


class RegularForm:
    """The automaton of one poem's form, made for a vocabulary.

    Args:
        masks: of the vocabulary.
        options: what is asked for.
        start: what the poem will begin with: its characters may stand anywhere if their tones are unknown.

    Raises:
        InvalidValueError: the vocabulary or the options do not allow it.
    """

    def __init__(self, masks: VocabularyMasks, options: FormOptions, start: str = ""):
        self.options, self.masks = options, masks
        self.lines, self.length = options.lines, options.length
        self._ends = masks.line_ends
        self._given = frozenset(options.heads + options.tails + start)
        self._groups = open_groups(masks, options)
        self._templates = self._open_templates() if options.has_tones else [None]
        self._tones_here: dict[str, int] = {}  # what is worked out only once
        self._steps: dict[tuple[FormState, int | str], FormState | None] = {}
        self._mask_of: dict[FormState, np.ndarray] = {}

    def first(self) -> FormState:
        """The state before the first character."""
        return FormState(0, 0, tuple(Course(t, self._patterns(t, 0)) for t in self._templates))

    def after(self, state: FormState, character: str) -> FormState | None:
        """The state after one more character; None if it may not stand there."""
        if state.place == self.length:
            return self._next_line(state, character)
        tones_here = self._tones_of(character)
        if not tones_here or state.line >= self.lines:
            return None
        is_inside = 0 < state.place < self.length - 1
        if not is_inside and character != (self._asked_for(state) or character):
            return None
        # characters of one tone are all the same, but for those that end a line
        key = character if state.place == self.length - 1 else tones_here
        if (state, key) not in self._steps:
            step = self._end if state.place == self.length - 1 else self._inside
            self._steps[state, key] = step(state, character, tones_here)
        return self._steps[state, key]

    def state_of(self, text: str) -> FormState | None:
        """The state after a text; None if it breaks a rule."""
        state = self.first()
        for character in text:
            state = state and self.after(state, character)
        return state

    def mask(self, state: FormState) -> np.ndarray:
        """(V,) to add to logits in some state: -inf for what may not stand next."""
        if state not in self._mask_of:
            self._mask_of[state] = self._make_mask(state)
        return self._mask_of[state]

    def is_before_few(self, state: FormState) -> bool:
        """Whether the next character but one is one of few: a rhyme word or a tail."""
        if state.place != self.length - 2:
            return False
        return state.line < len(self.options.tails) or any(
            self._rhymes(course, state.line) for course in state.courses
        )

    # Which courses there are

    def _open_templates(self) -> list[Template]:
        """Those that have room for all heads and tails."""
        templates = self.options.templates
        if found := [t for t in templates if all(self._has_room(t, line) for line in range(self.lines))]:
            return found
        raise InvalidValueError(
            f"{self.options} cannot be{self._odd_one()}", chinese=f"{self.options.in_chinese}寫不出來。"
        )

    def _odd_one(self) -> str:
        """The first line whose head and tail no template has room for, if it is one line's fault."""
        for line in range(self.lines):
            if not any(self._has_room(template, line) for template in self.options.templates):
                heads, tails = self.options.heads, self.options.tails
                edges = [text[line] for text in (heads, tails) if line < len(text)]
                found = " ".join(f"{c} {tones(c)}" for c in edges)
                rhyming = " that rhymes with the others, or ends in 仄"
                return f": there is no line {line + 1} with {found}" + (
                    rhyming if self.options.rhyme and line == 0 else ""
                )
        return ": each line could, but no course has them all"

    def _has_room(self, template: Template, line: int) -> bool:
        """Whether a line has a pattern for its head and its tail."""
        first = self.options.tails[:1] if self.options.rhyme and line == 0 and 0 in template.rhymes else ""
        if first and (not self._groups & rhyme_groups(first) or first in self.options.reserved(0)):
            return False
        return bool(self._patterns(template, line))

    def _patterns(self, template: Template | None, line: int) -> tuple[Pattern, ...]:
        """Patterns of a line that its head and its tail fit."""
        if line >= self.lines:
            return ()
        if template is None:
            last = PING if self.options.rhyme and line % 2 else ANY
            return ((*[ANY] * (self.length - 1), last),)
        head, tail = (
            (tone_mask(given[line]) if line < len(given) else 0) or ANY
            for given in (self.options.heads, self.options.tails)
        )
        found = template.patterns(line, self.options.level)
        return tuple(pattern for pattern in found if pattern[0] & head and pattern[-1] & tail)

    # From state to state

    def _next_line(self, state: FormState, character: str) -> FormState | None:
        """The state after a line end."""
        if character != LINE_ENDS[state.line % 2]:
            return None
        if (state, character) not in self._steps:
            line = state.line + 1
            courses = tuple(Course(c.template, self._patterns(c.template, line)) for c in state.courses)
            self._steps[state, character] = FormState(line, 0, courses, state.groups, state.words)
        return self._steps[state, character]

    def _inside(self, state: FormState, character: str, tones_here: int) -> FormState | None:
        """The state after a character that does not end the line."""
        courses = self._fitting(state, tones_here)
        return FormState(state.line, state.place + 1, courses, state.groups, state.words) if courses else None

    def _end(self, state: FormState, character: str, tones_here: int) -> FormState | None:
        """The state after the last character of a line."""
        common, groups, words = self._common(state, character), state.groups, state.words
        courses = self._fitting(state, tones_here)
        rhyming = tuple(course for course in courses if self._rhymes(course, state.line))
        if rhyming and common:
            # a word of two tones, such as 看, may end the line either way: it rhymes
            courses, groups, words = rhyming, common, words | {character}
        else:
            courses = tuple(course for course in courses if course not in rhyming)
        return FormState(state.line, self.length, courses, groups, words) if courses else None

    @staticmethod
    def _fitting(state: FormState, tones_here: int) -> tuple[Course, ...]:
        """The courses that are open after a character with these tones."""
        open_ones = []
        for course in state.courses:
            patterns = tuple([p for p in course.patterns if p[state.place] & tones_here])
            if len(patterns) == len(course.patterns):
                open_ones.append(course)
            elif patterns:
                open_ones.append(Course(course.template, patterns))
        return tuple(open_ones)

    def _tones_of(self, character: str) -> int:
        """The tones that a character may have here; 0 if it may not stand in a line at all."""
        if character not in self._tones_here:
            found = tone_mask(character) if is_hanzi(character) else 0
            may_be_unknown = not self.options.needs_readings or character in self._given
            if not found and is_hanzi(character) and may_be_unknown:
                found = ANY
            self._tones_here[character] = found
        return self._tones_here[character]

    def _rhymes(self, course: Course, line: int) -> bool:
        """Whether the line's last character is a rhyme word in this course."""
        if not self.options.rhyme:
            return False
        return line in course.template.rhymes if course.template else line % 2 == 1

    def _common(self, state: FormState, character: str) -> frozenset[str]:
        """The groups in which the poem rhymes still, with this word too; empty if it may not be one."""
        if character in state.words or character in self.options.reserved(state.line):
            return frozenset()
        return rhyme_groups(character) & (self._groups if state.groups is None else state.groups)

    def _asked_for(self, state: FormState) -> str:
        """The head or tail that has to stand next; '' if none does."""
        if state.place == 0:
            return self.options.heads[state.line :][:1]
        return self.options.tails[state.line :][:1] if state.place == self.length - 1 else ""

    def _make_mask(self, state: FormState) -> np.ndarray:
        if state.line == self.lines:
            return self.masks.only(EOS)
        if state.place == self.length:
            return self.masks.only(self._ends[state.line % 2])
        if asked_for := self._asked_for(state):
            return self.masks.only(self.masks.tokenizer.ids[asked_for])
        is_last = state.place == self.length - 1
        rhyming = [course for course in state.courses if is_last and self._rhymes(course, state.line)]
        open_tones = 0
        for course in state.courses:
            if course not in rhyming:
                for pattern in course.patterns:
                    open_tones |= pattern[state.place]
        groups = (self._groups if state.groups is None else state.groups) if rhyming else frozenset()
        # used words are barred as rhyme words only: where a line may end otherwise, they may stand
        words = state.words | set(self.options.reserved(state.line)) if is_last else ()
        used = frozenset(self.masks.tokenizer.ids[word] for word in words if self.after(state, word) is None)
        with_unknown = open_tones == ANY and not self.options.needs_readings
        return self.masks.only_like(open_tones, groups, with_unknown, used)
