"""The tone patterns of regular lines, the four templates of each form, and how strictly a line keeps to them.

平 and 仄 are the two classes of tones, level and oblique. The levels follow 王力《漢語詩律學》, from the
strictest on; each one also allows what those before it allow:

    L0  the exact patterns
    L1  一三五不論: the first, third and fifth places are free, but without 孤平, 三平尾 or 三仄尾
    L2  拗救, a break made good: 特拗 平平仄平仄, and 大拗 中仄中仄仄 if the next line has 平 in the third of
        its last five places
    L3  what Tang poets also accepted before a line that rhymes: 三仄尾 and 仄平仄平仄
    L4  right tones in the second, fourth, sixth and last places only
    L5  not regular
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from .lines import SHAPES, form_name
from .readings import ANY, PING, ZE

TONES = {"平": PING, "仄": ZE, "中": ANY}
LEVELS = ("L0", "L1", "L2", "L3", "L4", "L5")
L0, L1, L2, L3, L4, L5 = range(6)
# The patterns of the last five places of each kind of line, by the strictest level that allows them. A and B
# end in 仄, a and b in 平 and rhyme. The last five of A and a begin with 仄仄, those of B and b with 平平.
# (For 大拗 see below.)
LINE_PATTERNS = {
    "A": {L0: ["仄仄平平仄"], L1: ["中仄中平仄"], L4: ["中仄中平仄"]},
    "a": {L0: ["仄仄仄平平"], L1: ["中仄仄平平"], L4: ["中仄中平平"]},
    "B": {
        L0: ["平平平仄仄"],
        L1: ["中平平仄仄"],
        L2: ["平平仄平仄"],
        L3: ["中平仄仄仄", "仄平仄平仄"],
        L4: ["中平中仄仄"],
    },
    "b": {L0: ["平平仄仄平"], L1: ["平平中仄平", "仄平平仄平"], L4: ["中平中仄平"]},
}
# 大拗 in a line of kind A, and the line of kind b that follows and rescues it
DA_AO, DA_AO_RESCUE = "中仄中仄仄", "中平平仄平"
# the two places that a line of seven has before its last five
FIRST_TWO = {"A": "平平", "a": "平平", "B": "仄仄", "b": "仄仄"}
QUATRAINS = {"T1": "AbBa", "T2": "abBa", "T3": "BaAb", "T4": "baAb"}
TEMPLATES = tuple(QUATRAINS)  # their names; see Template
Pattern = tuple[int, ...]  # PING, ZE or ANY for each place of a line


@dataclass(frozen=True)
class Template:
    """One of the four regular sequences of lines that a form has.

    Attributes:
        name: T1 仄起首句不入韻, T2 仄起首句入韻, T3 平起首句不入韻 or T4 平起首句入韻. The names are those of
            lines of five. With lines of seven, 仄起 and 平起 change places.
        kinds: the kind of each line, A a B b.
        length: characters per line.
    """

    name: str
    kinds: str
    length: int

    @functools.cached_property
    def rhymes(self) -> tuple[int, ...]:
        """The numbers of the lines that rhyme, counted from 0."""
        return tuple(number for number, kind in enumerate(self.kinds) if kind in "ab")

    def patterns(self, line: int, level: int = L1) -> tuple[Pattern, ...]:
        """The patterns of a line that a level allows, without 大拗, which also constrains the next line."""
        return line_patterns(self.kinds[line], self.length, level)


@functools.cache
def templates(form: str) -> tuple[Template, ...]:
    """The four templates of a form. The second half of a 律詩 starts with a line that does not rhyme.

    Example:
        >>> [template.kinds for template in templates("五絕")]
        ['AbBa', 'abBa', 'BaAb', 'baAb']
    """
    lines, length = SHAPES[form_name(form)]
    found = []
    for name, kinds in QUATRAINS.items():
        second = QUATRAINS["T1" if name in ("T1", "T2") else "T3"] if lines == 8 else ""
        found.append(Template(name, kinds + second, length))
    return tuple(found)


def _whole_line(kind: str, core: str, length: int, is_strict: bool = False) -> Pattern:
    """The pattern of a line of five or seven places whose last five are `core`."""
    first_two = FIRST_TWO[kind] if length == 7 else ""
    if first_two and not is_strict:
        first_two = "中" + first_two[1]
    return tuple(TONES[sign] for sign in first_two + core)


@functools.cache
def line_patterns(kind: str, length: int, level: int) -> tuple[Pattern, ...]:
    """The patterns of a kind of line at a level, without 大拗; length is five or seven."""
    if level == L0:
        return tuple(_whole_line(kind, core, length, is_strict=True) for core in LINE_PATTERNS[kind][L0])
    return tuple(
        _whole_line(kind, core, length)
        for least, cores in LINE_PATTERNS[kind].items()
        if L0 < least <= level
        for core in cores
    )


def fits(masks: tuple[int, ...], pattern: Pattern) -> bool:
    """Whether characters with these tone masks fit a pattern. An unknown character (0) always does."""
    return all((mask or ANY) & place for mask, place in zip(masks, pattern, strict=True))


def rigid_places(length: int) -> tuple[int, ...]:
    """The places whose tone is fixed, counted from 0: the second, fourth, sixth and last of a line."""
    return (*range(1, length - 1, 2), length - 1)


@functools.lru_cache(maxsize=1 << 16)
def line_level(masks: tuple[int, ...], kind: str) -> int:
    """The strictest level at which a line with these tone masks counts as a line of this kind."""
    for level in range(L5):
        if any(fits(masks, pattern) for pattern in line_patterns(kind, len(masks), level)):
            return level
    return L5


@functools.cache
def da_ao_pattern(length: int) -> Pattern:
    """The pattern of 大拗, in a line of kind A."""
    return _whole_line("A", DA_AO, length)


@functools.lru_cache(maxsize=1 << 16)
def is_rescued_da_ao(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    """Whether the first line, of kind A, has 大拗 and the second, of kind b, rescues it."""
    rescue = _whole_line("b", DA_AO_RESCUE, len(second))
    return fits(first, da_ao_pattern(len(first))) and fits(second, rescue)


def couplet_level(first: tuple[int, ...], second: tuple[int, ...], kinds: str) -> int:
    """The strictest level at which two lines are a couplet of these kinds: that of the worse line."""
    level_of_first, level_of_second = line_level(first, kinds[0]), line_level(second, kinds[1])
    if level_of_first > L2 and kinds == "Ab" and is_rescued_da_ao(first, second):
        level_of_first = L2
    return max(level_of_first, level_of_second)
