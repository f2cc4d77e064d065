"""Measures generation speed, our stepper against nn.LSTM called once per character, and loading time.

    python benchmarks/decode_speed.py --rounds 5 --json decode_speed.json

All contenders run `generate` with the same weights, sampling and rules; only the step of the network differs.
The matrix products of NumpyPoetModel use all cores, whatever the number of torch threads. Loading is measured
in fresh processes: `import poet_model`, `from_pretrained` with torch already imported, a first poem without
torch, and the import and `CharLM.from_pretrained` of from_scratch.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from common import ROOT, finish, interleaved, last_line_of, show, summary

from poet_model.errors import command

SHIPPED = ROOT / "assets" / "tang-lstm"
OURS, PEER, BATCH = "ours, batch 1", "nn.LSTM a character, batch 1", "ours, batch 64"
NUMPY, NUMPY_BATCH = "NumpyPoetModel, batch 1", "NumpyPoetModel, batch 64"
CHECKOUTS = ("this checkout", "the other checkout")  # each runs in its own processes
FLOAT32 = "ours, weights read as float32, batch 1"
OTHER = """
import json, sys, time
sys.path.insert(0, ".")
import torch
from poet_model import PoetModel
folder, threads, size, poems, seed = sys.argv[1], *map(int, sys.argv[2:])
torch.set_num_threads(threads)
model = PoetModel.from_pretrained(folder)
model.generate(seed=0)
started, written = time.perf_counter(), []
for first in range(seed, seed + poems, size):
    written += model.generate(num_poems=size, seed=first)
seconds = time.perf_counter() - started
print(json.dumps({"characters_per_second": sum(len(poem.text) for poem in written) / seconds}))
"""
FIRST_POEM = """
import json, sys, time
started = time.perf_counter()
sys.modules["torch"] = None
from poet_model import NumpyPoetModel
NumpyPoetModel.from_pretrained(sys.argv[1]).generate("春", form="五絕", tones=True, rhyme=True, seed=7)
print(json.dumps({"seconds": time.perf_counter() - started}))
"""
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
LOAD_COURSE = """
import json, sys, time
started = time.perf_counter()
from poet_model.from_scratch.char_lm import CharLM
CharLM.from_pretrained(sys.argv[1])
print(json.dumps({"seconds": time.perf_counter() - started}))
"""


def parse_arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--poems", type=int, default=20, help="poems per round, written one after another")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--model", type=Path, default=SHIPPED, help="a model folder")
    parser.add_argument(
        "--hidden-size", type=int, default=512, help="of the untrained model used if the folder is missing"
    )
    parser.add_argument(
        "--against", type=Path, metavar="FOLDER", help="another checkout of the project to measure as well"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to this file as JSON")
    return parser.parse_args()


def stand_in(folder: Path, hidden_size: int) -> Path:
    """Saves an untrained model with a vocabulary like the shipped one's; returns the folder."""
    from poet_model import PoetConfig, PoetModel, PoetTokenizer
    from poet_model.prosody import LINE_ENDS

    tokenizer = PoetTokenizer([*LINE_ENDS, *map(chr, range(0x4E00, 0x4E00 + 7000))])
    config = PoetConfig(vocab_size=len(tokenizer), hidden_size=hidden_size, num_layers=2)
    PoetModel(config, tokenizer).save_pretrained(folder)
    return folder


class CharacterwiseLSTM:
    """The peer: one multi-layer nn.LSTM called once per character, with the model's embedding and output."""

    def __init__(self, model):
        import torch

        self._model, self._torch = model, torch
        layers, width = model.lstm.layers, model.config.hidden_size
        self._lstm = torch.nn.LSTM(width, width, num_layers=len(layers), batch_first=True)
        for index, layer in enumerate(layers):
            for name, value in layer.state_dict().items():
                self._lstm.state_dict()[name.replace("_l0", f"_l{index}")].copy_(value)

    def read(self, ids, first=0):
        """Like Stepper.read, with the whole prompt in one call, which is faster for nn.LSTM."""
        return self._run(self._torch.tensor(ids)[None], None, first)

    def step(self, ids, state):
        """Like Stepper.step."""
        return self._run(self._torch.from_numpy(ids)[:, None], state, 0)

    def select(self, state, rows):
        """Like Stepper.select."""
        return tuple(part[:, rows].contiguous() for part in state)

    def _run(self, ids, state, first):
        with self._torch.inference_mode():
            hidden, state = self._lstm(self._model.embedding(ids), state)
            hidden = hidden[0, first:] if len(hidden) == 1 and state is not None and first else hidden[:, -1]
            return self._model.project(hidden).numpy(), state


def characters_per_second(writer, num_poems: int, batch_size: int, seed: int) -> float:
    """The speed of writing poems in batches, measured over the whole of `generate`."""
    started, poems = time.perf_counter(), []
    for first in range(seed, seed + num_poems, batch_size):
        poems += writer.generate(num_poems=batch_size, seed=first)
    return sum(len(poem.text) for poem in poems) / (time.perf_counter() - started)


