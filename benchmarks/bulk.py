"""Measures `poet bulk` against a loop over `generate`, and NumPy, torch and transformers' GPT-2 in batches.

    python benchmarks/bulk.py --rounds 5 --json bulk.json

All write quatrains (form="五絕", without tones and rhyme) with one thread a process; GPT-2, untrained and
with as many parameters, writes as many characters without any rule. A run of `poet bulk` is a process of its
own that begins, writes and looks for duplicates. Its speed as a whole counts all of that; its steady speed
counts the poems from when there are as many parts as workers to when all parts are there.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ.update({f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")})  # before NumPy

from common import ROOT, finish, interleaved, show, summary

from poet_model.bulk.__main__ import BATCH_SIZE
from poet_model.bulk.plan import BLOCKS_A_PART
from poet_model.errors import command

FORM, CHARACTERS = "五絕", 24
RUNS = [(engine, workers) for engine in ("local", "ray") for workers in (1, 2)]
LOOP, GPT2 = "a loop over generate, NumPy", "GPT-2 of transformers, batch 64"


def parse_arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--poems", type=int, default=5120, help="of a run of poet bulk")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to this file as JSON")
    return parser.parse_args()


def speeds_of_run(folder: Path, engine: str, workers: int, poems: int) -> tuple[float, float]:
    """The poems a second of a run of `poet bulk`, as a whole and steady. Exits if it fails."""
    words = ["--num", poems, "--out", folder, "--form", FORM, "--engine", engine, "--workers", workers]
    command = [sys.executable, "-m", "poet_model", "bulk", *map(str, words), "--no-index"]
    pipe, started = subprocess.PIPE, time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True, encoding="utf-8")
    seen = [(0, started)]  # how many parts there were, and since when
    while process.poll() is None:
        parts = len(list((folder / "parts").glob("0*.jsonl")))
        if parts > seen[-1][0]:
            seen.append((parts, time.perf_counter()))
        time.sleep(0.01)
    ended = time.perf_counter()
    if process.returncode:
        sys.exit(f"poet bulk failed:\n{process.stderr.read()[-2000:]}")
    first, last = next(one for one in seen if one[0] >= workers), seen[-1]
    written = (last[0] - first[0]) * BLOCKS_A_PART * BATCH_SIZE
    return poems / (ended - started), written / (last[1] - first[1])


def runs(temporary: Path, poems: int) -> tuple[dict[str, Callable], dict[str, list[float]]]:
    """The contenders that measure runs as a whole, and the lists that fill with their steady speeds."""
    steady: dict[str, list[float]] = {name_of(*run): [] for run in RUNS}

    def measure(engine: str, workers: int, number: int) -> float:
        folder = temporary / f"{engine} {workers} {number}"
        whole, after = speeds_of_run(folder, engine, workers, poems)
        steady[name_of(engine, workers)].append(after)
        return whole

    return {name_of(*run): partial(measure, *run) for run in RUNS}, steady


def name_of(engine: str, workers: int) -> str:
    """The name of a way to run `poet bulk`."""
    return f"poet bulk, {engine}, {workers} worker{'s' * (workers > 1)}"


def writing(model, size: int, poems: int) -> Callable[[int], float]:
    """Measures the poems a second of `generate` in batches of a size; 0 stands for calls for single poems."""

    def measure(number: int) -> float:
        started = time.perf_counter()
        for first in range(1000 * number, 1000 * number + poems, size or 1):
            model.generate(form=FORM, seed=first, num_poems=size or None)
        return poems / (time.perf_counter() - started)

    return measure


def gpt2(vocab_size: int) -> tuple[Callable[[int], float], int]:
    """Measures the poems a second of an untrained GPT-2 with a cache; also the number of its parameters."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=vocab_size,
        n_positions=64,
        n_embd=308,
        n_layer=5,
        n_head=4,
        bos_token_id=None,
        eos_token_id=None,
    )
    model = GPT2LMHeadModel(config).eval()
    options = {"do_sample": True, "top_k": 40, "temperature": 0.8, "pad_token_id": 0, "use_cache": True}

    def measure(number: int) -> float:
        torch.manual_seed(number)
        first = torch.ones(64, 1, dtype=torch.int64)
        started = time.perf_counter()
        written = model.generate(
            first, attention_mask=torch.ones_like(first), max_new_tokens=CHARACTERS, **options
        )
        assert written.shape == (64, CHARACTERS + 1)
        return 64 / (time.perf_counter() - started)

    return measure, model.num_parameters()


@command
def main() -> None:
    """Measures, prints the tables and writes the results."""
    options = parse_arguments()
    import torch

    from poet_model import load
    from poet_model.machine import machine

    torch.set_num_threads(1)
    models = {"NumPy": load(backend="numpy"), "torch": load(backend="torch")}
    contenders = {LOOP: writing(models["NumPy"], 0, 32)}
    for name, model in models.items():
        for size in (1, 16, 64):
            contenders[f"{name}, batch {size}"] = writing(model, size, 64 if size > 1 else 32)
    vocab_size = len(models["torch"].tokenizer)
    contenders[GPT2], parameters = gpt2(vocab_size)
    for measure in contenders.values():
        measure(99)  # warm up
    with tempfile.TemporaryDirectory() as temporary:
        whole, steady = runs(Path(temporary), options.poems)
        speeds = interleaved(contenders | whole, options.rounds)
    results = {name: summary(values) for name, values in speeds.items()}
    results |= {f"{name}, steady": summary(values) for name, values in steady.items()}
    loop = results[LOOP]["median"]
    for result in results.values():
        result["times_loop"] = result["median"] / loop
    rows = [
        [n, f"{r['median']:,.1f}", f"{r['low']:,.1f}-{r['high']:,.1f}", f"{r['times_loop']:.2f}x"]
        for n, r in results.items()
    ]
    record = {
        "what": f"quatrains ({FORM}) a second, one thread a process",
        "where": machine(),
        "model": f"{models['torch'].num_parameters:,} parameters, {vocab_size:,} tokens of vocabulary",
        "gpt2_parameters": parameters,
        "poems": options.poems,
        "poems_per_second": results,
        "two_workers_times_one": {
            engine: ratios(steady, engine) | {"whole": ratio(speeds, engine)} for engine in ("local", "ray")
        },
    }
    show(
        f"Quatrains a second, median of {options.rounds}; {record['where']}",
        ["", "poems/s", "range", "vs loop"],
        rows,
    )
    for engine, times in record["two_workers_times_one"].items():
        print(f"two workers / one, {engine}: {times['median']:.2f} steady, {times['whole']:.2f} as a whole")
    finish(record, options.json)


def ratios(speeds: dict[str, list[float]], engine: str) -> dict:
    """Two workers against one, in each round."""
    return summary(
        [two / one for one, two in zip(*(speeds[name_of(engine, n)] for n in (1, 2)), strict=True)]
    )


def ratio(speeds: dict[str, list[float]], engine: str) -> float:
    """Two workers against one as a whole, the median of the rounds."""
    return ratios(speeds, engine)["median"]


if __name__ == "__main__":
    sys.exit(main())
