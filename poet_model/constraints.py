"""A regular form imposed while a poem is written: its shape, tones, rhyme, the heads of an acrostic.

At every moment it knows which courses (templates, and patterns of the line under way) are still open. What
may stand next is what any of them allows, and each choice closes some: nothing is decided before the model
has had its say, and no line runs into a dead end (see the property test).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from . import prosody
from .errors import InvalidValueError
from .prosody import ANY, FORMS, L1, LINE_ENDS, PING, ZE, Pattern
from .script import is_hanzi
from .tokenizer import EOS, PoetTokenizer

MIN_RHYME_WORDS = 20  # characters of a group that a model must know, to be let into it without being asked


class VocabularyTones:
    """Tones and rhyme groups of a whole vocabulary, as masks (V,).

    Attributes:
        by_tone: PING and ZE -> the characters that may have it.
        unknown: hanzi whose readings are not in the table.
        by_group: a group of 平 -> the characters that rhyme in it.
    """

    def __init__(self, tokenizer: PoetTokenizer):
        def mask(allows: Callable[[str], object]) -> torch.Tensor:
            return torch.tensor([is_hanzi(token) and bool(allows(token)) for token in tokenizer.tokens])

        self.by_tone = {tone: mask(lambda c, t=tone: prosody.tone_mask(c) & t) for tone in (PING, ZE)}
        self.unknown = mask(lambda c: not prosody.tone_mask(c))
        self.by_group = {
            group: mask(lambda c, g=group: g in prosody.rhyme_groups(c)) for group in prosody.all_groups()
        }


@functools.lru_cache(maxsize=8)
def tones_of(tokenizer: PoetTokenizer) -> VocabularyTones:
    """The tones of a vocabulary, looked up once."""
    return VocabularyTones(tokenizer)


@dataclass(frozen=True)
class Course:
    """A way a poem can go on.

    Attributes:
        template: None if no tones are asked for.
        patterns: those still open of the line under way.
    """

    template: prosody.Template | None
    patterns: tuple[Pattern, ...]


@dataclass(frozen=True)
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
        tones: whether each line keeps the tones (L1) of one of the four templates.
        rhyme: whether the even lines rhyme in one group of 平水韻, which the poem finds; or that group.
        heads: the first characters of the first lines; '' for none.
        start: what the poem will begin with.

    Raises:
        InvalidValueError: the vocabulary or the wishes do not allow it.
    """

    def __init__(
        self,
        tokenizer: PoetTokenizer,
        form: str,
        *,
        tones: bool = False,
        rhyme: bool | str = False,
        heads: str = "",
        start: str = "",
    ):
        self.form, self.tones, self.rhyme, self.heads = form, tones, bool(rhyme), heads
        self.lines, self.length = prosody.SHAPES[form]
        self.tokenizer, self._tones = tokenizer, tones_of(tokenizer)
        self._is_known = tones or self.rhyme  # then only characters whose readings are known
        self._given = frozenset(heads + start)  # but those that were asked for: unknown, they fit anywhere
        self._groups = self._allowed_groups(rhyme)
        self._states: dict[str, State] = {}
        self._masks: dict[tuple, torch.Tensor] = {}

    def _allowed_groups(self, rhyme: bool | str) -> frozenset[str]:
        """The groups in which this vocabulary can rhyme a whole poem, or the one that was asked for."""
        if not rhyme:
            return frozenset()
        counts = {group: int(mask.sum()) for group, mask in self._tones.by_group.items()}
        if rhyme is True:
            if not (groups := frozenset(g for g, count in counts.items() if count >= MIN_RHYME_WORDS)):
                raise InvalidValueError(
                    f"this model knows no group of 平水韻 with {MIN_RHYME_WORDS} words; leave rhyme out"
                )
            return groups
        group = self.tokenizer.normalize(rhyme) if isinstance(rhyme, str) else rhyme
        needed = self.lines // 2 + 1
        if counts.get(group, 0) < needed:
            able = " ".join(name for name, count in counts.items() if count >= needed)
            raise InvalidValueError(
                f"rhyme must be True or a group of 平水韻 in which this model knows {needed} words, got "
                f"{rhyme!r}; it can be one of {able}"
            )
        return frozenset({group})

    def first(self) -> State:
        """The state before the first character."""
        templates = prosody.templates(self.form) if self.tones else (None,)
        return State(0, 0, tuple(Course(t, self._patterns(t, 0)) for t in templates))

    def _patterns(self, template: prosody.Template | None, line: int) -> tuple[Pattern, ...]:
        if line >= self.lines:
            return ()
        if template is None:
            last = PING if self.rhyme and line % 2 else ANY
            return ((*[ANY] * (self.length - 1), last),)
        return template.patterns(line, L1)

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
        if state.line >= self.lines or not is_hanzi(character):
            return None
        if state.place == 0 and state.line < len(self.heads) and character != self.heads[state.line]:
            return None
        may_be_unknown = not self._is_known or character in self._given
        mask = prosody.tone_mask(character) or (ANY if may_be_unknown else 0)
        is_last = state.place == self.length - 1
        courses, groups, words = [], state.groups, state.words
        for course in state.courses:
            patterns = tuple(p for p in course.patterns if p[state.place] & mask)
            if patterns and not (
                is_last and self._rhymes(course, state.line) and not self._common(state, character)
            ):
                courses.append(Course(course.template, patterns))
        if not courses:
            return None
        if is_last and any(self._rhymes(course, state.line) for course in courses):
            # a word of two tones, such as 看, may end the line either way: it rhymes
            courses = [course for course in courses if self._rhymes(course, state.line)]
            groups, words = self._common(state, character), words | {character}
        return State(state.line, state.place + 1, tuple(courses), groups, words)

    def is_before_rhyme(self, text: str) -> bool:
        """Whether the next character but one may have to be a rhyme word."""
        state = self.state_of(text)
        return state.place == self.length - 2 and any(self._rhymes(c, state.line) for c in state.courses)

    def _common(self, state: State, character: str) -> frozenset[str]:
        """The groups in which the poem rhymes still, with this word too; empty if it may not be one."""
        if character in state.words:
            return frozenset()
        return prosody.rhyme_groups(character) & (self._groups if state.groups is None else state.groups)

    def state_of(self, text: str) -> State | None:
        """The state after a text; None if it breaks a rule."""
        if text not in self._states:
            before = self.state_of(text[:-1]) if text else None
            state = (before and self.after(before, text[-1])) if text else self.first()
            self._states[text] = state
        return self._states[text]

    def __call__(self, logits: torch.Tensor, texts: Sequence[str]) -> None:
        for row, text in zip(logits, texts, strict=True):
            state = self.state_of(text)
            if state.line == self.lines:
                self._only(row, EOS)
            elif state.place == self.length:
                self._only(row, self.tokenizer.ids[LINE_ENDS[state.line % 2]])
            elif state.place == 0 and state.line < len(self.heads):
                self._only(row, self.tokenizer.ids[self.heads[state.line]])
            else:
                row.masked_fill_(self._barred(state, row.device), -torch.inf)
                if state.place == self.length - 1 and state.words:
                    # as rhyme words only: where a line may end otherwise, they may stand
                    self._bar_used(row, state)

    def _bar_used(self, row: torch.Tensor, state: State) -> None:
        for word in state.words:
            if self.after(state, word) is None:
                row[self.tokenizer.ids[word]] = -torch.inf

    def _barred(self, state: State, device: torch.device) -> torch.Tensor:
        """(V,) True where an id may not stand next; used rhyme words apart."""
        is_last = state.place == self.length - 1
        tones = 0
        for course in state.courses:
            if not (is_last and self._rhymes(course, state.line)):
                tones |= functools.reduce(int.__or__, (p[state.place] for p in course.patterns))
        rhyming = is_last and any(self._rhymes(course, state.line) for course in state.courses)
        groups = (self._groups if state.groups is None else state.groups) if rhyming else frozenset()
        key = (tones, groups, device)
        if key not in self._masks:
            allowed = torch.zeros_like(self._tones.unknown)
            for tone, mask in self._tones.by_tone.items():
                if tones & tone:
                    allowed |= mask
            if tones == ANY and not self._is_known:
                allowed |= self._tones.unknown
            for group in groups:
                allowed |= self._tones.by_group[group]
            self._masks[key] = ~allowed.to(device)
        return self._masks[key]

    @staticmethod
    def _only(row: torch.Tensor, token: int) -> None:
        row[:token] = -torch.inf
        row[token + 1 :] = -torch.inf


