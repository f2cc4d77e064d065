"""How the lines of a poem rhyme. It knows the rhyme groups of characters, not tone patterns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .readings import readings, rhyme_groups

# groups of 平 that poets rhyme with each other
NEIGHBOURS = (
    "東冬",
    "江陽",
    "支微齊",
    "支微齊灰",
    "魚虞",
    "佳灰",
    "佳麻",
    "真文元",
    "寒刪先元",
    "蕭肴豪",
    "庚青蒸",
    "覃鹽咸",
)


@dataclass(frozen=True)
class Rhyme:
    """How the even lines rhyme, and whether the first line rhymes with them.

    Attributes:
        status: 平 (all words in one group of 平), 鄰 (in neighbouring groups), 仄 (in one group of another
            tone), or "" (no rhyme).
        groups: the groups that all rhyme words share. If status is 鄰: those neighbouring groups that a rhyme
            word is in. If it is 仄: each name includes the tone.
        first_line: 入韻 (the first line is in the group), 鄰韻 (in a neighbour of it), or "".
    """

    status: str
    groups: tuple[str, ...]
    first_line: str = ""


NO_RHYME = Rhyme("", ())


def rhyme_of(words: Sequence[str], first_word: str, in_simplified: bool = False) -> Rhyme:
    """The rhyme of a poem.

    Args:
        words: the last characters of the even lines. Unknown characters are left out.
        first_word: the last character of the first line.
        in_simplified: whether the poem is in simplified script; see `readings`.
    """
    status, groups = _shared_groups([word for word in words if readings(word, in_simplified)], in_simplified)
    own = rhyme_groups(first_word, in_simplified=in_simplified)
    if status != "平" or not own:
        return Rhyme(status, groups)
    near = {group for neighbours in NEIGHBOURS if set(groups) & set(neighbours) for group in neighbours}
    return Rhyme(status, groups, "入韻" if own & set(groups) else "鄰韻" if own & near else "")


def _shared_groups(words: Sequence[str], in_simplified: bool) -> tuple[str, tuple[str, ...]]:
    """The status of words that are all known, and their groups; see Rhyme."""
    if not words:
        return "", ()
    of_ping = [rhyme_groups(word, in_simplified=in_simplified) for word in words]
    if shared := frozenset.intersection(*of_ping):
        return "平", tuple(sorted(shared))
    for neighbours in NEIGHBOURS:
        if all(groups & set(neighbours) for groups in of_ping):
            return "鄰", tuple(group for group in neighbours if group in frozenset().union(*of_ping))
    of_ze = [frozenset(r for r in readings(word, in_simplified) if r[-1] != "平") for word in words]
    if shared := frozenset.intersection(*of_ze):
        return "仄", tuple(sorted(shared))
    return "", ()
