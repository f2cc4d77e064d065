"""`python -m poet_model.corpus SOURCE --output FILE`: prepares a corpus and prints a report on it."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from ..errors import CorpusError, command
from .poems import write_corpus
from .prepare import load_corpus


@command
def main(arguments: list[str] | None = None) -> None:
    """Prepares the corpus that the command line names."""
    parser = argparse.ArgumentParser(
        prog="python -m poet_model.corpus",
        description="Clean, cluster and split a corpus, and write it to a file for training.",
    )
    add = parser.add_argument
    add("source", help="the corpus to prepare, given as for train.py --corpus")
    exclude = "poems to exclude, given as for train.py --exclude"
    add("--exclude", nargs="+", default=[], metavar="FILE", help=exclude)
    add("--output", type=Path, required=True, help="the .jsonl file to write, for train.py --corpus")
    options = parser.parse_args(arguments)
    if options.output.suffix != ".jsonl":
        parser.error(f"--output must end in .jsonl, got {options.output}")
    corpus = load_corpus(options.source, options.exclude)
    try:
        write_corpus(options.output, corpus)
    except OSError as error:
        raise CorpusError(
            f"--output {options.output} cannot be written ({error.strerror}); give another file, or make room"
        ) from error
    print(f"{corpus.report}\n\n    {shlex.join(['python', 'train.py', '--corpus', str(options.output)])}\n")


if __name__ == "__main__":
    sys.exit(main())
