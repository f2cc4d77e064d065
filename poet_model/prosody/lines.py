"""The lines of a poem: how many, how long, and which regular form they make."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

LINE_ENDS = "，。"
FORMS = ("五絕", "七絕", "五律", "七律")
# number of lines, characters per line
SHAPES = {"五絕": (4, 5), "七絕": (4, 7), "五律": (8, 5), "七律": (8, 7)}
_FORM_OF_SHAPE = {shape: form for form, shape in SHAPES.items()}


def split_lines(text: str) -> list[str]:
    """The lines of a poem, each with its `，` or `。`. Text after the last line end is a line as well."""
    return re.findall(rf"[^{LINE_ENDS}]*[{LINE_ENDS}]|[^{LINE_ENDS}]+$", text)


def line_lengths(text: str) -> list[int]:
    """The number of characters in each line, without punctuation."""
    return [len(line.rstrip(LINE_ENDS)) for line in split_lines(text)]


def has_equal_lines(text: str) -> bool:
    """Whether the text consists of at least two lines of one length and ends with `。`."""
    lengths = line_lengths(text)
    return text.endswith("。") and len(lengths) >= 2 and lengths[0] > 0 and len(set(lengths)) == 1


def join_lines(lines: Iterable[str]) -> str:
    """Joins lines without punctuation into a text in which `，` and `。` alternate."""
    return "".join(line + LINE_ENDS[number % 2] for number, line in enumerate(lines))


def shape_of(text: str) -> str:
    """The form with the number and length of lines of the text, however `，` and `。` are placed; or ""."""
    lengths = line_lengths(text)
    return _FORM_OF_SHAPE.get((len(lengths), lengths[0]), "") if len(set(lengths)) == 1 else ""


def form_of(text: str) -> str:
    """Like `shape_of`, but the `，` and `。` of the text must alternate: 五絕 七絕 五律 七律; "" if none."""
    ends = "".join(character for character in text if character in LINE_ENDS)
    return shape_of(text) if ends == LINE_ENDS * (len(ends) // 2) else ""


def with_line_ends(text: str) -> str:
    """The text with `，` and `。` as line ends if its lines have a regular form; else the text as it is."""
    joined = join_lines(re.findall(r"\w+", text))
    return joined if shape_of(joined) else text


_STRETCH = re.compile(r"([^，。\n]*)([，。\n]|$)")
_FOLD = str.maketrans({c: "，" for c in ",､、﹐;:；："} | {c: "。" for c in ".．｡?!？！"})


def read_stretches(text: str) -> list[tuple[str, str]]:
    text = re.sub(r"<br\s*/?>", "\n", text)
    text = "\n".join(unicodedata.normalize("NFKC", text).splitlines()).translate(_FOLD)
    if not re.search("[，。\n]", text):
        text = re.sub(r"[\s|/]+", "\n", text)
    text = "".join(
        c for c in text if c == "\n" or unicodedata.category(c) not in ("Cf", "Cc", "Zs", "Zl", "Zp")
    )
    result = []
    for line, end in _STRETCH.findall(text):
        if line:
            result.append((line, "" if end == "\n" else end))
        elif result and end in "，。" and end:
            line, mark = result[-1]
            result[-1] = (line, "。" if "。" in mark + end else "，")
    return result


def read_lines(text: str) -> list[str]:
    return [line for line, _ in read_stretches(text)]
