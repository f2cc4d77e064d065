"""RegularForm: a regular form as an automaton that says which characters may come next in a poem.

Its state holds the courses (a template, and patterns of the current line) that are still open. A character is
allowed if any open course allows it, and each character may close some courses. So the template is not fixed
in advance but follows from the model's choices, and no line can reach a dead end (a property test checks
this).
"""

from __future__ import annotations

from dataclasses import dataclass

from ..arrays import FloatArray
from ..errors import InvalidValueError
from ..prosody.lines import LINE_ENDS
from ..prosody.readings import ANY, PING, rhyme_groups, tone_mask, tones
from ..prosody.templates import Pattern, Template
from ..script import is_hanzi
from ..tokenizer import EOS
from .form_options import FormOptions
from .masks import VocabularyMasks
from .rhymes import open_groups


# Courses and states are never modified. They are hashed by identity: they serve as keys of caches, and
# hashing their contents would be slow.
@dataclass(eq=False, slots=True)
class Course:
    """One way in which a poem can continue.

    Attributes:
        template: its template; None if no tones are required.
        patterns: the patterns of the current line that are still open.
    """

    template: Template | None
    patterns: tuple[Pattern, ...]


@dataclass(eq=False, slots=True)
class FormState:
    """The state of the automaton after the first characters of a poem.

    Attributes:
        line, place: the line and the place in it of the next character, both from 0.
        courses: the courses that are still open.
        groups: the groups in which the poem may still rhyme; None if there is no rhyme word yet.
        words: the rhyme words that have been used.
    """

    line: int
    place: int
    courses: tuple[Course, ...]
    groups: frozenset[str] | None = None
    words: frozenset[str] = frozenset()


