"""PoemBatches: batches of poems as token ids, grouped by length. It knows nothing about models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..tokenizer import PAD, PoetTokenizer
from .encoded import EncodedPoems
from .poems import PoemRecord

IGNORE = -100  # target of a token that is not scored; the default of torch's cross_entropy
PIECE = 1 << 16  # number of rows for which random numbers are drawn at a time, to save memory


class Batch(NamedTuple):
    """One batch: `inputs` and `targets`, both (B, T) int64.

    Each target is the id that follows its input, or IGNORE if it is not scored.
    """

    inputs: np.ndarray
    targets: np.ndarray


class HeaderRates(NamedTuple):
    """Probabilities of leaving out header fields; which ones are left out is drawn anew in each epoch.

    Most users request a poem without a header, or with a title alone. The title is left out less often than
    the other fields, because it says what the poem is about.

    Attributes:
        form, author, title: probability of leaving out this field, each independently.
        all: probability of leaving out the whole header.
    """

    form: float = 0.4
    author: float = 0.5
    title: float = 0.15
    all: float = 0.3


class PoemBatches:
    """Batches of poems; the same seed and epoch give the same batches in every process.

    The title (if present) with its `<sep>`, the poem and `<eos>` are scored; form and author are inputs only.
    A poem longer than `max_length` tokens is split at line ends into pieces, each with the header; only the
    last piece ends in `<eos>`. All rows of a batch have the same length and need no padding, except in the
    batches made from the remaining rows of each length. Poems are stored as ids (EncodedPoems), so memory
    use grows little with their number.

    Args:
        poems: the poems, in any order; iterated over once.
        tokenizer: converts the poems to ids.
        batch_size: maximum number of rows in a batch.
        max_tokens: maximum number of tokens in a batch; batches of long poems have fewer rows.
        max_length: maximum number of tokens in a row.
        header: how often header fields are left out; None keeps every header complete.
        score_title: whether titles are scored, or only the poem and `<eos>`.
        exact_length: False for padded batches of rows of any length, as in a simple training recipe.
        seed: seed of the order and of the header fields left out.
    """

    def __init__(
        self,
        poems: Iterable[PoemRecord],
        tokenizer: PoetTokenizer,
        *,
        batch_size: int = 64,
        max_tokens: int = 8192,
        max_length: int = 256,
        header: HeaderRates | None = None,
        score_title: bool = True,
        exact_length: bool = True,
        seed: int = 0,
    ):
        self.batch_size: int = batch_size
        self.max_tokens: int = max_tokens
        self.header: HeaderRates | None = header
        self.seed: int = seed
        self.score_title: bool = score_title
        self.exact_length: bool = exact_length
        self.poems: EncodedPoems = EncodedPoems(poems, tokenizer, max_length)

    def epoch(self, number: int) -> Epoch:
        """The batches of epoch `number`, counted from 0."""
        rng = np.random.default_rng([self.seed, number])
        kept = np.ones((len(self.poems), 3), dtype=bool)
        if self.header is not None:
            *fields, whole = self.header
            _drop(kept, fields, rng)
            _drop(kept, [whole], rng)
        lengths = _stream_lengths(self.poems, kept)
        plan = self._plan(lengths, rng) if self.exact_length else self._random_plan(len(lengths), rng)
        return Epoch(self.poems, kept, *plan, score_title=self.score_title)

    def _plan(self, lengths: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The order of the rows, and the bounds of the batches within it; see Epoch."""
        order = rng.permutation(np.arange(len(lengths), dtype=np.uint32))
        ordered_lengths = lengths[order]
        batches, left_over = [], [order[:0]]
        for length in np.unique(ordered_lengths):
            rows, size = order[ordered_lengths == length], self._rows_of(length)
            whole = len(rows) // size * size
            batches += [rows[start : start + size] for start in range(0, whole, size)]
            left_over.append(rows[whole:])
        rest = np.concatenate(left_over)
        while len(rest):  # from the longest rows down; the longest in a batch limits its number of rows
            size = self._rows_of(lengths[rest[-1]])
            batches.append(rest[-size:])
            rest = rest[:-size]
        batches = [batches[index] for index in rng.permutation(len(batches))]
        return np.concatenate([order[:0], *batches]), np.cumsum([0, *map(len, batches)])

    def _random_plan(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Like `_plan`, for batches of rows of any length."""
        bounds = np.append(np.arange(0, count, self.batch_size), count)
        return rng.permutation(count), bounds

    def _rows_of(self, length: int) -> int:
        """The maximum number of rows of this length in a batch."""
        fitting = max(1, self.max_tokens // int(length))
        return min(self.batch_size, fitting // 8 * 8 or fitting)  # cuDNN's fast kernel needs multiples of 8


class Epoch:
    """The batches of one epoch, each built on the CPU when it is requested.

    Args:
        poems: the ids of the poems.
        kept: (N, 3) whether the form, author and title of each row are kept.
        order: (N,) row numbers, batch after batch.
        bounds: (number of batches + 1,) where each batch starts in `order`, and where the last one ends.
        score_title: whether titles are scored.
    """

    def __init__(
        self,
        poems: EncodedPoems,
        kept: np.ndarray,
        order: np.ndarray,
        bounds: np.ndarray,
        score_title: bool = True,
    ):
        self._poems, self._kept, self._order, self._bounds = poems, kept, order, bounds
        self._score_title = score_title

    def __len__(self) -> int:
        return len(self._bounds) - 1

    def rows(self, index: int) -> np.ndarray:
        """The row numbers (B,) of the batch at `index`; a row is a poem or a piece of one."""
        return self._order[self._bounds[index] : self._bounds[index + 1]].astype(np.int64)

    def batch(self, index: int) -> Batch:
        """The batch at `index`, counted from 0."""
        rows = self.rows(index)
        whole = self._poems.read(rows)  # (B, T + 1 + the tokens to leave out)
        parts = self._poems.parts[rows].astype(np.int64)  # (B, 3)
        given = parts * self._kept[rows]
        left_out = parts - given
        lengths = (self._poems.starts[rows + 1] - self._poems.starts[rows]).astype(np.int64)
        lengths -= left_out.sum(axis=1)
        places = np.arange(lengths.max())
        begin = np.cumsum(given, axis=1) - given + [1, 2, 3]  # where each field would begin in the stream
        source = places + (left_out[:, :, None] * (places >= begin[:, :, None])).sum(axis=1)
        stream = np.take_along_axis(whole, np.minimum(source, whole.shape[1] - 1), axis=1).astype(np.int64)
        inside = places[:-1] < lengths[:, None] - 1  # (B, T); the last token of a row has no target
        first = 4 + given.sum(axis=1)  # (B,) where the poem starts in the stream
        if self._score_title:
            first -= np.where(given[:, 2] > 0, given[:, 2] + 1, 0)
        scored = inside & (places[:-1] >= first[:, None] - 1)
        return Batch(np.where(inside, stream[:, :-1], PAD), np.where(scored, stream[:, 1:], IGNORE))

    def __iter__(self) -> Iterator[Batch]:
        return (self.batch(index) for index in range(len(self)))


def _drop(kept: np.ndarray, rates: Sequence[float], rng: np.random.Generator) -> None:
    """Clears flags of `kept` (N, 3), in place, each with the probability of its column.

    With three rates each flag is drawn independently; with one the flags of a row are drawn together.
    """
    for start in range(0, len(kept), PIECE):
        piece = kept[start : start + PIECE]
        piece &= rng.random((len(piece), len(rates))) >= rates


def _stream_lengths(poems: EncodedPoems, kept: np.ndarray) -> np.ndarray:
    """(N,) the number of inputs of each row: its tokens without the fields left out, minus the last one."""
    lengths = np.empty(len(poems), np.uint32)
    for start in range(0, len(poems), PIECE):
        piece = slice(start, start + PIECE)
        whole = np.diff(poems.starts[start : start + PIECE + 1].astype(np.int64))
        lengths[piece] = whole - 1 - (poems.parts[piece] * ~kept[piece]).sum(axis=1)
    return lengths.astype(np.min_scalar_type(int(lengths.max(initial=0))))  # small types compare faster
