"""The four modes of `python -m poet_model.from_scratch.char_lm`: train, continue, test, generate."""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path

from .char_lm import CharLM, CharLMConfig
from .training import BEST, LAST, LOG_NAME, Training, TrainingConfig, evaluate
from .vocabulary import Vocabulary
from .writing import LINE_ENDS, generate, punctuate

PRESETS = Path(__file__).resolve().parent / "presets"
_RECIPE, _TEXTS = "recipe.json", ("text", "poem", "content", "paragraphs")


def read_poems(path: str | Path, punctuation: bool = True) -> list[str]:
    """The poems of a UTF-8 file: `.json` or `.jsonl` records with `paragraphs` or `text`, or a poem a line.

    Args:
        punctuation: whether `，` and `。` stay; all other signs that end a line become one of these, first.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".json":
            records = json.loads(text)
        elif path.suffix == ".jsonl":
            records = [json.loads(line) for line in text.splitlines() if line.strip()]
        else:
            records = [_without_title(line) for line in text.splitlines()]
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 (byte {error.start}): save it as UTF-8") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}; give a file of poems") from error
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from error
    poems = [_poem_of(record) for record in (records if isinstance(records, list) else [])]
    poems = [poem for poem in poems if poem]
    if not poems:
        raise ValueError(f"{path} holds no poem: give one a line, or JSON records with paragraphs or text")
    return poems if punctuation else [poem.translate(dict.fromkeys(map(ord, LINE_ENDS))) for poem in poems]


def _without_title(line: str) -> str:
    """`題：詩` without its title; of a colon behind a line end only the sign is left out."""
    title, _, rest = line.replace(":", "：").partition("：")
    return rest if rest and not any(end in title for end in LINE_ENDS) else title + rest


def _poem_of(record: object) -> str:
    if isinstance(record, dict):
        record = next((record[key] for key in _TEXTS if key in record), "")
    text = "".join(record) if isinstance(record, list) and all(isinstance(x, str) for x in record) else record
    if not isinstance(text, str):
        return ""
    text = text.translate(str.maketrans("？！；?!;,.", "。。。。。。，。"))
    return "".join(text.split())


def load_preset(name: str) -> dict:
    """A preset by its name here, or by the path of a JSON file."""
    path = PRESETS / f"{name}.json"
    path = path if path.is_file() else Path(name)
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in PRESETS.glob("*.json")))
        raise ValueError(f"there is no preset {name!r}; known are {known}, or give a JSON file")
    try:
        preset = json.loads(path.read_text(encoding="utf-8"))
        preset = {key: preset[key] for key in ("punctuation", "vocabulary_size", "model", "training")}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no preset: {error} is wrong or missing") from error
    size = preset["vocabulary_size"]
    if not all(isinstance(preset[key], dict) for key in ("model", "training")) or type(size) not in (
        int,
        type(None),
    ):
        raise ValueError(
            f"{path} is no preset: model and training are objects, vocabulary_size a number or null"
        )
    return preset


def model_of(preset: dict, vocabulary: Vocabulary, seed: int) -> CharLM:
    """A new model as a preset describes it."""
    return CharLM(CharLMConfig(len(vocabulary), **preset["model"]), vocabulary, seed=seed)


def split(poems: list[str]) -> tuple[list[str], list[str]]:
    """Every twentieth poem to validate on, the others to train on; of few poems (under 100) all for both."""
    return (poems, poems) if len(poems) < 100 else ([p for i, p in enumerate(poems) if i % 20], poems[::20])


def train(options: argparse.Namespace) -> None:
    """Trains a new model by a preset."""
    preset = load_preset(options.preset)
    if options.epochs is not None:
        preset["training"]["epochs"] = options.epochs
    poems = read_poems(options.corpus, preset["punctuation"])
    vocabulary = Vocabulary.from_texts(poems, preset["vocabulary_size"])
    try:
        config = TrainingConfig(**preset["training"])
        model = model_of(preset, vocabulary, config.seed)
    except TypeError as error:  # an unknown name
        raise ValueError(f"the preset {options.preset} does not fit: {error}") from error
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / LOG_NAME).unlink(missing_ok=True)  # it and the checkpoints are another model's
    for name in (BEST, LAST):
        shutil.rmtree(options.output / name, ignore_errors=True)
    corpus = {"corpus": str(Path(options.corpus).resolve()), "fingerprint": _fingerprint(poems)}
    recipe = preset | corpus | {"training": asdict(config)}
    (options.output / _RECIPE).write_text(
        json.dumps(recipe, ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
    )
    _run(model, poems, config, options, resume=False)


def go_on(options: argparse.Namespace) -> None:
    """Goes on with a training from its last checkpoint."""
    try:
        recipe = json.loads((options.output / _RECIPE).read_text(encoding="utf-8"))
        corpus, punctuation, expected = (recipe[key] for key in ("corpus", "punctuation", "fingerprint"))
        config = TrainingConfig(**recipe["training"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{options.output} holds no training to go on with: {error}") from error
    if options.epochs is not None:
        config = replace(config, epochs=options.epochs)
    if not (options.output / LAST).is_dir():
        raise ValueError(
            f"{options.output} holds no checkpoint yet: its first epoch never ended; train again"
        )
    poems = read_poems(corpus, punctuation)
    if _fingerprint(poems) != expected:
        raise ValueError(
            f"{corpus} has changed since the training began; train anew, or put the old file back"
        )
    _run(CharLM.load(options.output / LAST), poems, config, options, resume=True)


def _fingerprint(poems: list[str]) -> str:
    return hashlib.sha256("\n".join(poems).encode("utf-8", "surrogatepass")).hexdigest()


def _run(
    model: CharLM, poems: list[str], config: TrainingConfig, options: argparse.Namespace, resume: bool
) -> None:
    training_poems, valid = split(poems)
    print(
        f"{len(training_poems):,} poems to train on, {len(valid):,} to validate on; "
        f"{model.num_parameters:,} parameters"
    )
    training = Training(model, training_poems, valid, config, options.output)
    if resume:
        training.resume()
        if training.epoch >= config.epochs:
            raise ValueError(
                f"all {config.epochs} epochs are done; give more, such as --epochs {config.epochs + 10}"
            )
    training.run()
    best = (options.output / BEST).as_posix()
    print(f"\n    python -m poet_model.from_scratch.char_lm generate --model {best}\n")


def test(options: argparse.Namespace) -> None:
    """Perplexity of a model on a file of poems."""
    model = CharLM.load(options.model)
    has_ends = all(end in model.vocabulary.ids for end in LINE_ENDS)
    poems = read_poems(options.corpus, has_ends)
    unknown = sum(c not in model.vocabulary.ids for poem in poems for c in poem)
    if unknown:
        print(f"note: the model does not know {unknown:,} of the characters, and reads each as <unk>")
    found = evaluate(model, poems)
    print(
        f"perplexity {found['perplexity']:.2f} over {found['tokens']:,} tokens (characters and <eos>), "
        f"loss {found['loss']:.4f} nats"
    )


def write(options: argparse.Namespace) -> None:
    """Writes poems, one a seed."""
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
    """The command line; `None` means sys.argv."""
    parser = argparse.ArgumentParser(
        prog="python -m poet_model.from_scratch.char_lm", description="A character LSTM in NumPy, by hand."
    )
    modes = parser.add_subparsers(required=True, metavar="train | continue | test | generate")

    def mode(name: str, run, *names: str) -> None:
        sub = modes.add_parser(
            name, help=run.__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )
        for option in names:
            settings = dict(_OPTIONS[option])
            if name == "continue" and option == "epochs":
                settings["help"] = "train up to this epoch, instead of that of the training"
            sub.add_argument(f"--{option.replace('_', '-')}", **settings)
        sub.set_defaults(run=run)

    mode("train", train, "corpus", "preset", "epochs", "output")
    mode("continue", go_on, "output", "epochs")
    mode("test", test, "model", "corpus")
    mode("generate", write, "model", "start", "temperature", "top_k", "frequency_penalty", "seed", "poems")
    return parser.parse_args(None if arguments is None else list(arguments))


_OPTIONS: dict[str, dict] = {
    "corpus": {"required": True, "help": "a UTF-8 file: one poem a line, or JSON with paragraphs or text"},
    "preset": {"default": "mini", "help": "mini, big, tiny, or a JSON file like those in presets/"},
    "epochs": {"type": int, "help": "passes over the poems, instead of the preset's"},
    "output": {"type": Path, "default": Path("runs/from-scratch"), "help": "folder of the training"},
    "model": {"type": Path, "required": True, "help": "a model's folder, or a .npz file"},
    "start": {"default": "", "help": "the poem's first characters"},
    "temperature": {"type": float, "default": 0.8, "help": "0: the likeliest character every time"},
    "top_k": {"type": int, "default": 40, "help": "draw from the k likeliest characters; 0: from all"},
    "frequency_penalty": {
        "type": float,
        "default": 1.5,
        "help": "nats that a character loses for each time the poem has it already",
    },
    "seed": {"type": int, "default": 0, "help": "the same seed, the same poem"},
    "poems": {"type": int, "default": 1, "help": "how many"},
}


def main(arguments: Iterable[str] | None = None) -> int:
    """Runs a mode; returns the exit status."""
    options = parse_arguments(arguments)
    try:
        options.run(options)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        can_go_on = options.run in (train, go_on) and (options.output / LAST).is_dir()
        print("\nstopped" + "; `continue` goes on from the last epoch" * can_go_on, file=sys.stderr)
        return 130
    return 0
