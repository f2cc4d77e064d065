"""Reads poems from plain text: one poem a line, or poems over several lines with blank lines between them."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from .. import script
from ..errors import CorpusError
from ..prosody.lines import read_lines
from .records import RawPoem, are_poems, is_table, read_label, read_table, split_at_breaks, split_at_headings

MAX_HEADER = 60  # characters of a title before a colon
_MARKS = re.compile(f"[{script.MARKS_OF_VERSE}]")
_FIELD = re.compile(f"[^{script.MARKS_OF_VERSE}:：]*[:：]")
_FIELDS = re.compile("::|：：|\t+")


def read_text(text: str, path: Path, *, may_be_one_poem: bool = False) -> Iterator[RawPoem]:
    """The records of a plain text file.

    If most of its lines hold at least three lines of verse, each is a poem, with its title in front if a
    colon, `::` or a tab parts them. Otherwise each stretch between blank lines is a poem, with its title,
    and then its author, in lines of their own in front of it. A text that is a table is read as one.

    Args:
        text: the file's text.
        path: its path, for errors.
        may_be_one_poem: whether lines of verse that nothing groups are one poem; otherwise they are refused.

    Raises:
        CorpusError: the text is JSON, or a table that cannot be read, or nothing groups its lines.
    """
    if _is_json(text):
        raise CorpusError(f"{path} contains JSON; rename it to end in .json")
    if is_table(text):
        yield from read_table(text, path, ",;\t|")
        return
    lines = [line.strip() for line in split_at_breaks(text)]
    poems = [_from_line(line) for line in lines if line]
    blocks = [list(block) for has_text, block in itertools.groupby(lines, key=bool) if has_text]
    texts = [poem.text for poem in poems if poem.text is not None]
    is_verse = any(map(script.is_hanzi, "".join(texts)))
    if len(blocks) == len(poems) or not is_verse or (are_poems(texts) and not _have_titles(blocks)):
        yield from poems
        return
    if len(blocks) == 1 and not _header_length(blocks[0]):
        if may_be_one_poem:
            yield RawPoem("", "", "\n".join(blocks[0]))
            return
        raise CorpusError(
            f"{path} contains lines of verse that nothing groups into poems; put each poem on a line of its "
            "own, or an empty line between poems"
        )
    for block in blocks:
        yield from _from_block(block)


def _is_json(text: str) -> bool:
    if not text.lstrip().startswith(("[", "{")):
        return False
    try:
        return isinstance(json.loads(text), list | dict)
    except (ValueError, RecursionError):
        return False


def _from_line(line: str) -> RawPoem:
    """Parses `poem`, `title:poem`, `title::poem` or `title<tab>poem`; other fields have no known meaning."""
    fields = [field.strip() for field in _FIELDS.split(line)]
    if len(fields) > 1 and len(read_lines(fields[-1])) > 1 and not any(map(_MARKS.search, fields[:-1])):
        if len(fields) == 2:
            return RawPoem(fields[0], "", fields[1])
        return RawPoem("", "", None, "fields whose meaning is unknown")
    head, colon, rest = line.replace("：", ":").partition(":")
    if not colon or len(head) > MAX_HEADER or _MARKS.search(head):
        return RawPoem("", "", line)
    rest = line[len(head) + 1 :]
    if _FIELD.match(rest):
        return RawPoem("", "", None, "fields whose meaning is unknown")
    return RawPoem(head, "", rest)


def _from_block(lines: Sequence[str]) -> Iterator[RawPoem]:
    """Reads the lines of a single poem: up to two lines in front of the verse are its title and author."""
    head = _header_length(lines)
    if head is None:
        yield RawPoem("", "", None, "a title that cannot be told from the verse")
        return
    fields = {"title": "", "author": ""}
    for kind, value in map(read_label, lines[:head]):
        fields[kind or ("author" if fields["title"] else "title")] = value
    yield from split_at_headings(fields["title"], fields["author"], lines[head:])


def _have_titles(blocks: Sequence[Sequence[str]]) -> bool:
    """Whether each stretch between blank lines is a poem in one line, below its title."""
    return all(len(block) > 1 and _header_length(block) == len(block) - 1 for block in blocks)


def _header_length(lines: Sequence[str]) -> int | None:
    """How many of the first lines are a title and an author; None if that cannot be known.

    With marks in the verse, these are the lines without any in front of the first with one. In a text that
    has none, they are the lines whose length differs from that of all others, which must be an even number.
    """
    marked = [bool(_MARKS.search(line)) for line in lines]
    if any(marked):
        head = marked.index(True)
        return head if head <= 2 else None
    verse = [read_lines(line) for line in lines]
    lengths = [sum(map(len, parts)) for parts in verse]
    for head in range(3):
        rest = set(lengths[head:])
        if len(rest) == 1 and rest.isdisjoint(lengths[:head]) and sum(map(len, verse[head:])) % 2 == 0:
            return head
    return None
