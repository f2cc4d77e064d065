"""`poet bulk`: writes very many poems into Parquet or JSONL files."""

from __future__ import annotations

import argparse
import contextlib
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ..cli.poem_options import add_poem_options, options_given
from ..cli.write_options import errors_in_words
from ..command_parser import new_parser
from ..cores import usable_cores
from ..errors import command
from ..paths import shown_argument

SHARD_SIZE, BATCH_SIZE = 10_000, 64
DESCRIPTION = """\
Write very many poems into Parquet or JSONL files. Poem i has the seed of the run plus i,
and does not depend on the number of workers. A run that was stopped goes on with the same command."""
EXAMPLES = """examples:
  poet bulk --num 1_000_000 --out poems --form 七絕 --tones --rhyme
  poet bulk --requests requests.jsonl --out poems --format jsonl
  RAY_ADDRESS=head:6379 poet bulk --num 1_000_000 --out /shared/poems --engine ray --workers 64

Give the same command again after a stop, and it goes on. docs/bulk.md explains the columns and guarantees."""


def whole(text: str) -> int:
    """A whole number as people write it: digits, and underscores between them."""
    if not re.fullmatch(r"[0-9]+(_[0-9]+)*", text) or len(text) > 24:
        raise argparse.ArgumentTypeError(
            f"expected a whole number such as 1000 or 1_000_000, got {text[:40]!r}"
        )
    return int(text)


def positive(text: str) -> int:
    """A whole number of 1 or more."""
    if not (number := whole(text)):
        raise argparse.ArgumentTypeError("expected a whole number of 1 or more, got 0")
    return number


def make_parser(prog: str = "poet bulk") -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = new_parser(
        prog,
        DESCRIPTION,
        EXAMPLES,
        usage=f"{prog} [START] --num N --out FOLDER [OPTIONS]",
    )
    add = parser.add_argument
    add("--num", type=positive, metavar="N", help="poems; with --requests, of each that has no num (1)")
    add("--out", type=Path, required=True, metavar="FOLDER", help="a folder of its own for the poems")
    add("--requests", type=Path, metavar="FILE", help="JSONL: options of generate, and num, on each line")
    add("--seed", type=whole, default=0, metavar="S", help="the seed of the first poem")
    add("--workers", type=positive, metavar="N", help="processes (default: one for each core)")
    add("--engine", choices=("local", "ray"), default="local", help="ray: Ray Data, see RAY_ADDRESS")
    add("--format", choices=("parquet", "jsonl"), default="parquet", help="of the files")
    add("--shard-size", type=positive, default=SHARD_SIZE, metavar="N", help="poems a file")
    add("--batch-size", type=positive, default=BATCH_SIZE, metavar="N", help="poems at once")
    add("--backend", choices=("numpy", "torch"), default="numpy", help="torch can use a GPU")
    add("--model", metavar="MODEL", help="a model folder or a Hub id (default: the model of the package)")
    index = parser.add_mutually_exclusive_group()
    index.add_argument(
        "--index", type=Path, metavar="FOLDER", help="novelty index (default: in the user's cache, if there)"
    )
    index.add_argument("--no-index", action="store_true", help="do not look for what the poems borrow")
    add("start", nargs="?", metavar="START", help="the first characters of each poem")
    add_poem_options(parser)
    return parser


@command
def main(words: Sequence[str] | None = None, prog: str = "poet bulk") -> int | None:
    """Writes the poems that the command line asks for."""
    words = sys.argv[1:] if words is None else list(words)
    parser = make_parser(prog)
    given = parser.parse_args(words)
    if given.num is None and given.requests is None:
        parser.error("give --num, the number of poems, or --requests, a file with a request on each line")
    from .run import Settings, index_folder, run

    settings = Settings(
        out=given.out,
        requests=given.requests,
        options=({"start": given.start} if given.start else {}) | dict(options_given(given)),
        num=given.num or 1,
        seed=given.seed,
        workers=given.workers or usable_cores(),
        engine=given.engine,
        kind=given.format,
        shard_size=given.shard_size,
        batch_size=given.batch_size,
        backend=given.backend,
        model=given.model,
        index=None if given.no_index else given.index or index_folder(),
        command=shlex.join(["poet", "bulk", *map(shown_argument, words)]),
    )
    with contextlib.nullcontext() if given.requests else errors_in_words():
        resumable(lambda: print(run(settings)))
    return None


def resumable(work: Callable[[], object]) -> None:
    """Does the work; after Ctrl-C says that it can go on.

    Raises:
        KeyboardInterrupt: Ctrl-C.
    """
    try:
        work()
    except KeyboardInterrupt:
        print("\nwhat is whole stays: give the same command again to go on", file=sys.stderr, end="")
        raise


if __name__ == "__main__":
    sys.exit(main())
