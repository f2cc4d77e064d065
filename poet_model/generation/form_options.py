"""FormOptions: the options of a regular form, and the same in words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ..prosody.lines import SHAPES
from ..prosody.templates import LEVELS, Template, templates


@dataclass(frozen=True)
class FormOptions:
    """What a poem's form is to be.

    Attributes:
        form: one of prosody.FORMS.
        level: each line keeps the tones of one of the four templates at this level (prosody/templates.py);
            None: any tones.
        template: the one of prosody.TEMPLATES to keep to; '' leaves the choice to the model.
        rhyme: whether the even lines rhyme in one group of 平水韻, which the poem finds; or that group.
        heads, tails: the first and last characters of the first lines; '' for none.
    """

    form: str
    level: int | None = None
    template: str = ""
    rhyme: bool | str = False
    heads: str = ""
    tails: str = ""

    @property
    def lines(self) -> int:
        """Lines of the form."""
        return SHAPES[self.form][0]

    @property
    def length(self) -> int:
        """Characters of a line."""
        return SHAPES[self.form][1]

    @property
    def has_tones(self) -> bool:
        """Whether tones are asked for."""
        return self.level is not None

    @property
    def needs_readings(self) -> bool:
        """Whether only characters whose tones and rhymes are known will do."""
        return self.has_tones or bool(self.rhyme)

    @cached_property
    def templates(self) -> tuple[Template, ...]:
        """The templates that may be kept to."""
        return tuple(t for t in templates(self.form) if t.name == (self.template or t.name))

    def tails_before(self, line: int) -> str:
        """Tails that rhyme, of the lines before one."""
        return self.tails[1:line:2]

    def reserved(self, line: int) -> str:
        """Rhyme words that lines after one are to end in."""
        return self.tails[line + 1 + line % 2 :: 2]

    def __str__(self) -> str:
        edges = [f"{name} {given}" for name, given in (("heads", self.heads), ("tails", self.tails)) if given]
        names = [t.name for t in self.templates] if len(self.templates) == 1 else []
        tones = [" ".join(["tones", LEVELS[self.level], *names])] if self.has_tones else []
        return ", ".join([self.form, *tones, *["rhyme"] * bool(self.rhyme), *edges])

    @property
    def in_chinese(self) -> str:
        """The same in Chinese, without level and template."""
        edges = [
            f"{name}「{given}」" for name, given in (("藏頭", self.heads), ("藏尾", self.tails)) if given
        ]
        return "、".join([self.form, *["平仄"] * self.has_tones, *["押韻"] * bool(self.rhyme), *edges])
