"""The poem on the page: vertical lines, seal and advice, as HTML whose every character is escaped."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from ..errors import PoetError
from ..generation.stream import PoemStream
from ..prosody.lines import form_of, split_lines
from ..script import to_simplified

TRADITIONAL, SIMPLIFIED = "繁體", "簡體"


@dataclass(frozen=True)
class Shown:
    """A poem on the page, and what of it the reader gave.

    Attributes:
        text: the poem, or as much of it as is written, in traditional script.
        given: number of characters at its beginning that the reader gave.
        seed: writes the same poem again.
        num_heads: number of lines that begin with a character the reader gave (藏頭).
        is_finished: whether the poem is complete.
    """

    text: str
    given: int
    seed: int
    num_heads: int = 0
    is_finished: bool = True

    @classmethod
    def of(cls, stream: PoemStream) -> Shown:
        """What a stream has written so far."""
        poem = stream.poem
        return cls(poem.text, stream.given, poem.seed, len(stream.heads), stream.is_finished)


def poem_html(poem: Shown, script: str) -> str:
    """A poem set from right to left, with what the reader gave of it coloured, and its seed beside the seal.

    Args:
        script: `簡體` shows simplified characters.
    """
    is_simplified = script == SIMPLIFIED
    given, num_heads = poem.given, poem.num_heads
    shown = to_simplified(poem.text) if is_simplified else poem.text
    if len(shown) != len(poem.text):  # no phrase of OpenCC's does that today; if one does, colour nothing
        given = num_heads = 0
    paragraphs, position = [], 0
    for number, line in enumerate(split_lines(shown)):
        own = max(int(number < num_heads), min(given - position, len(line)))
        head = f'<span class="given">{escape(line[:own])}</span>' if own else ""
        paragraphs.append(f"<p>{head}{escape(line[own:])}</p>")
        position += len(line)
    label = f"{form_of(poem.text) or '詩'} · 種子 seed {poem.seed}"
    seal = '<span class="seal" aria-hidden="true">唐詩</span>'
    colophon = f"{seal}<span>{escape(to_simplified(label) if is_simplified else label)}</span>"
    size = " long" if len(paragraphs) > 6 else ""  # eight lines do not fit into the sheet at full size
    language = "zh-Hans" if is_simplified else "zh-Hant"
    return (
        f'<div class="sheet"><div class="scroll"><div class="poem{size}" lang="{language}" '
        f'data-finished="{str(poem.is_finished).lower()}">{"".join(paragraphs)}</div></div>'
        f'<div class="colophon">{colophon}</div></div>'
    )


def plain_text(text: str, script: str) -> str:
    """The poem as text to copy, a couplet a line."""
    shown = to_simplified(text) if script == SIMPLIFIED else text
    return shown.replace("。", "。\n").rstrip("\n")


def notice_html(message: str = "", is_advice: bool = False) -> str:
    """One line under the poem that a screen reader speaks."""
    kind = "notice advice" if is_advice else "notice"
    return f'<p class="{kind}" role="status">{escape(message)}</p>'


def advice(error: PoetError) -> str:
    """An error of ours as a plain sentence in each language."""
    english = str(error)
    return f"{error.chinese or '這樣寫不了。'} {english[:1].upper()}{english[1:].rstrip('.')}."
