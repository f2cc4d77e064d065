"""`poet write`: writes poems, or one line after another together with the model. The model needs no torch."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from collections.abc import Sequence

from ..command_parser import new_parser
from ..errors import check_number, command
from .given_text import STDIN, read_given
from .poem_options import add_poem_options
from .write_options import errors_in_words, options_of

MAX_SEED = 2**63 - 1
EXAMPLES = """examples:
  poet write 春
  poet write 春 --form 五絕 --tones --rhyme         # a quatrain by all the rules
  poet write --form 七律 --rhyme 東 --title 早春呈水部張十八員外
  poet write --form 五絕 --keywords 明月 酒         # both words stand in it
  poet write --acrostic 春江花月 --num 4 --seed 7   # the same four poems each time
  poet write 明月 --form 五絕 --num 100 --json | jq -r .text
  poet write 春 --form 七絕 --interactive           # a line by you, a line by the model

On a terminal a poem appears as it is written. The seed is shown, so that a poem can be written again:
poem i of several has the seed of the first one + i. Poems are parted by an empty line."""


def make_parser(prog: str = "poet write") -> argparse.ArgumentParser:
    """The parser of the command's words."""
    parser = new_parser(
        prog,
        "Write a poem, or several. Text may be in traditional or simplified script.",
        EXAMPLES,
        usage=f"{prog} [START] [OPTIONS]",
    )
    parser.add_argument(
        "start", nargs="?", default="", metavar="START", help="the first characters; - reads them from stdin"
    )
    add_poem_options(parser)
    _add_output(parser.add_argument_group("what is written"))
    return parser


def _add_output(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--num", type=int, default=1, metavar="N", help="the number of poems; see `poet bulk` for very many")
    add("--seed", type=int, metavar="N", help="the same seed gives the same poem (default: a random one)")
    add("--simplified", action="store_true", help="in simplified script")
    how = group.add_mutually_exclusive_group()
    how.add_argument("--scan", action="store_true", help="the verdict of `poet judge` below each poem")
    how.add_argument("--json", action="store_true", help="a JSON object per poem, each on a line")
    add("--interactive", action="store_true", help="a line by you, a line by the model; explains itself")
    add("--model", metavar="FOLDER|HUB_ID", help="another model than the one that comes with the package")


@command
def main(words: Sequence[str] | None = None, prog: str = "poet write") -> int | None:
    """Writes what the words ask for."""
    parser = make_parser(prog)
    given = parser.parse_args(words)
    check_number("--num", given.num, 1, whole=True)
    if given.seed is not None:
        check_number("--seed", given.seed, 0, MAX_SEED - given.num, whole=True)
    if given.interactive and given.num > 1:
        parser.error("--interactive writes one poem; leave --num out")
    if given.start == STDIN:
        if given.interactive:
            parser.error("--interactive reads your lines from stdin; give the start itself instead of -")
        given.start = read_given(STDIN, "poet write -").strip()
    _use_one_thread()
    from ..loading import load
    from .written import Writing

    model = load(given.model, backend="numpy")
    with errors_in_words():
        options = options_of(given, model.tokenizer)
        seed = secrets.randbelow(2**31) if given.seed is None else given.seed
        writing = Writing(model, given.start, options, seed, given.simplified)
        if given.interactive:
            from .interactive import Session

            return Session(writing, as_json=given.json).run()
        if given.json:
            writing.write_json(given.num)
        else:
            writing.write(given.num, with_verdict=given.scan)
    if given.seed is None and not given.json:
        writing.show_seed(given.num)
    return 0


def _use_one_thread() -> None:
    """Lets NumPy use one core: a poem is thousands of small products, and threads that share them wait."""
    if "numpy" not in sys.modules and "OMP_NUM_THREADS" not in os.environ:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
