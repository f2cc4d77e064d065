"""The hand-written LSTM with torch's autograd: 256 units, batches of 30 poems of any length.

    python -m poet_model.from_scratch.experiments.autograd_lstm

train.py trains it with the preset of the same name. The published run of this exercise ended at a validation
perplexity of 855.8.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from .common import ROOT, need, run_experiment

STARTS = "日紅山夜湖海月"
PUBLISHED = 855.8


def train(output: Path, quick: bool) -> list[dict[str, Any]]:
    """Runs train.py with the preset of the same name and returns the records of its log."""
    options = {"--preset": "autograd_lstm", "--output": output}
    if quick:
        options |= {"--corpus": "tang300", "--limit": 40, "--epochs": 1}
    arguments = [str(part) for pair in options.items() for part in pair]
    done = subprocess.run([sys.executable, ROOT / "train.py", *arguments], cwd=ROOT)
    if done.returncode:
        raise SystemExit("train.py failed; see above")
    lines = (output / "training_log.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def run(quick: bool) -> dict[str, Any]:
    """Trains in a temporary folder, then writes one poem for each start, with seed 0."""
    need("torch")
    with tempfile.TemporaryDirectory() as folder:
        log = train(Path(folder) / "model", quick)
        from ... import PoetModel

        model = PoetModel.from_pretrained(Path(folder) / "model")
    valid = [record for record in log if record["split"] == "valid"]
    best = min(valid, key=lambda record: record["loss"])
    return {
        "columns": ["epoch", "validation loss", "perplexity", "minutes"],
        "rows": [[record[name] for name in ("epoch", "loss", "perplexity", "minutes")] for record in valid],
        "curve": [[record["epoch"], record["split"], record["loss"]] for record in log],
        "perplexity": best["perplexity"],
        "published": {"perplexity": PUBLISHED},
        "poems": {s: model.generate(s, seed=0).text for s in STARTS if s in model.tokenizer},
        "notes": [
            f"validation perplexity {best['perplexity']:.1f} (published: {PUBLISHED}), header empty, "
            f"{model.num_parameters:,} parameters"
        ],
    }


def draw(record: dict[str, Any], figure: Any) -> None:
    """Plots the losses by epoch."""
    axes = figure.subplots()
    for split in ("train", "valid"):
        points = [(epoch, loss) for epoch, name, loss in record["curve"] if name == split]
        axes.plot(*zip(*points, strict=True), label=split, marker="o" if split == "valid" else "")
    axes.set(xlabel="epoch", ylabel="loss (nats)", title="Hand-written LSTM on autograd")
    axes.legend()


if __name__ == "__main__":
    raise SystemExit(run_experiment(__file__, run, draw))
