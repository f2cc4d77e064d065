"""The judgement on one poem as text: tones and numbered faults below the characters, then what they mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TextIO

from ..novelty.borrowed import borrowed, source_of
from ..prosody.faults import Fault
from ..prosody.lines import LINE_ENDS, split_lines
from ..prosody.readings import tones
from ..prosody.templates import LEVELS
from ..prosody.verdict import FAULT_MEANINGS, rhyme_words, verdict_of
from ..terminal import width
from .reading import Judged
from .screen import BOLD, DIM, RED, in_cells, paint

NUMBERS = "１２３４５６７８９ＡＢＣＤＥＦＧＨＩＪＫＬＭＮＯＰＱＲＳＴＵＶＷＸＹＺ"
BEYOND = "＊"  # marks the faults for which there is no number any more
GAP = "\u3000"  # a space as wide as a hanzi
ROW = 36  # characters in a row; two lines of a couplet stand beside each other if they fit
MARGIN = "  "


def poem_view(poem: Judged, stream: TextIO) -> str:
    """The judgement as several lines of text, for a stream.

    Below each row of verse are the tones, with 〇 for a character that has both, and below those the numbers
    of the faults. All of these signs are as wide as a hanzi.
    """
    marks = _marks(poem.scansion.faults)
    parts = ["\n".join(_rows(poem, marks, stream)), "\n".join(_verdict(poem, stream))]
    if poem.title or poem.author:
        parts.insert(0, paint("  ".join(filter(None, [poem.title, poem.author])), BOLD, stream))
    if faults := "\n".join(_faults(poem.scansion.faults, marks, stream)):
        parts.append(faults)
    if couplets := "\n".join(_couplets(poem, stream)):
        parts.append(couplets)
    if novelty := "\n".join(_novelty(poem, stream)):
        parts.append(novelty)
    return "\n\n".join(parts)


def _marks(faults: Sequence[Fault]) -> dict[tuple[int, int], str]:
    """The number of each place that has a fault, by the numbers of its line and its character."""
    places = list(dict.fromkeys((fault.line, max(fault.place, 1)) for fault in faults))
    return {place: NUMBERS[i] if i < len(NUMBERS) else BEYOND for i, place in enumerate(places)}


def _rows(poem: Judged, marks: dict[tuple[int, int], str], stream: TextIO) -> Iterator[str]:
    """The rows of verse, each with the row of its tones and, if it has faults, that of their numbers."""
    signs = poem.scansion.tones or tones(poem.text)
    signs = "".join(GAP if sign in LINE_ENDS else sign for sign in signs.replace("○", "〇"))
    numbers = "".join(
        marks.get((number, place), GAP)
        for number, line in enumerate(split_lines(poem.text), 1)
        for place in range(1, len(line) + 1)
    )
    for start, end in _stretches(poem.text):
        yield MARGIN + in_cells(poem.text[start:end])
        yield MARGIN + paint(signs[start:end].rstrip(), DIM, stream)
        if row := numbers[start:end].rstrip():
            yield MARGIN + paint(row, RED, stream)


def _stretches(text: str) -> Iterator[tuple[int, int]]:
    """Where each row begins and ends: it has the lines up to `。` if they fit, and is cut if none does."""
    start = end = 0
    for line in split_lines(text):
        after = end + len(line)
        if after - start > ROW and end > start:
            yield start, end
            start = end
        while after - start > ROW:
            yield start, start + ROW
            start += ROW
        end = after
        if line.endswith("。"):
            yield start, end
            start = end
    if end > start:
        yield start, end


def _verdict(poem: Judged, stream: TextIO) -> Iterator[str]:
    report = poem.scansion
    chinese, english = verdict_of(report)
    yield MARGIN + chinese
    if not report.form:
        yield MARGIN + paint(str(report), DIM, stream)
        return
    yield MARGIN + paint(english, DIM, stream)
    right, places = report.rigid
    words = " ".join(rhyme_words(poem.text, report))
    rhyme = f" · 韻腳 rhyme words: {words}" if words else ""
    level = f"level {LEVELS[report.level]} · {right} of {places} fixed places right"
    yield MARGIN + paint(level + rhyme, DIM, stream)


def _faults(faults: Sequence[Fault], marks: dict[tuple[int, int], str], stream: TextIO) -> Iterator[str]:
    """Each fault with its number, and what its kind means where it comes first."""
    explained = set()
    names = [str(fault) for fault in faults]
    columns = max(map(width, names), default=0)
    for fault, name in zip(faults, names, strict=True):
        mark = paint(marks[fault.line, max(fault.place, 1)], RED, stream)
        meaning = "" if fault.kind in explained else FAULT_MEANINGS[fault.kind]
        explained.add(fault.kind)
        space = " " * (columns - width(name) + 2) if meaning else ""
        yield f"{MARGIN}{mark} {name}{space}{paint(meaning, DIM, stream)}"


def _couplets(poem: Judged, stream: TextIO) -> Iterator[str]:
    """The middle couplets of a 律詩: whether each is parallel, and its aligned characters."""
    for couplet in poem.couplets:
        chinese, english = couplet.verdict
        score = "" if couplet.parallelism is None else f" · {couplet.parallelism:.2f}"
        pairs = paint(f"{english}{score} · {' '.join(couplet.pairs)}", DIM, stream)
        yield f"{MARGIN}{couplet.name} {chinese} {pairs}"


def _novelty(poem: Judged, stream: TextIO) -> Iterator[str]:
    if poem.matches is None:
        return
    known = borrowed(poem.matches)
    if not known:
        yield MARGIN + paint("無一句見於全唐詩 · no line occurs in 全唐詩", DIM, stream)
        return
    yield f"{MARGIN}見於全唐詩 · occurs in 全唐詩:"
    for match in known:
        yield f"{MARGIN}第{match.line}句「{match.text}」{source_of(match)}"
