"""What a terminal shows: colours if it has them, and texts of a given width. Knows nothing of poems."""

from __future__ import annotations

import os
from typing import TextIO

from ..terminal import is_terminal, width, width_of

DIM, RED, BOLD = "2", "31", "1"  # parameters of the escape sequence SGR


def has_colours(stream: TextIO) -> bool:
    """Whether a stream is a terminal with colours, and the user has not set NO_COLOR (no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not is_terminal(stream):
        return False
    return os.name != "nt" or "WT_SESSION" in os.environ  # the old console of Windows shows the codes


def paint(text: str, colour: str, stream: TextIO) -> str:
    """The text in a colour, if the stream that it is for has colours."""
    return f"\x1b[{colour}m{text}\x1b[0m" if text and has_colours(stream) else text


def filled(text: str, columns: int) -> str:
    """The text with spaces after it, so that it takes this many columns; a longer one is cut off by `…`."""
    if width(text) > columns:
        kept = ""
        for character in text:
            if width(kept + character) > columns - 1:
                break
            kept += character
        text = f"{kept}…"
    return text + " " * (columns - width(text))


def in_cells(text: str) -> str:
    """The text with every character in two columns, so that the signs below it stand under their own."""
    return "".join(c if width_of(c) == 2 else f"{c} " for c in text)
