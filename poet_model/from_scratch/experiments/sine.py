"""An RNN of 32 units predicts the next point of a sine. Its state is carried from step to step.

python -m poet_model.from_scratch.experiments.sine
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import rnn
from ..functional import affine, affine_backward
from ..initializers import uniform
from ..optimizers import Adam
from ..rnn import Weights
from .common import need, run_experiment

HIDDEN, STEPS, POINTS, SPACING = 32, 75, 50, np.pi / 25
SHOWN_EVERY = 15


def stretch(step: int) -> tuple[np.ndarray, np.ndarray]:
    """The points of a training step and the points that follow them, each (1, 50, 1)."""
    t = (step * POINTS + np.arange(POINTS + 1)) * SPACING
    points = np.sin(t)[None, :, None]
    return points[:, :-1], points[:, 1:]


def first_parameters() -> dict[str, np.ndarray]:
    """The initial weights of both models, in float64."""
    rng = np.random.default_rng(0)
    shapes = {
        "weight_ih": (HIDDEN, 1),
        "weight_hh": (HIDDEN, HIDDEN),
        "bias_ih": (HIDDEN,),
        "bias_hh": (HIDDEN,),
        "output": (1, HIDDEN),
        "bias": (1,),
    }
    scaled = {name: uniform(shape, rng).astype(float) for name, shape in shapes.items() if len(shape) > 1}
    scaled["weight_ih"] /= HIDDEN**0.5  # torch's nn.RNN scales all weights by the hidden size
    return {name: scaled.get(name, np.zeros(shape)) for name, shape in shapes.items()}


def with_numpy(steps: int) -> tuple[list[float], dict[int, list[float]]]:
    """Trains the NumPy model; returns its loss at every step, and its predictions at some steps."""
    p, h = first_parameters(), np.zeros((1, HIDDEN))
    optimizer, losses, shown = Adam(p, 0.01), [], {}
    for step in range(steps):
        x, y = stretch(step)
        w = Weights(*(p[name] for name in Weights._fields))
        states, h_last, caches = rnn.forward(x, h, w)
        predicted = affine(states, p["output"], p["bias"])
        losses.append(float(((predicted - y) ** 2).mean()))
        d_states, d_output, d_bias = affine_backward(2 * (predicted - y) / y.size, states, p["output"])
        _, _, grads = rnn.backward(d_states, np.zeros_like(h), caches, w)
        optimizer.step({**grads._asdict(), "output": d_output, "bias": d_bias})
        h = h_last  # the state is carried on, the gradient is not
        if (step + 1) % SHOWN_EVERY == 0 or step == 0:
            shown[step + 1] = predicted.ravel().round(5).tolist()
    return losses, shown


def with_torch(steps: int) -> list[float]:
    """Trains the same model with nn.RNN and autograd; returns its loss at every step."""
    torch = need("torch")
    first = {name: torch.tensor(value) for name, value in first_parameters().items()}
    layer = torch.nn.RNN(1, HIDDEN, batch_first=True, dtype=torch.float64)
    output = torch.nn.Linear(HIDDEN, 1, dtype=torch.float64)
    layer.load_state_dict({f"{name}_l0": first[name] for name in Weights._fields})
    output.load_state_dict({"weight": first["output"], "bias": first["bias"]})
    optimizer = torch.optim.Adam([*layer.parameters(), *output.parameters()], 0.01)
    losses, h = [], None
    for step in range(steps):
        x, y = map(torch.tensor, stretch(step))
        states, h = layer(x, h)
        loss = ((output(states) - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        h = h.detach()
    return losses


def run(quick: bool) -> dict[str, Any]:
    """Trains both models; returns the losses, and what the NumPy model predicts every 15 steps."""
    steps = 15 if quick else STEPS
    (ours, shown), theirs = with_numpy(steps), with_torch(steps)
    marks = [1, *range(SHOWN_EVERY, steps + 1, SHOWN_EVERY)]
    return {
        "columns": ["step", "loss, NumPy", "loss, torch"],
        "rows": [[step, ours[step - 1], theirs[step - 1]] for step in marks],
        "losses": {"NumPy": ours, "torch": theirs},
        "predictions": shown,
        "final_loss": ours[-1],
        "notes": ["mean squared error; goal: from about 0.47 to under 5e-4 in 75 steps"],
    }


def draw(record: dict[str, Any], figure: Any) -> None:
    """Plots the losses, and the predictions over the sine."""
    shown = {int(step): points for step, points in record["predictions"].items()}
    parts = figure.subplots(2, (len(shown) + 2) // 2).ravel()
    for name, style in (("NumPy", "-"), ("torch", ":")):
        parts[0].semilogy(record["losses"][name], style, label=name)
    parts[0].set_title("loss", fontsize=9)
    parts[0].legend(fontsize=7)
    for axes, (step, points) in zip(parts[1:], shown.items(), strict=False):
        axes.plot(stretch(step - 1)[1].ravel(), label="sine")
        axes.plot(points, "--", label="predicted")
        axes.set_title(f"step {step}", fontsize=9)
    parts[1].legend(fontsize=7)
    for axes in parts[1 + len(shown) :]:
        axes.set_axis_off()


if __name__ == "__main__":
    raise SystemExit(run_experiment(__file__, run, draw))
