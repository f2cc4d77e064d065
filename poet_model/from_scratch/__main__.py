"""The command `python -m poet_model.from_scratch`, with four modes: train, continue, test and generate.

    python -m poet_model.from_scratch train --preset mini --corpus poems.txt --output runs/mini
    python -m poet_model.from_scratch generate --model assets/tang-lstm --start 春

It reads the options and prints; the work is done by the other modules.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..corpus.poems import CorpusReport
from ..prosody.lines import LINE_ENDS
from ..terminal import on_any_terminal
from .char_lm import CharLM
from .config import TrainingConfig
from .data import fingerprint, read_poems, split
from .presets import load_preset, new_model
from .training import BEST, LAST, LOG_NAME, Training, evaluate
from .vocabulary import Vocabulary
from .writing import generate, punctuate

PROGRAM = "python -m poet_model.from_scratch"
# in the output folder of a training run: its preset, and its poems' file and hash
RECIPE_NAME = "recipe.json"


OPTIONS: dict[str, dict[str, Any]] = {
    "corpus": {
        "required": True,
        "help": "a UTF-8 file: one poem per line, JSON or CSV (docs/corpus.md)",
    },
    "preset": {
        "default": "mini",
        "help": "mini, big, tiny, or a JSON file like those in presets/",
    },
    "epochs": {"type": int, "help": "number of passes over the poems, instead of the one in the preset"},
    "output": {"type": Path, "default": Path("runs/from-scratch"), "help": "folder for log and checkpoints"},
    "model": {"type": Path, "required": True, "help": "a model folder or a .npz file"},
    "start": {"default": "", "help": "the first characters of the poem, in either script"},
    "temperature": {"type": float, "default": 0.8, "help": "0 always takes the most likely character"},
    "top_k": {"type": int, "default": 40, "help": "sample from the k most likely characters; 0: from all"},
    "frequency_penalty": {
        "type": float,
        "default": 1.5,
        "help": "nats subtracted from a character's logit for each time it is already in the poem",
    },
    "seed": {"type": int, "default": 0, "help": "the same seed gives the same poem"},
    "poems": {"type": int, "default": 1, "help": "number of poems"},
}


def train(options: argparse.Namespace) -> None:
    """Trains a new model with the settings of a preset."""
    preset = load_preset(options.preset)
    if options.epochs is not None:
        preset["training"]["epochs"] = options.epochs
    report = CorpusReport()
    poems = read_poems(options.corpus, preset["punctuation"], report)
    for reason, count in report.dropped.items():
        print(f"dropped: {reason}: {count:,}")
    vocabulary = Vocabulary.from_texts(poems, preset["vocabulary_size"])
    try:
        config = TrainingConfig(**preset["training"])
        model = new_model(preset, vocabulary, config.seed)
    except TypeError as error:  # an unknown name
        raise ValueError(f"the preset {options.preset} is not valid: {error}") from error
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / LOG_NAME).unlink(missing_ok=True)  # the log and the checkpoints of an earlier training
    for name in (BEST, LAST):
        shutil.rmtree(options.output / name, ignore_errors=True)
    path = Path(options.corpus)
    corpus = {"corpus": str(path.resolve() if path.exists() else path), "fingerprint": fingerprint(poems)}
    recipe = preset | corpus | {"training": asdict(config)}
    (options.output / RECIPE_NAME).write_text(
        json.dumps(recipe, ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
    )
    _run(model, poems, config, options, is_resumed=False)


def resume(options: argparse.Namespace) -> None:
    """Resumes a training from its last checkpoint."""
    try:
        recipe = json.loads((options.output / RECIPE_NAME).read_text(encoding="utf-8"))
        corpus, punctuation, expected = (recipe[key] for key in ("corpus", "punctuation", "fingerprint"))
        config = TrainingConfig(**recipe["training"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{options.output} has no training run to continue: {error}") from error
    if options.epochs is not None:
        config = replace(config, epochs=options.epochs)
    if not (options.output / LAST).is_dir():
        raise ValueError(
            f"{options.output} has no checkpoint yet, because its first epoch was not completed; train again"
        )
    poems = read_poems(corpus, punctuation)
    if fingerprint(poems) != expected:
        raise ValueError(
            f"{corpus} has changed since the training began; restore the old file, or train again"
        )
    _run(CharLM.load(options.output / LAST), poems, config, options, is_resumed=True)


def _run(
    model: CharLM,
    poems: list[str],
    config: TrainingConfig,
    options: argparse.Namespace,
    is_resumed: bool,
) -> None:
    """Trains, and prints how to write a poem with the result."""
    training_poems, valid = split(poems)
    held_out = f"{len(valid):,} others" if len(training_poems) + len(valid) == len(poems) else "the same ones"
    print(
        f"{len(training_poems):,} poems to train on, {held_out} to validate on; "
        f"{model.num_parameters:,} parameters"
    )
    training = Training(model, training_poems, valid, config, options.output, options.on_batch)
    if is_resumed:
        training.resume()
        if training.epoch >= config.epochs:
            raise ValueError(
                f"all {config.epochs} epochs are done; give more, such as --epochs {config.epochs + 10}"
            )
    training.run()
    best = (options.output / BEST).as_posix()
    print(f"\n    {PROGRAM} generate --model {shlex.quote(best)}\n")


def test(options: argparse.Namespace) -> None:
    """Prints the perplexity of a model on a file of poems."""
    model = CharLM.load(options.model)
    has_ends = all(end in model.vocabulary.ids for end in LINE_ENDS)
    poems = read_poems(options.corpus, has_ends)
    unknown = sum(c not in model.vocabulary.ids for poem in poems for c in poem)
    if unknown:
        print(f"note: the model does not know {unknown:,} of the characters and reads each as <unk>")
    result = evaluate(model, poems)
    print(
        f"perplexity {result['perplexity']:.2f} over {result['tokens']:,} tokens (characters and <eos>), "
        f"loss {result['loss']:.4f} nats"
    )


def write(options: argparse.Namespace) -> None:
    """Writes poems, one per seed."""
    model = CharLM.load(options.model)
    if options.poems < 1:
        raise ValueError(f"--poems must be 1 or more, got {options.poems}")
    for number in range(options.poems):
        poem = generate(
            model,
            options.start,
            temperature=options.temperature,
            top_k=options.top_k,
            frequency_penalty=options.frequency_penalty,
            seed=options.seed + number,
        )
        is_punctuated = any(end in model.vocabulary.ids for end in LINE_ENDS)
        print(poem if is_punctuated else punctuate(poem.text).replace("。", "。\n").rstrip(), end="\n\n")


def parse_arguments(arguments: Iterable[str] | None = None) -> argparse.Namespace:
    """The options. None reads them from sys.argv."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="A character-level LSTM, written by hand in NumPy."
    )
    modes = parser.add_subparsers(required=True, metavar="train | continue | test | generate")

    def mode(name: str, run: Callable[[argparse.Namespace], object], *names: str) -> None:
        sub = modes.add_parser(
            name,
            help=(run.__doc__ or "").splitlines()[0],
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        for option in names:
            settings = dict(OPTIONS[option])
            if name == "continue" and option == "epochs":
                settings["help"] = (
                    "train up to this epoch, instead of the number set at the start of the training"
                )
            sub.add_argument(f"--{option.replace('_', '-')}", **settings)
        sub.set_defaults(run=run)

    mode("train", train, "corpus", "preset", "epochs", "output")
    mode("continue", resume, "output", "epochs")
    mode("test", test, "model", "corpus")
    mode("generate", write, "model", "start", "temperature", "top_k", "frequency_penalty", "seed", "poems")
    return parser.parse_args(None if arguments is None else list(arguments))


@on_any_terminal
def main(
    arguments: Iterable[str] | None = None, *, on_batch: Callable[[float, float], None] | None = None
) -> int:
    """Runs one of the modes.

    Args:
        arguments: the command line. None reads it from sys.argv.
        on_batch: called during a training; see `training.train_epoch`.

    Returns:
        The exit status.
    """
    options = parse_arguments(arguments)
    options.on_batch = on_batch
    try:
        options.run(options)
    except BrokenPipeError:  # no error: nobody reads the output any more
        raise
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        can_go_on = options.run in (train, resume) and (options.output / LAST).is_dir()
        print("\nstopped" + "; `continue` goes on from the last epoch" * can_go_on, file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
