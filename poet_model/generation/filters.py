"""The rules of a poem as logit filters: each filter masks the characters that must not come next."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Protocol

import numpy as np

from ..arrays import FloatArray
from ..tokenizer import EOS
from .masks import VocabularyMasks
from .original import OriginalLines
from .parallel import NoRepeatedCharacter, Parallelism
from .request import Request
from .row import Row

MAX_LINE = 16  # the most characters a line may have without a form; only a few lines of 全唐詩 have more


class LogitFilter(Protocol):
    """A rule of the poem."""

    def __call__(self, logits: FloatArray, rows: Sequence[Row]) -> None:
        """Sets the logits (B, V) of the ids that must not come next in the B rows to -inf, in place."""


class OnlyPoemCharacters:
    """Allows only hanzi, `，`, `。` and `<eos>`, and so bars `<unk>`, `<pad>`, `<bos>` and `<sep>`."""

    def __init__(self, masks: VocabularyMasks):
        self._barred = np.flatnonzero(~masks.poem_characters)

    def __call__(self, logits: FloatArray, rows: Sequence[Row]) -> None:
        logits[:, self._barred] = -np.inf


class WholeLines:
    """Keeps lines between 1 and MAX_LINE characters, and lets a poem end only after a `。`.

    A poem that has reached `max_length` characters ends with the current line.
    """

    def __init__(self, masks: VocabularyMasks, max_length: int):
        self._masks, self._max_length = masks, max_length
        self._comma, self._stop = self._ends = masks.line_ends

    def __call__(self, logits: FloatArray, rows: Sequence[Row]) -> None:
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
                its_logits[self._comma] = -np.inf  # the current line is the last one


class KeepsForm:
    """Keeps the regular form of each row: its shape, tones and rhymes, and the characters that are given."""

    def __call__(self, logits: FloatArray, rows: Sequence[Row]) -> None:
        masks = [row.form.mask(row.state) for row in rows if row.form and row.state]
        logits += masks[0] if all(mask is masks[0] for mask in masks) else np.stack(masks)


class DistinctRhymes:
    """Bars the last characters of the first line and of the even lines from ending another even line (重韻).

    A line is expected to end when it is as long as the first one, so its last character is chosen with that
    in mind. A line that would end elsewhere after such a character has to go on. Only what was given may
    break the rule: a start that already does, or a telestich.
    """

    def __init__(self, masks: VocabularyMasks):
        self._ids, self._ends = masks.tokenizer.ids, masks.line_ends

    def __call__(self, logits: FloatArray, rows: Sequence[Row]) -> None:
        for row, its_logits in zip(rows, logits, strict=True):
            line, words = len(row.ends), row.ends[:1] + row.ends[1::2]
            is_fixed = row.form is not None and (line, row.form.length - 1) in row.form.options.fixed
            if line % 2 == 0 or is_fixed:
                continue
            if row.place + 1 in (row.length, MAX_LINE):
                its_logits[[self._ids[word] for word in words]] = -np.inf
            if row.place not in (0, row.length, MAX_LINE) and row.text[-1] in words:
                its_logits[self._ends] = -np.inf


class FrequencyPenalty:
    """Lowers the logits of characters that the poem already has.

    The poem's latest character is exempt if it is its first use and in this line, so that it may be doubled
    (疊字, as in 青青).
    """

    def __init__(self, masks: VocabularyMasks, penalty: float):
        self._ids, self._penalty = masks.tokenizer.ids, penalty

    def __call__(self, logits: FloatArray, rows: Sequence[Row]) -> None:
        """Lowers the logits (B, V) in place."""
        if not self._penalty:
            return
        lengths: list[int] = []
        ids: list[int] = []
        counts: list[int] = []
        for row in rows:
            # If the last character of the poem is new, it is also the last key of `counts`. It is left out.
            is_last_new = row.place > 0 and row.counts[row.text[-1]] == 1
            lengths.append(len(row.counts) - is_last_new)
            ids += islice(map(self._ids.__getitem__, row.counts), lengths[-1])
            counts += islice(row.counts.values(), lengths[-1])
        if ids:
            numbers = np.arange(len(rows)).repeat(lengths)
            logits[numbers, np.array(ids)] -= np.float32(self._penalty) * np.array(counts, np.float32)


def filters_of(request: Request, masks: VocabularyMasks) -> list[LogitFilter]:
    """The filters of a request. The filters may be applied in any order."""
    filters: list[LogitFilter] = []
    if request.form_rules:
        filters.append(KeepsForm())
    else:
        filters += [OnlyPoemCharacters(masks), WholeLines(masks, request.config.max_length)]
    if request.known_lines:
        length = request.form_rules.length if request.form_rules else None
        filters.append(OriginalLines(masks, request.known_lines, length))
    if request.distinct_rhymes:
        filters.append(DistinctRhymes(masks))
    if request.parallel and request.form_rules:
        filters += [NoRepeatedCharacter(masks), Parallelism(masks)]
    return filters
