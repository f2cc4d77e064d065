"""Eleven optimizers on the same small poem LSTM, and each against its torch.optim twin, step by step.

python -m poet_model.from_scratch.experiments.optimizers
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..char_lm import CharLM
from ..config import CharLMConfig
from ..data import encode
from ..functional import perplexity
from ..optimizers import OPTIMIZERS, AdaBound
from ..training import train_epoch
from ..vocabulary import Vocabulary
from .common import need, progress, run_experiment, three_hundred

# All are tried and the best is shown, so that each optimizer is compared at its own best learning rate.
RATES = {
    "sgd": (3.0, 10.0, 30.0),
    "momentum": (1.0, 3.0, 10.0),
    "nesterov": (1.0, 3.0, 10.0),
    "adagrad": (0.1, 0.3, 1.0),
    "rmsprop": (0.003, 0.01, 0.03),
    "adadelta": (30.0, 100.0, 300.0),
    "adam": (0.01, 0.03, 0.1),
    "adamw": (0.01, 0.03, 0.1),
    "adamax": (0.03, 0.1, 0.3),
    "nadam": (0.01, 0.03, 0.1),
    "adabound": (0.003, 0.01, 0.1),
}
# The rate of SGD that AdaBound converges to, times 1/√t. With 0.1, as in the paper, it hardly learns here.
FINAL_RATE = 30.0
TWINS = {
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "adagrad": ("Adagrad", {}),
    "rmsprop": ("RMSprop", {}),
    "adadelta": ("Adadelta", {}),
    "adam": ("Adam", {}),
    "adamw": ("AdamW", {}),
    "adamax": ("Adamax", {}),
    "nadam": ("NAdam", {}),
}
STEPS = 50


def curve(name: str, rate: float, poems: list[str], vocabulary: Vocabulary, epochs: int) -> list[float]:
    """The training loss of each epoch, padding not counted, from the same initial weights and batches."""
    model = CharLM(CharLMConfig(len(vocabulary), 64, 64), vocabulary, seed=0)
    settings = {"final_rate": FINAL_RATE} if name == "adabound" else {}
    optimizer = OPTIMIZERS[name](model.parameters, rate, **settings)
    rows = encode(model, poems, 64)
    return [
        train_epoch(model, optimizer, rows, 32, np.random.default_rng([0, epoch])) for epoch in range(epochs)
    ]


def difference_to_twin(name: str) -> float:
    """The largest |ours - torch's| of any parameter in 50 steps with random gradients, in float64."""
    if name not in TWINS:
        return difference_to_paper()
    torch = need("torch")
    rng = np.random.default_rng(0)
    ours = {"p": rng.standard_normal((6, 5))}
    theirs = torch.nn.Parameter(torch.tensor(ours["p"]))
    twin, settings = TWINS[name]
    make: Any = OPTIMIZERS[name]  # each has a learning rate of its own as its default
    optimizer = make(ours)
    twin = getattr(torch.optim, twin)([theirs], lr=optimizer.learning_rate, **settings)
    largest = 0.0
    for _ in range(STEPS):
        gradient = rng.standard_normal((6, 5))
        optimizer.step({"p": gradient})
        theirs.grad = torch.tensor(gradient)
        twin.step()
        largest = max(largest, float(np.abs(ours["p"] - theirs.detach().numpy()).max()))
    return largest


def difference_to_paper() -> float:
    """The same for AdaBound and algorithm 2 of Luo et al. 2019, written out here for a single number."""
    rng = np.random.default_rng(0)
    ours, x, m, v, largest = {"p": np.array([1.0])}, 1.0, 0.0, 0.0, 0.0
    optimizer = AdaBound(ours, learning_rate=1e-3)
    for t in range(1, STEPS + 1):
        g = float(rng.standard_normal())
        optimizer.step({"p": np.array([g])})
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        low, high = 0.1 - 0.1 / (0.001 * t + 1), 0.1 + 0.1 / (0.001 * t)
        x -= min(max(1e-3 / math.sqrt(v), low), high) / math.sqrt(t) * m
        largest = max(largest, abs(float(ours["p"][0]) - x))
    return largest


def run(quick: bool) -> dict[str, Any]:
    """Trains with every optimizer, and compares each with its torch twin."""
    poems, _ = three_hundred()
    poems = poems[:64] if quick else poems
    vocabulary, epochs = Vocabulary.from_texts(poems, 1000), 2 if quick else 20
    curves, best_rates = {}, {}
    for name in progress(OPTIMIZERS, len(OPTIMIZERS), "optimizers"):
        tried = {rate: curve(name, rate, poems, vocabulary, epochs) for rate in RATES[name][quick:]}
        best_rates[name] = min(tried, key=lambda rate: tried[rate][-1])
        curves[name] = tried[best_rates[name]]
    differences = {name: difference_to_twin(name) for name in OPTIMIZERS}
    rows = [
        [
            name,
            best_rates[name],
            losses[-1],
            perplexity(losses[-1]),
            f"{differences[name]:.0e}",
            "torch" if name in TWINS else "paper",
        ]
        for name, losses in sorted(curves.items(), key=lambda item: item[1][-1])
    ]
    return {
        "columns": ["optimizer", "best rate", f"loss, epoch {epochs}", "perplexity", "error", "to"],
        "rows": rows,
        "curves": {name: [round(loss, 4) for loss in losses] for name, losses in curves.items()},
        "largest_difference": max(differences.values()),
        "notes": [
            f"{len(poems)} poems, LSTM of 64 units; training loss in nats, padding not counted",
            f"error: the largest difference from torch's optimizer, or from the paper, in {STEPS} steps; "
            "goal 1e-6",
        ],
    }


def draw(record: dict[str, Any], figure: Any) -> None:
    """Plots loss and perplexity by epoch."""
    left, right = figure.subplots(1, 2)
    for number, (name, losses) in enumerate(record["curves"].items()):
        epochs, style = range(1, len(losses) + 1), "-" if number < 6 else "--"
        left.plot(epochs, losses, style, label=name)
        right.plot(epochs, [math.exp(loss) for loss in losses], style)
    left.set(xlabel="epoch", ylabel="training loss (nats)", title="The same LSTM, eleven optimizers")
    right.set(xlabel="epoch", ylabel="training perplexity", yscale="log", title="Perplexity")
    left.legend(fontsize=7, ncols=2)


if __name__ == "__main__":
    raise SystemExit(run_experiment(__file__, run, draw))
