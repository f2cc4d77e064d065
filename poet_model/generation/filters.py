"""Rules of a poem that bar what may not stand next."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import torch

from .. import script
from ..novelty.index import MIN_ORIGINAL, NoveltyIndex, plain
from ..prosody.lines import LINE_ENDS
from ..tokenizer import EOS, PoetTokenizer
from .masks import line_end_ids
from .request import Request

MAX_LINE = 16  # characters: the longest lines of 全唐诗, but for a few; then only a line end may follow


class LogitFilter(Protocol):
    """A rule of the poem: sets logits of what may not stand next to -inf, in place."""

    def __call__(self, logits: torch.Tensor, texts: Sequence[str]) -> None:
        """`logits` is (B, V); `texts` are the B poems so far."""


@functools.lru_cache(maxsize=4)  # thousands of characters, the same for every poem
def _barred_in_poems(tokenizer: PoetTokenizer) -> torch.Tensor:
    allowed = [c in LINE_ENDS or script.is_hanzi(c) for c in tokenizer.tokens]
    allowed[EOS] = True
    return ~torch.tensor(allowed)


class OnlyPoemCharacters:
    """No `<unk> <pad> <bos> <sep>`: hanzi, `，`, `。` and `<eos>` alone."""

    def __init__(self, tokenizer: PoetTokenizer, device: torch.device):
        self._barred = _barred_in_poems(tokenizer).to(device)

    def __call__(self, logits: torch.Tensor, texts: Sequence[str]) -> None:
        logits.masked_fill_(self._barred, -torch.inf)


class WholeLines:
    """No empty line, none over MAX_LINE characters; a poem ends after a `。`, the next one if it is long."""

    def __init__(self, tokenizer: PoetTokenizer, max_length: int):
        self._comma, self._stop = self._ends = line_end_ids(tokenizer)
        self._max_length = max_length

    def __call__(self, logits: torch.Tensor, texts: Sequence[str]) -> None:
        for row, text in zip(logits, texts, strict=True):
            if not text.endswith("。"):
                row[EOS] = -torch.inf
            if not text or text[-1] in LINE_ENDS:
                row[self._ends] = -torch.inf
                if len(text) >= self._max_length and text.endswith("。"):
                    self._only(row, EOS)
            else:
                line = len(text) - 1 - max(text.rfind(end) for end in LINE_ENDS)
                if len(text) >= self._max_length:
                    row[self._comma] = -torch.inf  # the line under way is the last
                if line >= MAX_LINE:
                    self._only(row, self._stop)

    @staticmethod
    def _only(row: torch.Tensor, token: int) -> None:
        row[:token] = -torch.inf
        row[token + 1 :] = -torch.inf


@functools.lru_cache(maxsize=4)
def _ids_by_plain(tokenizer: PoetTokenizer) -> dict[str, list[int]]:
    """The ids of the characters that an index writes in one way."""
    found: dict[str, list[int]] = {}
    for character in tokenizer.characters:
        found.setdefault(plain(character), []).append(tokenizer.ids[character])
    return found


class OriginalLines:
    """No line of MIN_ORIGINAL characters or more that stands, whole, in the poems of an index.

    Args:
        length: characters of a line, if that is fixed; else each character may be a line's last.
    """

    def __init__(self, tokenizer: PoetTokenizer, index: NoveltyIndex, length: int | None):
        self._ids, self._length = _ids_by_plain(tokenizer), length
        self._ends = line_end_ids(tokenizer)
        self._followers = functools.cache(index.followers)

    def __call__(self, logits: torch.Tensor, texts: Sequence[str]) -> None:
        for row, text in zip(logits, texts, strict=True):
            line = text[max(text.rfind(end) for end in LINE_ENDS) + 1 :]
            if len(line) + 1 < (self._length or MIN_ORIGINAL):
                continue
            if len(line) != self._length:
                known = [token for c in self._followers(line) for token in self._ids.get(c, ())]
                row[known] = -torch.inf
            if (
                not self._length
                and len(line) >= MIN_ORIGINAL
                and plain(line[-1]) in self._followers(line[:-1])
            ):
                row[self._ends] = -torch.inf  # it was begun by the start


class FrequencyPenalty:
    """Makes less likely what the poem has already, but not the same character twice running (叠字)."""

    def __init__(self, tokenizer: PoetTokenizer, penalty: float):
        self._ids, self._penalty = tokenizer.ids, penalty

    def __call__(self, logits: torch.Tensor, texts: Sequence[str]) -> None:
        if not self._penalty:
            return
        rows, ids, counts = [], [], []
        for row, text in enumerate(texts):
            found = Counter(text)
            if found[text[-1:]] == 1:
                del found[text[-1]]
            for character, count in found.items():
                if character not in LINE_ENDS:
                    rows.append(row)
                    ids.append(self._ids[character])
                    counts.append(count)
        if rows:
            places = (torch.tensor(rows, device=logits.device), torch.tensor(ids, device=logits.device))
            taken = -self._penalty * torch.tensor(counts, dtype=logits.dtype, device=logits.device)
            logits.index_put_(places, taken, accumulate=True)


def make_filters(tokenizer: PoetTokenizer, request: Request, device: torch.device) -> list[LogitFilter]:
    """The rules of a request; none of them cares which comes first."""
    if request.rules:
        filters: list[LogitFilter] = [request.rules]
    else:
        filters = [OnlyPoemCharacters(tokenizer, device), WholeLines(tokenizer, request.config.max_length)]
    if request.known_lines:
        length = request.rules.length if request.rules else None
        filters.append(OriginalLines(tokenizer, request.known_lines, length))
    return filters
