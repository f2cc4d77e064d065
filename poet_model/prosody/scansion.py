"""Does a poem scan? Its template, its level, its rhyme, and its faults. No torch."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from ..errors import InvalidValueError
from .lines import LINE_ENDS, form_of, split_lines, with_line_ends
from .readings import ANY, PING, ZE, is_simplified, readings, rhyme_groups, tone_mask, tones
from .templates import (
    BEFORE,
    BIG_TWIST,
    L0,
    L2,
    L3,
    L5,
    LEVELS,
    SAVES,
    Template,
    bits,
    fits,
    line_patterns,
    rigid_places,
    templates,
)

# groups that poets rhyme with each other
NEIGHBOURS = ("東冬", "江陽", "支微齊", "支微齊灰", "魚虞", "佳灰", "佳麻", "真文元", "寒刪先元")
NEIGHBOURS += ("蕭肴豪", "庚青蒸", "覃鹽咸")


@dataclass(frozen=True)
class Fault:
    """Something a strict reader would point at.

    Attributes:
        line, place: from 1; place 0 is the line as a whole.
        kind: 失對 失粘 孤平 三平尾 三仄尾 拗 (not saved) 救 (a 拗 that is) 平仄 出韻 重韻 未知.
        characters: what stands there.
    """

    line: int
    place: int
    kind: str
    characters: str

    def __str__(self) -> str:
        where = f"第{self.line}句" + (f"第{self.place}字" if self.place else "")
        return f"{where}「{self.characters}」{self.kind}"


@dataclass(frozen=True)
class Rhyme:
    """How the even lines rhyme.

    Attributes:
        status: 平 (all in one group of 平), 鄰 (in groups that poets mix), 仄 (in one other group), or ''.
        groups: the common groups, or those of the neighbours.
        first_line: whether the first line rhymes too: 入韻, 鄰韻 (in a neighbour's group), or ''.
    """

    status: str
    groups: tuple[str, ...]
    first_line: str = ""


@dataclass(frozen=True)
class Report:
    """What `evaluate` finds.

    Attributes:
        form: 五絕 七絕 五律 七律; '' if the text has no such shape, and then nothing else is judged.
        template: T1 to T4, the one that fits best.
        level: 0 to 5, of LEVELS: that of the worst couplet.
        couplets_fit: whether each couplet taken alone is L3 or better: with level 5 the poem is only 失粘.
        rigid: places two, four, six and last that are right, and how many there are.
        rhyme: of the even lines.
        faults: in the order of the text.
        tones: the text in 平 仄 ○ ？.
    """

    form: str
    template: str = ""
    level: int = L5
    couplets_fit: bool = False
    rigid: tuple[int, int] = (0, 0)
    rhyme: Rhyme = Rhyme("", ())
    faults: tuple[Fault, ...] = ()
    tones: str = ""

    @property
    def is_regular(self) -> bool:
        """Rhymes in 平 and is L2 or better, as the textbooks ask."""
        return self.rhyme.status == "平" and self.level <= L2

    def __str__(self) -> str:
        if not self.form:
            return "no regular form"
        rhyme = f"{self.rhyme.status}韻 {'/'.join(self.rhyme.groups)}" if self.rhyme.status else "不押韻"
        lines = split_lines(self.tones)
        strip = "\n".join("".join(lines[i : i + 2]) for i in range(0, len(lines), 2))
        faults = "".join(f"\n{fault}" for fault in self.faults)
        return f"{self.form} {self.template} {LEVELS[self.level]} {rhyme}\n{strip}{faults}"


@functools.lru_cache(maxsize=1 << 16)
def _line_level(masks: tuple[int, ...], kind: str) -> int:
    """The best level at which a line is of a kind."""
    for level in range(L5):
        if any(fits(masks, pattern) for pattern in line_patterns(kind, len(masks), level)):
            return level
    return L5


@functools.lru_cache(maxsize=1 << 16)
def _is_saved_twist(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    """大拗 in a line A, saved by the line b behind it."""
    before = ("中" + BEFORE["A"][1], "中" + BEFORE["b"][1]) if len(first) == 7 else ("", "")
    return fits(first, bits(before[0] + BIG_TWIST)) and fits(second, bits(before[1] + SAVES))


def _couplet_level(first: tuple[int, ...], second: tuple[int, ...], kinds: str) -> int:
    levels = [_line_level(first, kinds[0]), _line_level(second, kinds[1])]
    if levels[0] > L2 and kinds == "Ab" and _is_saved_twist(first, second):
        levels[0] = L2
    return max(levels)


def _rigid(masks: tuple[int, ...], kind: str) -> list[bool]:
    """Whether the characters at the fixed places are right."""
    [pattern] = line_patterns(kind, len(masks), L0)
    return [bool((masks[i] or ANY) & pattern[i]) for i in rigid_places(len(masks))]


def _rhyme(words: list[str], first: str, simplified: bool) -> Rhyme:
    """How the last characters of the even lines rhyme, and whether that of the first does."""

    def groups_of(word: str) -> frozenset[str]:
        return rhyme_groups(word, in_simplified=simplified)

    known = [word for word in words if readings(word)]
    common = frozenset.intersection(*map(groups_of, known)) if known else frozenset()
    status, groups = ("平", sorted(common)) if common else ("", [])
    if not common and known:
        neighbours = [n for n in NEIGHBOURS if all(groups_of(word) & set(n) for word in known)]
        if neighbours:
            status, groups = "鄰", sorted(set(neighbours[0]) & set().union(*map(groups_of, known)))
        elif common := frozenset.intersection(
            *(frozenset(r for r in readings(word, simplified) if r[-1] != "平") for word in known)
        ):
            status, groups = "仄", sorted(common)
    own = groups_of(first)
    if status != "平" or not own:
        return Rhyme(status, tuple(groups))
    near = {group for n in NEIGHBOURS if set(groups) & set(n) for group in n}
    return Rhyme(status, tuple(groups), "入韻" if own & set(groups) else "鄰韻" if own & near else "")


def evaluate(text: str) -> Report:
    """Judges a poem by the form it has.

    Args:
        text: hanzi in either script, each line ended by some punctuation mark, a space or a line break. Which
            it is does not matter if the lines have a regular form.

    Raises:
        InvalidValueError: it is no text.
    """
    if not isinstance(text, str):
        raise InvalidValueError(f"a poem must be text, got {text!r}")
    text = with_line_ends(text)
    form = form_of(text)
    if not form:
        return Report("")
    simplified = is_simplified(text)
    lines = [line.rstrip(LINE_ENDS) for line in split_lines(text)]
    masks = [tuple(tone_mask(c, simplified) for c in line) for line in lines]
    best = None
    for template in templates(form):
        kinds = template.kinds
        level = max(_couplet_level(masks[i], masks[i + 1], kinds[i : i + 2]) for i in range(0, len(lines), 2))
        right = [place for line, kind in zip(masks, kinds, strict=True) for place in _rigid(line, kind)]
        if best is None or (level, -sum(right)) < best[:2]:
            best = (level, -sum(right), template, len(right))
    level, right, template, places = best
    couplets_fit = all(
        min(
            _couplet_level(masks[i], masks[i + 1], kinds)
            for kinds in ("Ab", "Ba", "ab", "ba")[: 2 if i else 4]
        )
        <= L3
        for i in range(0, len(lines), 2)
    )
    rhyme = _rhyme([line[-1] for line in lines[1::2]], lines[0][-1], simplified)
    faults = sorted(
        [*_tone_faults(lines, masks, template), *_rhyme_faults(lines, rhyme, simplified)],
        key=lambda f: (f.line, f.place),
    )
    return Report(
        form, template.name, level, couplets_fit, (-right, places), rhyme, tuple(faults), tones(text)
    )


def _tone_faults(lines: list[str], masks: list[tuple[int, ...]], template: Template) -> list[Fault]:
    faults = []
    for number, (line, mask, kind) in enumerate(zip(lines, masks, template.kinds, strict=True)):
        unknown = [place for place, tone in enumerate(mask) if not tone]
        faults += [Fault(number + 1, place + 1, "未知", line[place]) for place in unknown]
        if number:  # the second place against that of the line before
            here, before = mask[1], masks[number - 1][1]
            alike = here == before
            if {here, before} <= {PING, ZE} and alike == bool(number % 2):
                faults.append(Fault(number + 1, 2, "失對" if number % 2 else "失粘", line[1]))
        twist = _twist(mask, kind, masks[number + 1] if number + 1 < len(masks) else ())
        core, tail = mask[-5:], len(line)
        if twist:
            faults.append(Fault(number + 1, tail - 1, twist, line[-3:]))
        elif set(mask[-3:]) == {PING}:
            faults.append(Fault(number + 1, tail, "三平尾", line[-3:]))
        elif set(mask[-3:]) == {ZE}:
            faults.append(Fault(number + 1, tail, "三仄尾", line[-3:]))
        elif kind == "b" and core == (ZE, PING, ZE, ZE, PING):
            faults.append(Fault(number + 1, tail - 4, "孤平", line[-5:]))
        elif _line_level(mask, kind) == L5 and all(_line_level(mask, other) == L5 for other in "AaBb"):
            [pattern] = line_patterns(kind, len(mask), L0)
            wrong = [i for i in rigid_places(len(mask)) if not (mask[i] or ANY) & pattern[i]]
            faults += [Fault(number + 1, place + 1, "平仄", line[place]) for place in wrong]
    return faults


def _twist(mask: tuple[int, ...], kind: str, after: tuple[int, ...]) -> str:
    """救 or 拗 if the line has a 拗 that can be saved; else ''."""
    level = _line_level(mask, kind)
    if kind == "B" and level == L2:
        return "救"
    if kind == "A" and level > L2 and set(mask[-2:]) == {ZE} and mask[-4] & ZE and mask[-3] != ZE:
        return "救" if after and _is_saved_twist(mask, after) else "拗"
    return ""


def _rhyme_faults(lines: list[str], rhyme: Rhyme, simplified: bool) -> list[Fault]:
    faults, seen = [], set()
    for number in range(1, len(lines), 2):
        word, last = lines[number][-1], len(lines[number])
        if word in seen:
            faults.append(Fault(number + 1, last, "重韻", word))
        seen.add(word)
    if rhyme.status in ("平", "仄"):
        return faults
    # the group that most of the rhyme words share; the others are out of it
    words = [line[-1] for line in lines[1::2]]
    groups_of = [rhyme_groups(word, in_simplified=simplified) for word in words]
    groups = [group for found in groups_of for group in found]
    chief = max(sorted(set(groups)), key=groups.count, default="")
    return faults + [
        Fault(2 * number + 2, len(lines[1]), "出韻", word)
        for number, word in enumerate(words)
        if chief not in groups_of[number]
    ]
