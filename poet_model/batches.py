"""Poems as batches of token ids of one exact length. Knows the stream, not what a model does with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from .corpus import PoemRecord
from .prosody import split_lines
from .tokenizer import BOS, EOS, PAD, SEP, PoetTokenizer

IGNORE = -100  # a target that is not scored, as in torch's cross_entropy


class Batch(NamedTuple):
    """`inputs` and `targets`, both (B, T) int64; a target is the next id, or IGNORE if it is not scored."""

    inputs: torch.Tensor
    targets: torch.Tensor


class HeaderRates(NamedTuple):
    """How often header fields are left out of the stream, drawn anew each epoch.

    `field` is for each of form, author, title on its own; `all` empties the whole header, as most readers do:
    often enough that a poem without one is what the model is best at.
    """

    field: float = 0.3
    all: float = 0.3


class PoemBatches:
    """Batches over some poems; the same seed and epoch give the same batches in every process.

    Scored are the title with its `<sep>` (if it is given), the poem, and `<eos>`; form and author are only
    read. A poem longer than `max_length` tokens is cut at line ends into pieces, each with the header; only
    the last piece ends in `<eos>`. Batches are of one exact length (no padding), except those made of what is
    left over.

    Args:
        poems: the poems, in any order.
        tokenizer: gives the ids.
        batch_size: rows of a batch at most.
        max_tokens: tokens of a batch at most: long poems come in batches of fewer rows.
        max_length: tokens of a row at most.
        header: how often header fields are left out; None gives every header whole.
        score_title: whether titles count, or the poem and `<eos>` alone.
        seed: of the order and of what is left out.
        device: where the ids of an epoch are put.
    """

    def __init__(
        self,
        poems: Sequence[PoemRecord],
        tokenizer: PoetTokenizer,
        *,
        batch_size: int = 64,
        max_tokens: int = 8192,
        max_length: int = 256,
        header: HeaderRates | None = None,
        score_title: bool = True,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ):
        self.batch_size, self.max_tokens, self.header, self.seed = batch_size, max_tokens, header, seed
        self.score_title = score_title
        self.device = torch.device(device)
        encode = tokenizer.encode_characters
        self.rows = [
            (encode(poem.form), encode(poem.author), encode(poem.title), body)
            for poem in poems
            for body in _pieces(poem.text, encode, max_length - len(poem.title) - len(poem.author) - 8)
        ]

    def epoch(self, number: int) -> Epoch:
        """The batches of one epoch, the first of which has number 0."""
        rng = np.random.default_rng([self.seed, number])
        kept = np.ones((len(self.rows), 3), dtype=bool)
        if self.header is not None:
            kept = rng.random((len(self.rows), 3)) >= self.header.field
            kept &= rng.random((len(self.rows), 1)) >= self.header.all
        streams, first_scored = [], []
        for (form, author, title, body), (with_form, with_author, with_title) in zip(
            self.rows, kept, strict=True
        ):
            title = title if with_title else []
            form, author = form if with_form else [], author if with_author else []
            stream = [BOS, *form, SEP, *author, SEP, *title, SEP]
            first_scored.append(len(stream) - (len(title) + 1 if title and self.score_title else 0))
            streams.append(stream + body)
        lengths = np.array([len(stream) - 1 for stream in streams])
        tokens = np.fromiter((token for stream in streams for token in stream), np.int32)
        starts = np.concatenate([[0], np.cumsum(lengths + 1)[:-1]])
        targets = np.append(tokens[1:], 0)
        for start, first in zip(starts, first_scored, strict=True):
            targets[start : start + first - 1] = IGNORE
        return Epoch(tokens, targets, starts, lengths, self._plan(lengths, rng), self.device)

    def _plan(self, lengths: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
        """Which rows make up each batch, in random order."""
        order = rng.permutation(len(lengths))
        order = order[np.argsort(lengths[order], kind="stable")]
        plan, left_over = [], []
        for group in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
            size = self._rows_of(lengths[group[0]])
            whole = len(group) // size * size
            plan.extend(group[:whole].reshape(-1, size))
            left_over.extend(group[whole:])
        while left_over:  # the longest first: it fixes how many rows fit
            size = self._rows_of(lengths[left_over[-1]])
            plan.append(np.array(left_over[-size:]))
            del left_over[-size:]
        return [plan[index] for index in rng.permutation(len(plan))]

    def _rows_of(self, length: int) -> int:
        fitting = max(1, self.max_tokens // int(length))
        return min(self.batch_size, fitting // 8 * 8 or fitting)  # cuDNN's fast kernel wants multiples of 8


class Epoch:
    """One epoch's ids, kept whole on the device; batches are cut from it by index.

    Attributes:
        plan: for each batch the numbers of its rows, in the order of `PoemBatches.rows`.
    """

    def __init__(self, tokens, targets, starts, lengths, plan, device):
        self._tokens = torch.as_tensor(tokens, device=device)
        self._targets = torch.as_tensor(targets, device=device)
        self._starts, self._lengths, self.plan, self._device = starts, lengths, plan, device
        self.num_tokens = int(lengths.sum())
        # the last token of a row predicts nothing
        self.num_targets = int((targets != IGNORE).sum()) - len(lengths)

    def __len__(self) -> int:
        return len(self.plan)

    def batch(self, index: int) -> Batch:
        """The batch at one place of the plan."""
        rows = self.plan[index]
        starts = torch.as_tensor(self._starts[rows], device=self._device)[:, None]
        lengths = torch.as_tensor(self._lengths[rows], device=self._device)[:, None]
        offsets = torch.arange(int(self._lengths[rows].max()), device=self._device)
        inside = offsets < lengths  # (B, T)
        places = torch.where(inside, starts + offsets, 0)
        inputs = torch.where(inside, self._tokens[places], PAD)
        targets = torch.where(inside, self._targets[places], IGNORE)
        return Batch(inputs.long(), targets.long())

    def __iter__(self) -> Iterator[Batch]:
        return (self.batch(index) for index in range(len(self)))


def _pieces(text: str, encode, room: int) -> list[list[int]]:
    """The ids of a poem, in pieces of whole lines that each fit into `room` tokens (a longer line is cut)."""
    room = max(room, 16)
    pieces: list[list[int]] = [[]]
    for line in split_lines(text):
        ids = encode(line)
        if len(pieces[-1]) + len(ids) + 1 > room and pieces[-1]:
            pieces.append([])
        while len(ids) + 1 > room:
            pieces[-1], ids = ids[: room - 1], ids[room - 1 :]
            pieces.append([])
        pieces[-1] += ids
    pieces[-1].append(EOS)
    return pieces
