"""Poem: what was written, with its probabilities."""

from __future__ import annotations

from dataclasses import dataclass

from .. import prosody, script


@dataclass(frozen=True)
class Poem:
    """A finished poem.

    Attributes:
        text: the poem in traditional script, hanzi with `，` and `。`.
        log_probs: for each character of `text`, the natural log of the probability the model gave it, before
            temperature and top-k, given the header and all before it; characters of the start are scored too.
        seed: writes the same poem again, with the same options.
        title, author, requested_form: the header it was written under.
    """

    text: str
    log_probs: tuple[float, ...]
    seed: int
    title: str = ""
    author: str = ""
    requested_form: str = ""

    @property
    def lines(self) -> list[str]:
        """The lines, each with its `，` or `。`."""
        return prosody.split_lines(self.text)

    @property
    def form(self) -> str:
        """The regular form that the poem has: `五絕 七絕 五律 七律`, or '' if it has none."""
        return prosody.form_of(self.text)

    @property
    def simplified(self) -> str:
        """The text in simplified script."""
        return script.to_simplified(self.text)

    def __str__(self) -> str:
        return self.text.replace("。", "。\n").rstrip("\n")
