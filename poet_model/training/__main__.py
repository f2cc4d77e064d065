"""The command line of training, `poet train` or `python train.py`. The work is done in run.py."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ..command_parser import new_parser

# torch must not be imported before keep_freed_memory(), which sets the allocators that torch will use
from ..errors import command
from ..hub.network import check_environment
from .malloc import keep_freed_memory
from .packages import missing_packages
from .presets import CELLS, preset_names

Add = Callable[..., argparse.Action]  # the `add_argument` of a parser
EXAMPLES = """examples:
  {prog}                                    # 全唐詩, the preset that fits this machine, into runs/tang-lstm
  {prog} --resume                           # goes on after Ctrl-C or a crash
  {prog} --max-minutes 3 --output runs/try  # a trial, not yet good poems
  {prog} --corpus my.txt --init-from assets/tang-lstm --output runs/mine"""


def add_data_options(add: Add) -> None:
    """Adds the options for what is read and written."""
    add(
        "--corpus",
        action="append",
        help="tang, song, tang300, a .txt, .json, .jsonl, .csv or .tsv file, a folder, or a Hub data set id; "
        "several, given as A+B or by repeating the option, are trained on together and validated on the "
        "first (default: tang)",
    )
    add(
        "--exclude",
        nargs="+",
        default=[],
        metavar="FILE",
        help="poems to exclude, with their near-copies: files, or splits of a named corpus (tang:valid)",
    )
    presets = ", ".join(preset_names())
    add(
        "--preset",
        default="auto",
        help=f"architecture and training settings: {presets}, or a JSON file like those in "
        "poet_model/training/presets; auto is gpu if there is a GPU to use, otherwise cpu",
    )
    add("--output", type=Path, default=Path("runs/tang-lstm"), help="folder to write the model to")
    add("--init-from", metavar="MODEL", help="start from the weights of this model (a folder or Hub id)")
    resume = "continue the interrupted training in --output; repeat the other options"
    add("--resume", action="store_true", help=resume)


def add_recipe_options(add: Add) -> None:
    """Adds the options for how the model is trained."""
    limit = "time limit in minutes, into which the whole schedule and all validations are fitted; reading "
    besides = "the corpus before and evaluating the model after (see --no-measure) come on top"
    add("--max-minutes", type=float, help=limit + besides)
    add("--epochs", type=int, help="number of passes over the corpus (default: the preset's)")
    add("--batch-size", type=int, help="sequences per batch, over all devices (default: the preset's)")
    add("--learning-rate", type=float, help="peak learning rate (default: the preset's)")
    parts = "process each batch in this many parts to save memory"
    add("--gradient-accumulation-steps", type=int, help=parts)
    add("--hidden-size", type=int, help="number of units in each layer (default: the preset's)")
    add("--num-layers", type=int, help="number of LSTM layers (default: the preset's)")
    add("--cell", choices=CELLS, help="lstm, or a hand-written cell (default: the preset's, or lstm)")
    add("--limit", type=int, metavar="N", help="train on the first N poems only (default: the preset's)")
    add("--seed", type=int, default=0, help="seed of weights, batches and dropout")
    precisions, about = ["auto", "no", "bf16", "fp16"], "auto: the fastest on this device; no: float32"
    add("--precision", choices=precisions, default="auto", help=about)
    add("--cpu", action="store_true", help="train on the CPU even if there is a GPU")


def add_publishing_options(add: Add) -> None:
    """Adds the options for evaluating and publishing the model and its log."""
    later = "do not evaluate the model at the end; python -m poet_model.evaluation can do so later"
    add("--no-measure", action="store_true", help=later)
    add("--push-to-hub", metavar="USER/NAME", help="push the best model to this Hub repository at the end")
    add("--private", action="store_true", default=None, help="make that repository private if it is new")
    trackers, about = ["none", "tensorboard", "trackio", "wandb"], "experiment tracker to log to as well"
    add("--report-to", choices=trackers, default="none", help=about)


def make_parser(prog: str = "poet train") -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = new_parser(
        prog,
        "Train a character-level LSTM that writes Tang poems. Without arguments, it is trained "
        "on the Tang corpus with the preset that fits this machine, and written to runs/tang-lstm.",
        EXAMPLES,
        usage=f"{prog} [OPTIONS]",
    )
    for add_options in (add_data_options, add_recipe_options, add_publishing_options):
        add_options(parser.add_argument)
    parser.set_defaults(program=prog)
    return parser


def parse_arguments(words: Sequence[str], prog: str) -> argparse.Namespace:
    """Parses the words of a command line into options."""
    parser = make_parser(prog)
    options = parser.parse_args(words)
    options.corpus = "+".join(options.corpus or ["tang"])
    if options.push_to_hub and options.no_measure:
        parser.error("--push-to-hub also pushes the metrics, which --no-measure skips; leave one out")
    return options


@command
def main(words: Sequence[str] | None = None, prog: str = "poet train") -> int:
    """Trains a model and returns the exit status: 0, 2 after an error, 128 + the number of a stop signal."""
    words = sys.argv[1:] if words is None else words
    options = parse_arguments(words, prog)
    check_environment()  # before accelerate, which imports huggingface_hub
    keep_freed_memory()
    try:
        if missing := missing_packages():
            print(f"error: {missing}", file=sys.stderr)
            return 2
        from .run import run

        return run(options, words)
    except KeyboardInterrupt:  # before or after the training loop, which handles signals itself
        print("\nstopped; if training had begun, add --resume to the command to continue", file=sys.stderr)
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main(prog="python -m poet_model.training"))
