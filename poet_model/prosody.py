"""What may stand where in a regular poem, and does this one scan? Tones, rhymes, forms of 平水韻. No torch.

The table of readings is poet_model/data/pingshui.tsv (tools/make_prosody_table.py). A character with readings
of both tones, and one that the table lacks, fits either. The rules are those of 王力《漢語詩律學》:

    L0  the patterns to the letter
    L1  一三五不論, but no 孤平, 三平尾, 三仄尾
    L2  and 拗救: 特拗 平平仄平仄, and 大拗 中仄中仄仄 when the next line has 平 in its third place
    L3  and what Tang poets took as well: 三仄尾 and 仄平仄平仄 before a line that rhymes
    L4  only the places two, four (and six) and the last
    L5  not regular
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .errors import InvalidValueError

LINE_ENDS = "，。"
FORMS = ("五絕", "七絕", "五律", "七律")
# (lines, characters a line)
SHAPES = {"五絕": (4, 5), "七絕": (4, 7), "五律": (8, 5), "七律": (8, 7)}
_FORM_OF_SHAPE = {shape: form for form, shape in SHAPES.items()}
TABLE = Path(__file__).resolve().parent / "data" / "pingshui.tsv"

PING, ZE, ANY = 1, 2, 3  # tones as bits: ANY is both
_BITS = {"平": PING, "仄": ZE, "中": ANY}
_SIGNS = {PING: "平", ZE: "仄", ANY: "○", 0: "？"}
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
_BIG_TWIST = "中仄中仄仄"  # 大拗: only if the next line saves it
_SAVES = "中平平仄平"
_BEFORE = {"A": "平平", "a": "平平", "B": "仄仄", "b": "仄仄"}  # the two more characters of a line of seven
_QUATRAINS = {"T1": "AbBa", "T2": "abBa", "T3": "BaAb", "T4": "baAb"}
TEMPLATES = tuple(_QUATRAINS)  # their names: see Template
# the groups of 平 in the order of the rhyme books, where 東 is called 上平一東 and 先 下平一先
_BOOKS = {"上平": "東冬江支微魚虞齊佳灰真文元寒刪", "下平": "先蕭肴豪歌麻陽庚青蒸尤侵覃鹽咸"}
_NUMERALS = [*"一二三四五六七八九十", *(f"十{unit}" for unit in "一二三四五")]
# groups that poets rhyme with each other
NEIGHBOURS = ("東冬", "江陽", "支微齊", "支微齊灰", "魚虞", "佳灰", "佳麻", "真文元", "寒刪先元")
NEIGHBOURS += ("蕭肴豪", "庚青蒸", "覃鹽咸")


def split_lines(text: str) -> list[str]:
    """The lines of a poem, each with its `，` or `。`; a rest without a line end is a line too."""
    return re.findall(rf"[^{LINE_ENDS}]*[{LINE_ENDS}]|[^{LINE_ENDS}]+$", text)


def line_lengths(text: str) -> list[int]:
    """Characters a line, punctuation not counted."""
    return [len(line.rstrip(LINE_ENDS)) for line in split_lines(text)]


def has_equal_lines(text: str) -> bool:
    """Whether the text is made of at least two whole lines, all of one length, and ends with `。`."""
    lengths = line_lengths(text)
    return text.endswith("。") and len(lengths) >= 2 and lengths[0] > 0 and len(set(lengths)) == 1


def join_lines(lines: Iterable[str]) -> str:
    """Lines without their ends -> a text with `，` and `。` in turn."""
    return "".join(line + LINE_ENDS[number % 2] for number, line in enumerate(lines))


def shape_of(text: str) -> str:
    """The form whose number and length of lines a text has, wherever `，` and `。` stand in it; else ''."""
    lengths = line_lengths(text)
    return _FORM_OF_SHAPE.get((len(lengths), lengths[0]), "") if len(set(lengths)) == 1 else ""


def form_of(text: str) -> str:
    """`五絕 七絕 五律 七律` if number and length of lines are right and `，` and `。` alternate; else ''."""
    ends = "".join(character for character in text if character in LINE_ENDS)
    return shape_of(text) if ends == LINE_ENDS * (len(ends) // 2) else ""


# Characters


@functools.cache
def _table() -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """Character -> its own readings, such as {"東平", "送去"}, and those that it has in a simplified text."""
    rows = (line.split("\t") for line in TABLE.read_text(encoding="utf-8").splitlines())
    return {
        character: (frozenset(own.split()), frozenset(" ".join([own, *more]).split()))
        for character, own, *more in rows
    }


def is_simplified(text: str) -> bool:
    """Whether a text has a character that only simplified texts have, by the table: no OpenCC is needed."""
    nothing = (frozenset(), frozenset())
    return any(every and not own for own, every in (_table().get(c, nothing) for c in text))


def readings(character: str, in_simplified: bool = False) -> frozenset[str]:
    """The rhyme groups of 平水韻 that a character may have, with their tones: {"東平", "送去"}.

    Empty if it is unknown.

    Args:
        in_simplified: in a simplified text it has those of all its traditional forms: 才 is also 纔.
    """
    own, every = _table().get(character, (frozenset(), frozenset()))
    return every if in_simplified else own or every


@functools.cache
def tone_mask(character: str, in_simplified: bool = False) -> int:
    """PING, ZE, or ANY if the character has readings of both; 0 if it is unknown."""
    tones = (PING if reading[-1] == "平" else ZE for reading in readings(character, in_simplified))
    return functools.reduce(int.__or__, tones, 0)


@functools.cache
def rhyme_groups(character: str, tone: str = "平", in_simplified: bool = False) -> frozenset[str]:
    """The groups that a character may rhyme in, without the tone; regular poems rhyme in 平."""
    return frozenset(r[:-1] for r in readings(character, in_simplified) if r[-1] in tone)


@functools.cache
def all_groups(tone: str = "平") -> tuple[str, ...]:
    """The groups of a tone, those with most characters first."""
    counts: dict[str, int] = {}
    for own, _ in _table().values():
        for reading in own:
            if reading[-1] == tone:
                counts[reading[:-1]] = counts.get(reading[:-1], 0) + 1
    return tuple(sorted(counts, key=lambda group: (-counts[group], group)))


@functools.cache
def _names_of_groups() -> dict[str, str]:
    numbered = [
        (book, numeral, group)
        for book, groups in _BOOKS.items()
        for numeral, group in zip(_NUMERALS, groups, strict=True)
    ]
    return {
        name + suffix: group
        for book, numeral, group in numbered
        for name in (group, numeral + group, book + numeral + group)
        for suffix in ("", "韻")
    }


def group_named(name: str) -> str:
    """The group of 平 that is called 東, 東韻, 一東 or 上平一東; '' if none is."""
    return _names_of_groups().get(name, "")


def tones(text: str) -> str:
    """平 仄, ○ for a character that may be either and ？ for one that is unknown; punctuation stays."""
    simplified = is_simplified(text)
    return "".join(c if c in LINE_ENDS else _SIGNS[tone_mask(c, simplified)] for c in text)


# Templates

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
    for name, kinds in _QUATRAINS.items():
        second = _QUATRAINS["T1" if name in ("T1", "T2") else "T3"] if lines == 8 else ""
        found.append(Template(name, kinds + second, length))
    return tuple(found)


def _bits(pattern: str) -> Pattern:
    return tuple(_BITS[sign] for sign in pattern)


@functools.cache
def line_patterns(kind: str, length: int, level: int) -> tuple[Pattern, ...]:
    """Patterns of a kind of line, of five or seven characters, that a level allows (大拗 apart)."""
    found = []
    for least, cores in LINE_PATTERNS[kind].items():
        for core in cores:
            if least <= level and not (least == L0 and level > L0):
                first = _BEFORE[kind] if length == 7 else ""
                if first and least > L0:
                    first = "中" + first[1]
                found.append(_bits(first + core))
    return tuple(found)


def fits(masks: tuple[int, ...], pattern: Pattern) -> bool:
    """Whether characters with these tones can stand in a pattern; an unknown one (0) can."""
    return all((mask or ANY) & place for mask, place in zip(masks, pattern, strict=True))


# Judging a poem


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
    before = ("中" + _BEFORE["A"][1], "中" + _BEFORE["b"][1]) if len(first) == 7 else ("", "")
    return fits(first, _bits(before[0] + _BIG_TWIST)) and fits(second, _bits(before[1] + _SAVES))


def _couplet_level(first: tuple[int, ...], second: tuple[int, ...], kinds: str) -> int:
    levels = [_line_level(first, kinds[0]), _line_level(second, kinds[1])]
    if levels[0] > L2 and kinds == "Ab" and _is_saved_twist(first, second):
        levels[0] = L2
    return max(levels)


def rigid_places(length: int) -> tuple[int, ...]:
    """The places whose tone is fixed, from 0: the second, fourth (sixth) and last of a line."""
    return (*range(1, length - 1, 2), length - 1)


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


def _with_line_ends(text: str) -> str:
    """The text with `，` and `。` in turn if its lines, however ended, have a regular form; else the text."""
    joined = join_lines(re.findall(r"\w+", text))
    return joined if shape_of(joined) else text


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
    text = _with_line_ends(text)
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
