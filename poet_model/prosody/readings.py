"""Tones and rhyme groups of characters by 平水韻, from pingshui.tsv.

tools/make_prosody_table.py builds the table. A character with readings of both tones fits either tone. A
reading in parentheses is used only as a rhyme word: 不 is 仄 inside a line, and 平, as 否, only where the
line rhymes. A character that is not in the table has the mask 0, which every pattern accepts.
"""

from __future__ import annotations

import functools
from pathlib import Path

from .lines import LINE_ENDS, check_poem

TABLE = Path(__file__).with_name("pingshui.tsv")
PING, ZE, ANY = 1, 2, 3  # tones as bits of a mask: ANY is both
SIGNS = {PING: "平", ZE: "仄", ANY: "○", 0: "？"}
# the groups of 平 in the order of the rhyme books, where 東 is “上平一東” and 先 is “下平一先”
_BOOKS = {"上平": "東冬江支微魚虞齊佳灰真文元寒刪", "下平": "先蕭肴豪歌麻陽庚青蒸尤侵覃鹽咸"}
_NUMERALS = [*"一二三四五六七八九十", *(f"十{unit}" for unit in "一二三四五")]


@functools.cache
def reading_table(is_inside: bool) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """Character -> its own readings, such as {"東平", "送去"}, and its readings in a simplified text.

    Args:
        is_inside: whether to leave out the readings that a character has only as a rhyme word.
    """

    def parse(column: str) -> frozenset[str]:
        return frozenset(r.strip("()") for r in column.split() if not (is_inside and r[0] == "("))

    rows = (line.split("\t") for line in TABLE.read_text(encoding="utf-8").splitlines())
    return {character: (parse(own), parse(" ".join([own, *more]))) for character, own, *more in rows}


def is_simplified(text: str) -> bool:
    """Whether a text has a character that, by the table, only simplified texts have. Needs no OpenCC."""
    nothing: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
    return any(every and not own for own, every in (reading_table(False).get(c, nothing) for c in text))


def readings(character: str, in_simplified: bool = False, is_inside: bool = False) -> frozenset[str]:
    """The readings of a character, each a rhyme group of 平水韻 and a tone: {"東平", "送去"}.

    Empty if the character is unknown.

    Args:
        in_simplified: whether it stands in a simplified text, where a character has the readings of all its
            traditional forms: 才 is also 纔.
        is_inside: whether it is no rhyme word, so that readings only of rhyme words are left out.

    Example:
        >>> sorted(readings("看"))
        ['寒平', '翰去']
    """
    own, every = reading_table(is_inside).get(character, (frozenset(), frozenset()))
    return every if in_simplified else own or every


@functools.cache
def tone_mask(character: str, in_simplified: bool = False, is_rhyme: bool = False) -> int:
    """PING, ZE, or ANY for a character with readings of both tones; 0 for an unknown one.

    Args:
        in_simplified: see `readings`.
        is_rhyme: whether it is a rhyme word; some characters have a tone only there.
    """
    found = readings(character, in_simplified, is_inside=not is_rhyme)
    return functools.reduce(int.__or__, (PING if r[-1] == "平" else ZE for r in found), 0)


@functools.cache
def rhyme_groups(character: str, tone: str = "平", in_simplified: bool = False) -> frozenset[str]:
    """The groups in which a character may rhyme, without the tone. Regular poems rhyme in 平.

    Example:
        >>> sorted(rhyme_groups("樓"))
        ['尤']
    """
    return frozenset(r[:-1] for r in readings(character, in_simplified) if r[-1] in tone)


@functools.cache
def all_groups(tone: str = "平") -> tuple[str, ...]:
    """The groups of a tone, the largest first."""
    counts: dict[str, int] = {}
    for own, _ in reading_table(False).values():
        for reading in own:
            if reading[-1] == tone:
                counts[reading[:-1]] = counts.get(reading[:-1], 0) + 1
    return tuple(sorted(counts, key=lambda group: (-counts[group], group)))


@functools.cache
def _names_of_groups() -> dict[str, str]:
    numbered = [
        (book, numeral, group)
        for book, groups in _BOOKS.items()
        for numeral, group in zip(_NUMERALS, groups, strict=True)
    ]
    return {
        name + suffix: group
        for book, numeral, group in numbered
        for name in (group, numeral + group, book + numeral + group)
        for suffix in ("", "韻")
    }


def group_named(name: str) -> str:
    """The group of 平 with a name such as 東, 東韻, 一東 or 上平一東; "" if there is none.

    Example:
        >>> group_named("上平一東")
        '東'
    """
    return _names_of_groups().get(name, "")


def tones(text: str) -> str:
    """The text as 平 and 仄, with ○ for either and ？ for unknown. Punctuation is kept.

    No character counts as a rhyme word; the tones of a whole poem are those of `scan(poem).tones`.

    Example:
        >>> tones("白日依山盡，黃河入海流。")
        '仄仄平平仄，平平仄仄平。'

    Raises:
        InvalidValueError: it is not text, or longer than MAX_POEM.
    """
    check_poem(text)
    simplified = is_simplified(text)
    return "".join(c if c in LINE_ENDS else SIGNS[tone_mask(c, simplified)] for c in text)
