"""Couplet: the two lines of a middle couplet of a 律詩, and how parallel they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..prosody.lines import LINE_ENDS, form_of, split_lines, with_line_ends
from .space import similarities

# the first lines, counted from 0, of the couplets of a 律詩 that should be parallel, with their names
MIDDLE = {2: "頷聯", 4: "頸聯"}
FORMS = ("五律", "七律")  # the forms that have them
# The parallelism from which a couplet counts as parallel. If the second line of a held-out Tang couplet is
# replaced by that of another poem, 5 % of them have as much (benchmarks/couplets.py).
LEAST = 0.19


def parallelism(line: str, other: str) -> float | None:
    """How parallel two lines are: how much more alike are aligned characters than unaligned ones.

    With s(i, j) the similarity of character i of one line to character j of the other, and L characters in
    each, it is the mean of s(i, i) over the L places, minus the mean of s(i, j) over the L (L - 1) pairs of
    different places. So a common topic does not count, only that words of the same kind meet in the same
    place. It is about 0 for two lines that have nothing to do with each other, and at most 2. Pairs that
    `similarities` does not know are left out of both means.

    Args:
        line, other: two lines of the same length, without punctuation, in either script.

    Returns:
        None if the lines differ in length, or too few of their characters are known.

    Example:
        >>> round(parallelism("兩箇黃鸝鳴翠柳", "一行白鷺上青天"), 2)
        0.5
        >>> parallelism("春眠不覺曉", "處處聞啼")
    """
    return _parallelism(similarities(line, other)) if line and len(line) == len(other) else None


def _parallelism(table: np.ndarray) -> float | None:
    is_aligned = np.eye(len(table), dtype=bool)
    aligned, unaligned = table[is_aligned], table[~is_aligned]
    aligned, unaligned = aligned[~np.isnan(aligned)], unaligned[~np.isnan(unaligned)]
    return float(aligned.mean() - unaligned.mean()) if aligned.size and unaligned.size else None


@dataclass(frozen=True)
class Couplet:
    """A middle couplet of a 律詩.

    Attributes:
        name: 頷聯 (the third and fourth lines) or 頸聯 (the fifth and sixth).
        lines: its two lines, without punctuation.
        parallelism: see the function; None if too few characters are known.
        similarities: of the aligned characters; None for a pair that is not known.
        repeated: the characters of the first line that the second one repeats, which is a fault.
    """

    name: str
    lines: tuple[str, str]
    parallelism: float | None
    similarities: tuple[float | None, ...]
    repeated: str

    @classmethod
    def of(cls, name: str, line: str, other: str) -> Couplet:
        """The couplet of two lines of the same length."""
        table = similarities(line, other)
        aligned = tuple(None if np.isnan(one) else round(float(one), 3) for one in table.diagonal())
        score = _parallelism(table)
        repeated = "".join(character for character in dict.fromkeys(line) if character in other)
        return cls(name, (line, other), None if score is None else round(score, 3), aligned, repeated)

    @property
    def is_parallel(self) -> bool:
        """Whether it is at least as parallel as LEAST, and repeats no character."""
        return self.parallelism is not None and self.parallelism >= LEAST and not self.repeated

    @property
    def pairs(self) -> list[str]:
        """The aligned characters, two and two."""
        return [one + two for one, two in zip(*self.lines, strict=True)]

    @property
    def verdict(self) -> tuple[str, str]:
        """Whether the couplet is parallel, in Chinese and in English."""
        if self.repeated:
            return f"上下句重字「{self.repeated}」", f"repeats {' '.join(self.repeated)} in its second line"
        return ("對仗", "parallel") if self.is_parallel else ("不成對仗", "not parallel")

    def record(self) -> dict[str, object]:
        """The couplet as JSON values."""
        return {
            "name": self.name,
            "lines": list(self.lines),
            "parallelism": self.parallelism,
            "is_parallel": self.is_parallel,
            "pairs": [list(pair) for pair in zip(self.pairs, self.similarities, strict=True)],
            "repeated": self.repeated,
        }

    def __str__(self) -> str:
        score = "？" if self.parallelism is None else f"{self.parallelism:.2f}".replace("0.", ".")
        return f"{self.name} {self.verdict[0]} {score} {' '.join(self.pairs)}"


def middle_couplets(text: str) -> tuple[Couplet, ...]:
    """The middle couplets of a 五律 or 七律, in either script; empty for a text of another form.

    Args:
        text: the poem, with any punctuation, as for `prosody.scan`.
    """
    return tuple(Couplet.of(MIDDLE[first], *lines) for first, lines in _middle_lines(with_line_ends(text)))


def _middle_lines(text: str) -> Iterator[tuple[int, tuple[str, str]]]:
    if form_of(text) in FORMS:
        lines = [line.rstrip(LINE_ENDS) for line in split_lines(text)]
        for first in MIDDLE:
            yield first, (lines[first], lines[first + 1])
