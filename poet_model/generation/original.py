"""Original poems: no line of them occurs in the indexed poems."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from ..arrays import FloatArray
from ..errors import InvalidValueError, quoted
from ..novelty.index import MIN_ORIGINAL, NoveltyIndex, default_folder, plain
from ..prosody.lines import LINE_ENDS, split_lines
from .form import RegularForm
from .masks import VocabularyMasks
from .row import Row


def known_lines_of(
    original: bool | NoveltyIndex, start: str, rules: RegularForm | None
) -> NoveltyIndex | None:
    """The index of the lines that must not be repeated; None if the poem need not be original.

    Args:
        original: the option of that name.
        start: the first characters of the poem.
        rules: the form of the poem, with its keywords; None if no form is imposed.

    Raises:
        InvalidValueError: the option is invalid, or the start or a keyword has a line of the index.
        CheckpointError: `original` is True, and there is no index of the corpus.
    """
    if original is False:
        return None
    if original is not True and not isinstance(original, NoveltyIndex):
        raise InvalidValueError(f"original must be True, False or a NoveltyIndex, got {quoted(original)}")
    index = NoveltyIndex.load(default_folder()) if original is True else original
    for match in index.find(start):
        line = split_lines(start)[match.line - 1]
        is_whole = line[-1] in LINE_ENDS or bool(rules and len(line) == rules.length)
        whose = f"{match.author or '無名氏'}《{match.title or '無題'}》"
        if match.is_whole and is_whole and len(match.text) >= MIN_ORIGINAL:
            raise InvalidValueError(
                f"the line {match.text!r} of the start is not original: it occurs in {whose}; start with "
                f"at most {match.text[:-1]!r}, or leave original out",
                chinese=f"起首的「{match.text}」是現成詩句，見{whose}；最多給「{match.text[:-1]}」，或不求原創。",
            )
    if rules:
        _check_keywords(index, rules.options.keywords, rules.length)
    return index


def _check_keywords(index: NoveltyIndex, keywords: Sequence[str], length: int) -> None:
    """Raises InvalidValueError if a keyword is a whole line of `length` characters that the index has."""
    for word in keywords:
        if len(word) == length and (matches := [match for match in index.find(word) if match.is_whole]):
            whose = f"{matches[0].author or '無名氏'}《{matches[0].title or '無題'}》"
            raise InvalidValueError(
                f"the keyword {word!r} is not original: it occurs in {whose}; leave it or original out",
                chinese=f"詞語「{word}」是現成詩句，見{whose}；請換一個，或不求原創。",
            )


class OriginalLines:
    """Bars every line of at least MIN_ORIGINAL characters that occurs in a line of the indexed poems.

    Args:
        masks: the masks of the vocabulary.
        index: the index of the poems.
        length: the number of characters per line; None if it is not fixed, so that a line may end anywhere.
    """

    def __init__(self, masks: VocabularyMasks, index: NoveltyIndex, length: int | None):
        self._ids, self._ends, self._length = masks.ids_by_plain, masks.line_ends, length
        self._followers = functools.cache(index.followers)

    def __call__(self, logits: FloatArray, rows: Sequence[Row]) -> None:
        for row, its_logits in zip(rows, logits, strict=True):
            line = row.line
            if len(line) + 1 < (self._length or MIN_ORIGINAL):
                continue
            if len(line) != self._length:
                known = [token for c in self._followers(line) for token in self._ids.get(c, ())]
                its_logits[known] = -np.inf
            if not self._length and self._is_known(line):
                its_logits[self._ends] = -np.inf  # the start already gave all characters of a known line

    def _is_known(self, line: str) -> bool:
        return len(line) >= MIN_ORIGINAL and plain(line[-1]) in self._followers(line[:-1])