def heads_of(tokenizer: PoetTokenizer, form: str, acrostic: str, start: str) -> tuple[str, str]:
    """The form and the heads of an acrostic, in the model's script; without a form, the one that fits.

    Raises:
        UnknownCharacterError: a head is not in the vocabulary.
        InvalidValueError: too few or many heads, one that is no hanzi, or a start that begins otherwise.
    """
    heads = tokenizer.normalize(acrostic)
    if not heads:
        return form, ""
    if not 2 <= len(heads) <= 8 or not all(map(is_hanzi, heads)):
        raise InvalidValueError(f"acrostic must be 2 to 8 hanzi, one for each line, got {acrostic[:20]!r}")
    tokenizer.check_known(heads)
    form = form or ("七絕" if len(heads) <= 4 else "七律")
    lines, length = prosody.SHAPES[form]
    if len(heads) > lines:
        longer = next(other for other in FORMS if prosody.SHAPES[other] == (8, length))
        raise InvalidValueError(
            f"a {form} has {lines} lines, and {acrostic!r} has {len(heads)} heads; take form={longer!r}, or "
            "fewer heads"
        )
    if start and start[0] != heads[0]:
        raise InvalidValueError(
            f"the start {start[:10]!r} does not begin with the first head {heads[0]!r}; leave it out"
        )
    return form, heads


def fit_start(rules: RegularForm, start: str) -> str:
    """The start as the form has it: with its line ends, if it was written without any.

    Raises:
        InvalidValueError: it breaks the form, the tones or the rhyme; the message says where.
    """
    given = [line.rstrip(LINE_ENDS) for line in prosody.split_lines(start)]
    if len(given) == 1:
        given = [given[0][i : i + rules.length] for i in range(0, len(given[0]), rules.length)]
    if all(len(line) == rules.length for line in given[:-1]):  # which sign ends a line is the form's business
        is_ended = start.endswith(tuple(LINE_ENDS))
        start = "".join(line + LINE_ENDS[number % 2] for number, line in enumerate(given))
        start = start if is_ended or not start else start[:-1]
    for count in range(1, len(start) + 1):
        if rules.state_of(start[:count]) is None:
            wishes = [
                rules.form,
                *["tones"] * rules.tones,
                *["rhyme"] * rules.rhyme,
                *["acrostic"] * bool(rules.heads),
            ]
            fits = f"{start[: count - 1]!r} would" if count > 1 else "no start that begins so would"
            raise InvalidValueError(
                f"the start {start[:40]!r} does not fit {', '.join(wishes)} at its character {count}, "
                f"{start[count - 1]!r}; {fits}: shorten it, or ask for less"
            )
    return start
