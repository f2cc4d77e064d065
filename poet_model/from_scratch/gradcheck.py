"""Checks gradients of any function of arrays, by central differences in float64.

    python -m poet_model.from_scratch.gradcheck

checks the RNN, both LSTMs, embedding, affine and cross-entropy, and prints each parameter's relative error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ..terminal import on_any_terminal
from . import functional, lstm, rnn
from .fast import FastLSTM
from .functional import Array
from .rnn import Weights

STEP = 1e-5  # the error of a central difference is O(STEP²) + O(1e-16 / STEP), which is smallest near here
TOLERANCE = 1e-7


def numerical_gradient(loss: Callable[[], float], parameter: Array, step: float = STEP) -> Array:
    """(L(p + step) - L(p - step)) / (2 step) for each element p of a float64 array."""
    if parameter.dtype != np.float64:
        raise ValueError(f"central differences need float64, got {parameter.dtype}")
    gradient = np.empty_like(parameter)
    for place in np.ndindex(parameter.shape):
        value = parameter[place]
        parameter[place] = value + step
        above = loss()
        parameter[place] = value - step
        below = loss()
        parameter[place] = value
        gradient[place] = (above - below) / (2 * step)
    return gradient


def relative_error(gradient: Array, expected: Array) -> float:
    """|a - b| / (|a| + |b|) in Euclidean norm: 0 if both are equal, 1 if they are opposite or one is 0."""
    total = np.linalg.norm(gradient) + np.linalg.norm(expected)
    return float(np.linalg.norm(gradient - expected) / total) if total else 0.0


def check(
    loss: Callable[[], float], parameters: Mapping[str, Array], gradients: Mapping[str, Array]
) -> dict[str, float]:
    """The relative error of each parameter's gradient."""
    return {
        name: relative_error(gradients[name], numerical_gradient(loss, parameter))
        for name, parameter in parameters.items()
    }


def random_weights(gates: int, input_size: int, hidden_size: int, rng: np.random.Generator) -> Weights:
    """Random float64 weights of a layer, for a check."""
    rows = gates * hidden_size
    shapes = (rows, input_size), (rows, hidden_size), (rows,), (rows,)
    return Weights(*(0.5 * rng.standard_normal(shape) for shape in shapes))


def check_rnn(rng: np.random.Generator, padded: bool = False) -> dict[str, float]:
    """The errors of `rnn.backward`. The loss is a randomly weighted sum of all that `rnn.forward` returns."""
    w = random_weights(1, 4, 5, rng)
    x, h0, mask = rng.standard_normal((3, 6, 4)), rng.standard_normal((3, 5)), _mask(padded)
    d_states, dh_last = rng.standard_normal((3, 6, 5)), rng.standard_normal((3, 5))

    def loss() -> float:
        states, last, _ = rnn.forward(x, h0, w, mask)
        return float((states * d_states).sum() + (last * dh_last).sum())

    dx, dh0, grads = rnn.backward(d_states, dh_last, rnn.forward(x, h0, w, mask)[2], w, mask)
    parameters = {"x": x, "h0": h0, **w._asdict()}
    return check(loss, parameters, {"x": dx, "h0": dh0, **grads._asdict()})


def check_lstm(
    rng: np.random.Generator,
    padded: bool = False,
    step_backward: Callable[..., tuple[Array, Array, Array, Weights]] = lstm.step_backward,
) -> dict[str, float]:
    """The errors of `lstm.backward`, checked in the same way, with the given `step_backward`."""
    w = random_weights(4, 4, 5, rng)
    x, mask = rng.standard_normal((3, 6, 4)), _mask(padded)
    h0, c0, dh_last, dc_last = rng.standard_normal((4, 3, 5))
    d_outputs = rng.standard_normal((3, 6, 5))

    def loss() -> float:
        outputs, (h, c), _ = lstm.forward(x, h0, c0, w, mask)
        return float((outputs * d_outputs).sum() + (h * dh_last).sum() + (c * dc_last).sum())

    caches = lstm.forward(x, h0, c0, w, mask)[2]
    dx, (dh0, dc0), grads = lstm.backward(
        d_outputs, (dh_last, dc_last), caches, w, mask, step_backward=step_backward
    )
    parameters = {"x": x, "h0": h0, "c0": c0, **w._asdict()}
    return check(loss, parameters, {"x": dx, "h0": dh0, "c0": dc0, **grads._asdict()})


