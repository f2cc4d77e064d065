"""Reads the poems that `poet judge` is given, in every format that a corpus may have, and judges them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..corpus.records import RawPoem, read_json, read_json_lines, split_at_breaks
from ..corpus.sources import READERS
from ..corpus.text_file import read_text
from ..couplets import Couplet, middle_couplets
from ..errors import CorpusError, InvalidValueError
from ..novelty.borrowed import novelty_record
from ..novelty.index import Match, NoveltyIndex
from ..prosody.lines import MAX_POEM, read_lines, with_line_ends
from ..prosody.scansion import Scansion, scan
from ..prosody.verdict import verdict_of
from ..script import is_hanzi
from .given_text import STDIN, name_of, read_given

_JSON = re.compile(r'\s*[\[{]\s*["\[{\]}]')  # a text may begin with [唐]


@dataclass(frozen=True)
class Judged:
    """A poem with its scansion.

    Attributes:
        text: the poem, in the script that it is written in, each line ended by `，` or `。`.
        title, author: '' if they are not given.
        scansion: what prosody finds.
        couplets: the middle couplets of a 律詩; empty for other poems.
        matches: what else the index of 全唐詩 finds; None without an index.
    """

    text: str
    title: str
    author: str
    scansion: Scansion
    couplets: tuple[Couplet, ...] = ()
    matches: tuple[Match, ...] | None = None

    def record(self) -> dict[str, object]:
        """The poem and the judgement as JSON values."""
        return {
            "text": self.text,
            "title": self.title,
            "author": self.author,
            "form": self.scansion.form,
            "is_regular": self.scansion.is_regular,
            "verdict": list(verdict_of(self.scansion)),
            "scansion": self.scansion.record(),
            "couplets": [couplet.record() for couplet in self.couplets],
            "novelty": None if self.matches is None else novelty_record(self.matches),
        }


def judged(text: str, title: str = "", author: str = "", index: NoveltyIndex | None = None) -> Judged:
    """A poem with its scansion.

    Args:
        text: the poem as people write it.
        title, author: as given.
        index: the poems in which its lines are looked up; None for none.

    Raises:
        InvalidValueError: the text is longer than MAX_POEM.
    """
    scansion = scan(text)
    text = with_line_ends(text)
    matches = None if index is None else tuple(index.find(text))
    return Judged(text, title, author, scansion, middle_couplets(text), matches)


def judged_in(
    sources: Iterable[str], dropped: Counter[str], index: NoveltyIndex | None = None
) -> Iterator[Judged]:
    """The poems in some files, judged one after another.

    Args:
        sources: paths of files, or STDIN.
        dropped: counts what is left out, by the reason.
        index: as for `judged`.

    Raises:
        CorpusError: a file cannot be read, or holds no poem.
        InvalidValueError: a poem is longer than MAX_POEM.
    """
    for source in sources:
        name = name_of(source)
        raws = list(_raw_poems(read_given(source, "poet judge"), name))
        reasons = [_why_not(raw, is_alone=len(raws) == 1) for raw in raws]
        if all(reasons):
            why = f"{name} holds no poem: {', '.join(dict.fromkeys(reasons)) or 'nothing'}"
            raise CorpusError(f"{why}; `poet judge --help` says what it should hold")
        dropped.update(filter(None, reasons))
        for number, (raw, reason) in enumerate(zip(raws, reasons, strict=True), 1):
            if raw.text is None or reason:
                continue
            try:
                poem = judged(raw.text, raw.title.strip(), raw.author.strip(), index)
            except InvalidValueError as error:
                raise InvalidValueError(f"{name}, poem {number}: {error}") from error
            yield poem


def _why_not(raw: RawPoem, is_alone: bool) -> str:
    """Why a record is no poem; '' if it is one."""
    if raw.text is None:
        return raw.reason
    if not any(map(is_hanzi, raw.text)):
        return "no Chinese characters"
    if not is_alone and len(raw.text) <= MAX_POEM and len(read_lines(raw.text)) == 1:
        return "a single line, such as a title"
    return ""


def _raw_poems(text: str, name: str) -> Iterable[RawPoem]:
    """The records of a text: as the name of its file says, or else as it looks."""
    path = Path(name)
    suffix = path.suffix.lower()
    if name != name_of(STDIN) and suffix in READERS and suffix != ".txt":
        return READERS[suffix](text, path)
    if _JSON.match(text):
        try:
            json.loads(next(line for line in split_at_breaks(text) if line.strip()))
        except (ValueError, RecursionError):
            return read_json(text, path)
        return read_json_lines(text, path)
    return read_text(text, path, may_be_one_poem=True)
