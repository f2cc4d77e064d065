"""NoveltyIndex: finds the longest stretch of a line that also occurs in a corpus, and the poem that has it.

    python -m poet_model.novelty build                   # 全唐詩, into the user's cache folder
    python -m poet_model.novelty find 春眠不覺曉，處處聞啼鳥。

The index is a suffix array: all positions in the corpus, sorted by the text that begins there. A separator
between lines keeps stretches from crossing line ends. Variants of a character (爲 為 为) count as the same.
The index is stored on disk and read as a whole; nothing is ever unpickled.
"""

from __future__ import annotations

import functools
import json
import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from .. import script
from ..errors import CheckpointError
from ..files import cache_folder, opened, read_json, write_text
from ..folders import replaced_folder
from ..prosody.lines import check_poem, read_lines
from .suffixes import SORTED_BY, Codes, Places, sort_suffixes

Number = TypeVar("Number", np.uint32, np.int32)
TEXT_NAME, SUFFIXES_NAME, POEMS_NAME = "text.npy", "suffixes.npy", "poems.json"
FORMAT_VERSION = 2
MAX_LENGTH = 1 << 28  # characters; 全唐詩 and 全宋詩 together have 1 << 24
MAX_POEMS_BYTES = 32 << 20
MIN_LENGTH = 3  # characters; shorter stretches are too common to be reported
MIN_ORIGINAL = 5  # characters; shorter lines count as common property


@dataclass(frozen=True)
class Match:
    """The longest stretch of a line that also occurs in the corpus.

    Attributes:
        line: the number of the line, from 1.
        text: the stretch; '' if no stretch of at least MIN_LENGTH characters occurs in the corpus.
        is_whole: whether it is the whole line of the poem; in the corpus it may be part of a longer line.
        title, author: the title and the author of the first poem that has it.
        places: how often it occurs in the corpus.
    """

    line: int
    text: str
    is_whole: bool
    title: str = ""
    author: str = ""
    places: int = 0


