"""`poet evaluate MODEL` measures a model and updates its metrics.json and model card.

It is also `python -m poet_model.evaluation`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..command_parser import new_parser
from ..errors import command
from ..hub.network import check_environment
from .publish import check_records, command_line, update_folder
from .report import report_text

POEMS_A_FORM = 250
BYTES_A_CHARACTER = 4  # of a JSON file of poems, for the progress
MAX_POEMS_A_FORM = 256  # generated as one batch of four times this many
EXAMPLES = """examples:
  {prog} runs/tang-lstm
  {prog} runs/mine --corpus my.txt"""


def make_parser(prog: str = "poet evaluate") -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = new_parser(
        prog,
        "Measure a model, print a report, and update its metrics.json and its card.",
        EXAMPLES,
        usage=f"{prog} MODEL [OPTIONS]",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="a model folder")
    parser.add_argument("--corpus", default="tang", help="the corpus that the model was trained on")
    parser.add_argument(
        "--exclude",
        nargs="*",
        default=[],
        metavar="FILE",
        help="the --exclude files of the model's training; needed only if its folder has no held_out.json",
    )
    parser.add_argument("--poems", type=int, default=POEMS_A_FORM, metavar="N", help="poems per form")
    parser.add_argument(
        "--tangshi-gpt",
        type=Path,
        metavar="FILE",
        help="test_poems.json of tangshi-gpt, to measure perplexity by its protocol too",
    )
    return parser


@command
def main(words: Sequence[str] | None = None, prog: str = "poet evaluate") -> None:
    """Measures the model that the command line names."""
    words = sys.argv[1:] if words is None else words
    parser = make_parser(prog)
    options = parser.parse_args(words)
    if not 1 <= options.poems <= MAX_POEMS_A_FORM:
        parser.error(f"--poems must be from 1 to {MAX_POEMS_A_FORM}, got {options.poems}")
    if options.tangshi_gpt and not options.tangshi_gpt.is_file():
        parser.error(
            f"--tangshi-gpt {options.tangshi_gpt} is not a file; give the path of test_poems.json "
            "from github.com/dengfeng-ai/tangshi-gpt, or omit the option"
        )
    check_environment()  # before tqdm is imported, which reads its variables then
    from ..model import PoetModel
    from .measurement import BEST_OF, held_out_corpus, measure, work
    from .progress import Progress
    from .tangshi_gpt import measure_by_protocol

    typed = command_line(prog, words)
    model = PoetModel.from_pretrained(options.model)
    check_records(options.model)
    corpus = held_out_corpus(options.model, options.corpus, options.exclude)
    print("measuring; this takes about ten minutes on a CPU …", file=sys.stderr, flush=True)
    total = work(corpus, options.poems, BEST_OF)
    if options.tangshi_gpt:
        total += options.tangshi_gpt.stat().st_size / BYTES_A_CHARACTER
    with Progress(total) as progress:
        measured = measure(model, corpus, poems_a_form=options.poems, best_of=BEST_OF, progress=progress)
        if options.tangshi_gpt:
            entry = measure_by_protocol(model, options.tangshi_gpt, progress) | {"command": typed}
            measured["external"] = {"tangshi_gpt": entry}
    print(report_text(update_folder(options.model, measured, evaluation=typed)))


if __name__ == "__main__":
    sys.exit(main(prog="python -m poet_model.evaluation"))
