"""Scans a poem: its template, its level, its rhyme and its faults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

from .faults import Fault, Masks, rhyme_faults, right_places, tone_faults
from .lines import LINE_ENDS, check_poem, form_of, join_lines, line_lengths, split_lines, with_line_ends
from .readings import SIGNS, is_simplified, tone_mask
from .rhyme import NO_RHYME, Rhyme, rhyme_of
from .templates import L2, L3, L5, LEVELS, Template, couplet_level, templates


@dataclass(frozen=True)
class Scansion:
    """The result of `scan`.

    Attributes:
        form: 五絕 七絕 五律 七律; "" if the text has none of these shapes, and then nothing else is judged.
        template: T1 to T4, the template that fits best.
        level: 0 to 5, an index into LEVELS: the level of the worst couplet.
        couplets_fit: whether each couplet by itself is L3 or stricter. If so, level 5 means only 失粘.
        rigid: how many of the second, fourth, sixth and last places are right, and how many there are.
        rhyme: the rhyme of the even lines.
        faults: the faults, in the order of the text.
        tones: the text in 平 仄 ○ (either) and ？ (unknown).
        lengths: the number of characters in each line.
    """

    form: str
    template: str = ""
    level: int = L5
    couplets_fit: bool = False
    rigid: tuple[int, int] = (0, 0)
    rhyme: Rhyme = NO_RHYME
    faults: tuple[Fault, ...] = ()
    tones: str = ""
    lengths: tuple[int, ...] = ()

    @property
    def is_regular(self) -> bool:
        """Whether the poem rhymes in 平 and is L2 or stricter, which is what the textbooks ask for."""
        return self.rhyme.status == "平" and self.level <= L2

    def record(self) -> dict[str, object]:
        """The scansion as JSON values: form, template, level, rhyme, faults and tones.

        Without a regular form they are empty or None.
        """
        return {
            "form": self.form,
            "template": self.template,
            "level": LEVELS[self.level] if self.form else None,
            "rhyme": asdict(self.rhyme) | {"groups": list(self.rhyme.groups)} if self.form else None,
            "faults": list(map(str, self.faults)),
            "tones": self.tones,
        }

    def __str__(self) -> str:
        if not self.form:
            counts = " ".join(map(str, self.lengths)) or "no"
            return f"no regular form: lines of {counts} characters, not 4 or 8 lines all of 5 or all of 7"
        rhyme = f"{self.rhyme.status}韻 {'/'.join(self.rhyme.groups)}" if self.rhyme.status else "不押韻"
        lines = split_lines(self.tones)
        strip = "\n".join("".join(lines[i : i + 2]) for i in range(0, len(lines), 2))
        faults = "".join(f"\n{fault}" for fault in self.faults)
        return f"{self.form} {self.template} {LEVELS[self.level]} {rhyme}\n{strip}{faults}"


def scan(text: str) -> Scansion:
    """Judges a poem by the rules of the form that it has.

    Args:
        text: hanzi in traditional or simplified script. A line may end with any punctuation mark, a space or
            a line break.

    Raises:
        InvalidValueError: `text` is not text, or longer than MAX_POEM.

    Example:
        >>> scan("白日依山盡，黃河入海流。欲窮千里目，更上一層樓。").is_regular
        True
        >>> for fault in scan("春風吹綠水，明月照青山。客來聽夜雨，花落滿人間。").faults:
        ...     print(fault)
        第3句第2字「來」失粘
    """
    check_poem(text)
    text = with_line_ends(text)
    form = form_of(text)
    if not form:
        return Scansion("", lengths=tuple(line_lengths(text)))
    in_simplified = is_simplified(text)
    lines = [line.rstrip(LINE_ENDS) for line in split_lines(text)]
    rhyme = rhyme_of([line[-1] for line in lines[1::2]], lines[0][-1], in_simplified)
    masks = _masks(lines, rhyme, in_simplified)
    fits = [_fit(masks, template) for template in templates(form)]
    best = min(fits, key=lambda fit: (fit.level, -fit.right))
    faults = tone_faults(lines, masks, best.template, rhyme.status == "仄")
    faults += rhyme_faults(lines, rhyme, in_simplified)
    return Scansion(
        form,
        best.template.name,
        best.level,
        _couplets_fit(masks),
        (best.right, best.places),
        rhyme,
        tuple(sorted(faults, key=lambda fault: (fault.line, fault.place))),
        join_lines("".join(SIGNS[mask] for mask in line) for line in masks),
        tuple(map(len, lines)),
    )


def _masks(lines: Sequence[str], rhyme: Rhyme, in_simplified: bool) -> list[Masks]:
    """The tone masks of a poem, whose even lines, and first line if it rhymes, end in rhyme words."""
    masks = []
    for number, line in enumerate(lines):
        is_rhyme = number % 2 == 1 or (number == 0 and bool(rhyme.first_line))
        inside = [tone_mask(character, in_simplified) for character in line[:-1]]
        masks.append((*inside, tone_mask(line[-1], in_simplified, is_rhyme)))
    return masks


class _Fit(NamedTuple):
    """How a poem fits a template: its level, and how many of the rigid places are right."""

    template: Template
    level: int
    right: int
    places: int


def _fit(masks: Sequence[Masks], template: Template) -> _Fit:
    kinds = template.kinds
    level = max(couplet_level(masks[i], masks[i + 1], kinds[i : i + 2]) for i in range(0, len(masks), 2))
    right = [
        is_right for line, kind in zip(masks, kinds, strict=True) for is_right in right_places(line, kind)
    ]
    return _Fit(template, level, sum(right), len(right))


def _couplets_fit(masks: Sequence[Masks]) -> bool:
    """Whether each couplet fits, at L3 or stricter, some pair of line kinds that is allowed in its place."""
    for i in range(0, len(masks), 2):
        pairs = ("Ab", "Ba") if i else ("Ab", "Ba", "ab", "ba")  # of the odd lines, only the first may rhyme
        if all(couplet_level(masks[i], masks[i + 1], kinds) > L3 for kinds in pairs):
            return False
    return True
