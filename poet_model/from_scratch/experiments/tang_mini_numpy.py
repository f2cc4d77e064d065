"""唐詩三百首 by heart, all in NumPy: an LSTM of 128 units, 30 epochs, then poems.

    python -m poet_model.from_scratch.experiments.tang_mini_numpy

The mini set has no punctuation (it is put in when a poem is shown), its vocabulary the 2,503 commonest
characters and five special tokens; batches of 32, rows of at most 128 characters (longer poems go on in
the next row). The published run reached training perplexity 1.93 in 30 epochs of 57.08 s. It is a test of
learning by heart: such a model knows nothing of other poems, and the perplexity on poems kept out shows
it.
"""

from __future__ import annotations

import time

import numpy as np

from ..char_lm import CharLM
from ..command_line import load_preset, model_of
from ..functional import perplexity
from ..optimizers import OPTIMIZERS, clip_gradients
from ..training import TrainingConfig, batches, encode, evaluate
from ..vocabulary import Vocabulary
from ..writing import generate, punctuate
from .common import progress, run_experiment, three_hundred

STARTS = "紅山夜湖海月日"
PUBLISHED_PERPLEXITY, PUBLISHED_SECONDS = 1.93, 57.08


def train(model: CharLM, poems: list[str], config: TrainingConfig) -> list[dict]:
    """A line an epoch: loss and perplexity of the training itself, padding counted and not, and seconds."""
    pieces = [poem[at : at + config.length] for poem in poems for at in range(0, len(poem), config.length)]
    rows, records = encode(model, pieces, config.length), []
    optimizer = OPTIMIZERS[config.optimizer](model.parameters, config.learning_rate)
    for epoch in progress(range(config.epochs), config.epochs, "epochs"):
        started, nats, tokens, places = time.perf_counter(), 0.0, 0.0, 0
        rng = np.random.default_rng([config.seed, epoch])
        for ids, targets, mask in batches(rows, config.batch_size, len(model.prompt), rng):
            loss, grads, _ = model.fast_loss_and_gradients(ids, targets, mask)
            clip_gradients(grads, config.max_grad_norm)
            optimizer.step(grads)
            count = float(mask.sum())
            nats, tokens, places = (
                nats + loss * count,
                tokens + count,
                places + len(ids) * (config.length + 1),
            )
        records.append(
            {
                "epoch": epoch + 1,
                "loss": round(nats / tokens, 4),
                "perplexity": round(perplexity(nats / tokens), 3),
                "perplexity_with_padding": round(perplexity(nats / places), 3),
                "seconds": round(time.perf_counter() - started, 2),
            }
        )
    return records


def run(quick: bool) -> dict:
    """Trains, and writes a poem for each start, first seed."""
    poems, valid = three_hundred(punctuation=False)
    poems, epochs = (poems[:40], 2) if quick else (poems, 30)
    preset = load_preset("mini")
    config = TrainingConfig(**preset["training"] | {"epochs": epochs})
    vocabulary = Vocabulary.from_texts(poems + valid, preset["vocabulary_size"])
    model = model_of(preset, vocabulary, config.seed)
    records = train(model, poems, config)
    last, seconds = records[-1], float(np.median([record["seconds"] for record in records]))
    held_out = evaluate(model, valid)["perplexity"]
    known = [start for start in STARTS if start in vocabulary.ids]
    shown = [record for record in records if record["epoch"] % 5 == 0 or record["epoch"] == 1] or records
    return {
        "columns": ["epoch", "loss", "perplexity", "padding counted as right", "seconds"],
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
            f"perplexity of {len(valid)} poems kept out: {held_out:,.0f}, as it learns the others by heart",
        ],
    }


def draw(record: dict, figure) -> None:
    """Perplexity by epoch."""
    axes = figure.subplots()
    epochs = [line["epoch"] for line in record["curve"]]
    axes.semilogy(epochs, [line["perplexity"] for line in record["curve"]], label="ours")
    axes.axhline(PUBLISHED_PERPLEXITY, linestyle="--", color="gray", label="published, epoch 30")
    axes.set(xlabel="epoch", ylabel="training perplexity", title="300 Tang poems by heart, NumPy")
    axes.legend()


if __name__ == "__main__":
    raise SystemExit(run_experiment(__file__, run, draw))