def with_stepper(model, stepper):
    """A writer with the vocabulary and settings of a model, and another stepper."""
    from poet_model.generation.writer import Writer

    class Other(Writer):
        tokenizer, generation_config = model.tokenizer, model.generation_config

        def stepper(self):
            return stepper

    return Other()


def measure(folder: Path, threads: int, options: argparse.Namespace) -> dict[str, dict]:
    """The characters per second of each contender with the given number of torch threads."""
    import torch

    from poet_model import NumpyPoetModel, PoetModel
    from poet_model.stepper import TorchStepper

    torch.set_num_threads(threads)
    ours, in_numpy = PoetModel.from_pretrained(folder), NumpyPoetModel.from_pretrained(folder)
    float32 = TorchStepper(ours.embedding.weight, ours.bias, ours.lstm, reads_float16=False)
    writers = {PEER: with_stepper(ours, CharacterwiseLSTM(ours)), OURS: ours}
    writers |= {FLOAT32: with_stepper(ours, float32), NUMPY: in_numpy}
    batches = {BATCH: ours, NUMPY_BATCH: in_numpy}
    for writer in writers.values():  # warm up
        characters_per_second(writer, 1, 1, seed=0)

    def alone(writer):
        return lambda number: characters_per_second(writer, options.poems, 1, seed=1000 * number)

    def together(writer):
        return lambda number: characters_per_second(writer, 64, 64, seed=1000 * number)

    contenders = {name: alone(writer) for name, writer in writers.items()}
    contenders |= {name: together(writer) for name, writer in batches.items()}
    if options.against:
        for name, checkout in zip(CHECKOUTS, (ROOT, options.against), strict=True):
            for size in (1, 64):
                contenders[f"{name}, batch {size}"] = partial(
                    in_checkout, checkout, folder.resolve(), threads, size, options.poems
                )
    return {name: summary(speeds) for name, speeds in interleaved(contenders, options.rounds).items()}


def in_checkout(checkout: Path, folder: Path, threads: int, size: int, poems: int, number: int) -> float:
    """The characters per second of PoetModel.generate in a checkout of the project, in a new process."""
    arguments = map(str, (folder, threads, size, poems if size == 1 else size, 1000 * number))
    return last_line_of([sys.executable, "-c", OTHER, *arguments], checkout)["characters_per_second"]


def fresh_seconds(code: str, rounds: int, *arguments: str) -> dict:
    """The seconds that a snippet reports, in fresh processes."""
    command = [sys.executable, "-c", code, *arguments]
    return summary([last_line_of(command)["seconds"] for _ in range(rounds)])


@command
def main() -> None:
    """Measures, prints the tables and writes the results."""
    options = parse_arguments()
    from poet_model import PoetModel
    from poet_model.machine import machine

    with tempfile.TemporaryDirectory() as temporary:
        folder = options.model
        if not (folder / "config.json").is_file():
            print(f"{folder} has no config.json; using an untrained model with {options.hidden_size} units")
            folder = stand_in(Path(temporary) / "model", options.hidden_size)
        model = PoetModel.from_pretrained(folder)
        loading = {
            "import poet_model": fresh_seconds(IMPORT, options.rounds),
            "from_pretrained, torch imported": fresh_seconds(LOAD, options.rounds, str(folder)),
            "import, load and first poem without torch": fresh_seconds(
                FIRST_POEM, options.rounds, str(folder)
            ),
            "import and load from_scratch": fresh_seconds(LOAD_COURSE, options.rounds, str(folder)),
        }
        record = {
            "what": "writing, characters a second",
            "where": machine(),
            "model": f"{model.num_parameters:,} parameters, {len(model.tokenizer):,} tokens of vocabulary",
            "threads": {},
            "loading_seconds": loading,
        }
        for threads in options.threads:
            results = measure(folder, threads, options)
            peer = results[PEER]["median"]
            rows = []
            for name, result in results.items():
                result["times_peer"] = result["median"] / peer
                spread = f"{result['low']:,.0f}-{result['high']:,.0f}"
                rows.append([name, f"{result['median']:,.0f}", spread, f"{result['times_peer']:.2f}x"])
            record["threads"][str(threads)] = results
            title = f"Writing, characters/s, {threads} thread(s), median of {options.rounds}"
            title += f"\n{record['model']}; {record['where']}"
            show(title, ["", "characters/s", "range", "vs nn.LSTM"], rows)
            print(f"\nours / nn.LSTM at batch 1: {results[OURS]['times_peer']:.2f} (goal: at least 4)")
        rows = [[n, f"{r['median']:.3f}", f"{r['low']:.3f}-{r['high']:.3f}"] for n, r in loading.items()]
        show("Loading, fresh processes (goals: 0.2 s, 1 s, 0.7 s and 1 s)", ["", "seconds", "range"], rows)
        finish(record, options.json)


if __name__ == "__main__":
    sys.exit(main())
