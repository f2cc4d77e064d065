"""Arranges the lines of a text as people write it: each ends in `，` or `。`, none is torn or glued."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..prosody.lines import LINE_ENDS, fill_ends, join_lines, read_stretches

TORN = "lines torn by breaks, spaces or columns"
_FULL_STOPS = str.maketrans("；;", "。。")  # in 全唐詩 a semicolon ends a couplet, beside commas
_COLUMN_MARK = re.compile(r"[,;?|/\t]")
_INNER_SPACE = re.compile(r"(?<=\w)[ \t\u3000]+(?=\w)")


def arrange(text: str) -> tuple[str, str]:
    """The text as lines that end in `，` or `。`.

    Breaks end lines as marks do. Spaces end them where nothing else does, or where all lines are then of
    equal length. Where the lines cannot be told from torn ones, or from columns beside them, nothing is
    guessed.

    Returns:
        The arranged text and ''; or, if the lines that were written cannot be told, '' and the reason.
    """
    if re.search("[，,]", text):
        text = text.translate(_FULL_STOPS)
    lines, marks = _split(text)
    if not any(marks):
        is_torn = not _are_equal(lines) and (len(text.splitlines()) < 2 or _begins_with_header(lines, 4))
        return ("", TORN) if is_torn else (_close(join_lines(lines)), "")
    if has_spaces := _INNER_SPACE.search(text) is not None:
        spaced = _split(_INNER_SPACE.sub("，", text))
        if _are_equal(spaced[0]) and len(spaced[0][0]) > 2 and len(spaced[0]) % 2 == 0:
            lines, marks = spaced
    if _COLUMN_MARK.search(text) and _may_be_columns(text, lines):
        return "", TORN
    if not _are_equal(lines):
        if "" in marks[:-1] and not _ends_sentences_by_breaks(text):
            lines, marks = _join_torn(lines, marks)
            has_spaces = True
        if has_spaces and not _are_equal(lines):
            return "", TORN
    return _close("".join(map("".join, zip(lines, fill_ends(marks), strict=True)))), ""


def _may_be_columns(text: str, lines: Sequence[str]) -> bool:
    """Whether a text with half-width marks may hold a title or a name as well, as in `title,author,poem`."""
    if "，" in text:  # so a half-width comma has another meaning
        return not _are_equal(lines) or len(lines) % 2 == 1
    return _begins_with_header(lines, 2)


def _begins_with_header(lines: Sequence[str], at_least: int) -> bool:
    """Whether one or two stretches stand before `at_least` or more lines of one length."""
    return not _are_equal(lines) and any(
        _are_equal(lines[start:]) for start in (1, 2) if len(lines) >= start + at_least
    )


def _split(text: str) -> tuple[list[str], list[str]]:
    """The lines of a text, and the mark after each: `，`, `。`, or '' for a break or the end."""
    stretches = read_stretches(text)
    return [line for line, _ in stretches], [mark for _, mark in stretches]


def _are_equal(lines: Sequence[str]) -> bool:
    return len(set(map(len, lines))) <= 1


def _ends_sentences_by_breaks(text: str) -> bool:
    """Whether every break, and the text's end, lacks a mark, with as many lines in front of each."""
    parts = [_split(part) for part in text.splitlines() if part.strip()]
    return len({len(lines) for lines, _ in parts}) == 1 and not any(marks[-1] for _, marks in parts)


def _join_torn(lines: Sequence[str], marks: Sequence[str]) -> tuple[list[str], list[str]]:
    """Joins each line that a break ends without a mark with the next line."""
    joined = [""]
    for line, mark in zip(lines, marks, strict=True):
        joined[-1] += line
        if mark:
            joined.append("")
    kept = [mark for mark in marks if mark]
    return (joined[:-1], kept) if not joined[-1] else (joined, [*kept, ""])


def _close(text: str) -> str:
    return text.rstrip(LINE_ENDS) + "。" if text else ""
