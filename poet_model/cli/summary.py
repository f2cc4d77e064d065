"""Summary: many judged poems as one row each, and as a table of their forms, levels, rhymes and faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TextIO

from ..novelty.borrowed import borrowed
from ..prosody.faults import Fault
from ..prosody.lines import FORMS, LINE_ENDS, split_lines
from ..prosody.templates import LEVELS
from ..prosody.verdict import FAULT_MEANINGS, rhyme_verdict
from .reading import Judged
from .screen import BOLD, DIM, RED, filled, paint

POEM = 24  # columns for a poem's title or first line
RHYME = 14
HEADER = f"{'':>5}  form  level  {filled('rhyme', RHYME)}  {filled('poem', POEM)}  faults"
OTHER = "other"
LEVEL_MEANINGS = {
    "L0": "the exact patterns",
    "L1": "regular: 一三五不論",
    "L2": "regular: with a break made good (拗救)",
    "L3": "nearly regular: as Tang poets also accepted",
    "L4": "right in the second, fourth, sixth and last places only",
    "L5": "not regular",
}
RHYMES = {"平": "level tone, one group", "鄰": "neighbouring groups", "仄": "oblique", "": "none"}


def row_of(number: int, poem: Judged, stream: TextIO) -> str:
    """A poem as one line: number, form, level, rhyme, its title or first line, and its faults by kind."""
    report = poem.scansion
    name = " ".join(filter(None, [poem.title, poem.author])) or split_lines(poem.text)[0].strip(LINE_ENDS)
    level, rhyme = "", ""
    if report.form:
        level, rhyme = LEVELS[report.level], rhyme_verdict(report.rhyme)[0]
    shown = [filled(report.form or "－", 4), filled(level, 5), filled(rhyme, RHYME), filled(name, POEM)]
    faults = paint(" ".join(_counts_in_words(report.faults)), RED, stream)
    return f"{number:>5}  {'  '.join(shown)}  {faults}".rstrip()


def _counts_in_words(faults: tuple[Fault, ...]) -> Iterator[str]:
    """The kinds of faults, in the order of FAULT_MEANINGS, with `×2` if there are several."""
    counts = Counter(fault.kind for fault in faults)
    for kind in FAULT_MEANINGS:
        if counts[kind]:
            yield kind + (f"×{counts[kind]}" if counts[kind] > 1 else "")


class Summary:
    """Counts of judged poems.

    Attributes:
        num_poems: how many there are.
        num_regular: how many of them rhyme in one group of 平 and have regular tones.
    """

    def __init__(self) -> None:
        self.num_poems = self.num_regular = 0
        self._forms: Counter[str] = Counter()
        self._levels: Counter[str] = Counter()
        self._rhymes: Counter[str] = Counter()
        self._with_fault: Counter[str] = Counter()
        self._num_borrowing: int | None = None

    def add(self, poem: Judged) -> None:
        """Counts a poem."""
        report = poem.scansion
        self.num_poems += 1
        self.num_regular += report.is_regular
        self._forms[report.form or OTHER] += 1
        if poem.matches is not None:
            self._num_borrowing = (self._num_borrowing or 0) + bool(borrowed(poem.matches))
        if report.form:
            self._levels[LEVELS[report.level]] += 1
            self._rhymes[report.rhyme.status] += 1
        self._with_fault.update({fault.kind for fault in report.faults})

    def table(self, stream: TextIO) -> str:
        """The counts and shares as a table, for a stream. The last rows count the poems with a fault."""
        lines, before = [], ""
        for name, value, count, whole, note in self._rows():
            head = paint(filled(name if name != before else "", 8), BOLD, stream)
            share = f"{count / whole:7.1%}" if whole else " " * 7
            line = f"  {head} {filled(value, 6)} {count:>9,} {share}  {paint(note, DIM, stream)}"
            lines.append(line.rstrip())
            before = name
        if 0 < self._forms[OTHER] < self.num_poems:
            note = "shares of level, rhyme and faults: of the poems with a form"
            lines.append(f"\n  {paint(note, DIM, stream)}")
        return "\n".join(lines)

    def _rows(self) -> Iterator[tuple[str, str, int, int, str]]:
        """Name, value, count, the number of poems that the share is of, and a note."""
        poems, with_form = self.num_poems, self.num_poems - self._forms[OTHER]

        def rows(
            name: str, counts: Mapping[str, int], notes: Mapping[str, str], whole: int
        ) -> Iterator[tuple[str, str, int, int, str]]:
            return ((name, v or "－", counts[v], whole, note) for v, note in notes.items() if counts[v])

        yield "poems", "", poems, 0, ""
        yield from rows("form", self._forms, dict.fromkeys((*FORMS, OTHER), ""), poems)
        yield from rows("level", self._levels, LEVEL_MEANINGS, with_form)
        yield from rows("rhyme", self._rhymes, RHYMES, with_form)
        yield "regular", "", self.num_regular, poems, "rhyme in one group of 平, level L2 or stricter"
        if self._num_borrowing is not None:
            yield "borrow", "", self._num_borrowing, poems, "at least four characters of 全唐詩"
        yield from rows("with", self._with_fault, FAULT_MEANINGS, with_form)
