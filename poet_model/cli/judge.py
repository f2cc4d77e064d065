"""`poet judge`: scans one poem or many, and says what they borrow from 全唐詩 if its index is there."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING

from ..command_parser import new_parser
from ..errors import PoetError, command
from ..terminal import is_terminal
from .given_text import STDIN
from .screen import DIM, paint
from .write_options import in_words

if TYPE_CHECKING:
    from ..novelty.index import NoveltyIndex
    from .reading import Judged

DESCRIPTION = """\
Scan one poem or many: form, tones, rhyme and faults, and the parts that also occur in 全唐詩.

What is a poem in a text file:
  - each line that holds three lines of verse or more, if most lines do; `title:` may stand in front of it
  - otherwise each stretch between empty lines, with its title, and then its author, in lines of their own
    above it; a text without empty lines is one poem
A single line among poems is left out, as the title of them all.
JSON, JSON lines (also those of `poet write --json`) and tables with named columns are read as well.
All text is UTF-8; verse may be traditional or simplified, with or without punctuation."""
EXAMPLES = """examples:
  echo 白日依山盡，黃河入海流。欲窮千里目，更上一層樓。 | poet judge
  poet judge poem.txt
  poet judge poems.jsonl --json | jq .scansion.level
  poet judge poems/*.txt --summary
  poet write --form 七絕 --num 100 | poet judge
  poet judge --index build                         # once: downloads and indexes 全唐詩

Exit status: 0; with --strict 1 if a poem is not regular; 2 if something cannot be read."""


def make_parser(prog: str = "poet judge") -> argparse.ArgumentParser:
    """The parser of the command's words."""
    parser = new_parser(
        prog,
        DESCRIPTION,
        EXAMPLES,
        usage=f"{prog} [FILE ...] [OPTIONS]",
    )
    add = parser.add_argument
    add("files", nargs="*", metavar="FILE", help="files with poems; - or nothing reads stdin")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="a JSON object per poem, each on a line")
    how.add_argument("--summary", action="store_true", help="of many poems, only the table of all")
    add("--strict", action="store_true", help="exit with status 1 if a poem is not regular")
    add(
        "--index",
        choices=["build"],
        help="build the index of 全唐詩, then judge the files, if any",
    )
    add("--corpus", help="with --index build: other poems, given as for `poet train --corpus`")
    return parser


@command
def main(words: Sequence[str] | None = None, prog: str = "poet judge") -> int | None:
    """Judges the poems that the words name."""
    parser = make_parser(prog)
    given = parser.parse_args(words)
    if given.corpus is not None and not given.index:
        parser.error("--corpus names the poems to index; give it with --index build")
    if given.files.count(STDIN) > 1:
        parser.error("- can be given once")
    if given.index:
        from ..novelty.__main__ import CORPUS, build_index
        from ..novelty.index import default_folder

        build_index(given.corpus or CORPUS, default_folder())
        if not given.files:
            return 0
    from .reading import judged_in

    index, hint = _open_index()
    dropped: Counter[str] = Counter()
    poems = judged_in(given.files or [STDIN], dropped, index)
    num_poems, num_regular = _show(poems, given)
    if dropped:
        reasons = ", ".join(f"{reason} ({count:,})" for reason, count in dropped.most_common())
        print(f"note: left out, because they are no poems: {reasons}", file=sys.stderr)
    if hint and is_terminal(sys.stderr) and not given.json and not given.summary:
        print(f"\n  {paint(hint, DIM, sys.stderr)}", file=sys.stderr)
    return int(given.strict and num_regular < num_poems)


def _show(poems: Iterator[Judged], given: argparse.Namespace) -> tuple[int, int]:
    """Prints the judgements, and returns the number of poems and of regular ones."""
    from .poem_view import poem_view
    from .summary import HEADER, Summary, row_of

    first = list(islice(poems, 2))
    summary = Summary()
    is_table = not given.json and (len(first) > 1 or given.summary)
    is_list = is_table and not given.summary
    if is_list:
        print(paint(HEADER, DIM, sys.stdout))
    for poem in chain(first, poems):
        summary.add(poem)
        if given.json:
            print(json.dumps(poem.record(), ensure_ascii=False))
        elif is_list:
            print(row_of(summary.num_poems, poem, sys.stdout))
        elif not is_table:
            print(poem_view(poem, sys.stdout))
    if is_table:
        print("\n" * is_list + summary.table(sys.stdout))
    return summary.num_poems, summary.num_regular


def _open_index() -> tuple[NoveltyIndex | None, str]:
    """The index of 全唐詩, if there is one, and otherwise a hint how to get it."""
    from ..novelty.index import NoveltyIndex, default_folder

    folder = default_folder()
    if not folder.exists():
        return None, "what is borrowed from 全唐詩 is shown after `poet judge --index build`"
    try:
        return NoveltyIndex.load(folder), ""
    except PoetError as error:
        print(f"note: poems cannot be compared with 全唐詩: {in_words(error)}", file=sys.stderr)
    return None, ""
