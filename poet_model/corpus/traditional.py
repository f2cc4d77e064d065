"""Gives simplified poems the traditional characters that 全唐詩 writes, counted in traditional.txt.xz.

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
from ..prosody.lines import LINE_ENDS

TABLE = Path(__file__).with_name("traditional.txt.xz")
EDGE = "，"  # what stands beside the first and last character of a line in the counts
_LINE = re.compile(f"[^{LINE_ENDS}]+")
_WEIGHT = 3.0  # of the totals against the counts in a context, which are places
KINDS = ("left", "right", "author")  # of contexts: the character on either side, and the author's name
Counts = tuple[int, ...]  # in the order of Family.forms


@dataclass
class Family:
    """Characters that simplified script does not tell apart, and how often 全唐詩 has each traditional form.

    Args:
        members: all its characters, simplified and traditional; the first stands for them in lines.
        forms: the traditional ones.
        allowed: by character of a simplified text, the forms that it may stand for.
        total: how often each form occurs.
        contexts: for each of KINDS, how often each form occurs in a context.
    """

    members: str
    forms: str
    allowed: dict[str, str]
    total: Counts
    contexts: dict[str, dict[str, Counts]] = field(default_factory=lambda: {kind: {} for kind in KINDS})

    def choose(self, character: str, left: str, right: str, author: str) -> str:
        """The most probable form for a character of a simplified text, between two others.

        The contexts count as independent: P(form | a, b, c) ~ P(form) · Π P(form | x) / P(form).
        """
        whole = sum(self.total) + 0.5 * len(self.total)
        shares = joint = [(count + 0.5) / whole for count in self.total]
        for kind, context in zip(KINDS, (left, right, author), strict=True):
            if counts := self.contexts[kind].get(context):
                scale = sum(counts) + _WEIGHT
                evidence = [(n + _WEIGHT * p) / scale / p for n, p in zip(counts, shares, strict=True)]
                joint = [p * e for p, e in zip(joint, evidence, strict=True)]
        return max(self.allowed[character], key=lambda form: joint[self.forms.index(form)])


class TraditionalForms:
    """The table: families of characters, and the lines of 全唐詩 for which their counts mislead.

    Args:
        families: the families.
        lines: by `line_key`, the forms at some places of a line, as in `0余3征`.
    """

    def __init__(self, families: Sequence[Family], lines: dict[str, str]):
        self._families = {c: family for family in families for c in family.members}
        self._lines = lines
        self._sure = _Cache(lambda character: self._look_up(character)[1])
        self._folded = _Cache(lambda character: self._look_up(character)[0])
        open_characters = [c for family in families for c, forms in family.allowed.items() if len(forms) > 1]
        self._choices = re.compile(f"[{''.join(open_characters)}]")

    def restore(self, text: str, title: str = "", author: str = "") -> tuple[str, str, str]:
        """The simplified text, title and author of a poem in the characters of 全唐詩."""
        name = self.fold(author)

        def restored(value: str) -> str:
            return _LINE.sub(lambda match: self._restore_line(match[0], name), value)

        return restored(text), restored(title), restored(author)

    def _restore_line(self, line: str, author: str) -> str:
        places = [match.start() for match in self._choices.finditer(line)]
        if not places:
            return line.translate(self._sure)
        forms, folded = list(line.translate(self._sure)), self.fold(line)
        listed = re.findall(r"(\d+)(\D)", self._lines.get(line_key(folded), ""))
        known = {int(place): form for place, form in listed}
        for place in places:
            family = self._families[line[place]]
            if known.get(place, "-") in family.allowed[line[place]]:
                forms[place] = known[place]
            else:
                forms[place] = family.choose(line[place], *neighbours(folded, place), author)
        return "".join(forms)

    def fold(self, text: str) -> str:
        """The text with one character for each family, so that all spellings of a line become equal."""
        return text.translate(self._folded)

    def _look_up(self, character: str) -> tuple[str, str]:
        """The character that stands for a character's family, and its form where it has no choice."""
        if family := self._families.get(character):
            return family.members[0], family.allowed.get(character, character)[0]
        [simplified] = script.characterwise(script.to_simplified, [character])
        form = character
        if simplified == character:
            [form] = script.characterwise(script.to_traditional, [character])
        family = self._families.get(form) or self._families.get(simplified)
        return (family.members[0] if family else simplified), form


class _Cache(dict[int, str]):
    """A table for str.translate that calls a function for each new character."""

    def __init__(self, function: Callable[[str], str]):
        super().__init__()
        self._function = function

    def __missing__(self, code: int) -> str:
        self[code] = self._function(chr(code))
        return self[code]


def write_table(path: Path, families: Iterable[Family], lines: dict[str, str]) -> None:
    """Writes a table: a JSON value for each family, its contexts grouped by counts, and one for the lines."""
    rows = []
    for family in families:
        groups = {kind: _group(contexts, kind) for kind, contexts in family.contexts.items()}
        rows.append([family.members, family.forms, family.allowed, list(family.total), groups])
    text = "\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in [*rows, lines])
    path.write_bytes(lzma.compress(text.encode("utf-8"), preset=9 | lzma.PRESET_EXTREME))


def read_table(path: Path = TABLE) -> TraditionalForms:
    """The table in a file that `write_table` has written."""
    *rows, lines = map(json.loads, lzma.decompress(path.read_bytes()).decode("utf-8").split("\n"))
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
    separator = "|" if kind == "author" else ""
    return {counts: separator.join(found) for counts, found in groups.items()}


def _ungroup(groups: dict[str, str], kind: str) -> dict[str, Counts]:
    contexts: dict[str, Counts] = {}
    for counts, joined in groups.items():
        found = joined.split("|") if kind == "author" else joined
        contexts |= dict.fromkeys(found, tuple(map(int, counts.split())))
    return contexts


def neighbours(line: str, place: int) -> tuple[str, str]:
    """The characters to the left and right of a place in a line."""
    return (line[place - 1] if place else EDGE), (line[place + 1] if place + 1 < len(line) else EDGE)


def line_key(folded: str) -> str:
    """The name under which the table has a line: short, since it has only thousands of them."""
    return f"{zlib.crc32(folded.encode()):08x}"
