"""Rules of a poem as filters of logits: each bars what may not stand next."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from itertools import islice
from typing import Protocol

import numpy as np

from ..novelty.index import MIN_ORIGINAL, NoveltyIndex, plain
from ..tokenizer import EOS
from .form import RegularForm
from .masks import VocabularyMasks
from .request import Request
from .row import Row

MAX_LINE = 16  # characters: the longest lines of 全唐诗, but for a few; then only a line end may follow


class LogitFilter(Protocol):
    """A rule of the poem."""

    def __call__(self, logits: np.ndarray, rows: Sequence[Row]) -> None:
        """Sets the logits (B, V) of what may not stand next in the B rows to -inf, in place."""


class OnlyPoemCharacters:
    """No `<unk> <pad> <bos> <sep>`: hanzi, `，`, `。` and `<eos>` alone."""

    def __init__(self, masks: VocabularyMasks):
        self._barred = np.flatnonzero(~masks.poem_characters)

    def __call__(self, logits: np.ndarray, rows: Sequence[Row]) -> None:
        logits[:, self._barred] = -np.inf


class WholeLines:
    """No empty line, none over MAX_LINE characters; a poem ends after a `。`, the next one if it is long."""

    def __init__(self, masks: VocabularyMasks, max_length: int):
        self._masks, self._max_length = masks, max_length
        self._comma, self._stop = self._ends = masks.line_ends

    def __call__(self, logits: np.ndarray, rows: Sequence[Row]) -> None:
        for row, its_logits in zip(rows, logits, strict=True):
            is_ended, is_long = row.text.endswith("。"), len(row.text) >= self._max_length
            if not is_ended:
                its_logits[EOS] = -np.inf
            if row.place == 0:
                its_logits[self._ends] = -np.inf
                if is_ended and is_long:
                    its_logits += self._masks.only(EOS)
            elif row.place >= MAX_LINE:
                its_logits += self._masks.only(self._stop)
            elif is_long:
                its_logits[self._comma] = -np.inf  # the line under way is the last


class KeepsForm:
    """A regular form: its shape, tones, rhymes, heads and tails."""

    def __init__(self, form: RegularForm):
        self._form = form

    def __call__(self, logits: np.ndarray, rows: Sequence[Row]) -> None:
        masks = [self._form.mask(row.state) for row in rows]
        logits += masks[0] if all(mask is masks[0] for mask in masks) else np.stack(masks)


class OriginalLines:
    """No line of MIN_ORIGINAL characters or more that stands, whole, in the poems of an index.

    Args:
        length: characters of a line, if that is fixed; otherwise each character may be a line's last.
    """

    def __init__(self, masks: VocabularyMasks, index: NoveltyIndex, length: int | None):
        self._ids, self._ends, self._length = masks.ids_by_plain, masks.line_ends, length
        self._followers = functools.cache(index.followers)

    def __call__(self, logits: np.ndarray, rows: Sequence[Row]) -> None:
        for row, its_logits in zip(rows, logits, strict=True):
            line = row.line
            if len(line) + 1 < (self._length or MIN_ORIGINAL):
                continue
            if len(line) != self._length:
                known = [token for c in self._followers(line) for token in self._ids.get(c, ())]
                its_logits[known] = -np.inf
            if not self._length and self._stands(line):
                its_logits[self._ends] = -np.inf  # it was begun by the start

    def _stands(self, line: str) -> bool:
        return len(line) >= MIN_ORIGINAL and plain(line[-1]) in self._followers(line[:-1])


class FrequencyPenalty:
    """Makes less likely what the poem has already, but not the same character twice running (叠字)."""

    def __init__(self, masks: VocabularyMasks, penalty: float):
        self._ids, self._penalty = masks.tokenizer.ids, penalty

    def __call__(self, logits: np.ndarray, rows: Sequence[Row]) -> None:
        """Lowers logits (B, V) in place."""
        if not self._penalty:
            return
        numbers, ids, counts = [], [], []
        for number, row in enumerate(rows):
            # a character that stands in the poem once, and last, is the last that was counted
            is_last_new = row.place > 0 and row.counts[row.text[-1]] == 1
            some = len(row.counts) - is_last_new
            numbers += [number] * some
            ids += islice(map(self._ids.__getitem__, row.counts), some)
            counts += islice(row.counts.values(), some)
        if ids:
            logits[numbers, ids] -= np.float32(self._penalty) * np.array(counts, np.float32)


def filters_of(request: Request, masks: VocabularyMasks) -> list[LogitFilter]:
    """The rules of a request; none of them cares which comes first."""
    filters: list[LogitFilter] = []
    if request.form_rules:
        filters.append(KeepsForm(request.form_rules))
    else:
        filters += [OnlyPoemCharacters(masks), WholeLines(masks, request.config.max_length)]
    if request.known_lines:
        length = request.form_rules.length if request.form_rules else None
        filters.append(OriginalLines(masks, request.known_lines, length))
    return filters
