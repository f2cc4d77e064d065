"""Measures the resident memory of a training from start to end, for corpora of different sizes.

    python benchmarks/train_memory.py --minutes 1.5 --json train_memory.json
    python benchmarks/train_memory.py --minutes 12 --rounds 1 --sizes tang --json train_memory_epochs.json

Each row is a real `python train.py` process, observed from outside. `tang` is 全唐詩, `tang+song` has six
times as much text, and `tang+song x10` repeats its training poems ten times. A training first reads its
corpus and is then observed for --minutes, in which it validates and saves as usual. Of several rounds, the
one with the median of the maxima is reported, along with the maxima of all. With --against, the train.py of
another checkout is measured in the same run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import ROOT, finish, show

from poet_model.errors import command
from poet_model.files import read_json_lines

SIZES = ("tang", "tang+song", "tang+song x10")
INTERVAL = 0.25  # seconds between two samples of a process
MIB = 1 << 20


def parse_arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=5.0, help="minutes of each training")
    parser.add_argument("--rounds", type=int, default=3, help="trainings of each size")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--preset", default="longer", help="the --preset of train.py")
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="another checkout to measure as well")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to this file as JSON")
    return parser.parse_args()


def prepared(name: str, folder: Path) -> Path:
    """Writes the prepared corpus of that name to a file, which another checkout can read too."""
    from poet_model.corpus.poems import Corpus, write_corpus
    from poet_model.corpus.prepare import load_corpus

    source, _, times = name.partition(" x")
    path = folder / f"{name.replace(' ', '-')}.jsonl"
    corpus = load_corpus(source)
    if times:
        for counts in (corpus.report.splits, corpus.report.characters):
            counts["train"] *= int(times)
        repeated = Repeated(corpus.splits["train"], int(times))
        corpus = Corpus(corpus.splits | {"train": repeated}, corpus.report)
    corpus.report.mixed = {}  # unknown to readers of older versions
    write_corpus(path, corpus)
    return path


class Repeated:
    """Poems repeated several times."""

    def __init__(self, poems, times: int):
        self.poems, self.times = poems, times

    def __iter__(self):
        return (poem for _ in range(self.times) for poem in self.poems)


def resident(pid: int) -> int:
    """The resident memory of a process in bytes; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS")), 0)


def watch(corpus: Path, checkout: Path, options: argparse.Namespace) -> dict:
    """Runs a training; returns its speed, and its memory while reading and in each tenth of the training."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "model"
        command = [sys.executable, "train.py", "--corpus", str(corpus), "--output", str(output)]
        command += ["--preset", options.preset, "--max-minutes", str(options.minutes), "--cpu"]
        with open(Path(folder) / "output.txt", "w+", encoding="utf-8") as printed:
            process = subprocess.Popen(command, cwd=checkout, stdout=printed, stderr=printed)
            try:
                samples = follow(process, output / "training_log.jsonl", options.minutes)
            finally:
                process.kill()
                process.wait()
            log = read_json_lines(output / "training_log.jsonl")
            if not log:
                printed.seek(0)
                sys.exit(f"{' '.join(command)} failed:\n{printed.read()[-2000:]}")
    began = next(when for when, _, step in samples if step)
    training = [(when - began, size) for when, size, step in samples if step]
    tenth = training[-1][0] / 10
    tenths = [max(s for when, s in training if i * tenth <= when <= (i + 1) * tenth) for i in range(10)]
    speeds = sorted(record["tokens_per_second"] for record in log if record["split"] == "train")
    return {
        "reading_mib": max((size for _, size, step in samples if not step), default=0) // MIB,
        "training_mib": max(size for _, size in training) // MIB,
        "tenths_mib": [size // MIB for size in tenths],
        "steps": log[-1]["step"],
        "epochs": round(log[-1]["epoch"], 3),
        "tokens_per_second": speeds[len(speeds) // 2],
        "seconds_to_first_step": round(began, 1),
    }


def follow(process: subprocess.Popen, log: Path, minutes: float) -> list[tuple[float, int, int]]:
    """Samples a process until it ends or --minutes of training are over.

    Returns:
        (seconds since the start, resident bytes, last logged step) of each sample.
    """
    samples, started, ends = [], time.perf_counter(), float("inf")
    while process.poll() is None and time.perf_counter() < ends:
        records = read_json_lines(log)
        step = records[-1]["step"] if records else 0
        if step and ends == float("inf"):
            ends = time.perf_counter() + 60 * minutes
        samples.append((time.perf_counter() - started, resident(process.pid), step))
        time.sleep(INTERVAL)
    return samples


@command
def main() -> None:
    """Trains on each corpus, prints the table and writes the results."""
    options = parse_arguments()
    from poet_model.machine import machine

    contenders = {"": ROOT} | ({" (before)": options.against.resolve()} if options.against else {})
    rows, record = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for size in options.sizes:
            corpus = prepared(size, Path(folder))
            with open(corpus, encoding="utf-8") as file:
                characters = json.loads(next(file))["characters"]["train"]
            for suffix, checkout in contenders.items():
                rounds = [watch(corpus, checkout, options) for _ in range(options.rounds)]
                rounds.sort(key=lambda training: training["training_mib"])
                result = rounds[len(rounds) // 2] | {"characters": characters}
                result["rounds_mib"] = [training["training_mib"] for training in rounds]
                record[size + suffix] = result
                print(f"  {size + suffix}: {result}", file=sys.stderr)
                rows.append(
                    [
                        size + suffix,
                        f"{characters / 1e6:.1f} M",
                        f"{result['reading_mib']:,}",
                        f"{result['training_mib']:,}",
                        " ".join(str(size) for size in result["rounds_mib"]),
                        " ".join(str(size) for size in result["tenths_mib"]),
                        f"{result['tokens_per_second']:,}",
                        f"{result['steps']:,}",
                    ]
                )
            corpus.unlink()
    columns = ["", "characters", "MiB reading", "MiB training", "in each round"]
    columns += ["in each tenth", "tokens/s", "steps"]
    show(f"Resident memory of a training, preset {options.preset}\n{machine()}", columns, rows)
    finish({"what": "memory of a training, MiB resident", "where": machine(), "sizes": record}, options.json)


if __name__ == "__main__":
    sys.exit(main())
