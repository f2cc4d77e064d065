"""Writing speed: our stepper against nn.LSTM called once a character, and the time to load a model.

    python benchmarks/decode_speed.py --rounds 5 --json decode_speed.json

Both sides are PoetModel.generate with the same weights, sampling and rules; only the step of the network
differs. Also measured, in fresh processes: `import poet_model`, and `from_pretrained` once torch is imported.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from common import ROOT, finish, interleaved, last_line_of, show, summary

SHIPPED = ROOT / "assets" / "tang-lstm"
OURS, PEER, BATCH = "ours, batch 1", "nn.LSTM a character, batch 1", "ours, batch 64"
FLOAT32 = "ours, weights read as float32, batch 1"
IMPORT = """
import json, time
started = time.perf_counter()
import poet_model
print(json.dumps({"seconds": time.perf_counter() - started}))
"""
LOAD = """
import json, sys, time
import torch
started = time.perf_counter()
from poet_model import PoetModel
PoetModel.from_pretrained(sys.argv[1])
print(json.dumps({"seconds": time.perf_counter() - started}))
"""


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--poems", type=int, default=20, help="written alone, one after another, each round")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--model", type=Path, default=SHIPPED, help="a model folder")
    parser.add_argument(
        "--hidden-size", type=int, default=512, help="of the stand-in if there is no such folder"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    return parser.parse_args()


def stand_in(folder: Path, hidden_size: int) -> Path:
    """An untrained model of the shipped one's size."""
    from poet_model import PoetConfig, PoetModel, PoetTokenizer

    tokenizer = PoetTokenizer([*"，。", *map(chr, range(0x4E00, 0x4E00 + 7000))])
    config = PoetConfig(vocab_size=len(tokenizer), hidden_size=hidden_size, num_layers=2)
    PoetModel(config, tokenizer).save_pretrained(folder)
    return folder


class CharacterwiseLSTM:
    """The peer: one multi-layer nn.LSTM, called on one character at a time, and the model's own output."""

    def __init__(self, model):
        from torch import nn

        self._model = model
        layers, width = model.lstm.layers, model.config.hidden_size
        self._lstm = nn.LSTM(width, width, num_layers=len(layers), batch_first=True)
        for index, layer in enumerate(layers):
            for name, value in layer.state_dict().items():
                self._lstm.state_dict()[name.replace("_l0", f"_l{index}")].copy_(value)

    def read(self, ids, first):
        """As Stepper.read; the prompt in one call, which suits nn.LSTM better."""
        hidden, state = self._lstm(self._model.embedding(ids[None]))
        return self._model.project(hidden[0, first:]), state

    def step(self, ids, state):
        """As Stepper.step."""
        hidden, state = self._lstm(self._model.embedding(ids[:, None]), state)
        return self._model.project(hidden[:, 0]), state


def characters_per_second(model, stepper, num_poems: int, batch_size: int, seed: int) -> float:
    """Writes poems with the given stepper; the whole of `generate` counts."""
    model.stepper = lambda: stepper  # hides the method of this one object
    try:
        started = time.perf_counter()
        poems = []
        for first in range(seed, seed + num_poems, batch_size):
            poems += model.generate(num_poems=batch_size, seed=first)
        return sum(len(poem.text) for poem in poems) / (time.perf_counter() - started)
    finally:
        del model.stepper


def measure(model, threads: int, options: argparse.Namespace) -> dict[str, dict]:
    """Characters a second of each contender with so many threads."""
    import torch

    from poet_model import stepper as steppers
    from poet_model.stepper import Stepper

    def stepper_of(model):
        return Stepper(model.embedding.weight, model.bias, model.lstm)

    torch.set_num_threads(threads)
    ours, peer = stepper_of(model), CharacterwiseLSTM(model)
    has_fbgemm, steppers._has_fbgemm = steppers._has_fbgemm, lambda: False
    float32, steppers._has_fbgemm = stepper_of(model), has_fbgemm
    for stepper in (ours, peer, float32):  # warm up
        characters_per_second(model, stepper, 1, 1, seed=0)

    def alone(stepper):
        return lambda number: characters_per_second(model, stepper, options.poems, 1, seed=1000 * number)

    contenders = {
        PEER: alone(peer),
        OURS: alone(ours),
        FLOAT32: alone(float32),
        BATCH: lambda number: characters_per_second(model, ours, 64, 64, seed=1000 * number),
    }
    return {name: summary(found) for name, found in interleaved(contenders, options.rounds).items()}


def fresh_seconds(code: str, rounds: int, *arguments: str) -> dict:
    """What a snippet says it took, in fresh processes."""
    command = [sys.executable, "-c", code, *arguments]
    return summary([last_line_of(command)["seconds"] for _ in range(rounds)])


def main() -> None:
    """Measures, prints the tables."""
    options = parse_arguments()
    from poet_model import PoetModel
    from poet_model.machine import machine

    with tempfile.TemporaryDirectory() as temporary:
        folder = options.model
        if not (folder / "config.json").is_file():
            print(f"{folder} is not there: an untrained model of {options.hidden_size} units stands in")
            folder = stand_in(Path(temporary) / "model", options.hidden_size)
        model = PoetModel.from_pretrained(folder)
        loading = {
            "import poet_model": fresh_seconds(IMPORT, options.rounds),
            "from_pretrained, torch imported": fresh_seconds(LOAD, options.rounds, str(folder)),
        }
    record = {
        "what": "writing, characters a second",
        "where": machine(),
        "model": f"{model.num_parameters:,} parameters, {len(model.tokenizer):,} tokens of vocabulary",
        "threads": {},
        "loading_seconds": loading,
    }
    for threads in options.threads:
        figures = measure(model, threads, options)
        peer = figures[PEER]["median"]
        rows = []
        for name, found in figures.items():
            found["times_peer"] = found["median"] / peer
            spread = f"{found['low']:,.0f}-{found['high']:,.0f}"
            rows.append([name, f"{found['median']:,.0f}", spread, f"{found['times_peer']:.2f}x"])
        record["threads"][str(threads)] = figures
        title = f"Writing, characters/s, {threads} thread(s), median of {options.rounds} ({record['model']})"
        show(f"{title}\n{record['where']}", ["", "characters/s", "range", "to nn.LSTM"], rows)
        print(f"\nours / nn.LSTM at batch 1: {figures[OURS]['times_peer']:.2f} (goal: at least 4)")
    rows = [[n, f"{f['median']:.3f}", f"{f['low']:.3f}-{f['high']:.3f}"] for n, f in loading.items()]
    show("Loading, fresh processes (goals: 0.2 s and 1 s)", ["", "seconds", "range"], rows)
    finish(record, options.json)


if __name__ == "__main__":
    main()
