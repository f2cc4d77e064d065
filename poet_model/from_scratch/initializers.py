"""How weights begin, and what that does to the gradients. Each makes one array; none knows a layer.

A gradient that passes n steps is multiplied n times by a weight matrix. If that stretches vectors, the
gradient explodes, if it shrinks them, it vanishes; and if all weights are equal, all units of a layer get the
same gradient and stay equal for ever.
`python -m poet_model.from_scratch.experiments.initialization` shows each.
"""

from __future__ import annotations

import math

import numpy as np

from .functional import Array


def zeros(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """All 0. Right for biases; as weights they keep all units equal, and nothing flows back through them."""
    return np.zeros(shape, np.float32)


def normal(shape: tuple[int, ...], rng: np.random.Generator, std: float = 0.02) -> Array:
    """N(0, std²). A small std makes a safe but slow start: through t steps a gradient shrinks like stdᵗ."""
    return (std * rng.standard_normal(shape)).astype(np.float32)


def uniform(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """U(-1/√K, 1/√K), K the size of what comes in; torch's nn.LSTM takes its hidden size for K."""
    bound = 1 / math.sqrt(shape[-1])
    return rng.uniform(-bound, bound, shape).astype(np.float32)


def xavier(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """U(-a, a), a = √(6 / (K + N)): variances stay the same forward and back (Glorot & Bengio 2010)."""
    bound = math.sqrt(6 / (shape[0] + shape[-1]))
    return rng.uniform(-bound, bound, shape).astype(np.float32)


def orthogonal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Square blocks Q with QᵀQ = 1: no vector is stretched or shrunk, in any number of steps (Saxe 2014)."""
    columns = shape[-1]
    blocks = []
    for start in range(0, shape[0], columns):
        q, r = np.linalg.qr(rng.standard_normal((columns, columns)))
        blocks.append((q * np.sign(np.diag(r)))[: shape[0] - start])  # the signs make it uniform over all Q
    return np.concatenate(blocks).astype(np.float32)


INITIALIZERS = {
    "zeros": zeros,
    "normal": normal,
    "uniform": uniform,
    "xavier": xavier,
    "orthogonal": orthogonal,
}