def check_fast_lstm(rng: np.random.Generator) -> dict[str, float]:
    """The errors of `FastLSTM.backward`, checked in the same way. Its arrays are time-first."""
    w, layer = random_weights(4, 4, 5, rng), FastLSTM()
    x, d_outputs = rng.standard_normal((6, 3, 4)), rng.standard_normal((6, 3, 5))
    h0, c0, dh_last, dc_last = rng.standard_normal((4, 3, 5))

    def loss() -> float:
        outputs, (h, c) = layer.forward(x, h0, c0, w)
        return float((outputs * d_outputs).sum() + (h * dh_last).sum() + (c * dc_last).sum())

    loss()
    dx, (dh0, dc0), grads = layer.backward(d_outputs, (dh_last, dc_last))
    gradients = {"x": dx.copy(), "h0": dh0.copy(), "c0": dc0.copy(), **grads._asdict()}
    return check(loss, {"x": x, "h0": h0, "c0": c0, **w._asdict()}, gradients)


def check_output(rng: np.random.Generator) -> dict[str, float]:
    """The errors of embedding -> affine -> cross-entropy, for a padded batch."""
    ids, targets, mask = rng.integers(0, 7, (3, 6)), rng.integers(0, 9, (3, 6)), _mask(True)
    table, weight, bias = rng.standard_normal((7, 4)), rng.standard_normal((9, 4)), rng.standard_normal(9)

    def logits() -> Array:
        return functional.affine(functional.embedding(ids, table), weight, bias)

    def loss() -> float:
        return functional.cross_entropy(logits(), targets, mask)[0]

    dlogits = functional.cross_entropy_backward(functional.cross_entropy(logits(), targets, mask)[1])
    dx, dweight, dbias = functional.affine_backward(dlogits, functional.embedding(ids, table), weight)
    dtable = functional.embedding_backward(dx, ids, len(table))
    return check(
        loss,
        {"embedding": table, "weight": weight, "bias": bias},
        {"embedding": dtable, "weight": dweight, "bias": dbias},
    )


def _mask(padded: bool) -> Array | None:
    """A mask for rows of 6, 4 and 1 characters; None if there is no padding."""
    return (np.arange(6) < np.array([[6], [4], [1]])).astype(float) if padded else None


CHECKS: dict[str, Callable[[np.random.Generator], dict[str, float]]] = {
    "RNN": check_rnn,
    "RNN, padded rows": lambda rng: check_rnn(rng, padded=True),
    "LSTM": check_lstm,
    "LSTM, padded rows": lambda rng: check_lstm(rng, padded=True),
    "fast LSTM": check_fast_lstm,
    "embedding, affine, cross-entropy": check_output,
}


@on_any_terminal
def main(checks: Mapping[str, Callable[[np.random.Generator], dict[str, float]]] = CHECKS) -> int:
    """Runs the checks and prints their errors. Returns 1 if a gradient is wrong, else 0."""
    worst = 0.0
    for title, run in checks.items():
        errors = run(np.random.default_rng(0))
        print(title)
        for name, error in errors.items():
            print(f"  {name:<10} {error:.1e}")
        worst = max(worst, *errors.values())
    verdict = "every gradient is right" if worst < TOLERANCE else "A GRADIENT IS WRONG"
    print(f"\nlargest relative error {worst:.1e}, allowed {TOLERANCE:.0e}: {verdict}")
    return int(worst >= TOLERANCE)


if __name__ == "__main__":
    raise SystemExit(main())