class RegularForm:
    """The automaton of a poem's form for one vocabulary.

    Args:
        masks: the masks of the vocabulary.
        options: the form and its rules.
        start: the first characters of the poem. A given character whose tones are unknown, of the start, the
            heads, the tails or the keywords, is allowed in any place.

    Raises:
        InvalidValueError: no poem in this vocabulary can satisfy these options.
    """

    def __init__(self, masks: VocabularyMasks, options: FormOptions, start: str = ""):
        self.options: FormOptions = options
        self.masks: VocabularyMasks = masks
        self.lines: int = options.lines
        self.length: int = options.length
        self._ends = masks.line_ends
        self._given = frozenset(start).union(options.fixed.values())
        self._groups = open_groups(masks, options)
        self._templates = self._open_templates() if options.has_tones else [None]

        self._tones_here: dict[str, int] = {}
        self._steps: dict[tuple[FormState, int | str], FormState | None] = {}
        self._mask_of: dict[FormState, FloatArray] = {}

    def first(self) -> FormState:
        """The state before the first character."""
        return FormState(0, 0, tuple(Course(t, self._patterns(t, 0)) for t in self._templates))

    def after(self, state: FormState, character: str) -> FormState | None:
        """The state after one more character; None if that character is not allowed."""
        if state.place == self.length:
            return self._next_line(state, character)
        tones_here = self._tones_of(character)
        if not tones_here or state.line >= self.lines:
            return None
        if character != (self._required(state) or character):
            return None
        # except at the end of a line, all characters with the same tones lead to the same state
        key = character if state.place == self.length - 1 else tones_here
        if (state, key) not in self._steps:
            step = self._end if state.place == self.length - 1 else self._inside
            self._steps[state, key] = step(state, character, tones_here)
        return self._steps[state, key]

    def state_of(self, text: str) -> FormState | None:
        """The state after a text; None if the text breaks a rule."""
        state: FormState | None = self.first()
        for character in text:
            state = state and self.after(state, character)
        return state

    def mask(self, state: FormState) -> FloatArray:
        """The mask (V,) to add to the logits in a state: 0 for allowed ids, -inf for all others."""
        if state not in self._mask_of:
            self._mask_of[state] = self._make_mask(state)
        return self._mask_of[state]

    def is_before_few(self, state: FormState) -> bool:
        """Whether the character after the next one is fixed or a rhyme word, for which few are allowed."""
        if self._required(state):
            return False
        if (state.line, state.place + 1) in self.options.fixed:
            return True
        return state.place == self.length - 2 and any(self._rhymes(c, state.line) for c in state.courses)

    # The courses of the form

    def _open_templates(self) -> list[Template]:
        """The templates that fit all fixed characters."""
        templates = self.options.templates
        if fitting := [t for t in templates if all(self._fits(t, line) for line in range(self.lines))]:
            return fitting
        raise InvalidValueError(
            f"{self.options} is impossible: {self._why_impossible()}",
            chinese=f"{self.options.in_chinese}寫不出來。",
        )

    def _why_impossible(self) -> str:
        """Names the first line whose fixed characters fit no template, if there is such a line."""
        for line in range(self.lines):
            if not any(self._fits(template, line) for template in self.options.templates):
                fixed_and_tones = " ".join(f"{c} {tones(c)}" for _, c in self.options.fixed_in[line])
                rhyming = " that rhymes with the others, or ends in 仄"
                return f"no template has a line {line + 1} with {fixed_and_tones}" + (
                    rhyming if self.options.rhyme and line == 0 else ""
                )
        return "each line is possible by itself, but no template allows all of them"

    def _fits(self, template: Template, line: int) -> bool:
        """Whether a line has a pattern that its fixed characters fit."""
        first = self.options.fixed.get((0, self.length - 1), "")
        is_rhyme_word = bool(first and self.options.rhyme and line == 0 and 0 in template.rhymes)
        if is_rhyme_word and (not self._groups & rhyme_groups(first) or first in self.options.reserved(0)):
            return False
        return bool(self._patterns(template, line))

    def _patterns(self, template: Template | None, line: int) -> tuple[Pattern, ...]:
        """The patterns of a line that its fixed characters fit."""
        if line >= self.lines:
            return ()
        if template is None or (level := self.options.level) is None:
            last = PING if self.options.rhyme and line % 2 else ANY
            return ((*[ANY] * (self.length - 1), last),)
        rhymes = bool(self.options.rhyme) and line in template.rhymes
        fixed = [
            (place, tone_mask(character, is_rhyme=rhymes and place == self.length - 1) or ANY)
            for place, character in self.options.fixed_in[line]
        ]
        patterns = template.patterns(line, level)
        return tuple(p for p in patterns if all(p[place] & tones_here for place, tones_here in fixed))

    # Transitions
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
        fitting = self._fitting(state, PING) if common else ()
        if courses := tuple(course for course in fitting if self._rhymes(course, state.line)):
            # A word that could end the line with or without rhyme, such as 看, counts as rhyme.
            groups, words = common, words | {character}
        else:
            fitting = self._fitting(state, tones_here)
            courses = tuple(course for course in fitting if not self._rhymes(course, state.line))
        return FormState(state.line, self.length, courses, groups, words) if courses else None

    @staticmethod
    def _fitting(state: FormState, tones_here: int) -> tuple[Course, ...]:
        """The courses that stay open after a character with these tones."""
        open_ones = []
        for course in state.courses:
            patterns = tuple([p for p in course.patterns if p[state.place] & tones_here])
            if len(patterns) == len(course.patterns):
                open_ones.append(course)
            elif patterns:
                open_ones.append(Course(course.template, patterns))
        return tuple(open_ones)

    def _tones_of(self, character: str) -> int:
        """The tones that a character may have in this poem; 0 if it is not allowed in any line."""
        if character not in self._tones_here:
            mask = tone_mask(character) if is_hanzi(character) else 0
            may_be_unknown = not self.options.needs_readings or character in self._given
            if not mask and is_hanzi(character) and may_be_unknown:
                mask = ANY
            self._tones_here[character] = mask
        return self._tones_here[character]

    def _rhymes(self, course: Course, line: int) -> bool:
        """Whether the line's last character is a rhyme word in this course."""
        if not self.options.rhyme:
            return False
        return line in course.template.rhymes if course.template else line % 2 == 1

    def _common(self, state: FormState, character: str) -> frozenset[str]:
        """The groups in which the poem can still rhyme after this rhyme word; empty if it cannot be one."""
        if character in state.words or character in self.options.reserved(state.line):
            return frozenset()
        return rhyme_groups(character) & (self._groups if state.groups is None else state.groups)

    def _required(self, state: FormState) -> str:
        """The fixed character that must come next; '' if there is none."""
        return self.options.fixed.get((state.line, state.place), "")

    def _make_mask(self, state: FormState) -> FloatArray:
        if state.line == self.lines:
            return self.masks.only(EOS)
        if state.place == self.length:
            return self.masks.only(self._ends[state.line % 2])
        if required := self._required(state):
            return self.masks.only(self.masks.tokenizer.ids[required])
        is_last = state.place == self.length - 1
        rhyming = [course for course in state.courses if is_last and self._rhymes(course, state.line)]
        open_tones = 0
        for course in state.courses:
            if course not in rhyming:
                for pattern in course.patterns:
                    open_tones |= pattern[state.place]
        groups = (self._groups if state.groups is None else state.groups) if rhyming else frozenset()
        # A used word is barred only as a rhyme word. It is allowed where the line may end without rhyme.
        words = state.words | set(self.options.reserved(state.line)) if is_last else ()
        used = frozenset(self.masks.tokenizer.ids[word] for word in words if self.after(state, word) is None)
        with_unknown = open_tones == ANY and not self.options.needs_readings
        return self.masks.only_like(open_tones, groups, with_unknown, used)
