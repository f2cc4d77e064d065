"""唐詩三百首 learned by heart, all in NumPy: an LSTM of 128 units, 30 epochs, then poems.

    python -m poet_model.from_scratch.experiments.tang_mini_numpy

The mini set has no punctuation, which is added when a poem is shown. Its vocabulary has the 2,503 most
frequent characters and five special tokens. Batches have 32 rows of at most 128 characters; a longer poem is
cut into pieces, each a row of its own. The published run reached a training perplexity of 1.93 in 30 epochs
of 57.08 s. This tests how well a model learns by heart. The model knows nothing about other poems, as its
perplexity on held-out poems shows.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ..char_lm import CharLM
from ..config import TrainingConfig
from ..data import encode
from ..functional import perplexity
from ..optimizers import OPTIMIZERS
from ..presets import load_preset, new_model
from ..training import evaluate, train_epoch
from ..vocabulary import Vocabulary
from ..writing import generate, punctuate
from .common import progress, run_experiment, three_hundred

STARTS = "紅山夜湖海月日"
PUBLISHED_PERPLEXITY, PUBLISHED_SECONDS = 1.93, 57.08


def train(model: CharLM, poems: list[str], config: TrainingConfig) -> list[dict[str, Any]]:
    """One record per epoch: training loss, perplexity without and with padding counted, and seconds."""
    pieces = [poem[at : at + config.length] for poem in poems for at in range(0, len(poem), config.length)]
    rows, records = encode(model, pieces, config.length), []
    share_of_tokens = sum(len(row) - len(model.prompt) for row in rows) / (len(rows) * (config.length + 1))
    optimizer = OPTIMIZERS[config.optimizer](model.parameters, config.learning_rate)
    for epoch in progress(range(config.epochs), config.epochs, "epochs"):
        started, rng = time.perf_counter(), np.random.default_rng([config.seed, epoch])
        loss = train_epoch(model, optimizer, rows, config.batch_size, rng, max_grad_norm=config.max_grad_norm)
        records.append(
            {
                "epoch": epoch + 1,
                "loss": round(loss, 4),
                "perplexity": round(perplexity(loss), 3),
                "perplexity_with_padding": round(perplexity(loss * share_of_tokens), 3),
                "seconds": round(time.perf_counter() - started, 2),
            }
        )
    return records


def run(quick: bool) -> dict[str, Any]:
    """Trains, and writes one poem for each start, with seed 0."""
    poems, valid = three_hundred(punctuation=False)
    poems, epochs = (poems[:40], 2) if quick else (poems, 30)
    preset = load_preset("mini")
    config = TrainingConfig(**preset["training"] | {"epochs": epochs})
    vocabulary = Vocabulary.from_texts(poems + valid, preset["vocabulary_size"])
    model = new_model(preset, vocabulary, config.seed)
    records = train(model, poems, config)
    last, seconds = records[-1], float(np.median([record["seconds"] for record in records]))
    held_out = evaluate(model, valid)["perplexity"]
    known = [start for start in STARTS if start in vocabulary.ids]
    shown = [record for record in records if record["epoch"] % 5 == 0 or record["epoch"] == 1] or records
    return {
        "columns": ["epoch", "loss", "perplexity", "if padding counts as correct", "seconds"],
        "rows": [list(record.values()) for record in shown],
        "curve": records,
        "perplexity": last["perplexity"],
        "perplexity_of_poems_kept_out": round(held_out, 1),
        "seconds_per_epoch": seconds,
        "published": {"perplexity": PUBLISHED_PERPLEXITY, "seconds_per_epoch": PUBLISHED_SECONDS},
        "poems": {start: punctuate(generate(model, start, seed=0).text) for start in known},
        "notes": [
            f"training perplexity {last['perplexity']:.2f} (published: {PUBLISHED_PERPLEXITY}; goal: 2)",
            f"{seconds:.2f} seconds an epoch (published: {PUBLISHED_SECONDS})",
            f"perplexity on {len(valid)} held-out poems: {held_out:,.0f}, since the model learns the others "
            "by heart",
        ],
    }


def draw(record: dict[str, Any], figure: Any) -> None:
    """Plots the perplexity by epoch."""
    axes = figure.subplots()
    epochs = [line["epoch"] for line in record["curve"]]
    axes.semilogy(epochs, [line["perplexity"] for line in record["curve"]], label="ours")
    axes.axhline(PUBLISHED_PERPLEXITY, linestyle="--", color="gray", label="published, epoch 30")
    axes.set(xlabel="epoch", ylabel="training perplexity", title="300 Tang poems by heart, NumPy")
    axes.legend()


if __name__ == "__main__":
    raise SystemExit(run_experiment(__file__, run, draw))
