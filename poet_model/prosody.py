"""Lines and regular forms of a poem. No torch, no model: text in, facts out."""

from __future__ import annotations

import re

LINE_ENDS = "，。"
FORMS = ("五絕", "七絕", "五律", "七律")
# (lines, characters a line)
_FORM_OF_SHAPE = {(4, 5): "五絕", (4, 7): "七絕", (8, 5): "五律", (8, 7): "七律"}


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


def form_of(text: str) -> str:
    """`五絕 七絕 五律 七律` if number and length of lines are right and `，` and `。` alternate; else ''."""
    lengths = line_lengths(text)
    ends = "".join(character for character in text if character in LINE_ENDS)
    if len(set(lengths)) != 1 or ends != "，。" * (len(lengths) // 2):
        return ""
    return _FORM_OF_SHAPE.get((len(lengths), lengths[0]), "")
