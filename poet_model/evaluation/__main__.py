"""`python -m poet_model.evaluation MODEL`: measures a model, writes its metrics.json and its card anew."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..errors import PoetError
from .measurement import BEST_OF, held_out_corpus, measure
from .publish import command_line, update_folder
from .report import report_text
from .tangshi_gpt import measure_by_protocol

POEMS_A_FORM = 250
MAX_POEMS_A_FORM = 256  # four times this many are written at once


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m poet_model.evaluation", description=__doc__.split("\n")[0]
    )
    parser.add_argument("model", type=Path, help="a model folder")
    parser.add_argument("--corpus", default="tang", help="as in its training")
    parser.add_argument(
        "--exclude",
        nargs="*",
        default=[],
        metavar="FILE",
        help="as in its training; not needed for a model that has a held_out.json, which is made from it",
    )
    parser.add_argument(
        "--poems", type=int, default=POEMS_A_FORM, metavar="N", help="poems a form (default: %(default)s)"
    )
    parser.add_argument("--tangshi-gpt", type=Path, metavar="FILE", help="test_poems.json of that project")
    options = parser.parse_args(arguments)
    if not 1 <= options.poems <= MAX_POEMS_A_FORM:
        parser.error(f"--poems must be from 1 to {MAX_POEMS_A_FORM}, got {options.poems}")
    if options.tangshi_gpt and not options.tangshi_gpt.is_file():
        parser.error(
            f"--tangshi-gpt {options.tangshi_gpt} is no file; give test_poems.json of "
            "dengfeng-ai/tangshi-gpt (GitHub), or leave it out"
        )
    from ..model import PoetModel

    given = arguments if arguments is not None else sys.argv[1:]
    command = command_line("python -m poet_model.evaluation", given)
    try:
        model = PoetModel.from_pretrained(options.model)
        corpus = held_out_corpus(options.model, options.corpus, options.exclude)
        print("measuring; on a CPU this takes some minutes …", file=sys.stderr, flush=True)
        measured = measure(model, corpus, poems_a_form=options.poems, best_of=BEST_OF)
        if options.tangshi_gpt:
            entry = measure_by_protocol(model, options.tangshi_gpt) | {"command": command}
            measured["external"] = {"tangshi_gpt": entry}
        metrics = update_folder(options.model, measured, evaluation=command)
    except PoetError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(report_text(metrics))
    return 0


if __name__ == "__main__":
    sys.exit(main())
