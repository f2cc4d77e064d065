"""EncodedPoems: rows of token ids in a flat array, in memory or in a file. It knows nothing about batches."""

from __future__ import annotations

import contextlib
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator
from io import BufferedRandom
from typing import Any

import numpy as np

from ..errors import CorpusError
from ..files import cache_folder
from ..prosody.lines import split_lines
from ..tokenizer import EOS, PoetTokenizer
from .poems import PoemRecord

IN_MEMORY = 1 << 24  # number of ids; longer arrays are stored in a file


class EncodedPoems:
    """Poems as rows of token ids: `<bos> form <sep> author <sep> title <sep> poem <eos>`.

    A poem longer than `max_length` tokens is split at line ends into several rows, each with the header; only
    the last of them ends in `<eos>`. The rows are stored one after another, at two bytes per id (four if the
    vocabulary has more than 65,536 tokens). Large corpora are stored in an unnamed file in the user's cache
    folder, and rows are read from it when needed.

    Args:
        poems: iterated over once.
        tokenizer: converts the poems to ids.
        max_length: maximum number of tokens in a row.
        in_memory: maximum number of ids to keep in memory; longer arrays are stored in a file.

    Attributes:
        starts: (N + 1,) where each row starts in the array, and where the last one ends.
        parts: (N, 3) the numbers of tokens of form, author and title.

    Raises:
        CorpusError: the file cannot be written, for example because the disk is full.
    """

    def __init__(
        self,
        poems: Iterable[PoemRecord],
        tokenizer: PoetTokenizer,
        max_length: int,
        in_memory: int = IN_MEMORY,
    ):
        ids = array("H" if len(tokenizer) <= 1 << 16 else "I")
        lengths, parts = _SmallNumbers(), _SmallNumbers()
        self._dtype: np.dtype[Any] = np.dtype(ids.typecode)
        self._file: BufferedRandom | None = None
        try:
            for fields, row in _rows(poems, tokenizer, max_length):
                ids.extend(row)
                lengths.extend((len(row),))
                parts.extend(fields)
                if len(ids) >= in_memory:
                    self._file = self._file or _unnamed_file()
                    ids.tofile(self._file)
                    del ids[:]
            if self._file:
                ids.tofile(self._file)
                self._file.flush()
        except OSError as error:
            raise CorpusError(
                f"the encoded poems cannot be stored in {cache_folder()} ({error.strerror}); they need two "
                "bytes per character: free some space, or set POET_CACHE to another folder"
            ) from error
        self._ids = None if self._file else np.frombuffer(ids, self._dtype)
        self.starts: np.ndarray = _running_total(lengths.all())
        self.parts: np.ndarray = parts.all().reshape(-1, 3)

    def __len__(self) -> int:
        return len(self.parts)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """The ids (B, T) of the rows with the numbers `rows` (B,); shorter rows are padded with zeros."""
        starts = self.starts[rows].tolist()
        lengths = (self.starts[rows + 1] - self.starts[rows]).tolist()
        ids = np.zeros((len(rows), max(lengths)), self._dtype)
        for row, start, length in zip(ids, starts, lengths, strict=True):
            if self._ids is not None:
                row[:length] = self._ids[start : start + length]
            elif self._file is not None:
                self._file.seek(start * self._dtype.itemsize)
                self._file.readinto(row[:length].data)
        return ids


def _rows(
    poems: Iterable[PoemRecord], tokenizer: PoetTokenizer, max_length: int
) -> Iterator[tuple[tuple[int, int, int], list[int]]]:
    """For each row, the lengths of its header fields and all its ids."""
    encode = tokenizer.encode_characters
    for poem in poems:
        form, author, title = (len(encode(field)) for field in (poem.form, poem.author, poem.title))
        lengths = form, author, title
        header = tokenizer.encode_header(poem.title, poem.author, poem.form)
        room = max(16, max_length - len(poem.title) - len(poem.author) - 8)
        if len(poem.text) < room:
            yield lengths, [*header, *encode(poem.text), EOS]
        else:
            yield from ((lengths, header + body) for body in _pieces(poem.text, encode, room))


def _pieces(text: str, encode: Callable[[str], list[int]], room: int) -> list[list[int]]:
    """The ids of a poem in pieces of whole lines, each of at most `room` tokens (a longer line is cut)."""
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


class _SmallNumbers:
    """A growing array of integers, stored in the smallest unsigned types that hold them."""

    def __init__(self) -> None:
        self._latest = array("I")
        self._pieces: list[np.ndarray] = []

    def extend(self, numbers: Iterable[int]) -> None:
        self._latest.extend(numbers)
        if len(self._latest) >= 1 << 16:
            self._narrow()

    def _narrow(self) -> None:
        latest = np.frombuffer(self._latest, np.uint32)
        self._pieces.append(latest.astype(np.min_scalar_type(int(latest.max(initial=0)))))
        self._latest = array("I")

    def all(self) -> np.ndarray:
        self._narrow()
        return np.concatenate(self._pieces)


def _running_total(numbers: np.ndarray) -> np.ndarray:
    """(N,) -> (N + 1,) cumulative sums, starting with 0."""
    total = np.min_scalar_type(int(numbers.sum(dtype=np.uint64)))
    return np.concatenate([np.zeros(1, total), np.cumsum(numbers, dtype=total)])


def _unnamed_file() -> BufferedRandom:
    """A file that is deleted when closed; in the cache folder, or in the temporary folder if that fails."""
    with contextlib.suppress(OSError):
        cache_folder().mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=cache_folder())
    return tempfile.TemporaryFile()
