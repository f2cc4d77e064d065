"""Writing: poems on stdout, piece by piece on a terminal, as whole texts or JSON elsewhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

from ..generation.options import Options
from ..generation.poem import Poem
from ..numpy_model import NumpyPoetModel
from ..prosody.scansion import scan
from ..prosody.verdict import verdict_of
from ..script import to_simplified
from ..terminal import is_terminal
from .screen import DIM, paint

BATCH = 16  # poems that are written together where nobody waits for the first


@dataclass(frozen=True)
class Writing:
    """A request for poems.

    Attributes:
        model: the model that writes them.
        start, options: what `generate` is given.
        seed: the seed of the first poem; poem i has seed + i.
        is_simplified: whether they are shown in simplified script.
    """

    model: NumpyPoetModel
    start: str
    options: Options
    seed: int
    is_simplified: bool = False

    def write(self, count: int, with_verdict: bool = False) -> None:
        """Writes poems with an empty line between them, and below each its verdict if that is asked for."""
        is_live = is_terminal(sys.stdout)
        for number, poem in enumerate(self._streamed(count) if is_live else self._poems(count)):
            if not is_live:
                print("\n" * (number > 0) + self.shown(str(poem)))
            if with_verdict:
                print(self.verdict(poem.text, sys.stdout))

    def write_json(self, count: int) -> None:
        """Writes a JSON object per poem, each on a line."""
        for poem in self._poems(count):
            print(self.json_of(poem), flush=True)

    def shown(self, text: str) -> str:
        """A text in the script that was asked for."""
        return to_simplified(text) if self.is_simplified else text

    def verdict(self, text: str, stream: TextIO) -> str:
        """The verdict on a poem as two indented lines, for a stream."""
        chinese, english = verdict_of(scan(text))
        return f"  {self.shown(chinese)}\n  {paint(self.shown(english), DIM, stream)}"

    def json_of(self, poem: Poem) -> str:
        """A poem as one line of JSON."""
        record = {
            "text": self.shown(poem.text),
            "form": poem.form,
            "seed": poem.seed,
            "title": poem.title,
            "author": poem.author,
            "mean_log_prob": poem.mean_log_prob,
            "scansion": scan(poem.text).record(),
        }
        return json.dumps(record, ensure_ascii=False)

    def show_seed(self, count: int) -> None:
        """Says on a terminal which random seed was chosen, so that the same poems can be written again."""
        if is_terminal(sys.stderr):
            more = f" to {self.seed + count - 1}" if count > 1 else ""
            text = f"seed {self.seed}{more} (the same again: --seed {self.seed})"
            print(paint(text, DIM, sys.stderr), file=sys.stderr)

    def _poems(self, count: int) -> Iterator[Poem]:
        for first in range(0, count, BATCH):
            num_poems = min(BATCH, count - first)
            options = self.options | {"seed": self.seed + first}
            yield from self.model.generate(self.start, num_poems=num_poems, **options)

    def _streamed(self, count: int) -> Iterator[Poem]:
        """The poems, each of which has been printed while it was written."""
        for number in range(count):
            print("\n" * (number > 0), end="", flush=True)
            stream = self.model.stream(self.start, **self.options | {"seed": self.seed + number})
            for piece in self.printable(stream):
                print(piece.replace("。", "。\n"), end="", flush=True)
            print("\n" * (not stream.poem.text.endswith("。")), end="")
            yield stream.poem

    def printable(self, pieces: Iterator[str]) -> Iterator[str]:
        """The pieces of a poem in the script that was asked for: in simplified script, line by line.

        A character alone cannot be converted: 乾 in 乾坤 is kept, and elsewhere becomes 干.
        """
        waiting = ""
        for piece in pieces:
            waiting += piece
            if not self.is_simplified or waiting.endswith(("，", "。")):
                yield self.shown(waiting)
                waiting = ""
        yield self.shown(waiting)
