"""The poem on the page as HTML: vertical lines, seal and notice. All text is escaped."""

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
    """A poem on the page, and which of its characters the reader gave.

    Attributes:
        text: the poem, or the part written so far, in traditional script.
        given: the number of characters at the beginning that the reader gave.
        seed: the seed of the poem.
        num_heads: the number of lines that begin with a character the reader gave (藏頭).
        is_finished: whether the poem is complete.
    """

    text: str
    given: int
    seed: int
    num_heads: int = 0
    is_finished: bool = True

    @classmethod
    def of(cls, stream: PoemStream) -> Shown:
        """The poem that a stream has written so far."""
        poem = stream.poem
        return cls(poem.text, stream.given, poem.seed, len(stream.heads), stream.is_finished)


def poem_html(poem: Shown, script: str) -> str:
    """The poem in vertical lines from right to left, with a seal and its seed.

    The characters that the reader gave are coloured.

    Args:
        script: `簡體` shows simplified characters, any other value traditional ones.
    """
    is_simplified = script == SIMPLIFIED
    given, num_heads = poem.given, poem.num_heads
    shown = to_simplified(poem.text) if is_simplified else poem.text
    if len(shown) != len(poem.text):  # no OpenCC phrase does this today; if one does, colour nothing
        given = num_heads = 0
    paragraphs, position = [], 0
    for number, line in enumerate(split_lines(shown)):
        num_given = max(int(number < num_heads), min(given - position, len(line)))
        head = f'<span class="given">{escape(line[:num_given])}</span>' if num_given else ""
        paragraphs.append(f"<p>{head}{escape(line[num_given:])}</p>")
        position += len(line)
    label = f"{form_of(poem.text) or '詩'} · 種子 seed {poem.seed}"
    seal = '<span class="seal" aria-hidden="true">唐詩</span>'
    colophon = f"{seal}<span>{escape(to_simplified(label) if is_simplified else label)}</span>"
    size = " long" if len(paragraphs) > 6 else ""  # eight lines do not fit on the sheet at full size
    language = "zh-Hans" if is_simplified else "zh-Hant"
    return (
        f'<div class="sheet"><div class="scroll"><div class="poem{size}" lang="{language}" '
        f'data-finished="{str(poem.is_finished).lower()}">{"".join(paragraphs)}</div></div>'
        f'<div class="colophon">{colophon}</div></div>'
    )


def plain_text(text: str, script: str) -> str:
    """The poem as plain text, one couplet per line."""
    shown = to_simplified(text) if script == SIMPLIFIED else text
    return shown.replace("。", "。\n").rstrip("\n")


def notice_html(message: str = "", is_advice: bool = False) -> str:
    """The line below the poem, which screen readers announce when it changes."""
    kind = "notice advice" if is_advice else "notice"
    return f'<p class="{kind}" role="status">{escape(message)}</p>'


def advice(error: PoetError) -> str:
    """An error as a sentence in Chinese and one in English."""
    english = str(error)
    return f"{error.chinese or '這樣寫不了。'} {english[:1].upper()}{english[1:].rstrip('.')}."
