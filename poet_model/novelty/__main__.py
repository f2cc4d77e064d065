"""`python -m poet_model.novelty build | find`: builds the index of a corpus, or looks a poem up in it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import command, quoted
from ..script import is_hanzi
from .index import NoveltyIndex, default_folder

CORPUS = "tang"


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Builds the index, or looks a poem up in it."""
    parser = argparse.ArgumentParser(
        prog="python -m poet_model.novelty",
        description="Builds the index of a corpus, or finds the parts of a poem that also occur in it.",
    )
    modes = parser.add_subparsers(required=True, metavar="build | find", dest="mode")
    build = modes.add_parser("build", help="build the index of a corpus")
    build.add_argument(
        "--corpus",
        default=CORPUS,
        help="a corpus as for train.py --corpus, such as tang, song or a file (default: tang)",
    )
    find = modes.add_parser("find", help="look a poem up in the index")
    find.add_argument("poem")
    for mode in (build, find):
        mode.add_argument(
            "--folder", type=Path, help="folder of the index (default: in the user's cache folder)"
        )
    options = parser.parse_args(arguments)
    folder = options.folder or default_folder()
    if options.mode == "build":
        build_index(options.corpus, folder)
    else:
        if not any(map(is_hanzi, options.poem)):
            parser.error(f"poem: expected a poem or a line of verse, got {quoted(options.poem)}")
        for match in NoveltyIndex.load(folder).find(options.poem):
            where = f"{match.author}《{match.title}》, found {match.places:,}×" if match.text else "new"
            print(f"{match.line}  {match.text or '－'}  {where}")


def build_index(corpus: str, folder: Path) -> None:
    """Builds the index of a corpus and says so.

    Args:
        corpus: the corpus, given as for train.py --corpus.
        folder: the folder to write, as a whole or not at all.

    Raises:
        CorpusError: the corpus cannot be found or read, or has no poems.
    """
    from ..corpus import load_corpus

    print(f"preparing and indexing {corpus} …", file=sys.stderr)
    poems = [poem for split in load_corpus(corpus).splits.values() for poem in split]
    NoveltyIndex.build((poem.text, poem.title, poem.author) for poem in poems).save(folder)
    size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    print(f"{len(poems):,} poems, {size:.0f} MB: {folder}")


if __name__ == "__main__":
    sys.exit(main())
