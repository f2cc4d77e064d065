"""FormOptions: the options of a regular form, and their description in words for error messages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ..prosody.lines import SHAPES
from ..prosody.templates import LEVELS, Template, templates


@dataclass(frozen=True)
class FormOptions:
    """The form of a poem and the rules that it follows.

    Attributes:
        form: one of prosody.FORMS.
        level: the level (see prosody/templates.py) at which every line follows the tones of one of the four
            templates; None allows any tones.
        template: one of prosody.TEMPLATES; '' leaves the choice to the model.
        rhyme: True if the even lines must rhyme in one group of 平水韻, which the model chooses; the name of
            a group to prescribe it; False if they need not rhyme.
        heads: the first characters of line 1, line 2 and so on; '' for none.
        tails: the last characters of line 1, line 2 and so on; '' for none.
    """

    form: str
    level: int | None = None
    template: str = ""
    rhyme: bool | str = False
    heads: str = ""
    tails: str = ""

    @property
    def lines(self) -> int:
        """The number of lines."""
        return SHAPES[self.form][0]

    @property
    def length(self) -> int:
        """The number of characters per line."""
        return SHAPES[self.form][1]

    @property
    def has_tones(self) -> bool:
        """Whether tones are required."""
        return self.level is not None

    @property
    def needs_readings(self) -> bool:
        """Whether only characters with known tones and rhymes are allowed."""
        return self.has_tones or bool(self.rhyme)

    @cached_property
    def templates(self) -> tuple[Template, ...]:
        """The templates that the poem may follow."""
        return tuple(t for t in templates(self.form) if t.name == (self.template or t.name))

    def tails_before(self, line: int) -> str:
        """The rhyme words among the tails before index `line`: those of the second, fourth, … lines."""
        return self.tails[1:line:2]

    def reserved(self, line: int) -> str:
        """The tails of the even lines after `line` (counted from 0), which are reserved as rhyme words."""
        return self.tails[line + 1 + line % 2 :: 2]

    def __str__(self) -> str:
        edges = [f"{name} {given}" for name, given in (("heads", self.heads), ("tails", self.tails)) if given]
        names = [t.name for t in self.templates] if len(self.templates) == 1 else []
        tones = [] if self.level is None else [" ".join(["tones", LEVELS[self.level], *names])]
        return ", ".join([self.form, *tones, *["rhyme"] * bool(self.rhyme), *edges])

    @property
    def in_chinese(self) -> str:
        """The description in Chinese, without level and template."""
        edges = [
            f"{name}「{given}」" for name, given in (("藏頭", self.heads), ("藏尾", self.tails)) if given
        ]
        return "、".join([self.form, *["平仄"] * self.has_tones, *["押韻"] * bool(self.rhyme), *edges])
