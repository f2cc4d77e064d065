"""The lines of a poem: how many, how long, and which regular form they make."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from ..errors import InvalidValueError, check_text, excerpt, quoted
from ..script import fold_characters, fold_line_ends

MAX_POEM = 10_000  # characters as people write them, as many as a poem of a corpus may have
MAX_NAME = 40  # characters of the name of a form
LINE_ENDS = "，。"
FORMS = ("五絕", "七絕", "五律", "七律")
# number of lines, characters per line
SHAPES = {"五絕": (4, 5), "七絕": (4, 7), "五律": (8, 5), "七律": (8, 7)}
_STRETCH = re.compile(rf"([^{LINE_ENDS}\n]*)([{LINE_ENDS}\n]+|$)")
_HTML_BREAK = re.compile(r"<br\s*/?>|</?p>", re.IGNORECASE)
_SPACE = re.compile(r"[^\S\n]+")
_SPACE_OR_BAR = re.compile(r"[\s|/]+")
_NO_VERSE = re.compile(r"[「」『』“”‘’〝〞\"'《》〈〉()\[\]{}【】〔〕〖〗]+")
_FORM_OF_SHAPE = {shape: form for form, shape in SHAPES.items()}
_NAMED_FORM = re.compile("([五七])言?(絕句?|律詩?)")
_VARIANTS = str.maketrans("绝絶诗", "絕絕詩")


def check_poem(text: object) -> None:
    """Checks that a poem is text of at most MAX_POEM characters, before it is read.

    Raises:
        InvalidValueError: it is not.
    """
    check_text("poem", text, MAX_POEM, "詩")


def split_lines(text: str) -> list[str]:
    """The lines of a poem, each with its `，` or `。`. Text after the last line end is a line as well.

    Raises:
        InvalidValueError: it is not text, or longer than MAX_POEM, as for every function that calls this one.

    Example:
        >>> split_lines("白日依山盡，黃河入海流。")
        ['白日依山盡，', '黃河入海流。']
    """
    check_poem(text)
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
    """Like `shape_of`, but the `，` and `。` of the text must alternate: 五絕 七絕 五律 七律; "" if none.

    Example:
        >>> form_of("白日依山盡，黃河入海流。欲窮千里目，更上一層樓。")
        '五絕'
    """
    shape = shape_of(text)
    ends = "".join(character for character in text if character in LINE_ENDS)
    return shape if ends == LINE_ENDS * (len(ends) // 2) else ""


def form_name(text: str) -> str:
    """The form, one of FORMS, that has a name such as 五絕, 五言絕句 or 七言律诗; '' for an empty text.

    Raises:
        InvalidValueError: it is not the name of a form.
    """
    if not isinstance(text, str):
        raise InvalidValueError(f"form must be text, one of {' '.join(FORMS)}, got {quoted(text)}")
    # a longer text is no name, and is refused without being read
    name = "".join(read_lines(text)).translate(_VARIANTS) if len(text) <= MAX_NAME else text
    if found := _NAMED_FORM.fullmatch(name):
        return found[1] + found[2][0]
    if name:
        raise InvalidValueError(
            f"form must be one of {' '.join(FORMS)} (or a long name such as 五言絕句) or empty, "
            f"got {quoted(text)}",
            chinese=f"沒有「{excerpt(text)}」這種詩體；可選{'、'.join(FORMS)}，或留空。",
        )
    return ""


def with_line_ends(text: str) -> str:
    """The text as lines that end in `，` or `。`, however people write it.

    If its lines have a regular form, `，` and `。` alternate. Otherwise they are as in the text, and a line
    end without a mark becomes one. A last line that was written without any end stays open then.
    """
    verse = _read_verse(text)
    if not _may_be_lines(verse):
        verse = _read_verse("\n".join("".join(row.split()) for row in text.splitlines()))
    joined = join_lines(line for line, _ in verse)
    if shape_of(joined):
        return joined
    lines, ends = zip(*verse, strict=True) if verse else ((), ())
    return "".join(map("".join, zip(lines, [*fill_ends(ends[:-1]), *ends[-1:]], strict=True)))


def _may_be_lines(verse: Sequence[tuple[str, str]]) -> bool:
    """Whether the pieces of a text look like lines; if not, any spaces stand within its lines.

    They do if marks end them, if they are equally long, or if all but the last have five or seven characters.
    """
    lengths = [len(line) for line, _ in verse]
    are_equal = len(set(lengths)) == 1 and lengths[0] > 2
    return any(end for _, end in verse) or are_equal or set(lengths[:-1]) in ({5}, {7})


def read_title(text: str) -> str:
    """A title or a name as headers have it: without brackets and spaces, and with `，` between its parts."""
    return "，".join(read_lines("".join(text.split())))


def read_lines(text: str) -> list[str]:
    """The lines of a text as people write it, without punctuation, quotation marks and brackets.

    This is the one way in which a text becomes lines; `split_lines` serves only texts that are clean already.
    """
    return [line for line, _ in _read_verse(text)]


def _read_verse(text: str) -> list[tuple[str, str]]:
    """The stretches of a text without quotation marks and brackets, each with its end."""
    stretches = [(_NO_VERSE.sub("", line), end) for line, end in read_stretches(text)]
    return [(line, end) for line, end in stretches if line]


def read_stretches(text: str) -> list[tuple[str, str]]:
    """Splits a text as people write it at its line ends.

    A line ends at a mark of punctuation (full or half width, `…` and dashes too) or at a break (also `<br>`).
    Entities of HTML, such as `&nbsp;`, stand for their characters.
    Only in a text without marks do spaces, `|` and `/` end lines; otherwise spaces are dropped. Characters
    are folded as by `script.fold_characters`.

    Returns:
        For each line that is not empty, its other characters, and its end: `，`, `。`, or '' for a break, a
        space or the end of the text. Of several ends in a row, `。` counts before `，`, and that before ''.
    """
    text = fold_line_ends(fold_characters(_HTML_BREAK.sub("\n", html.unescape(text))))
    text = "\n".join(text.splitlines())
    text = _SPACE.sub("", text) if re.search("[，。]", text) else _SPACE_OR_BAR.sub("\n", text)
    stretches: list[tuple[str, str]] = []
    for line, ends in _STRETCH.findall(text):
        if line:
            stretches.append((line, next((mark for mark in "。，" if mark in ends), "")))
    return stretches


def fill_ends(ends: Iterable[str]) -> list[str]:
    """The line ends, with those that are '' replaced so that `，` and `。` alternate."""
    filled: list[str] = []
    for end in ends:
        filled.append(end or ("。" if filled and filled[-1] == "，" else "，"))
    return filled
