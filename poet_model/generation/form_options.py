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
        keywords: words that must stand in the poem.
        places: the line and the place in it of the first character of each keyword, counted from 0; empty
            while the keywords are not placed.
        parallel: whether the second line of a middle couplet may repeat no character of the first.
    """

    form: str
    level: int | None = None
    template: str = ""
    rhyme: bool | str = False
    heads: str = ""
    tails: str = ""
    keywords: tuple[str, ...] = ()
    places: tuple[tuple[int, int], ...] = ()
    parallel: bool = False

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

    @cached_property
    def fixed(self) -> dict[tuple[int, int], str]:
        """The heads, the tails and the characters of placed keywords, by their line and place in it."""
        fixed = {(line, 0): head for line, head in enumerate(self.heads)}
        fixed |= {(line, self.length - 1): tail for line, tail in enumerate(self.tails)}
        for keyword, (line, first) in zip(self.keywords, self.places, strict=False):
            fixed |= {(line, first + i): character for i, character in enumerate(keyword)}
        return fixed

    @cached_property
    def fixed_in(self) -> list[list[tuple[int, str]]]:
        """The fixed characters of each line, each after its place."""
        by_line: list[list[tuple[int, str]]] = [[] for _ in range(self.lines)]
        for (line, place), character in sorted(self.fixed.items()):
            by_line[line].append((place, character))
        return by_line

    @cached_property
    def rhyme_words(self) -> list[tuple[int, str]]:
        """The fixed characters that end the second, fourth, … lines, each after its line."""
        last = self.length - 1
        return [
            (line, self.fixed[line, last]) for line in range(1, self.lines, 2) if (line, last) in self.fixed
        ]

    def reserved(self, line: int) -> str:
        """The fixed rhyme words of the lines after `line`."""
        return "".join(word for other, word in self.rhyme_words if other > line)

    def __str__(self) -> str:
        wishes = {"heads": self.heads, "tails": self.tails, "keywords": " ".join(self.keywords)}
        given = [f"{name} {wish}" for name, wish in wishes.items() if wish]
        names = [t.name for t in self.templates] if len(self.templates) == 1 else []
        tones = [] if self.level is None else [" ".join(["tones", LEVELS[self.level], *names])]
        rules = [*tones, *["rhyme"] * bool(self.rhyme), *["parallel"] * self.parallel]
        return ", ".join([self.form, *rules, *given])

    @property
    def in_chinese(self) -> str:
        """The description in Chinese, without level and template."""
        wishes = {"藏頭": self.heads, "藏尾": self.tails, "詞語": "、".join(self.keywords)}
        given = [f"{name}「{wish}」" for name, wish in wishes.items() if wish]
        rules = {"平仄": self.has_tones, "押韻": self.rhyme, "對仗": self.parallel}
        return "、".join([self.form, *(name for name, asked in rules.items() if asked), *given])
