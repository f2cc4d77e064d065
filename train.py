"""python train.py: corpus -> tokenizer -> model -> Trainer -> a folder for PoetModel.from_pretrained."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import signal
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path

from poet_model.config import CELL_GATES  # light: nothing here loads torch before keep_freed_memory()
from poet_model.training.malloc import keep_freed_memory

PRESETS = Path(__file__).resolve().parent / "poet_model" / "training" / "presets"
SAMPLE_STARTS = ("春", "明月", "")
SAMPLE_SEED = 7
SMALL_CORPUS = 1000  # poems; below it every character counts, though it was seen once
# module: what pip calls it
NEEDED = {name: name for name in ("torch", "accelerate", "safetensors", "tokenizers", "numpy", "tqdm")}
NEEDED |= {"huggingface_hub": "huggingface_hub", "opencc": "OpenCC"}


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows the defaults, where there is one to show."""

    def _get_help_string(self, action: argparse.Action) -> str:
        return action.help if action.default in (None, []) else super()._get_help_string(action)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; `None` means sys.argv."""
    parser = argparse.ArgumentParser(
        description="Trains a character-level LSTM that writes Tang poems. Without arguments: "
        "the Tang corpus, the preset that fits this machine, into runs/tang-lstm.",
        formatter_class=HelpFormatter,
    )
    add = parser.add_argument
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
    add(
        "--preset",
        default="auto",
        help=f"model and recipe: {preset_names()}, or a JSON file like those in poet_model/training/presets; "
        "auto: by what is found",
    )
    add("--output", type=Path, default=Path("runs/tang-lstm"), help="folder of the model")
    add("--init-from", metavar="MODEL", help="start from the weights of this model (a folder or Hub id)")
    add(
        "--resume",
        action="store_true",
        help="go on with the interrupted training in --output; the other options as before",
    )
    add("--max-minutes", type=float, help="fit the whole schedule into this time, at most")
    add("--epochs", type=int, help="passes over the corpus (default: the preset's)")
    add("--batch-size", type=int, help="rows of a batch over all devices together (default: the preset's)")
    add("--learning-rate", type=float, help="highest learning rate (default: the preset's)")
    add("--gradient-accumulation-steps", type=int, help="parts to work a batch through in, to save memory")
    add("--hidden-size", type=int, help="width of the network (default: the preset's)")
    add("--num-layers", type=int, help="LSTM layers (default: the preset's)")
    add("--cell", choices=CELL_GATES, help="lstm, or one written by hand (default: the preset's, lstm)")
    add("--limit", type=int, metavar="N", help="train on the first N poems only (default: the preset's)")
    add("--seed", type=int, default=0, help="of weights, batches and dropout")
    add(
        "--precision",
        choices=["auto", "no", "bf16", "fp16"],
        default="auto",
        help="auto: the fastest that works",
    )
    add("--cpu", action="store_true", help="leave a GPU alone")
    add(
        "--no-measure",
        action="store_true",
        help="end without measuring the model; python -m poet_model.evaluation does it later",
    )
    add("--push-to-hub", metavar="USER/NAME", help="push the best model there at the end")
    add("--private", action="store_true", default=None, help="if that repository is new, only you can see it")
    add(
        "--report-to",
        choices=["none", "tensorboard", "trackio", "wandb"],
        default="none",
        help="also log there",
    )
    options = parser.parse_args(arguments)
    options.corpus = "+".join(options.corpus or ["tang"])
    if options.push_to_hub and options.no_measure:
        parser.error("--push-to-hub pushes the figures too; leave out --no-measure")
    return options


def missing_packages() -> str:
    """What of the needed packages cannot be imported here, and why, in one sentence; '' if nothing."""
    missing = {}
    for module, package in NEEDED.items():
        try:
            importlib.import_module(module)
        except ImportError as error:
            missing[package] = str(error)
    if not missing:
        return ""
    names, reasons = " ".join(missing), "; ".join(missing.values())
    return f"training needs {names}, which cannot be imported here ({reasons}): pip install {names}"


def preset_names() -> str:
    """The presets that come with the project, to show."""
    return ", ".join(sorted(path.stem for path in PRESETS.glob("*.json")))


def load_preset(name: str) -> dict:
    """`model` (settings of PoetConfig), `training` (of TrainingConfig) and `limit` (poems; None: all).

    Args:
        name: of a preset that comes with the project, or the path of a JSON file of the same shape.
    """
    from poet_model.config import PoetConfig
    from poet_model.errors import InvalidValueError
    from poet_model.files import read_json
    from poet_model.training.config import TrainingConfig

    path = PRESETS / f"{name}.json"
    path = path if path.is_file() else Path(name)
    if not path.is_file():
        raise InvalidValueError(
            f"--preset {name!r} is neither auto, one of {preset_names()} nor a JSON file; give one of these"
        )
    preset = {"limit": None, "model": {}, "training": {}} | read_json(
        path, dict, "see poet_model/training/presets"
    )
    try:
        PoetConfig(vocab_size=6, **preset["model"])  # both only to be checked
        TrainingConfig(**preset["training"])
    except TypeError as error:
        raise InvalidValueError(f"{path} is no preset: {error}; see poet_model/training/presets") from error
    known = {"about", "limit", "model", "training"}
    if unknown := sorted(preset.keys() - known):
        raise InvalidValueError(f"{path}: unknown keys {unknown[:5]}; known are {', '.join(sorted(known))}")
    return preset


def main(arguments: list[str] | None = None) -> int:
    """Runs one training; returns the exit status."""
    options = parse_arguments(arguments)
    keep_freed_memory()
    if missing := missing_packages():
        print(f"error: {missing}", file=sys.stderr)
        return 2
    from poet_model.errors import PoetError

    try:
        return run(options)
    except PoetError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # before or after the training itself, which saves and says so
        print(
            "\nstopped; a training that had begun goes on with the same command and --resume", file=sys.stderr
        )
        return 128 + signal.SIGINT


def run(options: argparse.Namespace) -> int:
    """The training that the options describe."""
    import torch
    from accelerate import Accelerator
    from accelerate.tracking import get_available_trackers
    from accelerate.utils import set_seed
    from tqdm import tqdm

    from poet_model.config import PoetConfig
    from poet_model.corpus import add_vocabulary, load_corpus
    from poet_model.corpus.batches import HeaderRates, PoemBatches
    from poet_model.errors import CorpusError, InvalidValueError
    from poet_model.evaluation.perplexity import score, without_header
    from poet_model.files import append_json_line, read_json_lines
    from poet_model.hub.push import check_can_push
    from poet_model.machine import best_precision, machine
    from poet_model.model import PoetModel
    from poet_model.model_folder import SAMPLES_NAME
    from poet_model.prosody.lines import FORMS
    from poet_model.tokenizer import PoetTokenizer
    from poet_model.training.checkpoint import CHECKPOINT_NAME, find_checkpoint
    from poet_model.training.config import TrainingConfig
    from poet_model.training.trainer import Interrupted, Trainer

    on_gpu = torch.cuda.is_available() and not options.cpu
    precision = best_precision(on_gpu) if options.precision == "auto" else options.precision
    if precision == "fp16" and not on_gpu:
        raise InvalidValueError("--precision fp16 needs a GPU; on a CPU give bf16, no or auto")
    report_to = None if options.report_to == "none" else options.report_to
    if report_to and report_to not in map(str, get_available_trackers()):
        raise InvalidValueError(f"--report-to {report_to} needs that package: pip install {report_to}")
    accelerator = Accelerator(
        mixed_precision=precision, cpu=not on_gpu, log_with=report_to, project_dir=str(options.output)
    )
    say = print if accelerator.is_main_process else lambda *_, **__: None

    preset = options.preset if options.preset != "auto" else "gpu" if on_gpu else "cpu"
    settings = load_preset(preset)
    shape, limit = settings["model"], settings["limit"] if options.limit is None else options.limit
    if limit is not None and not (isinstance(limit, int) and limit >= 1):
        raise InvalidValueError(f"limit must be a whole number of poems, 1 or more, got {limit!r}")
    given = {
        field.name: value
        for field in fields(TrainingConfig)
        if (value := getattr(options, field.name, None)) is not None
    }
    config = TrainingConfig(**settings["training"] | given)
    for name in ("hidden_size", "num_layers", "cell"):
        if getattr(options, name) is not None:
            shape = shape | {name: getattr(options, name)}

    if options.resume:
        find_checkpoint(options.output)  # this and what follows: before the corpus is read
    if options.output.exists() and not options.output.is_dir():
        raise InvalidValueError(f"--output {options.output} is a file; give a folder")
    base = PoetModel.from_pretrained(options.init_from) if options.init_from else None
    if options.push_to_hub and accelerator.is_main_process:
        check_can_push(options.push_to_hub, private=options.private)
    with accelerator.main_process_first():
        corpus = load_corpus(options.corpus, options.exclude)
    train, valid = corpus.splits["train"], corpus.splits["valid"] or corpus.splits["test"]
    if limit is not None:
        train = train[:limit]
    held_out_note = ""
    if not valid:  # too few poems for a split by clusters
        if len(train) < 2:
            raise CorpusError(
                f"{options.corpus!r} gives {len(train)} poem to train on; at least 2 are needed, "
                "one of them to validate on, and some thousands to learn from"
            )
        train = list(train)
        train, valid = train[: -max(1, len(train) // 20)], train[-max(1, len(train) // 20) :]
        held_out_note = f"too few poems for a split; the last {len(valid)} are kept to validate on"
        corpus.splits |= {"train": train, "valid": valid}
        for name in ("train", "valid"):
            corpus.report.splits[name] = len(corpus.splits[name])
            corpus.report.characters[name] = sum(len(poem.text) for poem in corpus.splits[name])
    texts = (part for poem in train for part in (poem.text, poem.title, poem.author))
    min_count = 2 if len(train) >= SMALL_CORPUS else 1
    authors = (poem.author for poem in train)
    tokenizer = PoetTokenizer.from_texts(texts, min_count, required="，。" + "".join(FORMS), authors=authors)
    if base and len(train) < SMALL_CORPUS:  # what so few poems do not show, the model still knows
        tokenizer = base.tokenizer.extended(tokenizer)
    add_vocabulary(corpus.report, corpus, tokenizer.__contains__, len(tokenizer))
    say(corpus.report, flush=True)
    if held_out_note:
        say(f"note: {held_out_note}")
    if len(train) < SMALL_CORPUS and not base:
        say(
            f"note: {len(train):,} poems are too few to learn verse from; --init-from MODEL starts from a "
            "model that has learnt it, such as assets/tang-lstm"
        )

    set_seed(options.seed)
    architecture = PoetConfig(vocab_size=len(tokenizer), **shape)
    if base:
        names = ("hidden_size", "num_layers", "cell")
        kept = {name: getattr(base.config, name) for name in names if getattr(options, name) is None}
        architecture = replace(architecture, **kept)
        model = base.with_tokenizer(tokenizer, architecture)
        known = sum(character in base.tokenizer for character in tokenizer.ids)
        say(f"\nstarting from {options.init_from}, which knows {known:,} of the {len(tokenizer):,} tokens")
    else:
        model = PoetModel(architecture, tokenizer)
    model.to(accelerator.device)

    output = options.output
    if not options.resume and accelerator.is_main_process:
        if (output / CHECKPOINT_NAME).is_dir():
            say(f"note: {output} holds an unfinished training, which starts anew; --resume would continue it")
        elif (output / "config.json").is_file():
            say(f"note: {output} holds a model, which the new one replaces")
        begin_folder(output, corpus, *history(options.init_from, corpus))
    accelerator.wait_for_everyone()

    batches = PoemBatches(
        train,
        tokenizer,
        batch_size=config.batch_size,
        max_tokens=64 * 1024 if on_gpu else 8192,
        header=HeaderRates(),
        seed=options.seed,
    )
    held_out = without_header(valid)

    def evaluate(model: PoetModel) -> dict:
        return {"loss": (found := score(model, held_out)).loss, "tokens": found.tokens}

    def save_best(model: PoetModel, record: dict) -> None:
        model.save_pretrained(output)
        for start in SAMPLE_STARTS:
            if all(character in tokenizer for character in start):
                poem = model.generate(start, seed=SAMPLE_SEED)
                sample = {
                    "step": record["step"],
                    "epoch": record["epoch"],
                    "perplexity": record["perplexity"],
                }
                append_json_line(
                    output / SAMPLES_NAME,
                    sample | {"start": start, "seed": SAMPLE_SEED, "text": poem.text},
                )
        tqdm.write(read_json_lines(output / SAMPLES_NAME)[-1]["text"], file=sys.stderr)

    trainer = Trainer(
        model,
        batches,
        evaluate=evaluate,
        save_best=save_best,
        config=config,
        output=output,
        accelerator=accelerator,
        identity={
            "model": asdict(architecture),
            "corpus": corpus.report.splits,
            "precision": precision,
            "init_from": options.init_from,
        },
    )
    if options.resume:
        trainer.load_checkpoint()
        say(f"\ngoing on from step {trainer.step}")
    if report_to:
        accelerator.init_trackers("tang-lstm", config={"preset": preset, **asdict(config)})
    where = torch.cuda.get_device_name() if on_gpu else f"CPU, {torch.get_num_threads()} threads"
    say(
        f"\npreset {preset}: {model.num_parameters:,} parameters, precision {precision}, {where}, "
        f"{accelerator.num_processes} process{'es' * (accelerator.num_processes > 1)}; "
        "stop with Ctrl-C, go on with --resume\n",
        flush=True,
    )
    if accelerator.num_processes == 1 and "ACCELERATE_USE_CPU" in os.environ and "MASTER_PORT" in os.environ:
        say("note: without MPI, accelerate launch starts one process on a CPU; torchrun starts several\n")
    try:
        best = trainer.train()
    except Interrupted as interrupted:
        say(f"\nstopped by {interrupted}; everything is saved. Go on with the same command and --resume")
        return 128 + interrupted.signum
    finally:
        accelerator.end_training()
    if accelerator.is_main_process:
        made_by = {
            "preset": Path(preset).name,  # where it lies is nobody's business
            "precision": precision,
            "processes": accelerator.num_processes,
            "machine": machine(),
            **{f"{name}s": best[name] for name in ("step", "epoch")},
            "minutes": best["minutes"],
            "recipe": asdict(config),
        }
        if held_out_note:
            made_by["note"] = f"{held_out_note}, though near-copies of them may be among the others."
        finish(options, made_by, corpus, accelerator.device)
        trainer.remove_checkpoint()
        start = '"春"' if "春" in tokenizer else ""
        print(f'\n    PoetModel.from_pretrained("{output.as_posix()}").generate({start})\n')
    return 0


def history(base: str | None, corpus) -> tuple[list[dict], list[dict]]:
    """What the model to start from has behind it.

    Returns:
        Its trainings, the first one first; those with `held_out` saw none of the poems that this one
        validates and tests on. And its log, if it was validated on the same poems, so that losses compare.
    """
    from poet_model.corpus.held_out import held_out_record, read_held_out
    from poet_model.hub.fetch import find_folder
    from poet_model.model_folder import earlier_trainings, read_log, read_metrics

    if not base:
        return [], []
    folder = find_folder(base)
    metrics = read_metrics(folder)
    last = {name: metrics[name] for name in ("corpus", "training", "commands") if name in metrics}
    trainings = [*earlier_trainings(metrics), *([last | {"held_out": True}] if last else [])]
    ours, theirs = held_out_record(corpus), read_held_out(folder) or {"valid": [], "test": []}
    if not {*ours["valid"], *ours["test"]} <= {*theirs["valid"], *theirs["test"]}:
        for training in trainings:  # what the last one held out, those before it had held out too
            training.pop("held_out", None)
    return trainings, read_log(folder) if ours["valid"] == theirs["valid"] else []


def begin_folder(output: Path, corpus, trainings: list[dict], log: list[dict]) -> None:
    """Makes the folder of a new training: what is known before it begins, and no records of another model.

    Args:
        trainings, log: what the model has behind it, see `history`.

    Raises:
        InvalidValueError: the folder cannot be made or written.
    """
    from poet_model.corpus.held_out import write_held_out
    from poet_model.errors import InvalidValueError
    from poet_model.files import append_json_line, write_text
    from poet_model.model_folder import (
        CARD_NAME,
        EARLIER_LOG_NAME,
        LOG_NAME,
        METRICS_NAME,
        REPORT_NAME,
        SAMPLES_NAME,
    )
    from poet_model.training.checkpoint import CHECKPOINT_NAME

    try:
        output.mkdir(parents=True, exist_ok=True)
        for name in (LOG_NAME, EARLIER_LOG_NAME, SAMPLES_NAME, METRICS_NAME, CARD_NAME):
            (output / name).unlink(missing_ok=True)
        shutil.rmtree(output / CHECKPOINT_NAME, ignore_errors=True)
        for record in log:
            append_json_line(output / EARLIER_LOG_NAME, record)
        if trainings:
            text = json.dumps({"earlier": trainings}, ensure_ascii=False, indent=2)
            write_text(output / METRICS_NAME, text + "\n")
        report = json.dumps(asdict(corpus.report), ensure_ascii=False, indent=2)
        write_text(output / REPORT_NAME, report + "\n")
        write_held_out(output, corpus)
    except OSError as error:
        raise InvalidValueError(
            f"--output {output} cannot be written ({error.strerror}); give another folder"
        ) from error


def finish(options: argparse.Namespace, made_by: dict, corpus, device) -> None:
    """Writes down how the best model was made, measures it, writes its card, and pushes it if asked to."""
    from poet_model.errors import HubError, PoetError
    from poet_model.evaluation import command_line, measure, update_folder
    from poet_model.hub.push import push_folder
    from poet_model.model import PoetModel

    given = [argument for argument in sys.argv[1:] if argument != "--resume"]  # as it was begun
    command = command_line("python train.py", given)
    update_folder(options.output, {"training": made_by}, training=command)
    if options.no_measure:
        return
    print("\nmeasuring the best model …", flush=True)
    model = PoetModel.from_pretrained(options.output, device=device)
    metrics = update_folder(options.output, measure(model, corpus))
    for split, found in metrics["perplexity"].items():
        print(f"{split:<18} perplexity {found['perplexity']:.2f} over {found['tokens']:,} tokens")
    poems = metrics["poems"]
    print(f"equal lines in {poems['free']['equal_lines']} of {poems['free']['poems']} poems, nothing given")
    print(f"form kept in {poems['with_form']['kept']} of {poems['with_form']['poems']} poems that name one")
    if options.push_to_hub:
        try:
            print("pushed:", push_folder(options.output, options.push_to_hub, private=options.private))
        except PoetError as error:
            again = f'from_pretrained("{options.output.as_posix()}").push_to_hub("{options.push_to_hub}")'
            raise HubError(f"{error}. The model is safe; push it by PoetModel.{again}") from error


if __name__ == "__main__":
    sys.exit(main())
