"""The faults of a poem by the rules of regular verse, each rule a function. No poem is judged as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .readings import ANY, PING, ZE, readings
from .rhyme import Rhyme
from .templates import (
    L0,
    L1,
    L2,
    L3,
    L4,
    L5,
    Template,
    da_ao_pattern,
    fits,
    is_rescued_da_ao,
    line_level,
    line_patterns,
    rigid_places,
)

Masks = tuple[int, ...]  # PING, ZE, ANY or 0 (unknown) for each character of a line


@dataclass(frozen=True)
class Fault:
    """A place that a strict reader would point out: a deviation, an allowed one (救), or an unknown tone.

    Attributes:
        line: the number of the line, counted from 1.
        place: the number of the character in the line, counted from 1; 0 means the whole line.
        kind: 失對 失粘 孤平 三平尾 三仄尾 拗 (not saved) 救 (a 拗 that is) 平仄 出韻 重韻 未知.
        characters: the characters concerned.
    """

    line: int
    place: int
    kind: str
    characters: str

    def __str__(self) -> str:
        where = f"第{self.line}句" + (f"第{self.place}字" if self.place else "")
        return f"{where}「{self.characters}」{self.kind}"


def tone_faults(
    lines: Sequence[str], masks: Sequence[Masks], template: Template, rhymes_in_ze: bool = False
) -> list[Fault]:
    """The faults in the tones of a poem, compared with `template`, the one that fits it best.

    Args:
        lines: the lines, without punctuation.
        masks: the tone masks of their characters.
        rhymes_in_ze: whether the poem rhymes in 仄, so that the tones of the last places are no faults.
    """
    afters = (*masks[1:], ())
    settled = [_settled(*one) for one in zip(masks, template.kinds, afters, strict=True)]
    masks = [mask for mask, _ in settled]
    faults = []
    for number, (line, (mask, kind), after) in enumerate(zip(lines, settled, afters, strict=True)):
        found = [(place, "未知", line[place]) for place, tone in enumerate(mask) if not tone]
        if number:
            is_second_of_couplet = number % 2 == 1
            if is_second_of_couplet and is_shi_dui(masks[number - 1], mask):
                found.append((1, "失對", line[1]))
            if not is_second_of_couplet and is_shi_zhan(masks[number - 1], mask):
                found.append((1, "失粘", line[1]))
        found += _within_line(line, mask, kind, after)
        named = {place for place, _, _ in found} | ({len(line) - 1} if rhymes_in_ze else set())
        found += [(place, "平仄", line[place]) for place in wrong_places(mask, kind) if place not in named]
        faults += [Fault(number + 1, place + 1, name, characters) for place, name, characters in found]
    return faults


def _settled(mask: Masks, kind: str, after: Masks) -> tuple[Masks, str]:
    """The mask with each two-way character in the tone that makes the line strictest, and the line's kind.

    A line that breaks its own kind may follow the other kind with the same end: its fault is 失對 or 失粘.
    """
    if kind == "A" and line_level(mask, kind) > L2 and after and is_rescued_da_ao(mask, after):
        pattern = da_ao_pattern(len(mask))
    else:
        kind = next((other for other in _kinds_like(kind) if line_level(mask, other) < L5), kind)
        patterns = line_patterns(kind, len(mask), min(line_level(mask, kind), L4))
        pattern = next((p for p in patterns if fits(mask, p)), (ANY,) * len(mask))
    return tuple(tone & place for tone, place in zip(mask, pattern, strict=True)), kind


def _kinds_like(kind: str) -> tuple[str, ...]:
    """The kind itself, then the other one with the same end."""
    return {"A": ("A", "B"), "B": ("B", "A"), "a": ("a", "b"), "b": ("b", "a")}[kind]


def _within_line(line: str, mask: Masks, kind: str, after: Masks) -> list[tuple[int, str, str]]:
    """Place (from 0), kind and characters of what a line breaks or saves, each rule by itself."""
    last = len(line) - 1
    found = []
    ao = ao_jiu(mask, kind, after)
    if ao:
        found.append((last - 1, ao, line[-3:]))
    if is_gu_ping_jiu(mask, kind):
        found.append((last - 4, "救", line[-5:]))
    if is_gu_ping(mask, kind):
        found.append((last - 4, "孤平", line[-5:]))
    if is_san_ping_wei(mask):
        found.append((last, "三平尾", line[-3:]))
    if ao != "救" and is_san_ze_wei(mask):
        found.append((last, "三仄尾", line[-3:]))
    return found


def is_shi_dui(first: Masks, second: Masks) -> bool:
    """失對: the second characters of the two lines of a couplet have the same tone, and should not."""
    return {first[1], second[1]} in ({PING}, {ZE})


def is_shi_zhan(before: Masks, first: Masks) -> bool:
    """失粘: the second character of a couplet has another tone than that of the line before."""
    return {before[1], first[1]} == {PING, ZE}


def is_san_ping_wei(mask: Masks) -> bool:
    """三平尾: the last three characters are all 平."""
    return set(mask[-3:]) == {PING}


def is_san_ze_wei(mask: Masks) -> bool:
    """三仄尾: the last three characters are all 仄."""
    return set(mask[-3:]) == {ZE}


def is_gu_ping(mask: Masks, kind: str) -> bool:
    """孤平: a line of kind b has only one 平 besides its rhyme word: 仄平仄仄平."""
    return kind == "b" and mask[-5:] == (ZE, PING, ZE, ZE, PING)


def is_gu_ping_jiu(mask: Masks, kind: str) -> bool:
    """孤平拗救: in a line of kind b, 仄平平仄平, the third of the last five makes up for the first."""
    return kind == "b" and mask[-5:] == (ZE, PING, PING, ZE, PING)


def ao_jiu(mask: Masks, kind: str, after: Masks) -> str:
    """救 for a line A or B whose 拗 is rescued, 拗 for one whose 拗 must be and is not, else "".

    By 王力《詩詞格律》: 特拗 is 平平仄平仄 in a line B, rescued within the line; after 仄 it is not. In a
    line A, 大拗 (中仄中仄仄, the third place may be 仄 too) must be rescued, and 小拗 (中仄仄平仄) may be,
    by 平 in the third of the last five places of the next line.
    """
    level = line_level(mask, kind)
    if kind == "B" and L1 < level <= L3 and mask[-3] == ZE and mask[-2] == PING:
        return "救" if level == L2 else "拗"
    if kind == "A" and level > L2 and set(mask[-2:]) == {ZE} and mask[-4] & ZE:
        return "救" if after and is_rescued_da_ao(mask, after) else "拗"
    if kind == "A" and level == L1 and mask[-3] == ZE and after and after[-3] == PING:
        return "救"
    return ""


def right_places(mask: Masks, kind: str) -> list[bool]:
    """For each rigid place of a line, whether its tone is right; an unknown tone counts as right."""
    [pattern] = line_patterns(kind, len(mask), L0)
    return [bool((mask[place] or ANY) & pattern[place]) for place in rigid_places(len(mask))]


def wrong_places(mask: Masks, kind: str) -> list[int]:
    """平仄: the rigid places of a line whose tone is wrong, counted from 0.

    Of the two kinds with the same end, the one counts that the line comes nearer to.
    """
    if line_level(mask, kind) < L5:
        return []
    places = rigid_places(len(mask))
    wrong = (
        [place for place, is_right in zip(places, right_places(mask, other), strict=True) if not is_right]
        for other in _kinds_like(kind)
    )
    return min(wrong, key=len)


def rhyme_faults(lines: Sequence[str], rhyme: Rhyme, in_simplified: bool = False) -> list[Fault]:
    """重韻, a rhyme word that is repeated, and 出韻, one outside the group that most of the words share."""
    numbers = [*([0] if rhyme.first_line else []), *range(1, len(lines), 2)]
    words = [lines[number][-1] for number in numbers]
    last = len(lines[1])
    faults = [
        Fault(number + 1, last, "重韻", word)
        for index, (number, word) in enumerate(zip(numbers, words, strict=True))
        if word in words[:index]
    ]
    if rhyme.status in ("平", "仄"):
        return faults
    groups_of = {number: readings(lines[number][-1], in_simplified) for number in range(1, len(lines), 2)}
    shared = _most_shared(list(groups_of.values()), readings(lines[0][-1], in_simplified))
    return faults + [
        Fault(number + 1, last, "出韻", lines[number][-1])
        for number, groups in groups_of.items()
        if groups and shared not in groups
    ]


def _most_shared(words: Sequence[frozenset[str]], first_word: frozenset[str]) -> str:
    """The reading that most rhyme words share: of several one of the first line's, of 平, of the earliest."""

    def rank(reading: str) -> tuple[int, bool, bool, int]:
        has_it = [reading in word for word in words]
        return sum(has_it), reading in first_word, reading[-1] == "平", -has_it.index(True)

    return max(sorted(frozenset().union(*words)), key=rank, default="")
