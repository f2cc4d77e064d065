"""python train.py: the command line of a training; poet_model.training.run does the work."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from poet_model.errors import PoetError  # light: nothing here loads torch before keep_freed_memory()
from poet_model.training.help_formatter import HelpFormatter
from poet_model.training.malloc import keep_freed_memory
from poet_model.training.packages import missing_packages
from poet_model.training.presets import CELLS, preset_names


def add_data_options(add) -> None:
    """Adds what is read and written, by a parser's `add_argument`."""
    add(
        "--corpus",
        action="append",
        help="tang, song, tang300, a .txt/.json/.jsonl file, a folder, or a Hub data set id; several (A+B, "
        "or the option again) are trained on together and validated on the first (default: tang)",
    )
    add(
        "--exclude",
        nargs="+",
        default=[],
        metavar="FILE",
        help="poems to keep out, with their near-copies: files, or a split of a named corpus (tang:valid)",
    )
    presets = ", ".join(preset_names())
    add(
        "--preset",
        default="auto",
        help=f"model and recipe: {presets}, or a JSON file like those in poet_model/training/presets; "
        "auto: by what is found",
    )
    add("--output", type=Path, default=Path("runs/tang-lstm"), help="folder of the model")
    add("--init-from", metavar="MODEL", help="start from the weights of this model (a folder or Hub id)")
    resume = "go on with the interrupted training in --output; the other options as before"
    add("--resume", action="store_true", help=resume)


def add_recipe_options(add) -> None:
    """Adds how the model is trained."""
    add("--max-minutes", type=float, help="fit the whole schedule into this time, at most")
    add("--epochs", type=int, help="passes over the corpus (default: the preset's)")
    add("--batch-size", type=int, help="rows of a batch over all devices together (default: the preset's)")
    add("--learning-rate", type=float, help="highest learning rate (default: the preset's)")
    add("--gradient-accumulation-steps", type=int, help="parts to work a batch through in, to save memory")
    add("--hidden-size", type=int, help="width of the network (default: the preset's)")
    add("--num-layers", type=int, help="LSTM layers (default: the preset's)")
    add("--cell", choices=CELLS, help="lstm, or one written by hand (default: the preset's, lstm)")
    add("--limit", type=int, metavar="N", help="train on the first N poems only (default: the preset's)")
    add("--seed", type=int, default=0, help="of weights, batches and dropout")
    precisions = ["auto", "no", "bf16", "fp16"]
    add("--precision", choices=precisions, default="auto", help="auto: the fastest that works")
    add("--cpu", action="store_true", help="leave a GPU alone")


def add_publishing_options(add) -> None:
    """Adds what becomes of the model and of its log."""
    later = "end without measuring the model; python -m poet_model.evaluation does it later"
    add("--no-measure", action="store_true", help=later)
    add("--push-to-hub", metavar="USER/NAME", help="push the best model there at the end")
    add("--private", action="store_true", default=None, help="if that repository is new, only you can see it")
    trackers = ["none", "tensorboard", "trackio", "wandb"]
    add("--report-to", choices=trackers, default="none", help="also log there")


def parse_arguments(words: list[str]) -> argparse.Namespace:
    """The options in the words of a command line."""
    parser = argparse.ArgumentParser(
        description="Trains a character-level LSTM that writes Tang poems. Without arguments: "
        "the Tang corpus, the preset that fits this machine, into runs/tang-lstm.",
        formatter_class=HelpFormatter,
    )
    for add_options in (add_data_options, add_recipe_options, add_publishing_options):
        add_options(parser.add_argument)
    options = parser.parse_args(words)
    options.corpus = "+".join(options.corpus or ["tang"])
    if options.push_to_hub and options.no_measure:
        parser.error("--push-to-hub pushes the figures too; leave out --no-measure")
    return options


def main(words: list[str]) -> int:
    """Runs one training; returns the exit status."""
    options = parse_arguments(words)
    keep_freed_memory()
    try:
        if missing := missing_packages():
            print(f"error: {missing}", file=sys.stderr)
            return 2
        from poet_model.training.run import run

        return run(options, words)
    except PoetError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # before or after the training itself, which saves and says so
        print(
            "\nstopped; a training that had begun goes on with the same command and --resume", file=sys.stderr
        )
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
