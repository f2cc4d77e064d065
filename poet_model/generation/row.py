"""Row: an unfinished poem in the batch, and its position in the line and in the form."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..prosody.lines import LINE_ENDS
from .form import FormState, RegularForm


@dataclass(slots=True)
class Row:
    """One row of the batch: a poem, or one of the candidates for its current line.

    Rows are never modified: `after` returns a new row with one more character.

    Attributes:
        poem: the number of the poem in the batch, from 0.
        text: the poem so far.
        place: the number of characters in the current line.
        form: the regular form that is imposed; None if there is none.
        state: the state of that form after `text`; None if there is no form.
        counts: how often each character occurs in the poem, without line ends.
        ends: the last characters of the complete lines.
        length: the number of characters in the first line; 0 until it is complete.
    """

    poem: int
    text: str = ""
    place: int = 0
    form: RegularForm | None = None
    state: FormState | None = None
    counts: dict[str, int] = field(default_factory=dict)
    ends: str = ""
    length: int = 0

    @classmethod
    def begin(cls, form: RegularForm | None, start: str) -> Row:
        """The row of a poem that begins with `start`, which the form must allow."""
        row = cls(0, form=form, state=form.first() if form else None)
        for character in start:
            row = row.after(character)
        return row

    def of_poem(self, poem: int) -> Row:
        """The same row for another poem."""
        return replace(self, poem=poem)

    def after(self, character: str) -> Row:
        """The row with one more character, which the form must allow."""
        state = self.form.after(self.state, character) if self.form and self.state else None
        if character in LINE_ENDS:
            ends, length = self.ends + self.text[-1:], self.length or self.place
            return Row(self.poem, self.text + character, 0, self.form, state, self.counts, ends, length)
        counts = self.counts | {character: self.counts.get(character, 0) + 1}
        text, place = self.text + character, self.place + 1
        return Row(self.poem, text, place, self.form, state, counts, self.ends, self.length)

    @property
    def line(self) -> str:
        """The current line."""
        return self.text[len(self.text) - self.place :]
