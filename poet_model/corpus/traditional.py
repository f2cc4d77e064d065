"""Gives simplified text the traditional characters that 全唐詩 writes, as traditional.txt.xz counts them there.

The table is made by tools/make_traditional_forms.py. Nothing here decides whether a text is simplified.
"""

from __future__ import annotations

import functools
import json
import lzma
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .. import script

TABLE = Path(__file__).with_name("traditional.txt.xz")
EDGE = "，"  # what stands beside the first and last character of a line in the counts
_AUTHOR_SEPARATOR = "|"
_LINE = re.compile("[^，。]+")
# How many places the estimate without a context counts for, against the places counted in that context
_WEIGHT = {"left": 4.0, "right": 4.0, "author": 2.0, "both": 6.0}
Counts = tuple[int, ...]  # in the order of Family.forms


@dataclass
class Family:
    """Characters that simplified script does not tell apart, and how often 全唐詩 has each traditional form.

    Args:
        members: all its characters, simplified and traditional; the first stands for them in lines.
        forms: the traditional ones.
        allowed: by character of a simplified text, the forms that it may stand for.
        total: how often each form occurs.
        contexts: by kind of context (the character to the left or right, both, the author's name), how often
            each form occurs in that context.
    """

    members: str
    forms: str
    allowed: dict[str, str]
    total: Counts
    contexts: dict[str, dict[str, Counts]] = field(default_factory=dict)

    def choose(self, character: str, left: str, right: str, author: str) -> str:
        """The most probable form for a character of a simplified text, between two others."""
        allowed = self.allowed[character]
        if len(allowed) == 1:
            return allowed
        whole = sum(self.total) + 0.5 * len(self.total)
        base = [(count + 0.5) / whole for count in self.total]
        parts = (
            self._estimate("left", left, base),
            self._estimate("right", right, base),
            self._estimate("author", author, base),
        )
        joint = [p * q * r / b**2 for p, q, r, b in zip(*parts, base, strict=True)]
        scale = sum(joint)
        shares = self._estimate("both", left + right, [value / scale for value in joint])
        return max(allowed, key=lambda form: shares[self.forms.index(form)])

    def _estimate(self, kind: str, context: str, prior: Sequence[float]) -> Sequence[float]:
        """The probability of each form in a context, where `prior` is that without it."""
        counts = self.contexts[kind].get(context)
        if counts is None:
            return prior
        weight = _WEIGHT[kind]
        whole = sum(counts) + weight
        return [(count + weight * p) / whole for count, p in zip(counts, prior, strict=True)]


class TraditionalForms:
    """The table: families of characters, and the lines of 全唐詩 for which their counts mislead.

    Args:
        families: the families.
        lines: by `line_key`, the forms at some places of a line, as in `0余3征`.
    """

    def __init__(self, families: Sequence[Family], lines: dict[str, str]):
        self._families = {c: family for family in families for c in family.members}
        self._lines = lines
        self._known: dict[str, tuple[str, str]] = {}

    def restore(
        self, text: str, title: str = "", author: str = "", *, is_open: Callable[[str], bool] = lambda c: True
    ) -> tuple[str, str, str]:
        """The text, title and author of a poem in the characters of 全唐詩.

        Args:
            text: the poem, in lines that end in `，` or `。`.
            title, author: its header.
            is_open: whether a character may be changed.
        """
        name = self.fold(author)
        return tuple(
            _LINE.sub(lambda match: self._restore_line(match[0], name, is_open), value)
            for value in (text, title, author)
        )

    def _restore_line(self, line: str, author: str, is_open: Callable[[str], bool]) -> str:
        forms = list(line)
        folded = self.fold(line)
        listed = re.findall(r"(\d+)(\D)", self._lines.get(line_key(folded), ""))
        known = {int(place): form for place, form in listed}
        for place, character in enumerate(line):
            if not is_open(character):
                continue
            family = self._families.get(character)
            if family is None or character not in family.allowed:
                forms[place] = self._look_up(character)[1]
            elif known.get(place, "-") in family.allowed[character]:
                forms[place] = known[place]
            else:
                forms[place] = family.choose(character, *neighbours(folded, place), author)
        return "".join(forms)

    def fold(self, text: str) -> str:
        """The text with one character for each family, so that all spellings of a line become equal."""
        return "".join(self._look_up(c)[0] for c in text)

    def _look_up(self, character: str) -> tuple[str, str]:
        """The character that stands for a character's family, and the form of one without a choice."""
        if found := self._known.get(character):
            return found
        family, form = self._families.get(character), character
        if family is None:
            [simplified] = script.characterwise(script.to_simplified, [character])
            if simplified == character:
                [form] = script.characterwise(script.to_traditional, [character])
            family = self._families.get(form) or self._families.get(simplified)
        self._known[character] = (family.members[0] if family else simplified, form)
        return self._known[character]


def write_table(path: Path, families: Iterable[Family], lines: dict[str, str]) -> None:
    """Writes a table: a JSON value per family, in which contexts are grouped by their counts, and the lines."""
    rows = []
    for family in families:
        groups = {kind: _group(contexts, kind) for kind, contexts in family.contexts.items()}
        rows.append([family.members, family.forms, family.allowed, list(family.total), groups])
    text = "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in [*rows, lines])
    path.write_bytes(lzma.compress(text.encode("utf-8"), preset=9 | lzma.PRESET_EXTREME))


def read_table(path: Path = TABLE) -> TraditionalForms:
    """The table in a file that `write_table` has written."""
    *rows, lines = map(json.loads, lzma.decompress(path.read_bytes()).decode("utf-8").splitlines())
    families = [
        Family(members, forms, allowed, tuple(total), {kind: _ungroup(groups[kind], kind) for kind in groups})
        for members, forms, allowed, total, groups in rows
    ]
    return TraditionalForms(families, lines)


@functools.cache
def traditional_forms() -> TraditionalForms:
    """The table of 全唐詩, read when it is first needed."""
    return read_table()


def _group(contexts: dict[str, Counts], kind: str) -> dict[str, str]:
    groups: dict[str, list[str]] = {}
    for context, counts in sorted(contexts.items()):
        groups.setdefault(" ".join(map(str, counts)), []).append(context)
    return {counts: (_AUTHOR_SEPARATOR if kind == "author" else "").join(found) for counts, found in groups.items()}


def _ungroup(groups: dict[str, str], kind: str) -> dict[str, Counts]:
    contexts: dict[str, Counts] = {}
    for counts, joined in groups.items():
        if kind == "author":
            found = joined.split(_AUTHOR_SEPARATOR)
        else:
            found = joined if kind != "both" else map("".join, zip(joined[::2], joined[1::2], strict=True))
        contexts |= dict.fromkeys(found, tuple(map(int, counts.split())))
    return contexts


def neighbours(line: str, place: int) -> tuple[str, str]:
    """The characters to the left and right of a place in a line."""
    return (line[place - 1] if place else EDGE), (line[place + 1] if place + 1 < len(line) else EDGE)


def line_key(folded: str) -> str:
    """The name under which the table has a line: short, since it has only thousands of them."""
    return f"{zlib.crc32(folded.encode()):08x}"
