"""Measures `poet bulk` against a loop over `generate`, and NumPy, torch and transformers' GPT-2 in batches.

    python benchmarks/bulk.py --rounds 2 --json benchmarks/results/bulk.json

All write quatrains (form="五絕"; one run also with tones and rhyme) with one thread a process; GPT-2,
untrained and with as many parameters, writes as many characters without any rule. A run of `poet bulk` is a
process of its own that begins, writes and looks for duplicates; bulk_run.py says how its speed and memory are
seen. How much memory the search for duplicates takes is measured with made-up quatrains.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

os.environ.update({f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")})  # before NumPy

from bulk_run import Watched, watch
from common import finish, interleaved, last_line_of, show, summary

from poet_model.errors import command

FORM, CHARACTERS = "五絕", 24
RUNS = [(engine, workers) for engine in ("local", "ray") for workers in (1, 2)]
RULES = ("--tones", "--rhyme")
RULED, RULED_SHARE = "poet bulk, local, 1 worker, tones and rhyme", 4  # writes a fourth of the poems
MADE_UP = 300_000  # quatrains among which duplicates are looked for
DUPLICATES = """
import json, random, re, sys
from pathlib import Path
from poet_model.bulk.duplicates import Duplicates
rng, found = random.Random(0), Duplicates()
hanzi = [chr(0x4E00 + i) for i in range(5000)]
def peak():  # ru_maxrss would be that of the process before this one, too
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) / 1024
found.add("，".join("".join(rng.choices(hanzi, k=5)) for _ in range(4)) + "。")
before = peak()
for _ in range(int(sys.argv[1]) - 1):
    found.add("，".join("".join(rng.choices(hanzi, k=5)) for _ in range(4)) + "。")
found.find()
print(json.dumps({"mib": peak() - before}))
"""
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


def runs(temporary: Path, poems: int) -> tuple[dict[str, Callable], dict[str, list[Watched]]]:
    """The contenders that measure runs as a whole, and the lists that fill with all that was seen of them."""
    watched: dict[str, list[Watched]] = {}

    def measure(name: str, engine: str, workers: int, poems: int, rules: Sequence[str], number: int) -> float:
        words = ["--form", FORM, "--engine", engine, *rules]
        watched.setdefault(name, []).append(watch(temporary / f"{name} {number}", poems, workers, words))
        return watched[name][-1].whole

    contenders = {name_of(*run): partial(measure, name_of(*run), *run, poems, ()) for run in RUNS}
    contenders[RULED] = partial(measure, RULED, "local", 1, poems // RULED_SHARE, RULES)
    return contenders, watched


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
        whole, watched = runs(Path(temporary), options.poems)
        speeds = interleaved(contenders | whole, options.rounds)
    steady = {name: [run.steady for run in seen] for name, seen in watched.items()}
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
        "memory_mib": memory(watched[name_of("local", 2)]),
    }
    show(
        f"Quatrains a second, median of {options.rounds}; {record['where']}",
        ["", "poems/s", "range", "vs loop"],
        rows,
    )
    for engine, times in record["two_workers_times_one"].items():
        print(f"two workers / one, {engine}: {times['median']:.2f} steady, {times['whole']:.2f} as a whole")
    print("memory, MiB: " + ", ".join(f"{name} {mib:,.0f}" for name, mib in record["memory_mib"].items()))
    finish(record, options.json)


def memory(seen: Sequence[Watched]) -> dict[str, float]:
    """The memory of runs in MiB, each the most of all runs, and what the search for duplicates takes."""
    searching = last_line_of([sys.executable, "-c", DUPLICATES, str(MADE_UP)])["mib"]
    return {
        "largest worker at its first part": max(run.worker_mib_at_first for run in seen),
        "largest worker at most": max(run.worker_mib_at_most for run in seen),
        "the process that began them": max(run.parent_mib for run in seen),
        f"duplicates among {MADE_UP:,} quatrains": searching,
    }


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
