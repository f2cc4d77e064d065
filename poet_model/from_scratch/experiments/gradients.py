"""The hand-written gradients against central differences and torch's autograd, parameter by parameter.

python -m poet_model.from_scratch.experiments.gradients
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import gradcheck, lstm, rnn
from ..gradcheck import random_weights, relative_error
from ..rnn import Weights
from .common import need, run_experiment

BATCH, STEPS, INPUT, HIDDEN = 3, 6, 4, 5


def errors_against_torch(cell: str) -> dict[str, float]:
    """Relative errors of the gradients of x, the first state and the weights, for a random loss."""
    torch = need("torch")
    rng = np.random.default_rng(0)
    w = random_weights(4 if cell == "LSTM" else 1, INPUT, HIDDEN, rng)
    x, d_outputs = rng.standard_normal((BATCH, STEPS, INPUT)), rng.standard_normal((BATCH, STEPS, HIDDEN))
    h0, c0, zeros = *rng.standard_normal((2, BATCH, HIDDEN)), np.zeros((BATCH, HIDDEN))
    if cell == "LSTM":
        dx, (dh0, dc0), grads = lstm.backward(d_outputs, (zeros, zeros), lstm.forward(x, h0, c0, w)[2], w)
    else:
        dx, dh0, grads = rnn.backward(d_outputs, zeros, rnn.forward(x, h0, w)[2], w)
    ours = {"x": dx, "h0": dh0, **({"c0": dc0} if cell == "LSTM" else {}), **grads._asdict()}

    layer = getattr(torch.nn, cell)(INPUT, HIDDEN, batch_first=True, dtype=torch.float64)
    names = [f"{name}_l0" for name in Weights._fields]
    layer.load_state_dict({name: torch.tensor(value) for name, value in zip(names, w, strict=True)})
    leaves = {"x": x, "h0": h0[None], "c0": c0[None]}
    leaves = {name: torch.tensor(value, requires_grad=True) for name, value in leaves.items()}
    state = (leaves["h0"], leaves["c0"]) if cell == "LSTM" else leaves["h0"]
    (layer(leaves["x"], state)[0] * torch.tensor(d_outputs)).sum().backward()
    theirs = {name: leaf.grad for name, leaf in leaves.items() if leaf.grad is not None}
    theirs |= {name.removesuffix("_l0"): getattr(layer, name).grad for name in names}
    return {
        name: relative_error(value.reshape(-1), theirs[name].numpy().reshape(-1))
        for name, value in ours.items()
    }


def run(quick: bool) -> dict[str, Any]:
    """The errors of all gradients, in float64."""
    numerical = {
        "RNN": gradcheck.check_rnn(np.random.default_rng(0)),
        "LSTM": gradcheck.check_lstm(np.random.default_rng(0)),
    }
    rows: list[list[Any]] = [
        [f"{cell} {name}", error, errors[name]]
        for cell in numerical
        for errors in [errors_against_torch(cell)]
        for name, error in numerical[cell].items()
    ]
    worst = max(max(row[1:]) for row in rows)
    return {
        "columns": ["gradient of", "difference from central differences", "difference from torch autograd"],
        "rows": rows,
        "largest_error": worst,
        "notes": [f"largest relative error {worst:.1e} (goal: under {gradcheck.TOLERANCE:.0e}), float64"],
    }


def draw(record: dict[str, Any], figure: Any) -> None:
    """Plots the errors on a logarithmic axis."""
    axes = figure.subplots()
    places = np.arange(len(record["rows"]))
    for number, column in enumerate(record["columns"][1:]):
        values = [max(row[1 + number], 1e-17) for row in record["rows"]]
        axes.bar(places + 0.4 * number - 0.2, values, 0.4, label=column)
    axes.axhline(gradcheck.TOLERANCE, color="gray", linestyle="--", label="allowed")
    axes.set_xticks(places, [row[0] for row in record["rows"]], rotation=60, ha="right", fontsize=8)
    axes.set(yscale="log", ylabel="relative error", title="Hand-written gradients, float64")
    axes.legend()


if __name__ == "__main__":
    raise SystemExit(run_experiment(__file__, run, draw))
