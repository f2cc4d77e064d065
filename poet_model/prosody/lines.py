"""The lines of a poem: how many, how long, and which regular form they make."""

from __future__ import annotations

import re
from collections.abc import Iterable

LINE_ENDS = "，。"
FORMS = ("五絕", "七絕", "五律", "七律")
# (lines, characters a line)
SHAPES = {"五絕": (4, 5), "七絕": (4, 7), "五律": (8, 5), "七律": (8, 7)}
_FORM_OF_SHAPE = {shape: form for form, shape in SHAPES.items()}


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


def with_line_ends(text: str) -> str:
    """The text with `，` and `。` in turn if its lines, however ended, have a regular form; else the text."""
    joined = join_lines(re.findall(r"\w+", text))
    return joined if shape_of(joined) else text
