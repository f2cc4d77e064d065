"""The tone patterns of regular lines, and the four templates of each form.

The rules are those of 王力《漢語詩律學》:

    L0  the patterns to the letter
    L1  一三五不論, but no 孤平, 三平尾, 三仄尾
    L2  and 拗救: 特拗 平平仄平仄, and 大拗 中仄中仄仄 when the next line has 平 in its third place
    L3  and what Tang poets took as well: 三仄尾 and 仄平仄平仄 before a line that rhymes
    L4  only the places two, four (and six) and the last
    L5  not regular
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from .lines import SHAPES
from .readings import ANY, PING, ZE

BITS = {"平": PING, "仄": ZE, "中": ANY}
LEVELS = ("L0", "L1", "L2", "L3", "L4", "L5")
L0, L1, L2, L3, L4, L5 = range(6)
# The last five characters of the four kinds of line, by the level at which a pattern is allowed first (大拗
# too is L2, but only together with the next line)
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
BIG_TWIST = "中仄中仄仄"  # 大拗: only if the next line saves it
SAVES = "中平平仄平"
BEFORE = {"A": "平平", "a": "平平", "B": "仄仄", "b": "仄仄"}  # the two more characters of a line of seven
QUATRAINS = {"T1": "AbBa", "T2": "abBa", "T3": "BaAb", "T4": "baAb"}
TEMPLATES = tuple(QUATRAINS)  # their names: see Template
Pattern = tuple[int, ...]  # PING, ZE or ANY for each place of a line


@dataclass(frozen=True)
class Template:
    """One of the four regular courses of a form.

    Attributes:
        name: T1 to T4: 仄起首句不入韻, 仄起首句入韻, 平起首句不入韻, 平起首句入韻 (by the last five
            characters of the first line; of a line of seven 仄起 is called 平起, and the other way round).
        kinds: the kind of each line, A a B b.
        length: characters a line.
    """

    name: str
    kinds: str
    length: int

    @functools.cached_property
    def rhymes(self) -> tuple[int, ...]:
        """Numbers of the lines that rhyme, from 0."""
        return tuple(number for number, kind in enumerate(self.kinds) if kind in "ab")

    def patterns(self, line: int, level: int = L1) -> tuple[Pattern, ...]:
        """What a line may be at a level; 大拗 is left out, as it asks something of the next line too."""
        return line_patterns(self.kinds[line], self.length, level)


@functools.cache
def templates(form: str) -> tuple[Template, ...]:
    """The four templates of a form; the second half of a 律詩 begins with a line that does not rhyme."""
    lines, length = SHAPES[form]
    found = []
    for name, kinds in QUATRAINS.items():
        second = QUATRAINS["T1" if name in ("T1", "T2") else "T3"] if lines == 8 else ""
        found.append(Template(name, kinds + second, length))
    return tuple(found)


def bits(pattern: str) -> Pattern:
    return tuple(BITS[sign] for sign in pattern)


@functools.cache
def line_patterns(kind: str, length: int, level: int) -> tuple[Pattern, ...]:
    """Patterns of a kind of line, of five or seven characters, that a level allows (大拗 apart)."""
    found = []
    for least, cores in LINE_PATTERNS[kind].items():
        for core in cores:
            if least <= level and not (least == L0 and level > L0):
                first = BEFORE[kind] if length == 7 else ""
                if first and least > L0:
                    first = "中" + first[1]
                found.append(bits(first + core))
    return tuple(found)


def fits(masks: tuple[int, ...], pattern: Pattern) -> bool:
    """Whether characters with these tones can stand in a pattern; an unknown one (0) can."""
    return all((mask or ANY) & place for mask, place in zip(masks, pattern, strict=True))


def rigid_places(length: int) -> tuple[int, ...]:
    """The places whose tone is fixed, from 0: the second, fourth (sixth) and last of a line."""
    return (*range(1, length - 1, 2), length - 1)
