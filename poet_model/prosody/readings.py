"""Tones and rhyme groups of characters by 平水韻, from the table pingshui.tsv (tools/make_prosody_table.py).

A character with readings of both tones fits either, and so does one that the table lacks.
"""

from __future__ import annotations

import functools
from pathlib import Path

from .lines import LINE_ENDS

TABLE = Path(__file__).with_name("pingshui.tsv")
PING, ZE, ANY = 1, 2, 3  # tones as bits: ANY is both
SIGNS = {PING: "平", ZE: "仄", ANY: "○", 0: "？"}
# the groups of 平 in the order of the rhyme books, where 東 is called 上平一東 and 先 下平一先
_BOOKS = {"上平": "東冬江支微魚虞齊佳灰真文元寒刪", "下平": "先蕭肴豪歌麻陽庚青蒸尤侵覃鹽咸"}
_NUMERALS = [*"一二三四五六七八九十", *(f"十{unit}" for unit in "一二三四五")]


@functools.cache
def _table() -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """Character -> its own readings, such as {"東平", "送去"}, and those that it has in a simplified text."""
    rows = (line.split("\t") for line in TABLE.read_text(encoding="utf-8").splitlines())
    return {
        character: (frozenset(own.split()), frozenset(" ".join([own, *more]).split()))
        for character, own, *more in rows
    }


def is_simplified(text: str) -> bool:
    """Whether a text has a character that only simplified texts have, by the table: no OpenCC is needed."""
    nothing = (frozenset(), frozenset())
    return any(every and not own for own, every in (_table().get(c, nothing) for c in text))


def readings(character: str, in_simplified: bool = False) -> frozenset[str]:
    """The rhyme groups of 平水韻 that a character may have, with their tones: {"東平", "送去"}.

    Empty if it is unknown.

    Args:
        in_simplified: in a simplified text it has those of all its traditional forms: 才 is also 纔.
    """
    own, every = _table().get(character, (frozenset(), frozenset()))
    return every if in_simplified else own or every


@functools.cache
def tone_mask(character: str, in_simplified: bool = False) -> int:
    """PING, ZE, or ANY if the character has readings of both; 0 if it is unknown."""
    tones = (PING if reading[-1] == "平" else ZE for reading in readings(character, in_simplified))
    return functools.reduce(int.__or__, tones, 0)


@functools.cache
def rhyme_groups(character: str, tone: str = "平", in_simplified: bool = False) -> frozenset[str]:
    """The groups that a character may rhyme in, without the tone; regular poems rhyme in 平."""
    return frozenset(r[:-1] for r in readings(character, in_simplified) if r[-1] in tone)


@functools.cache
def all_groups(tone: str = "平") -> tuple[str, ...]:
    """The groups of a tone, those with most characters first."""
    counts: dict[str, int] = {}
    for own, _ in _table().values():
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
    """The group of 平 that is called 東, 東韻, 一東 or 上平一東; '' if none is."""
    return _names_of_groups().get(name, "")


def tones(text: str) -> str:
    """平 仄, ○ for a character that may be either and ？ for one that is unknown; punctuation stays."""
    simplified = is_simplified(text)
    return "".join(c if c in LINE_ENDS else SIGNS[tone_mask(c, simplified)] for c in text)