class NoveltyIndex:
    """A suffix array of a corpus, in which stretches of a poem can be looked up.

    Args:
        text: (N,) code points of the corpus, with 0 between lines and poems.
        suffixes: (N,) all places of `text`, sorted by the text that begins there.
        poems: the place of the first character, the title and the author of each poem, in order.

    Example:
        >>> index = NoveltyIndex.build([("春眠不覺曉，處處聞啼鳥。", "春曉", "孟浩然")])
        >>> [match.text for match in index.find("夜來風雨聲，處處聞鐘聲。")]
        ['', '處處聞']
    """

    def __init__(self, text: Codes, suffixes: Places, poems: Sequence[tuple[int, str, str]]):
        self._text, self._suffixes, self._poems = text, suffixes, poems
        self._starts = np.array([start for start, _, _ in poems])

    @classmethod
    def build(cls, poems: Iterable[tuple[str, str, str]]) -> NoveltyIndex:
        """Builds the index of some poems, each given as (text, title, author)."""
        pieces, places, length = [], [], 0
        for text, title, author in poems:
            piece = plain("\0".join(read_lines(text))) + "\0\0"
            places.append((length, title, author))
            pieces.append(piece)
            length += len(piece)
        codes = np.frombuffer("".join(pieces).encode("utf-32-le"), np.uint32)
        return cls(codes, sort_suffixes(codes), places)

    def save(self, folder: str | Path) -> None:
        """Writes the index into a folder atomically."""
        with replaced_folder(Path(folder)) as fresh:
            np.save(fresh / TEXT_NAME, self._text, allow_pickle=False)
            np.save(fresh / SUFFIXES_NAME, self._suffixes, allow_pickle=False)
            record = {"format_version": FORMAT_VERSION, "poems": list(map(list, self._poems))}
            write_text(
                fresh / POEMS_NAME, json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n"
            )

    @classmethod
    def load(cls, folder: str | Path) -> NoveltyIndex:
        """Reads an index.

        Its arrays are copied, so that what happens to the files later does not change it.

        Raises:
            CheckpointError: the folder has no index, or the index is damaged or of another version.
        """
        folder = Path(folder)
        build = "python -m poet_model.novelty build"
        if folder != default_folder():
            build += f" --folder {shlex.quote(str(folder))}"
        if not (folder / POEMS_NAME).is_file():
            raise CheckpointError(
                f"there is no index in {folder}; build one with `{build}`",
                chinese="這裡沒有全唐詩的索引，查不了是否原創。",
            )
        remedy = f"build it again: {build}"
        record = read_json(folder / POEMS_NAME, dict, remedy, MAX_POEMS_BYTES)
        if record.get("format_version") != FORMAT_VERSION:
            raise CheckpointError(f"{folder} holds an index of another kind; {remedy}")
        text = _read_array(folder / TEXT_NAME, np.uint32, remedy)
        suffixes = _read_array(folder / SUFFIXES_NAME, np.int32, remedy)
        poems = record.get("poems", [])
        if not _fit(text, suffixes, poems):
            raise CheckpointError(f"{folder} holds a damaged index; {remedy}")
        return cls(text, suffixes, [tuple(poem) for poem in poems])

    def find(self, poem: str) -> list[Match]:
        """The longest stretch of each line of a poem, in either script, that also occurs in the corpus.

        Lines end where `prosody.lines.read_lines` ends them: at any mark or line break.

        Raises:
            InvalidValueError: it is not text, or longer than MAX_POEM.
        """
        check_poem(poem)
        return [self._find(number, line) for number, line in enumerate(read_lines(poem), 1)]

    def followers(self, stretch: str) -> str:
        """The characters that follow a stretch somewhere in the corpus, as `plain` writes them.

        Raises:
            InvalidValueError: it is not text, or longer than MAX_POEM.
        """
        check_poem(stretch)
        low, high = 0, len(self._suffixes)
        for depth, character in enumerate(plain(stretch)):
            bounds = self._narrow(low, high, depth, np.uint32(ord(character)))
            if bounds is None:
                return ""
            low, high = bounds
        after = self._suffixes[low:high] + len(stretch)
        return "".join(map(chr, np.unique(self._text[after[after < len(self._text)]]))).lstrip("\0")

    def _find(self, number: int, line: str) -> Match:
        best = (MIN_LENGTH - 1, 0, 0, 0)  # length, start in the line, bounds of the range of suffixes
        codes = np.array([ord(c) for c in plain(line)], np.uint32)
        for start in range(len(line)):
            low, high, length = 0, len(self._suffixes), 0
            while start + length < len(line) and length < SORTED_BY:
                bounds = self._narrow(low, high, length, codes[start + length])
                if bounds is None:
                    break
                (low, high), length = bounds, length + 1
            if length > best[0]:
                best = (length, start, low, high)
        length, start, low, high = best
        if length < MIN_LENGTH:
            return Match(number, "", False)
        first = int(self._suffixes[low:high].min())
        _, title, author = self._poems[int(np.searchsorted(self._starts, first, side="right")) - 1]
        return Match(number, line[start : start + length], length == len(line), title, author, high - low)

    def _narrow(self, low: int, high: int, depth: int, code: int | np.uint32) -> tuple[int, int] | None:
        """Narrows a range of suffixes to those whose character at `depth` is `code`.

        Args:
            low, high: the bounds of the range, `high` excluded. Its suffixes share their first `depth`
                characters.

        Returns:
            The bounds of the narrower range; None if it is empty.
        """

        def first(at_least: int | np.uint32) -> int:
            """The index of the first suffix in the range whose next character is >= `at_least`, or `high`."""
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

    def _code(self, place: int | np.int32) -> int | np.uint32:
        return self._text[place] if place < len(self._text) else 0


def _read_array(path: Path, dtype: type[Number], remedy: str) -> npt.NDArray[Number]:
    """The numbers (N,) in a `.npy` file.

    Raises:
        CheckpointError: the file is missing or damaged, or holds another type or shape.
    """
    with opened(path, remedy) as file:
        try:
            np.lib.format.read_magic(file)  # np.save writes version 1.0 for such an array
            (length,), _, found = np.lib.format.read_array_header_1_0(file)
        except (ValueError, TypeError, SyntaxError, RecursionError):
            length, found = 0, None
        stored = os.fstat(file.fileno()).st_size - file.tell()
        if found != dtype or not 0 < length <= MAX_LENGTH or stored != length * found.itemsize:
            raise CheckpointError(f"{path} is damaged, or of another kind; {remedy}")
        array = np.empty(length, dtype)
        file.readinto(array.data)
        return array


def _fit(text: Codes, suffixes: Places, poems: object) -> bool:
    """Whether the parts of an index fit together, so that no look-up can fail."""
    if len(text) != len(suffixes) or text.max() > sys.maxunicode:
        return False
    if suffixes.min() < 0 or suffixes.max() >= len(text) or not isinstance(poems, list) or not poems:
        return False
    if any(not isinstance(poem, list) or list(map(type, poem)) != [int, str, str] for poem in poems):
        return False
    starts = [start for start, _, _ in poems]
    return starts[0] == 0 and starts == sorted(starts) and starts[-1] < len(text)


def plain(text: str) -> str:
    """The text with each character in its simplified form, so that all its variants become the same."""
    return "".join(map(_plain, text))


@functools.cache
def _plain(character: str) -> str:
    simplified = script.to_simplified(character)
    return simplified if len(simplified) == 1 else character


def default_folder() -> Path:
    """The default folder of the index, in the user's cache folder."""
    return cache_folder() / "novelty"
