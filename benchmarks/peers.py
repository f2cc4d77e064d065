"""Compares the LSTM with a GPT and an RNN of equal size, and with Kneser-Ney, trained on the same tokens.

    python benchmarks/peers.py --tokens 8_000_000 --json benchmarks/results/peers.json

docs/peers.md says what is equal and what is measured. Each training is added to the results when it ends, and
has checkpoints, so that the same command goes on after a stop.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import command as command_line
from common import show
from peers_table import NAMES, RESULTS, rows_of, title_of

from poet_model.errors import InvalidValueError, command
from poet_model.files import read_json, write_text
from poet_model.training.malloc import keep_freed_memory

if TYPE_CHECKING:
    from peer_measures import Peer
    from peer_training import Training, Try

NETWORKS = ("lstm", "gpt", "rnn")
MODELS = tuple(NAMES)


def make_parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--only", nargs="+", choices=MODELS, default=list(MODELS), metavar="MODEL", help=" ".join(MODELS))
    add("--tokens", type=int, default=8_000_000, help="inputs that each network is trained on")
    add("--preset", default="cpu", help="of the LSTM's dropout and the recipe of all")
    add("--hidden-size", type=int, default=256, help="of the LSTM; the others get as many parameters")
    add("--num-layers", type=int, default=2, help="of the LSTM and the RNN")
    add("--tune", nargs="*", choices=NETWORKS, default=["gpt"], metavar="NETWORK", help="networks to tune")
    add("--dropouts", type=float, nargs="+", default=[0.0, 0.1, 0.2], help="that are tried in tuning")
    add("--learning-rates", type=float, nargs="+", default=[3e-3, 1e-3], help="the first is tried with all")
    add("--corpus", default="tang", help="as in train.py")
    add("--limit", type=int, metavar="N", help="train on the first N poems only")
    add("--poems", type=int, default=320, help="that each model writes for the AUC")
    add("--seed", type=int, default=0, help="of weights, batches, dropout and poems")
    add("--cpu", action="store_true", help="train on the CPU even if there is a GPU")
    add("--folder", type=Path, default=Path("runs/peers"), help="for weights, logs and checkpoints")
    add("--json", type=Path, default=RESULTS, metavar="FILE", help="the results, which are added to")
    add("--table", action="store_true", help="only print the table of the results")
    return parser


class Results:
    """The results in a file, to which each training and each model is added when it is done.

    Args:
        path: the JSON file; it may be missing.
        settings: what all results in it must have been made with.

    Raises:
        InvalidValueError: the file has results of other settings.
    """

    def __init__(self, path: Path, settings: dict[str, Any]):
        self.path = path
        self.record: dict[str, Any] = {"what": __doc__.splitlines()[0], "trainings": {}, "models": {}}
        if path.is_file():
            self.record |= read_json(path, dict)
            old, new = self.record.get("settings"), json.loads(json.dumps(settings))
            if old != new:
                differ = [name for name in new if not isinstance(old, dict) or old.get(name) != new[name]]
                raise InvalidValueError(
                    f"{path} has results with another {', '.join(differ)}; give the options that it was made "
                    "with, or another --json and --folder"
                )
        self.record["settings"] = settings

    def add(self, kind: str, name: str, value: dict[str, Any]) -> None:
        """Adds a result of the kind `trainings` or `models`, and writes the file."""
        self.record[kind][name] = value
        self.record["command"] = command_line()
        write_text(self.path, json.dumps(self.record, ensure_ascii=False, indent=2) + "\n")


def tries(network: str, options: argparse.Namespace, losses: dict[Try, float]) -> Iterator[Try]:
    """The trainings of a network: each dropout at the first learning rate, then the other rates at the best.

    Args:
        network: lstm, gpt or rnn.
        options: those of the command line.
        losses: the validation perplexity of each training so far; the caller adds to it.
    """
    from peer_training import Try

    if network not in options.tune:
        yield Try(network)
        return
    first, *others = options.learning_rates
    for dropout in options.dropouts:
        yield Try(network, dropout, first)
    best = min(losses, key=losses.__getitem__)
    for rate in others:
        yield replace(best, learning_rate=rate)


def best_of(network: str, training: Training, results: Results, options: argparse.Namespace) -> Try:
    """Trains a network as often as it is to be tried; returns the training that validates best."""
    losses: dict[Try, float] = {}
    for one in tries(network, options, losses):
        if one.name not in results.record["trainings"]:
            print(f"\n{one.name}", file=sys.stderr)
            results.add("trainings", one.name, training.train(one))
        losses[one] = results.record["trainings"][one.name]["validation_perplexity"]
    return min(losses, key=losses.__getitem__)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Trains and measures what the results do not have yet; returns them."""
    import torch
    from peer_measures import Measures
    from peer_training import Training

    from poet_model.corpus import load_corpus
    from poet_model.machine import machine
    from poet_model.training.data import prepare_data

    data = prepare_data(load_corpus(options.corpus), options.limit)
    names = ("preset", "hidden_size", "num_layers", "corpus", "limit", "poems", "seed")
    training = Training(
        data,
        preset=options.preset,
        hidden_size=options.hidden_size,
        num_layers=options.num_layers,
        tokens=options.tokens,
        folder=options.folder,
        seed=options.seed,
        on_gpu=torch.cuda.is_available() and not options.cpu,
    )
    splits = {"train": data.train, "valid": data.valid, "test": data.corpus.splits["test"]}
    settings = {name: getattr(options, name) for name in names} | {
        "tokens": training.batches.tokens,
        "epochs": round(training.batches.epochs, 2),
        "batches": len(training.batches),
        "precision": training.precision,
        "splits": {name: len(poems) for name, poems in splits.items()},
        "vocabulary": len(data.tokenizer),
        "machine": machine(),
    }
    results = Results(options.json, settings)
    if missing := [name for name in options.only if name not in results.record["models"]]:
        measures = Measures(data, options.poems)
        for name in missing:
            model, trained = trained_model(name, training, results, options)
            results.add("models", name, trained | measures.of(model))
    return results.record


def trained_model(
    name: str, training: Training, results: Results, options: argparse.Namespace
) -> tuple[Peer, dict[str, Any]]:
    """A trained model, and the record of its training."""
    from kneser_ney_peer import KneserNeyPeer

    if name == "kneser_ney":
        started = time.perf_counter()
        model = KneserNeyPeer(training.data.train, training.data.tokenizer)
        return model, {"minutes": round((time.perf_counter() - started) / 60, 2)}
    best = best_of(name, training, results, options)
    return training.best_model(best), results.record["trainings"][best.name]


@command
def main() -> int:
    """Runs the comparison and prints the table; returns the exit status."""
    options = make_parser().parse_args()
    keep_freed_memory()  # before torch is imported
    if options.table:
        record = read_json(options.json, dict)
    else:
        from poet_model.training.stopping import Interrupted

        try:
            record = run(options)
        except Interrupted as stop:
            print("\nstopped; the same command goes on", file=sys.stderr)
            return 128 + stop.signum
    show(title_of(record), *rows_of(record))
    return 0


if __name__ == "__main__":
    sys.exit(main())
