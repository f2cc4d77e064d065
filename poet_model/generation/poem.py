"""Poem: a generated poem with its header, its seed and its log-probabilities."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .. import prosody, script


@dataclass(frozen=True)
class Poem:
    """A generated poem, finished or (as `PoemStream.poem`) still being written.

    Attributes:
        text: the poem in traditional script: hanzi, `，` and `。`.
        log_probs: for each character of `text`, the natural logarithm of its probability under the model,
            given the header and all characters before it, before temperature, top-k and filters. The
            characters of the start have one too.
        seed: the seed that gives the same poem again with the same options.
        title, author, requested_form: the header that the model was given; '' for a missing part.

    Example:
        >>> poem = Poem("春眠不覺曉，處處聞啼鳥。夜來風雨聲，花落知多少。", log_probs=(), seed=7)
        >>> poem.form, poem.lines[0], poem.simplified[:6]
        ('五絕', '春眠不覺曉，', '春眠不觉晓，')
        >>> print(poem)
        春眠不覺曉，處處聞啼鳥。
        夜來風雨聲，花落知多少。
    """

    text: str
    log_probs: tuple[float, ...]
    seed: int
    title: str = ""
    author: str = ""
    requested_form: str = ""

    @property
    def lines(self) -> list[str]:
        """The lines, each with its final `，` or `。`."""
        return prosody.split_lines(self.text)

    @property
    def form(self) -> str:
        """The regular form of the text, `五絕`, `七絕`, `五律` or `七律`; '' if it has none."""
        return prosody.form_of(self.text)

    @property
    def mean_log_prob(self) -> float | None:
        """The mean of the `log_probs`, in nats; None for a poem that is not finished."""
        return math.fsum(self.log_probs) / len(self.log_probs) if self.log_probs else None

    @property
    def simplified(self) -> str:
        """The text in simplified script."""
        return script.to_simplified(self.text)

    def __str__(self) -> str:
        return self.text.replace("。", "。\n").rstrip("\n")
