"""A regular form imposed while a poem is written: its shape, tones, rhyme, the heads and tails of its lines.

At every moment it knows which courses (templates, and patterns of the line under way) are still open. What
may stand next is what any of them allows, and each choice closes some: nothing is decided before the model
has had its say, and no line runs into a dead end (see the property test).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .. import prosody
from ..errors import InvalidValueError
from ..prosody.lines import LINE_ENDS
from ..prosody.readings import ANY, PING
from ..prosody.templates import Pattern
from ..script import is_hanzi
from ..tokenizer import EOS, PoetTokenizer
from .masks import line_end_ids, tones_of

MIN_RHYME_WORDS = 20  # characters of a group that a model must know, to be let into it without being asked


# Courses and states are never changed, and compared as objects: many are made, and are keys of what is worked
# out only once.
@dataclass(eq=False, slots=True)
class Course:
    """A way a poem can go on.

    Attributes:
        template: None if no tones are asked for.
        patterns: those still open of the line under way.
    """

    template: prosody.Template | None
    patterns: tuple[Pattern, ...]


@dataclass(eq=False, slots=True)
class State:
    """Where a poem stands: what is open, and what has rhymed."""

    line: int
    place: int
    courses: tuple[Course, ...]
    groups: frozenset[str] | None = None  # that the poem may still rhyme in; None: no rhyme word yet
    words: frozenset[str] = frozenset()  # rhyme words used


class RegularForm:
    """What may stand next in a poem of a regular form, as a filter of logits.

    Args:
        form: one of prosody.FORMS.
        level: each line keeps the tones of one of the four templates at this level (prosody/templates.py);
            None: any tones.
        template: the one of prosody.TEMPLATES to keep to; '' leaves the choice to the model.
        rhyme: whether the even lines rhyme in one group of 平水韻, which the poem finds; or that group.
        heads, tails: the first and last characters of the first lines; '' for none.
        start: what the poem will begin with.

    Raises:
        InvalidValueError: the vocabulary or the wishes do not allow it.
    """

    def __init__(
        self,
        tokenizer: PoetTokenizer,
        form: str,
        *,
        level: int | None = None,
        template: str = "",
        rhyme: bool | str = False,
        heads: str = "",
        tails: str = "",
        start: str = "",
    ):
        self.form, self.level, self.rhyme, self.heads, self.tails = form, level, bool(rhyme), heads, tails
        self._all_templates = [t for t in prosody.templates(form) if t.name == (template or t.name)]
        self.lines, self.length = prosody.SHAPES[form]
        self._ends = line_end_ids(tokenizer)
        self.tokenizer, self._tones = tokenizer, tones_of(tokenizer)
        self._is_known = level is not None or self.rhyme  # then only characters whose readings are known
        self._given = frozenset(heads + tails + start)  # but those asked for: unknown, they fit anywhere
        self._groups = self._allowed_groups(rhyme)
        self._check_tails()
        self._templates = self._open_templates() if self._has_tones else [None]
        self._characters: dict[str, int] = {}
        self._states: dict[str, State | None] = {}
        self._steps: dict[tuple[State, int], State | None] = {}
        self._masks: dict[torch.device, dict[State, torch.Tensor]] = {}

    @property
    def _has_tones(self) -> bool:
        return self.level is not None

    def _allowed_groups(self, rhyme: bool | str) -> frozenset[str]:
        """The groups in which this vocabulary can rhyme a whole poem, or the one that was asked for."""
        if not rhyme:
            return frozenset()
        counts = {group: int(mask.sum()) for group, mask in self._tones.by_group.items()}
        if rhyme is True:
            if not (groups := frozenset(g for g, count in counts.items() if count >= MIN_RHYME_WORDS)):
                raise InvalidValueError(
                    f"this model knows no group of 平水韻 with {MIN_RHYME_WORDS} words; leave rhyme out",
                    chinese="這個模型識字太少，押不了韻，請不求押韻。",
                )
            return groups
        given = self.tokenizer.normalize(rhyme) if isinstance(rhyme, str) else ""
        group, needed = prosody.group_named(given), self.lines // 2 + 1
        if counts.get(group, 0) < needed:
            able = [name for name, count in counts.items() if count >= needed]
            near = sorted(prosody.rhyme_groups(given).intersection(able)) if len(given) == 1 else []
            own = f"{given} rhymes in {' or '.join(near)}; " if near else ""
            raise InvalidValueError(
                f"rhyme must be True or a group of 平水韻 in which this model knows {needed} words, got "
                f"{str(rhyme)[:20]!r}; {own}it can be one of {' '.join(able)}",
                chinese=f"韻部沒有「{given[:20]}」；可選{''.join(near or able)}。",
            )
        return frozenset({group})

    def _check_tails(self) -> None:
        """Rhyme words that are given leave only the groups that all of them have."""
        words = [(line, word) for line, word in enumerate(self.tails) if line % 2] if self.rhyme else []
        for number, (line, word) in enumerate(words):
            if word in self.tails[1:line:2]:
                raise InvalidValueError(
                    f"the tail {word!r} of line {line + 1} has rhymed already (重韻); take another word",
                    chinese=f"藏尾第 {line + 1} 字「{word}」重韻，請換一字。",
                )
            if not (groups := self._groups & prosody.rhyme_groups(word)):
                with_which = " ".join(word for _, word in words[:number])
                among = f"with {with_which}" if with_which else f"in {' '.join(sorted(self._groups))}"
                able = self._rhyming(self.tails[1:line:2])
                raise InvalidValueError(
                    f"the tail {word!r} of line {line + 1} does not rhyme {among}; such as "
                    f"{' '.join(able)} would",
                    chinese=f"藏尾第 {line + 1} 字「{word}」不押韻，例如{'、'.join(able)}才押。",
                )
            self._groups = groups

    def _rhyming(self, used: str, count: int = 8) -> list[str]:
        """The commonest words of the groups that are left."""
        allowed = functools.reduce(torch.logical_or, (self._tones.by_group[g] for g in self._groups))
        words = (self.tokenizer.tokens[i] for i in allowed.nonzero()[:, 0].tolist())
        return list(itertools.islice((word for word in words if word not in used), count))

    @property
    def wishes(self) -> str:
        """What is asked for, in a few words."""
        edges = [f"{name} {given}" for name, given in (("heads", self.heads), ("tails", self.tails)) if given]
        names = [t.name for t in self._all_templates] if len(self._all_templates) == 1 else []
        tones = [" ".join(["tones", prosody.LEVELS[self.level], *names])] if self._has_tones else []
        return ", ".join([self.form, *tones, *["rhyme"] * self.rhyme, *edges])

    @property
    def wishes_in_chinese(self) -> str:
        """The same in Chinese, without level and template."""
        edges = [
            f"{name}「{given}」" for name, given in (("藏頭", self.heads), ("藏尾", self.tails)) if given
        ]
        return "、".join([self.form, *["平仄"] * self._has_tones, *["押韻"] * self.rhyme, *edges])

    def _odd_one(self) -> str:
        """The first line whose head and tail no template has room for, if it is one line's fault."""
        for line in range(self.lines):
            if not any(self._has_room(template, line) for template in self._all_templates):
                edges = [text[line] for text in (self.heads, self.tails) if line < len(text)]
                found = " ".join(f"{c} {prosody.tones(c)}" for c in edges)
                rhyming = " that rhymes with the others, or ends in 仄" * (self.rhyme and line == 0)
                return f": there is no line {line + 1} with {found}{rhyming}"
        return ": each line could, but no course has them all"

    def first(self) -> State:
        """The state before the first character."""
        return State(0, 0, tuple(Course(t, self._patterns(t, 0)) for t in self._templates))

    def _open_templates(self) -> list[prosody.Template]:
        """Those that have room for all heads and tails."""
        templates = self._all_templates
        if found := [t for t in templates if all(self._has_room(t, line) for line in range(self.lines))]:
            return found
        raise InvalidValueError(
            f"{self.wishes} cannot be{self._odd_one()}", chinese=f"{self.wishes_in_chinese}寫不出來。"
        )

    def _has_room(self, template: prosody.Template, line: int) -> bool:
        """Whether a line has a pattern for its head and its tail."""
        first = self.tails[:1] if self.rhyme and line == 0 and 0 in template.rhymes else ""
        if first and self._wrong_word(first, line=0):
            return False
        return bool(self._patterns(template, line))

    def _wrong_word(self, word: str, line: int) -> bool:
        return not self._groups & prosody.rhyme_groups(word) or word in self._reserved(line)

    def _reserved(self, line: int) -> str:
        """Rhyme words that later lines are to end in."""
        return self.tails[line + 1 + line % 2 :: 2]

    def _patterns(self, template: prosody.Template | None, line: int) -> tuple[Pattern, ...]:
        """Patterns of a line that its head and its tail fit."""
        if line >= self.lines:
            return ()
        if template is None:
            last = PING if self.rhyme and line % 2 else ANY
            return ((*[ANY] * (self.length - 1), last),)
        head, tail = (
            (prosody.tone_mask(g[line]) if line < len(g) else 0) or ANY for g in (self.heads, self.tails)
        )
        found = template.patterns(line, self.level)
        return tuple(pattern for pattern in found if pattern[0] & head and pattern[-1] & tail)

    def _rhymes(self, course: Course, line: int) -> bool:
        """Whether the line's last character is a rhyme word in this course."""
        if not self.rhyme:
            return False
        return line in course.template.rhymes if course.template else line % 2 == 1

    def after(self, state: State, character: str) -> State | None:
        """The state after one more character; None if it may not stand there."""
        if state.place == self.length:
            if character != LINE_ENDS[state.line % 2]:
                return None
            line = state.line + 1
            courses = tuple(Course(c.template, self._patterns(c.template, line)) for c in state.courses)
            return State(line, 0, courses, state.groups, state.words)
        tones = self._tones_of(character)
        if not tones or state.line >= self.lines:
            return None
        if 0 < state.place < self.length - 1:
            return self._inside(state, tones)
        if character != (self._asked_for(state) or character):
            return None
        return self._end(state, character, tones) if state.place else self._inside(state, tones)

    def _tones_of(self, character: str) -> int:
        """The tones that a character may have here; 0 if it may not stand in a line at all."""
        if character not in self._characters:
            tones = prosody.tone_mask(character) if is_hanzi(character) else 0
            if not tones and is_hanzi(character) and (not self._is_known or character in self._given):
                tones = ANY
            self._characters[character] = tones
        return self._characters[character]

    def _inside(self, state: State, tones: int) -> State | None:
        """The state after a character that does not end the line: those of one tone are all the same."""
        if (state, tones) not in self._steps:
            courses = self._fitting(state, tones)
            after = State(state.line, state.place + 1, courses, state.groups, state.words)
            self._steps[state, tones] = after if courses else None
        return self._steps[state, tones]

    @staticmethod
    def _fitting(state: State, tones: int) -> tuple[Course, ...]:
        """The courses that are open after a character with these tones."""
        place, open_ones = state.place, []
        for course in state.courses:
            patterns = tuple([p for p in course.patterns if p[place] & tones])
            if len(patterns) == len(course.patterns):
                open_ones.append(course)
            elif patterns:
                open_ones.append(Course(course.template, patterns))
        return tuple(open_ones)

    def _end(self, state: State, character: str, tones: int) -> State | None:
        """The state after the last character of a line."""
        common, groups, words = self._common(state, character), state.groups, state.words
        courses = self._fitting(state, tones)
        rhyming = tuple(course for course in courses if self._rhymes(course, state.line))
        if rhyming and common:
            # a word of two tones, such as 看, may end the line either way: it rhymes
            courses, groups, words = rhyming, common, words | {character}
        else:
            courses = tuple(course for course in courses if course not in rhyming)
        return State(state.line, self.length, courses, groups, words) if courses else None

    def _asked_for(self, state: State) -> str:
        """The head or tail that has to stand next; '' if none does."""
        heads, tails = self.heads[state.line :][:1], self.tails[state.line :][:1]
        return heads if state.place == 0 else tails if state.place == self.length - 1 else ""

    def is_before_few(self, text: str) -> bool:
        """Whether the next character but one is one of few: a rhyme word or a tail."""
        state = self.state_of(text)
        if state.place != self.length - 2:
            return False
        return state.line < len(self.tails) or any(self._rhymes(c, state.line) for c in state.courses)

    def _common(self, state: State, character: str) -> frozenset[str]:
        """The groups in which the poem rhymes still, with this word too; empty if it may not be one."""
        if character in state.words or character in self._reserved(state.line):
            return frozenset()
        return prosody.rhyme_groups(character) & (self._groups if state.groups is None else state.groups)

    def state_of(self, text: str) -> State | None:
        """The state after a text; None if it breaks a rule."""
        if text in self._states:
            return self._states[text]
        before = self.state_of(text[:-1]) if text else None
        state = (before and self.after(before, text[-1])) if text else self.first()
        self._states[text] = state
        return state

    def __call__(self, logits: torch.Tensor, texts: Sequence[str]) -> None:
        known, masks = self._masks.setdefault(logits.device, {}), []
        for text in texts:
            state = self.state_of(text)
            mask = known.get(state)
            if mask is None:
                mask = known[state] = self._make_mask(state, logits.device)
            masks.append(mask)
        logits += masks[0] if all(mask is masks[0] for mask in masks) else torch.stack(masks)

    def _make_mask(self, state: State, device: torch.device) -> torch.Tensor:
        """(V,) to add to logits: -inf for what may not stand next."""
        if state.line == self.lines:
            return self._tones.only(EOS, device)
        if state.place == self.length:
            return self._tones.only(self._ends[state.line % 2], device)
        if asked_for := self._asked_for(state):
            return self._tones.only(self.tokenizer.ids[asked_for], device)
        is_last = state.place == self.length - 1
        rhyming = [course for course in state.courses if is_last and self._rhymes(course, state.line)]
        tones = 0
        for course in state.courses:
            if course not in rhyming:
                for pattern in course.patterns:
                    tones |= pattern[state.place]
        groups = (self._groups if state.groups is None else state.groups) if rhyming else frozenset()
        # used words are barred as rhyme words only: where a line may end otherwise, they may stand
        words = state.words | set(self._reserved(state.line)) if is_last else ()
        used = frozenset(self.tokenizer.ids[word] for word in words if self.after(state, word) is None)
        return self._tones.only_like(tones, groups, tones == ANY and not self._is_known, used, device)
