"""The effect of the initial weights: zero, all equal, normal(0.02), uniform, Xavier, orthogonal.

    python -m poet_model.from_scratch.experiments.initialization

With zero weights, all units of a layer stay equal and the loss stalls. Zero biases alone do no harm: every
row of the table has them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..char_lm import CharLM
from ..config import CharLMConfig
from ..data import batches, encode
from ..optimizers import Adam
from ..training import train_epoch
from ..vocabulary import Vocabulary
from .common import progress, run_experiment, three_hundred

KINDS = ("zeros", "all 0.02", "normal", "uniform", "xavier", "orthogonal")


def unit_spread(model: CharLM) -> float:
    """How much the units of the LSTM differ from each other: 0 if all rows of a gate are equal."""
    rows = model.parameters["lstm.layers.0.weight_ih_l0"].reshape(4, model.config.hidden_size, -1)
    return float(rows.std(axis=1).mean())


def one(kind: str, poems: list[str], vocabulary: Vocabulary, epochs: int) -> dict[str, Any]:
    """Trains from one kind of weights; returns the losses, first gradient's norm and final spread."""
    init = "zeros" if kind == "all 0.02" else kind
    model = CharLM(CharLMConfig(len(vocabulary), 64, 64), vocabulary, seed=0, init=init)
    if kind == "all 0.02":
        for name, parameter in model.parameters.items():
            if parameter.ndim > 1 and name != "embedding.weight":
                parameter += 0.02
        rng = np.random.default_rng(0)  # the characters differ, but all units see the same
        model.parameters["embedding.weight"] += 0.02 * rng.standard_normal((len(vocabulary), 64))
    optimizer, rows = Adam(model.parameters, 0.01), encode(model, poems, 64)
    first_batch = next(batches(rows, 32, len(model.prompt), np.random.default_rng([0, 0])))
    _, grads, _ = model.fast_loss_and_gradients(*first_batch)
    first_gradient = float(np.linalg.norm(grads["lstm.layers.0.weight_hh_l0"]))
    losses = []
    for epoch in range(epochs):
        rng = np.random.default_rng([0, epoch])
        losses.append(round(train_epoch(model, optimizer, rows, 32, rng, max_grad_norm=5.0), 4))
    return {"losses": losses, "first_gradient": first_gradient, "spread": unit_spread(model)}


def run(quick: bool) -> dict[str, Any]:
    """Trains from each kind of initial weights; the table has one row per kind."""
    poems, _ = three_hundred()
    poems, epochs = (poems[:64], 2) if quick else (poems, 20)
    vocabulary = Vocabulary.from_texts(poems, 1000)
    found = {kind: one(kind, poems, vocabulary, epochs) for kind in progress(KINDS, len(KINDS), "kinds")}
    rows = [
        [kind, result["first_gradient"], result["losses"][0], result["losses"][-1], result["spread"]]
        for kind, result in found.items()
    ]
    return {
        "columns": ["weights", "first |dU|", "loss, epoch 1", f"loss, epoch {epochs}", "units differ by"],
        "rows": rows,
        "curves": {kind: result["losses"] for kind, result in found.items()},
        "notes": [
            "biases begin at 0, those of forget gates at 1, in every row",
            "|dU|: norm of the recurrent weights' first gradient",
        ],
    }


def draw(record: dict[str, Any], figure: Any) -> None:
    """Plots the loss by epoch."""
    axes = figure.subplots()
    for kind, losses in record["curves"].items():
        axes.plot(range(1, len(losses) + 1), losses, label=kind, linestyle="--" if kind[0] in "za" else "-")
    axes.set(xlabel="epoch", ylabel="training loss (nats)", title="The same LSTM, other initial weights")
    axes.legend()


if __name__ == "__main__":
    raise SystemExit(run_experiment(__file__, run, draw))
