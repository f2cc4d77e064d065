"""The poem on the page: vertical lines, seal and advice, as HTML whose every character is escaped."""

from __future__ import annotations

from html import escape

from ..errors import PoetError
from ..prosody.lines import form_of, split_lines
from ..script import to_simplified

SIMPLIFIED = "簡體"


def poem_html(text: str, given: int, seed: int, script: str, is_finished: bool = True, heads: int = 0) -> str:
    """A poem, or as much of it as is written, set from right to left.

    Args:
        text: the poem in traditional script.
        given: how many of its first characters the reader gave: they are coloured.
        seed: shown beside the seal.
        script: `簡體` shows simplified characters.
        heads: how many lines begin with a character of the reader's (藏頭): these are coloured too.
    """
    is_simplified = script == SIMPLIFIED
    shown = to_simplified(text) if is_simplified else text
    if len(shown) != len(text):  # no phrase of OpenCC's does that today; if one does, colour nothing
        given = heads = 0
    paragraphs, position = [], 0
    for number, line in enumerate(split_lines(shown)):
        own = max(int(number < heads), min(given - position, len(line)))
        head = f'<span class="given">{escape(line[:own])}</span>' if own else ""
        paragraphs.append(f"<p>{head}{escape(line[own:])}</p>")
        position += len(line)
    label = f"{form_of(text) or '詩'} · 種子 seed {seed}"
    seal = '<span class="seal" aria-hidden="true">唐詩</span>'
    colophon = f"{seal}<span>{escape(to_simplified(label) if is_simplified else label)}</span>"
    size = " long" if len(paragraphs) > 6 else ""  # eight lines do not fit into the sheet at full size
    language = "zh-Hans" if is_simplified else "zh-Hant"
    return (
        f'<div class="sheet"><div class="scroll"><div class="poem{size}" lang="{language}" '
        f'data-finished="{str(is_finished).lower()}">{"".join(paragraphs)}</div></div>'
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
