"""What the first weights do: zero, all equal, normal(0.02), uniform, Xavier, orthogonal.

    python -m poet_model.from_scratch.experiments.initialization

Zero weights: all units of a layer stay equal and the loss stalls. Zero biases alone do no harm: every row
here has them.
"""

from __future__ import annotations

import numpy as np

from ..char_lm import CharLM, CharLMConfig
from ..optimizers import Adam, clip_gradients
from ..training import batches, encode
from ..vocabulary import Vocabulary
from .common import progress, run_experiment, three_hundred

KINDS = ("zeros", "all 0.02", "normal", "uniform", "xavier", "orthogonal")


def unit_spread(model: CharLM) -> float:
    """How far the LSTM's units are from being copies of each other: 0 if all rows of a gate are equal."""
    rows = model.parameters["lstm.layers.0.weight_ih_l0"].reshape(4, model.config.hidden_size, -1)
    return float(rows.std(axis=1).mean())


def one(kind: str, poems: list[str], vocabulary: Vocabulary, epochs: int) -> dict:
    """Losses by epoch, the first gradient's norms, and how equal the units are at the end."""
    init = "zeros" if kind == "all 0.02" else kind
    model = CharLM(CharLMConfig(len(vocabulary), 64, 64), vocabulary, seed=0, init=init)
    if kind == "all 0.02":
        for name, parameter in model.parameters.items():
            if parameter.ndim > 1 and name != "embedding.weight":
                parameter += 0.02
        rng = np.random.default_rng(0)  # the characters may differ; the units still see the same
        model.parameters["embedding.weight"] += 0.02 * rng.standard_normal((len(vocabulary), 64))
    optimizer, rows, losses, first = Adam(model.parameters, 0.01), encode(model, poems, 64), [], None
    for epoch in range(epochs):
        nats = tokens = 0.0
        rng = np.random.default_rng([0, epoch])
        for ids, targets, mask in batches(rows, 32, len(model.prompt), rng):
            loss, grads, _ = model.fast_loss_and_gradients(ids, targets, mask)
            if first is None:
                first = float(np.linalg.norm(grads["lstm.layers.0.weight_hh_l0"]))
            clip_gradients(grads, 5.0)
            optimizer.step(grads)
            nats, tokens = nats + loss * float(mask.sum()), tokens + float(mask.sum())
        losses.append(round(nats / tokens, 4))
    return {"losses": losses, "first_gradient": first, "spread": unit_spread(model)}


def run(quick: bool) -> dict:
    """A row a kind of first weights."""
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


def draw(record: dict, figure) -> None:
    """Loss by epoch."""
    axes = figure.subplots()
    for kind, losses in record["curves"].items():
        axes.plot(range(1, len(losses) + 1), losses, label=kind, linestyle="--" if kind[0] in "za" else "-")
    axes.set(xlabel="epoch", ylabel="training loss (nats)", title="The same LSTM from other first weights")
    axes.legend()


if __name__ == "__main__":
    raise SystemExit(run_experiment(__file__, run, draw))
