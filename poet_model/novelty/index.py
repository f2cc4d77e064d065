"""Which stretch of a line stands in the corpus, and whose poem is it? An index on disk, opened by memory map.

    python -m poet_model.novelty build                   # 全唐诗, into the user's cache folder
    python -m poet_model.novelty find 春眠不覺曉，處處聞啼鳥。

The index is a suffix array: every place of the corpus, in the order of the text that begins there. Lines are
kept apart, so no stretch goes across a line end. Ways to write one character (爲 為 为) count as the same.
Nothing in it is ever unpickled.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import script
from ..errors import CheckpointError
from ..files import cache_folder, read_json, replaced_folder, write_text
from ..prosody.lines import LINE_ENDS, split_lines

TEXT_NAME, SUFFIXES_NAME, POEMS_NAME = "text.npy", "suffixes.npy", "poems.json"
FORMAT_VERSION = 2
SORTED_BY = 32  # characters of a suffix that decide its place: longer than any line of verse
MIN_LENGTH = 3  # characters: shorter stretches are everybody's
MIN_ORIGINAL = 5  # characters of a line that may be called somebody's


@dataclass(frozen=True)
class Match:
    """The longest stretch of a line that the corpus holds too.

    Attributes:
        line: number of the line, from 1.
        text: the stretch; '' if not even MIN_LENGTH characters stand together in the corpus.
        is_whole: whether that is the whole line.
        title, author: of the first poem that holds it.
        places: how many places hold it.
    """

    line: int
    text: str
    is_whole: bool
    title: str = ""
    author: str = ""
    places: int = 0


class NoveltyIndex:
    """The places of a corpus, to be searched for stretches of a poem.

    Args:
        text: (N,) code points, lines and poems separated by 0.
        suffixes: (N,) places of `text` in the order of what begins there.
        poems: place of the first character, title and author of each poem, in order.
    """

    def __init__(self, text: np.ndarray, suffixes: np.ndarray, poems: Sequence[tuple[int, str, str]]):
        self._text, self._suffixes, self._poems = text, suffixes, poems
        self._starts = np.array([start for start, _, _ in poems])

    @classmethod
    def build(cls, poems: Iterable[tuple[str, str, str]]) -> NoveltyIndex:
        """An index of poems, each (text, title, author)."""
        pieces, places, length = [], [], 0
        for text, title, author in poems:
            piece = plain(text).translate(str.maketrans(LINE_ENDS, "\0" * len(LINE_ENDS))) + "\0"
            places.append((length, title, author))
            pieces.append(piece)
            length += len(piece)
        codes = np.frombuffer("".join(pieces).encode("utf-32-le"), np.uint32)
        return cls(codes, sort_suffixes(codes), places)

    def save(self, folder: str | Path) -> None:
        """Writes the index into a folder, in one step."""
        with replaced_folder(Path(folder)) as fresh:
            np.save(fresh / TEXT_NAME, self._text, allow_pickle=False)
            np.save(fresh / SUFFIXES_NAME, self._suffixes, allow_pickle=False)
            record = {"format_version": FORMAT_VERSION, "poems": list(map(list, self._poems))}
            write_text(
                fresh / POEMS_NAME, json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n"
            )

    @classmethod
    def load(cls, folder: str | Path) -> NoveltyIndex:
        """Opens an index; the arrays stay on disk and are read where they are needed.

        Raises:
            CheckpointError: there is none, or it is damaged.
        """
        folder = Path(folder)
        if not (folder / POEMS_NAME).is_file():
            raise CheckpointError(
                f"there is no index in {folder}; make one with python -m poet_model.novelty build",
                chinese="這裡沒有全唐詩的索引，查不了是否原創。",
            )
        record = read_json(folder / POEMS_NAME, dict, "make it again: python -m poet_model.novelty build")
        try:
            text, suffixes = (
                np.load(folder / name, mmap_mode="r", allow_pickle=False)
                for name in (TEXT_NAME, SUFFIXES_NAME)
            )
            poems = [(int(start), str(title), str(author)) for start, title, author in record["poems"]]
            right = record["format_version"] == FORMAT_VERSION and text.dtype == np.uint32
            right &= (
                suffixes.dtype == np.int32 and text.shape == suffixes.shape == (len(text),) and bool(poems)
            )
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise CheckpointError(f"{folder} holds a damaged index ({error}); build it again") from error
        if not right:
            raise CheckpointError(f"{folder} holds an index of another kind; build it again")
        return cls(text, suffixes, poems)

    def find(self, poem: str) -> list[Match]:
        """For each line of a poem, in either script, its longest stretch that the corpus holds."""
        lines = [line.rstrip(LINE_ENDS) for line in split_lines(poem)]
        return [self._find(number, line) for number, line in enumerate(lines, 1)]

    def followers(self, stretch: str) -> str:
        """The characters, as `plain` has them, that stand behind a stretch somewhere in the corpus."""
        low, high = 0, len(self._suffixes)
        for depth, character in enumerate(plain(stretch)):
            found = self._narrow(low, high, depth, np.uint32(ord(character)))
            if found is None:
                return ""
            low, high = found
        behind = self._suffixes[low:high] + len(stretch)
        return "".join(map(chr, np.unique(self._text[behind[behind < len(self._text)]]))).lstrip("\0")

    def _find(self, number: int, line: str) -> Match:
        best = (MIN_LENGTH - 1, 0, 0, 0)  # length, start in the line, range of suffixes
        codes = np.array([ord(c) for c in plain(line)], np.uint32)
        for start in range(len(line)):
            low, high, length = 0, len(self._suffixes), 0
            while start + length < len(line) and length < SORTED_BY:
                found = self._narrow(low, high, length, codes[start + length])
                if found is None:
                    break
                (low, high), length = found, length + 1
            if length > best[0]:
                best = (length, start, low, high)
        length, start, low, high = best
        if length < MIN_LENGTH:
            return Match(number, "", False)
        first = int(self._suffixes[low:high].min())
        _, title, author = self._poems[int(np.searchsorted(self._starts, first, side="right")) - 1]
        return Match(number, line[start : start + length], length == len(line), title, author, high - low)

    def _narrow(self, low: int, high: int, depth: int, code: int) -> tuple[int, int] | None:
        """Of the suffixes low … high, which share `depth` characters, those with `code` next; None: none."""

        def first(at_least: int) -> int:
            """The first of them whose next character is `at_least` or more."""
            left, right = low, high
            while left < right:
                middle = (left + right) // 2
                if self._code(self._suffixes[middle] + depth) < at_least:
                    left = middle + 1
                else:
                    right = middle
            return left

        left = first(code)
        if left == high or self._code(self._suffixes[left] + depth) != code:
            return None
        return left, first(int(code) + 1)

    def _code(self, place: int) -> int:
        return self._text[place] if place < len(self._text) else 0


def plain(text: str) -> str:
    """A text in which each character is written in one way: its simplified form."""
    return "".join(map(_plain, text))


@functools.cache
def _plain(character: str) -> str:
    simplified = script.to_simplified(character)
    return simplified if len(simplified) == 1 else character


def sort_suffixes(codes: np.ndarray) -> np.ndarray:
    """Places in the order of the SORTED_BY characters that begin there, by doubling (Manber & Myers 1990)."""
    _, ranks = np.unique(codes, return_inverse=True)
    ranks, width = ranks.astype(np.int64), 1
    while width < SORTED_BY:
        behind = np.zeros_like(ranks)
        behind[:-width] = ranks[width:] + 1
        _, ranks = np.unique(ranks * (len(codes) + 2) + behind, return_inverse=True)
        width *= 2
    return np.argsort(ranks, kind="stable").astype(np.int32)


def default_folder() -> Path:
    """Where the index is kept if no folder is named."""
    return cache_folder() / "novelty"
