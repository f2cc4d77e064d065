"""When Adagrad is better than Adam and when it is worse: sparse, dense and changing gradients.

    python -m poet_model.from_scratch.experiments.adagrad_vs_adam

The task is a linear regression whose features are rarely present (sparse, like characters in a poem) or
always (dense). Adagrad divides the rate of each weight by the root of the sum of its squared gradients,
which suits a convex problem with rare features. If the optimum moves, the rate that was best before has
become too small, while Adam forgets old gradients and follows. With a rate about thirty times as high,
Adagrad can follow too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..optimizers import Adagrad, Adam, Optimizer
from .common import progress, run_experiment

RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
TASKS = {  # share of features present, how often the optimum moves, whether the best rate so far is kept
    "sparse, 1 % of features at a time": (0.01, 0, False),
    "dense, all features": (1.0, 0, False),
    "the optimum moves 10 times, same rate": (1.0, 10, True),
    "the optimum moves 10 times, best rate": (1.0, 10, False),
}
FEATURES = 200


def final_error(
    optimizer: type[Optimizer], rate: float, density: float, moves: int, steps: int
) -> list[float]:
    """|w - w*|² / |w*|² after each step, where w* is the optimum."""
    rng = np.random.default_rng(0)
    w, goal = {"w": np.zeros(FEATURES)}, rng.standard_normal(FEATURES)
    made, errors = optimizer(w, rate), []
    for step in range(steps):
        if moves and step and step % (steps // (moves + 1)) == 0:
            goal = rng.standard_normal(FEATURES)
        x = rng.standard_normal((8, FEATURES)) * (rng.random((8, FEATURES)) < density)
        noise = 0.1 * rng.standard_normal(8)
        made.step({"w": 2 * x.T @ (x @ (w["w"] - goal) - noise) / 8})
        errors.append(float(((w["w"] - goal) ** 2).sum() / (goal**2).sum()))
    return errors


def run(quick: bool) -> dict[str, Any]:
    """Finds the best rate of each optimizer for each task, and its error."""
    steps, rows, curves = 100 if quick else 2000, [], {}
    best_rates: dict[type, float] = {}
    for title, (density, moves, is_kept) in progress(TASKS.items(), len(TASKS), "tasks"):
        for optimizer in (Adagrad, Adam):
            rates = (best_rates[optimizer],) if is_kept else RATES
            tried = {rate: final_error(optimizer, rate, density, moves, steps) for rate in rates}
            best = best_rates[optimizer] = min(tried, key=lambda rate: np.mean(tried[rate][steps // 2 :]))
            curves[f"{title}: {optimizer.__name__}"] = tried[best][:: max(1, steps // 200)]
            rows.append([title, optimizer.__name__, best, float(np.mean(tried[best][steps // 2 :]))])
            rows[-1].append(float(np.mean(tried[best][-steps // 20 :])))
    return {
        "columns": ["gradients", "optimizer", "rate", "error, last half", "error at the end"],
        "rows": rows,
        "curves": curves,
        "steps": steps,
        "notes": [f"error: squared distance to the optimum, 1 at the start; the best of rates {RATES}"],
    }


def draw(record: dict[str, Any], figure: Any) -> None:
    """Plots the error by step, in one plot per task."""
    parts = figure.subplots(1, len(TASKS), sharey=True)
    for axes, title in zip(parts, TASKS, strict=True):
        for name in ("Adagrad", "Adam"):
            curve = record["curves"][f"{title}: {name}"]
            axes.plot(np.linspace(0, record["steps"], len(curve)), np.maximum(curve, 1e-12), label=name)
        axes.set(title=title, xlabel="step", yscale="log")
        axes.title.set_fontsize(9)
    parts[0].set_ylabel("error")
    parts[0].legend()


if __name__ == "__main__":
    raise SystemExit(run_experiment(__file__, run, draw))
